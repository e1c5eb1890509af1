"""`alignbench label import`: what people said becomes label events."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.assignments import read_assignments
from alignbench.cli.output import json_option, say
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from alignbench.exchange.arriving_labels import ArrivingLabels
    from alignbench.store import Dataset
    from alignbench.types import Role


@click.command("import")
@click.argument("dataset", type=PATH)
@click.argument("file", type=PATH)
@click.option(
    "--from",
    "form",
    type=click.Choice(["label-studio", "argilla", "sheet"]),
    required=True,
    help="What people labelled with.",
)
@click.option("--annotator", metavar="NAME", help="sheet: who labelled, where rows do not say; a pseudonym.")
@click.option(
    "--rename",
    multiple=True,
    callback=read_assignments,
    metavar="ID=NAME",
    help="label-studio: a pseudonym for the annotator of this id; may be repeated.",
)
@click.option("--adjudicate", is_flag=True, help="These are the last word: they decide, whatever the votes.")
@click.option(
    "--rule",
    type=click.Choice(["strict-majority", "majority", "dawid-skene"]),
    help="How votes become a label; by default as before, at first strict-majority.",
)
@click.option("--dry-run", is_flag=True, help="Read and check the file; write nothing.")
@json_option
def import_labels(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    file: Path,
    form: str,
    annotator: str | None,
    rename: dict[str, str],
    adjudicate: bool,
    rule: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Add what people said in FILE to the history of DATASET's labels, and resolve its labels anew.

    Nothing is overwritten: every label keeps its history, and runs of judges stay valid.
    """
    from alignbench.labelling.record import record_events
    from alignbench.store import Dataset
    from alignbench.types import Role

    if annotator is not None and form != "sheet":
        raise UsageError(f"--annotator is for --from sheet; {form} tells annotators apart by itself")
    if rename and form != "label-studio":
        raise UsageError("--rename is for --from label-studio")
    opened = Dataset.open(dataset)
    role = Role.ADJUDICATOR if adjudicate else Role.ANNOTATOR
    arrived = _read(form, opened, file, role, annotator, rename)
    lines = list(arrived.notes.lines())
    if dry_run:
        read = {"dataset": str(dataset), "events": len(arrived.events), "notes": lines}
        say(read, [*lines, f"{file}: {len(arrived.events):,} labels can be imported"], as_json=as_json)
        return
    recording = record_events(dataset, arrived.events, rule=rule)
    lines += [
        f"labels added: {recording.added:,}; known already: {recording.repeated:,}",
        f"sentences with another label than before: {len(recording.changed):,} (rule: {recording.rule})",
        f"next: alignbench label agreement {dataset}",
    ]
    say(recording.to_json() | {"notes": list(arrived.notes.lines())}, lines, as_json=as_json)


def _read(
    form: str, dataset: Dataset, file: Path, role: Role, annotator: str | None, names: dict[str, str]
) -> ArrivingLabels:
    if form == "label-studio":
        from alignbench.exchange.label_studio.annotations import read_annotations

        return read_annotations(dataset, file, role=role, annotators=names or None)
    if form == "argilla":
        from alignbench.exchange.argilla.responses import read_responses

        return read_responses(dataset, file, role=role)
    from alignbench.exchange.sheets.answers import read_sheet

    return read_sheet(dataset, file, annotator=annotator, role=role)
