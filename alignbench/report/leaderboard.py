"""The leaderboard and the table by error type, before any format is chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from alignbench.report.amounts import dollars, seconds
from alignbench.report.ensembles import ensemble_notes
from alignbench.report.marks import mark_notes
from alignbench.report.table import NONE, Row, Table, decimals, interval, short
from alignbench.significance import ALPHA

Json = Mapping[str, Any]

_AUROC_NOTE = (
    "AUROC: how often a correct sentence outscores an incorrect one; mean over {producers} producers. The intervals "
    "resample {clusters:,} clusters (images, prompts) and hold for these producers"
)
_RANK_NOTE = (
    "rank: judges whose ranks overlap cannot be told apart (paired test, Holm, 5%); a true difference of {least} would "
    "be found with a chance of 80%"
)
_TYPE_NOTE = (
    "AUROC of the incorrect sentences of a type against all correct ones of the same producer; mean over the producers "
    "with 10 of each"
)


class _Rate(NamedTuple):
    """What 1,000 sentences take: its header, its name in `usage`, how to write it, and what to know about it."""

    header: str
    name: str
    say: Callable[[float], str]
    note: str


_RATES = (
    _Rate(
        "s/1k",
        "seconds_per_1000",
        seconds,
        "s/1k: seconds per 1,000 sentences, of computing or of requests; requests overlap, so the wait is shorter",
    ),
    _Rate("$/1k", "cost_usd_per_1000", dollars, "$/1k: US dollars per 1,000 sentences"),
)


def leaderboard(results: Json) -> Table:
    """A row a judge: rank, macro AUROC with its interval, coverage, what it takes, and the AUROC of each producer.

    What it takes is blank where it was not measured; a column of nothing but blanks is left out.
    """
    producers, rates = list(results["judges"][0]["by_producer"]), _rates(results)
    rows = [
        Row(
            cells=(
                _rank(judge["rank"]),
                judge["name"],
                interval(judge["auroc"]),
                _share(judge["coverage"]),
                *(_said(rate, judge) for rate in rates),
            ),
            grouped=tuple(short(judge["by_producer"][producer]) for producer in producers),
            is_control=judge["control"] is not None,
        )
        for judge in results["judges"]
    ]
    headers = tuple(rate.header for rate in rates)
    columns = ("rank", "judge", "AUROC [95% CI]", "coverage", *headers)
    notes = tuple(_leaderboard_notes(results))
    return Table(title(results), columns, tuple(producers), tuple(rows), notes, frozenset(headers))


def _rates(results: Json) -> list[_Rate]:
    """What judging takes, as far as any judge says."""
    return [rate for rate in _RATES if any(judge["usage"].get(rate.name) is not None for judge in results["judges"])]


def _said(rate: _Rate, judge: Json) -> str:
    value = judge["usage"].get(rate.name)
    return "" if value is None else rate.say(value)


def error_types(results: Json, show: Callable[[Json], str]) -> Table:
    """A row a judge: its macro AUROC for each error type that occurs, written by `show`."""
    sizes = {kind: count for kind, count in results["dataset"]["error_types"].items() if count}
    rows = [
        Row(
            cells=(judge["name"],),
            grouped=tuple(show(judge["by_error_type"][kind]) for kind in sizes),
            is_control=judge["control"] is not None,
        )
        for judge in results["judges"]
    ]
    notes = (
        _TYPE_NOTE,
        "incorrect sentences: " + ", ".join(f"{count:,} {kind}" for kind, count in sizes.items()),
        *mark_notes([judge["by_error_type"][kind] for judge in results["judges"] for kind in sizes]),
        results["signature"],
    )
    return Table(f"{results['dataset']['name']}, by error type", ("judge",), tuple(sizes), tuple(rows), notes)


def title(results: Json) -> str:
    """What was evaluated, in one line."""
    said = results["dataset"]
    return (
        f"{said['name']} {said['version']}: {said['correct']:,} correct and {said['incorrect']:,} incorrect sentences "
        f"in {said['clusters']:,} clusters"
    )


def _rank(rank: Json) -> str:
    if rank["low"] is None:
        return NONE
    return f"{rank['low']}" if rank["low"] == rank["high"] else f"{rank['low']}{NONE}{rank['high']}"


def _share(share: float) -> str:
    return "100%" if share == 1 else f"{share:.1%}"


def _leaderboard_notes(results: Json) -> list[str]:
    said, judges = results["dataset"], results["judges"]
    counted = [name for name, size in said["producers"].items() if size["in_macro"]]
    return [
        _AUROC_NOTE.format(producers=len(counted), clusters=said["clusters"]),
        *_producer_notes(said["producers"]),
        *_rank_notes(results),
        *(rate.note for rate in _rates(results)),
        *_control_notes(results),
        *ensemble_notes(judges),
        *mark_notes([figure for judge in judges for figure in (judge["auroc"], *judge["by_producer"].values())]),
        *_failure_notes(judges),
        *_left_out_notes(said),
        *(f"run left out: {run}: {reason}" for run, reason in results["refused"].items()),
        results["signature"],
    ]


def _producer_notes(producers: Json) -> list[str]:
    return [
        f"not in the mean: {name}, with only {size['correct']:,} correct and {size['incorrect']:,} incorrect sentences"
        for name, size in producers.items()
        if not size["in_macro"]
    ]


def _rank_notes(results: Json) -> list[str]:
    ranked = {judge["name"] for judge in results["judges"] if judge["rank"]["low"] is not None}
    least = [
        said["detectable"]
        for said in results["comparisons"]
        if {said["a"], said["b"]} <= ranked and said["detectable"] is not None
    ]
    if not least:
        return []
    return [_RANK_NOTE.format(least=decimals(max(least), 3))]


def _control_notes(results: Json) -> list[str]:
    controls = {judge["name"] for judge in results["judges"] if judge["control"] is not None}
    equal: dict[str, list[str]] = {}
    for said in results["comparisons"]:
        is_better = said["p_holm"] is not None and said["p_holm"] < ALPHA and said["delta"] > 0
        if said["b"] in controls and said["delta"] is not None and not is_better:
            equal.setdefault(said["a"], []).append(said["b"])
    return [f"{judge}: not shown to be better than blind: {', '.join(those)}" for judge, those in equal.items()]


def _failure_notes(judges: Sequence[Json]) -> list[str]:
    notes = []
    for judge in judges:
        if judge["failures"]:
            said = ", ".join(f"{count:,} {status}" for status, count in judge["failures"].items())
            notes.append(f"{judge['name']}: no score for {said}{_bounds(judge['bounds'])}")
        if judge["truncated"]:
            notes.append(f"{judge['name']}: {judge['truncated']:,} sentences were cut to fit its model")
    return notes


def _bounds(bounds: Json) -> str:
    if bounds["low"] is None:
        return ""
    return f"; with them its AUROC would lie between {decimals(bounds['low'], 3)} and {decimals(bounds['high'], 3)}"


def _left_out_notes(dataset: Json) -> list[str]:
    counts = [f"{dataset[kind]:,} {kind}" for kind in ("unknown", "unlabelled") if dataset[kind]]
    return [f"sentences left out: {', '.join(counts)}"] if counts else []
