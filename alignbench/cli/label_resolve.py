"""`alignbench label resolve`: labels anew, from the events that are there."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say
from alignbench.labelling.resolution import RULES


def _read_moment(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.datetime | None:
    """The moment that ISO 8601 text says; UTC where it names no zone."""
    if value is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError as error:
        reason = f"{value!r} is no moment; write it as 2026-01-31, or 2026-01-31T18:00:00+02:00"
        raise click.BadParameter(reason, ctx, param) from error
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


@click.command()
@click.argument("dataset", type=PATH)
@click.option(
    "--rule",
    type=click.Choice(RULES),
    required=True,
    help="How votes become a label: more than half of them, else unknown; the most, a tie being unknown; Dawid-Skene.",
)
@click.option(
    "--until",
    callback=_read_moment,
    metavar="TIME",
    help="Labels as they were then, such as 2026-01-31T18:00+01:00 (UTC where no zone is named); needs --out.",
)
@click.option("--out", type=PATH, metavar="DATASET", help="Write another dataset; DATASET stays as it is.")
@json_option
def resolve(dataset: Path, rule: str, until: dt.datetime | None, out: Path | None, as_json: bool) -> None:
    """Derive the labels of DATASET anew from its label events, by a rule that is then recorded.

    Adjudications decide first, then votes by the rule, then what the sentence came with. Sentences without events stay
    as they are.
    """
    from alignbench.labelling.record import resolve_labels

    done = resolve_labels(dataset, rule=rule, until=until, out=out)
    lines = [
        f"label events: {done.events:,} (rule: {done.rule})",
        f"sentences with another label than before: {len(done.changed):,}",
        f"next: alignbench validate {done.dataset}",
    ]
    say(done.to_json(), lines, as_json=as_json)
