"""`alignbench judge`: one run a judge, each going on where it stopped."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from alignbench.cli.arguments import PATH, read_shard
from alignbench.cli.output import json_option, say

if TYPE_CHECKING:
    from alignbench.run import Progress, RunSummary
    from alignbench.store import Dataset
    from alignbench.types import Judge


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
    type=click.Choice(["sentence", "caption", "shuffled-caption"]),
    help="Show each sentence alone, in its caption, or in captions in other orders; another judge each. By default the "
    "judge's own.",
)
@click.option(
    "--shuffles",
    type=click.IntRange(min=2),
    metavar="K",
    help="With --context shuffled-caption: in how many orders, a run each; by default 2, one the reverse of the other.",
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
    shuffles: int | None,
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

    orders = _orders(context, shuffles)
    shown = context if orders == [None] else "caption"
    given = {"context": shown, "base_url": base_url, "batch": batch or None}
    options = {name: value for name, value in given.items() if value is not None}
    for reference in judges:
        check_judge(reference, **options)
    opened = Dataset.open(dataset)
    if dry_run:
        from alignbench.cli.dry_run import tell

        return tell(opened, judges, out, options, orders, max_cost=max_cost, as_json=as_json, **request)
    summaries = _judge_all(opened, judges, orders, max_cost, {"out": out, **request}, options)
    failed = sum(_failed(summary) for summary in summaries)
    lines = [line for summary in summaries for line in _lines(summary)]
    if failed:
        lines.append(f"{failed:,} without a score; run again with --retry-failed to ask again")
    lines.append(_next_step(opened, out, summaries, plain=orders == [None]))
    say({"runs": [_to_json(summary) for summary in summaries]}, lines, as_json=as_json)
    return 1 if failed or any(summary.stopped for summary in summaries) else 0


def _orders(context: str | None, shuffles: int | None) -> Sequence[int | None]:
    """The shuffles in which each judge is shown the captions, a run each; one null for a run as they are."""
    from alignbench.errors import UsageError
    from alignbench.plan import SHUFFLED_CAPTION

    if context == SHUFFLED_CAPTION:
        return range(shuffles or 2)
    if shuffles is not None:
        raise UsageError(
            f"--shuffles says in how many orders captions are shown; give --context {SHUFFLED_CAPTION} too"
        )
    return [None]


def _judge_all(
    dataset: Dataset,
    judges: Sequence[str],
    orders: Sequence[int | None],
    max_cost: float | None,
    request: dict[str, Any],
    options: dict[str, Any],
) -> list[RunSummary]:
    """One judge after the other; each may spend what those before it have left over."""
    summaries: list[RunSummary] = []
    for reference in judges:
        summaries += _judge_in(orders, dataset, reference, options, {**request, "max_cost": max_cost})
        if max_cost is not None:
            max_cost = max(0.0, max_cost - (summaries[-1].spent_usd or 0.0))
    return summaries


def _judge_in(
    orders: Sequence[int | None], dataset: Dataset, reference: str, options: dict[str, Any], request: dict[str, Any]
) -> list[RunSummary]:
    """A run in each order, of a judge that is loaded once and so counts what it spends over all of them."""
    from alignbench.registry import build_judge

    build = functools.cache(functools.partial(build_judge, reference, **options))
    titles = {order: reference if order is None else f"{reference} (shuffle {order})" for order in orders}
    return [_judge_one(dataset, build, title, {**request, "shuffle": order}) for order, title in titles.items()]


def _judge_one(dataset: Dataset, build: Callable[[], Judge], title: str, request: dict[str, Any]) -> RunSummary:
    from alignbench.cli.progress import meter
    from alignbench.run import run_judge

    last: Progress | None = None

    def update(progress: Progress) -> None:
        nonlocal last
        last = progress
        show(progress)

    try:
        with meter(title, "sentences") as show:
            return run_judge(dataset, build(), progress=update, **request)
    except KeyboardInterrupt:
        kept = f"{last.asked:,} new answers are kept, {last.finished:,} of {last.total:,} in all" if last else None
        click.echo(f"{title}: {kept or 'no new answer came before that'}", err=True)
        raise


def _next_step(dataset: Dataset, out: Path, summaries: list[RunSummary], *, plain: bool) -> str:
    if any(summary.stopped for summary in summaries):
        return "next: the same command with a higher --max-cost, which goes on where this stopped"
    if not all(summary.complete for summary in summaries):
        return "next: the same command for the other shards, or without --limit"
    if not dataset.counts["correct"] + dataset.counts["incorrect"]:
        return f"next: the scores are in {out}/*/judgments.parquet; to evaluate judges, the dataset needs labels"
    evaluate = f"alignbench evaluate {dataset.path} {out} --out report"
    if not plain:
        return f"next: the same judges with --context sentence and --context caption, to compare, then {evaluate}"
    return f"next: {evaluate}"


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
