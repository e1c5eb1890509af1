"""`alignbench generate`: a dataset from a recipe."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from alignbench.cli.arguments import PATH
from alignbench.cli.output import json_option, say


@click.command()
@click.argument("recipe", type=PATH)
@click.option("--out", type=PATH, required=True, metavar="DATASET", help="Folder to write.")
@click.option("--seed", type=int, metavar="N", help="Seed, in place of the recipe's own.")
@click.option("--retry-failed", is_flag=True, help="Make rows again that came to nothing.")
@json_option
def generate(recipe: Path, out: Path, seed: int | None, retry_failed: bool, as_json: bool) -> int:
    """Make images and captions as RECIPE says, and label them.

    The same recipe and seed give the same bytes. After an interruption, run the same command again to go on. Exit code
    1 where a row could not be made.
    """
    from alignbench.cli.progress import meter
    from alignbench.registry import load_module

    with meter(recipe.stem, "rows") as update:
        make = load_module("generation.pipeline").generate
        summary = make(recipe, out, seed=seed, progress=update, retry_failed=retry_failed)
    outcome = {**asdict(summary), "path": str(summary.path)}
    say(outcome, [*_lines(outcome), f"next: alignbench judge {out} --judge JUDGE --out runs"], as_json=as_json)
    return 1 if summary.failures else 0


def _lines(outcome: Mapping[str, Any]) -> Iterator[str]:
    for producer, statuses in outcome["failures"].items():
        failed = ", ".join(f"{count:,} {status}" for status, count in statuses.items())
        yield f"{producer}: {failed}; run again with --retry-failed to make them again"
    counts = ", ".join(f"{count:,} {what}" for what, count in outcome["counts"].items())
    yield f"{outcome['path']}: {counts}, {outcome['made']:,} rows made now"
