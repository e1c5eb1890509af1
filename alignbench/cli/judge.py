"""`alignbench judge`: one run a judge, each going on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alignbench.cli.arguments import PATH, read_shard
from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.run import Progress, RunSummary
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
@click.option(
    "--context",
    type=click.Choice(["sentence", "caption"]),
    help="Show each sentence alone, or in its caption; another judge each. By default the judge's own.",
)
@click.option(
    "--base-url", metavar="URL", help="Endpoint of an API judge, as http://localhost:8000/v1; by default its own."
)
@click.option("--batch", is_flag=True, help="Ask an API judge by batch jobs: cheaper, done within a day.")
@click.option(
    "--max-cost",
    type=click.FloatRange(min=0),
    metavar="USD",
    help="Stop before this call costs more, all judges together.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be asked and what it would cost; ask nothing.")
@click.option("--retry-failed", is_flag=True, help="Ask again where an earlier answer has no score.")
@click.option("--seed", type=int, default=0, show_default=True, metavar="N", help="Seed of the order of sentences.")
@json_option
def judge(  # noqa: PLR0913 - an argument an option
    *,
    dataset: Path,
    judges: tuple[str, ...],
    out: Path,
    context: str | None,
    base_url: str | None,
    batch: bool,
    max_cost: float | None,
    dry_run: bool,
    as_json: bool,
    **request: Any,
) -> int:
    """Score every sentence of DATASET with every JUDGE.

    Every answer is kept as soon as it comes: after an interruption, run the same command again to go on.
    Exit code 1 where a sentence has no score for another reason than a missing image, or where the money ran out.
    """
    from alignbench.registry import check_judge
    from alignbench.store import Dataset

    given = {"context": context, "base_url": base_url, "batch": batch or None}
    options = {name: value for name, value in given.items() if value is not None}
    for reference in judges:
        check_judge(reference, **options)
    opened = Dataset.open(dataset)
    if dry_run:
        from alignbench.cli.dry_run import tell

        return tell(opened, judges, out, options, max_cost=max_cost, as_json=as_json, **request)
    summaries = _judge_all(opened, judges, out, options, max_cost, request)
    failed = sum(_failed(summary) for summary in summaries)
    lines = [line for summary in summaries for line in _lines(summary)]
    if failed:
        lines.append(f"{failed:,} without a score; run again with --retry-failed to ask again")
    lines.append(_next_step(opened, out, summaries))
    say({"runs": [_to_json(summary) for summary in summaries]}, lines, as_json=as_json)
    return 1 if failed or any(summary.stopped for summary in summaries) else 0


def _judge_all(
    dataset: Dataset,
    judges: Sequence[str],
    out: Path,
    options: dict[str, Any],
    max_cost: float | None,
    request: dict[str, Any],
) -> list[RunSummary]:
    """One run after the other; each may spend what those before it have left over."""
    summaries = []
    for reference in judges:
        summary = _judge_one(dataset, reference, out, options, {**request, "max_cost": max_cost})
        summaries.append(summary)
        if max_cost is not None:
            max_cost = max(0.0, max_cost - (summary.spent_usd or 0.0))
    return summaries


def _judge_one(
    dataset: Dataset, reference: str, out: Path, options: dict[str, Any], request: dict[str, Any]
) -> RunSummary:
    from alignbench.cli.progress import meter
    from alignbench.registry import build_judge
    from alignbench.run import run_judge

    last: Progress | None = None

    def update(progress: Progress) -> None:
        nonlocal last
        last = progress
        show(progress)

    try:
        with meter(reference, "sentences") as show:
            return run_judge(dataset, build_judge(reference, **options), out, progress=update, **request)
    except KeyboardInterrupt:
        kept = f"{last.asked:,} new answers are kept, {last.finished:,} of {last.total:,} in all" if last else None
        click.echo(f"{reference}: {kept or 'no new answer came before that'}", err=True)
        raise


def _next_step(dataset: Dataset, out: Path, summaries: list[RunSummary]) -> str:
    if any(summary.stopped for summary in summaries):
        return "next: the same command with a higher --max-cost, which goes on where this stopped"
    if not all(summary.complete for summary in summaries):
        return "next: the same command for the other shards, or without --limit"
    if not dataset.counts["correct"] + dataset.counts["incorrect"]:
        return f"next: the scores are in {out}/*/judgments.parquet; to evaluate judges, the dataset needs labels"
    return f"next: alignbench evaluate {dataset.path} {out} --out report"


def _failed(summary: RunSummary) -> int:
    """How many sentences have no score for another reason than a missing image."""
    from alignbench.types import Status

    return sum(n for status, n in summary.statuses.items() if status not in {Status.OK, Status.IMAGE_MISSING})


def _lines(summary: RunSummary) -> list[str]:
    words = [f"{summary.name}: {summary.finished:,} of {summary.sentences:,} sentences in {summary.folder}"]
    words += [f"{n:,} {status}" for status, n in summary.statuses.items()]
    if summary.truncated:
        words.append(f"{summary.truncated:,} truncated")
    words.append(f"{summary.asked:,} asked now in {summary.seconds:.1f} s{_per_thousand(summary)}")
    stopped = [f"{summary.name}: stopped: {summary.stopped}"] if summary.stopped else []
    return [", ".join(words), *stopped]


def _per_thousand(summary: RunSummary) -> str:
    if not summary.asked:
        return ""
    from alignbench.report.amounts import dollars, seconds

    rates = [f"{seconds(1000 * summary.seconds / summary.asked)} s"]
    if summary.cost_usd is not None:
        rates.append(f"${dollars(1000 * summary.cost_usd / summary.asked)}")
    return f" ({' and '.join(rates)} per 1,000 sentences)"


def _to_json(summary: RunSummary) -> dict[str, Any]:
    from dataclasses import asdict

    return {**asdict(summary), "folder": str(summary.folder), "statuses": dict(summary.statuses)}
