"""`alignbench generate`: a dataset from a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from alignbench.cli.arguments import PATH, read_shard
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("recipe", type=PATH)
@click.option("--out", type=PATH, metavar="DATASET", help="Folder to write; only --dry-run does without.")
@click.option("--seed", type=int, metavar="N", help="Seed, in place of the recipe's own.")
@click.option("--images", type=PATH, metavar="DIR", help="Folder of images, in place of the recipe's image source.")
@click.option(
    "--shard", callback=read_shard, default="0/1", metavar="i/n", help="Make only part i of n; i counts from 0."
)
@click.option("--retry-failed", is_flag=True, help="Make rows again that came to nothing.")
@click.option(
    "--max-cost", type=click.FloatRange(min=0), metavar="USD", help="Stop before this call costs more, in all."
)
@click.option("--dry-run", is_flag=True, help="Say what would be made and what it would take; make nothing.")
@json_option
def generate(
    *,
    recipe: Path,
    out: Path | None,
    seed: int | None,
    images: Path | None,
    dry_run: bool,
    as_json: bool,
    **request: Any,
) -> int:
    """Make images and captions as RECIPE says, filter and label them.

    RECIPE is a YAML file or the name of a recipe that comes with alignbench, such as scenes. The same recipe and seed
    give the same bytes. Everything is kept as soon as it is made: after an interruption, run the same command again to
    go on. Exit code 1 where a row could not be made, or where the money ran out.
    """
    if dry_run:
        return _tell_forecast(recipe, seed, images, request["max_cost"], as_json=as_json)
    if out is None:
        raise click.UsageError("say with --out which folder to write, or --dry-run to write nothing")
    from alignbench.registry import load_module

    outcome = _made(load_module("generation.pipeline").generate, recipe, out, seed=seed, images=images, **request)
    say(outcome, [*_lines(outcome), _next_step(outcome)], as_json=as_json)
    return 1 if outcome["failures"] or outcome["stopped"] else 0


def _made(make: Any, recipe: Path, out: Path, **request: Any) -> dict[str, Any]:
    """What came of it, as JSON values."""
    from alignbench.cli.progress import meter

    last: Any = None

    def update(progress: Any) -> None:
        nonlocal last
        last = progress
        show(progress)

    try:
        with meter(recipe.stem, "rows") as show:
            summary = make(recipe, out, progress=update, **request)
    except KeyboardInterrupt:
        kept = f"{last.made:,} new {last.unit} are kept" if last and last.unit == "rows" else "no row was made"
        click.echo(f"{recipe.stem}: {kept}", err=True)
        raise
    return {**asdict(summary), "path": str(summary.path)}


def _tell_forecast(
    recipe: Path, seed: int | None, images: Path | None, max_cost: float | None, *, as_json: bool
) -> int:
    """Print what making would take; no model is loaded and nothing written."""
    from alignbench.registry import load_module

    files = load_module("generation.recipe_file")
    forecast = load_module("generation.forecast").forecast(
        files.read_recipe(recipe, seed=seed, images=images),
        files.find_recipe(recipe).absolute().parent,
        images_folder=None if images is None else Path.cwd(),
    )
    cost = getattr(forecast, "cost_usd", None)
    lines = list(forecast.lines())
    if max_cost is not None and cost is not None and cost > max_cost:
        lines.append(f"that is more than --max-cost {max_cost:g}, which would stop it on the way")
    lines.append("nothing was made; run the same command without --dry-run to make it")
    say({"dry_run": asdict(forecast)}, lines, as_json=as_json)
    return 0


def _lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    for producer, statuses in outcome["failures"].items():
        yield f"{producer}: {_counts(statuses)}; run again with --retry-failed to make them again"
    for name, producers in outcome["filtered"].items():
        total = sum(producers.values())
        yield f"{name}: drops {total:,} {_plural('row', total)} ({_counts(producers)})"
    for producer, count in outcome["truncated"].items():
        yield f"{producer}: {count:,} {_plural('prompt', count)} longer than its text encoder takes"
    for what, statuses in outcome["unusable"].items():
        yield f"{what} that could not be used: {_counts(statuses)}; unusable_inputs.jsonl tells each"
    if outcome["spent_usd"] is not None:
        from alignbench.report.amounts import dollars

        yield f"${dollars(outcome['spent_usd'])} spent now"
    if outcome["stopped"]:
        yield f"stopped: {outcome['stopped']}"
    if outcome["complete"]:
        counts = ", ".join(f"{count:,} {what}" for what, count in outcome["counts"].items())
        yield f"{outcome['path']}: {counts}, {outcome['made']:,} rows made now"
    else:
        finished = f"{outcome['finished']:,} of {outcome['rows']:,} rows" if outcome["rows"] else "no row yet"
        yield f"{outcome['path']}: {finished}, {outcome['made']:,} made now; the dataset is written when all are there"


def _next_step(outcome: Mapping[str, Any]) -> str:
    if outcome["stopped"]:
        return "next: the same command with a higher --max-cost, which goes on where this stopped"
    if not outcome["complete"]:
        return "next: the same command for the other shards; who finishes last writes the dataset"
    return f"next: alignbench judge {outcome['path']} --judge JUDGE --out runs"


def _counts(counted: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counted.items())


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"
