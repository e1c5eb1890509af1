"""`alignbench regenerate`: rows again, from their provenance."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.assignments import read_assignments
from alignbench.cli.output import aligned, json_option, say

_TOLD_ROWS = 20


@click.command()
@click.argument("dataset", type=PATH)
@click.argument("pair_ids", nargs=-1, metavar="[PAIR_ID]...")
@click.option("--each", type=click.IntRange(min=1), metavar="N", help="In place of ids: N rows of each producer.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the draw of these rows.")
@click.option(
    "--model",
    "models",
    multiple=True,
    callback=read_assignments,
    metavar="PRODUCER=KIND:PATH_OR_ID",
    help="Where the model of a producer lies here, if its provenance names another place; may be repeated.",
)
@click.option("--device", metavar="DEVICE", help="Run models here, such as cpu or cuda:1; by default as they were run.")
@click.option("--ask-apis", is_flag=True, help="Ask API models too: it costs money, and answers seldom repeat.")
@click.option("--base-url", metavar="URL", help="With --ask-apis: the endpoint named in provenance that you trust.")
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="With --ask-apis: stop before it costs more."
)
@json_option
def regenerate(
    *, dataset: Path, pair_ids: Sequence[str], each: int | None, seed: int, as_json: bool, **permitted: Any
) -> int:
    """Make rows of DATASET again from their provenance alone, and compare: images byte by byte, captions by text.

    Rows repeat exactly on the same kind of device with the same versions; where they do not, it says how far they are
    apart and what is not as it was. Nothing in DATASET changes. Exit code 1 where a row differs or could not be made.
    """
    from alignbench.cli.progress import meter
    from alignbench.registry import load_module

    allowed = load_module("generation.regeneration.models").Permitted(**permitted)
    make = load_module("generation.regenerate").regenerate
    with meter(f"regenerate {dataset.name}", "rows") as update:
        found = make(dataset, pair_ids, each=each, seed=seed, permitted=allowed, progress=update)
    outcome = found.to_json()
    say(outcome, _lines(outcome), as_json=as_json)
    return 0 if found.all_same else 1


def _lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    rows = outcome["rows"]
    others = [row for row in rows if row["again"] != "same"]
    for row in others[:_TOLD_ROWS]:
        yield f"{row['pair_id']} ({row['producer']}): {row['again']}: {_how(row)}"
    if len(others) > _TOLD_ROWS:
        yield f"and {len(others) - _TOLD_ROWS:,} more; --json tells all"
    yield from _surroundings(rows)
    yield from _table(outcome["by_producer"])
    same = len(rows) - len(others)
    cost = f", {outcome['spent_usd']:.4f} USD spent" if outcome["spent_usd"] is not None else ""
    yield f"{same:,} of {len(rows):,} rows came out as they are stored, {outcome['model_loads']} models loaded{cost}"


def _how(row: Mapping[str, Any]) -> str:
    """Why a row is not the same, or how far it is from it."""
    apart = row["difference"]
    if apart is None:
        return str(row["reason"])
    if "similarity" in apart:
        alike = f"{apart['similarity']:.0%} alike"
        return f"from character {apart['first_character']} on {apart['now']!r} for {apart['then']!r}, {alike}"
    pixels = (
        "other size"
        if apart["largest"] is None
        else f"pixels by at most {apart['largest']}, {apart['mean']:.2g} on average"
    )
    return f"perceptual distance {apart['perceptual_distance']} of 64, {pixels}"


def _surroundings(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What is not as it was, with the number of rows that it holds for."""
    counted: dict[tuple[str, str, str], int] = {}
    for row in rows:
        for name, said in row["changed"].items():
            key = (name, str(said["then"]), str(said["now"]))
            counted[key] = counted.get(key, 0) + 1
    for (name, then, now), count in sorted(counted.items()):
        yield f"{name}: {then} then, {now} now ({count:,} rows)"


def _table(by_producer: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    found = sorted({again for counts in by_producer.values() for again in counts}, key=lambda again: again != "same")
    header = ["producer", *found]
    lines = [[name, *(f"{counts.get(again, 0):,}" for again in found)] for name, counts in by_producer.items()]
    yield from aligned([header, *lines])
