"""`alignbench label export`: sentences for people to label."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alignbench.exchange.labelling_tasks import LabellingTask
    from alignbench.store import Dataset


@click.command("export")
@click.argument("dataset", type=PATH)
@click.option(
    "--to",
    "form",
    type=click.Choice(["label-studio", "argilla", "sheet"]),
    required=True,
    help="What people label with; sheet is a CSV file beside a page with the pictures.",
)
@click.option("--out", type=PATH, required=True, metavar="DIR", help="Folder to write; it must not exist yet.")
@click.option("--queue", type=PATH, metavar="FILE", help="Only these sentences, in this order: see `label queue`.")
@click.option("--producer", "producers", multiple=True, metavar="NAME", help="Only its captions; may be repeated.")
@click.option("--unlabelled", is_flag=True, help="Ask only for sentences without a label.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="How many captions at most.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the order of captions.")
@click.option(
    "--suggest", nargs=2, type=(PATH, str), metavar="RUNS JUDGE", help="Show what this judge of these runs says."
)
@click.option("--threshold", type=float, metavar="X", help="Suggest `incorrect` for scores below this.")
@click.option("--image-prefix", metavar="URL", help="label-studio: what comes before the names of the images.")
@click.option("--embed", is_flag=True, help="label-studio: put the images into the tasks.")
@json_option
def export(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    form: str,
    out: Path,
    queue: Path | None,
    producers: tuple[str, ...],
    unlabelled: bool,
    limit: int | None,
    seed: int,
    suggest: tuple[Path, str] | None,
    threshold: float | None,
    image_prefix: str | None,
    embed: bool,
    as_json: bool,
) -> None:
    """Give sentences of DATASET out to be labelled.

    Annotators see the image and the whole caption; never the producer, a label or another's vote.
    """
    from alignbench.exchange.labelling_tasks import Wanted, tasks_of
    from alignbench.labelling.assisted.queue import read_queue
    from alignbench.labelling.assisted.suggestions import suggestions_of
    from alignbench.store import Dataset

    if form != "label-studio" and (image_prefix or embed):
        raise UsageError("--image-prefix and --embed are for --to label-studio")
    if threshold is not None and suggest is None:
        raise UsageError("--threshold is for --suggest RUNS JUDGE")
    opened = Dataset.open(dataset)
    lines: list[str] = []
    suggestions = None
    if suggest is not None:
        suggestions, used = suggestions_of(opened, *suggest, threshold=threshold)
        lines.append(
            f"suggestions: {len(suggestions):,}, `incorrect` below {used:.4g}; labels will say that they saw them"
        )
    wanted = Wanted(
        producers=producers or None,
        sentence_ids=None if queue is None else read_queue(queue),
        limit=limit,
        unlabelled=unlabelled,
        seed=seed,
    )
    tasks, missing = tasks_of(opened, wanted, suggestions)
    if missing:
        lines.append(
            f"captions left out because their image is missing: {missing:,}; `alignbench attach-images` adds it"
        )
    sentences = sum(len(task.asked) for task in tasks)
    lines += [
        *_write(form, opened, tasks, out, image_prefix=image_prefix, embed=embed),
        f"{out}: {sentences:,} sentences of {len(tasks):,} captions",
        f"next, when it is labelled: alignbench label import {dataset} FILE --from {form}",
    ]
    outcome = {"out": str(out), "to": form, "captions": len(tasks), "sentences": sentences, "images_missing": missing}
    say(outcome | {"suggestions": len(suggestions or {})}, lines, as_json=as_json)


def _write(
    form: str, dataset: Dataset, tasks: Sequence[LabellingTask], out: Path, *, image_prefix: str | None, embed: bool
) -> list[str]:
    if form == "label-studio":
        from alignbench.exchange.label_studio.tasks import export_tasks

        export_tasks(dataset, list(tasks), out, image_prefix=image_prefix, embed=embed)
        return [f"{out}/README.md says how Label Studio takes it"]
    if form == "argilla":
        from alignbench.exchange.argilla.export import export_argilla

        export_argilla(dataset, tasks, out)
        return [f'in Python: argilla.Dataset.from_disk("{out}")']
    from alignbench.exchange.sheets.export import PAGE, SHEET, export_sheet

    export_sheet(dataset, tasks, out)
    return [f"fill in {out / SHEET}, looking at {out / PAGE}"]
