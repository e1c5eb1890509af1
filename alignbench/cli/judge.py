"""`alignbench judge`: one run a judge, each going on where it stopped."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alignbench.cli.arguments import PATH, read_shard
from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.run import RunSummary
    from alignbench.store import Dataset


@click.command()
@click.argument("dataset", type=PATH)
@click.option(
    "--judge",
    "judges",
    multiple=True,
    required=True,
    metavar="JUDGE",
    help="A name of `alignbench list judges`, KIND:MODEL[@REVISION], or a .yaml spec file; may be repeated.",
)
@click.option("--out", type=PATH, required=True, metavar="RUNS", help="Folder of runs.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Judge only the first N sentences.")
@click.option(
    "--shard", callback=read_shard, default="0/1", metavar="i/n", help="Judge only part i of n; i counts from 0."
)
@click.option(
    "--control",
    type=click.Choice(["blank", "shuffled"]),
    help="Show a blank image, or that of another pair, instead of the right one.",
)
@click.option("--retry-failed", is_flag=True, help="Ask again where an earlier answer has no score.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the order of sentences.")
@json_option
def judge(dataset: Path, judges: tuple[str, ...], out: Path, as_json: bool, **options: Any) -> int:
    """Score every sentence of DATASET with every JUDGE.

    Every answer is kept as soon as it comes: after an interruption, run the same command again to go on.
    Exit code 1 where a sentence has no score for another reason than a missing image.
    """
    from alignbench.registry import check_judge
    from alignbench.store import Dataset

    for reference in judges:
        check_judge(reference)
    opened = Dataset.open(dataset)
    summaries = [_judge_one(opened, reference, out, options) for reference in judges]
    failed = sum(_failed(summary) for summary in summaries)
    lines = [_line(summary) for summary in summaries]
    if failed:
        lines.append(f"{failed:,} without a score; run again with --retry-failed to ask again")
    lines.append(_next_step(opened, out, summaries))
    say({"runs": [_to_json(summary) for summary in summaries]}, lines, as_json=as_json)
    return 1 if failed else 0


def _judge_one(dataset: Dataset, reference: str, out: Path, options: dict[str, Any]) -> RunSummary:
    from alignbench.cli.progress import meter
    from alignbench.registry import build_judge
    from alignbench.run import run_judge

    with meter(reference, "sentences") as update:
        return run_judge(dataset, build_judge(reference), out, progress=update, **options)


def _next_step(dataset: Dataset, out: Path, summaries: list[RunSummary]) -> str:
    if not all(summary.complete for summary in summaries):
        return "next: the same command for the other shards, or without --limit"
    if not dataset.counts["correct"] + dataset.counts["incorrect"]:
        return f"next: the scores are in {out}/*/judgments.parquet; to evaluate judges, the dataset needs labels"
    return f"next: alignbench evaluate {dataset.path} {out} --out report"


def _failed(summary: RunSummary) -> int:
    """How many sentences have no score for another reason than a missing image."""
    from alignbench.types import Status

    return sum(n for status, n in summary.statuses.items() if status not in {Status.OK, Status.IMAGE_MISSING})


def _line(summary: RunSummary) -> str:
    words = [f"{summary.name}: {summary.finished:,} of {summary.sentences:,} sentences in {summary.folder}"]
    words += [f"{n:,} {status}" for status, n in summary.statuses.items()]
    if summary.truncated:
        words.append(f"{summary.truncated:,} truncated")
    words.append(f"{summary.asked:,} asked now in {summary.seconds:.1f} s")
    return ", ".join(words)


def _to_json(summary: RunSummary) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(summary), "folder": str(summary.folder), "statuses": dict(summary.statuses)}
