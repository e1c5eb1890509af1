"""What `alignbench correlate` says, as rows of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from alignbench.report.table import NONE

Json = Mapping[str, Any]


def correlation_rows(said: Json) -> list[Sequence[str]]:
    """A header and a row a column of the score table.

    Args:
        said: What `alignbench.literature.agreement.agreement` returned.
    """
    header = ("column", "judges", "Spearman [95% CI]", "p", "Kendall [95% CI]", "Pearson [95% CI]")
    return [header, *(_row(each) for each in said["correlations"])]


def correlation_notes(said: Json) -> Iterator[str]:
    """Why numbers are missing, which names found no partner, then what the numbers mean."""
    for each in said["correlations"]:
        reasons = dict.fromkeys(each[kind]["reason"] for kind in ("spearman", "kendall", "pearson"))
        yield from (f"{NONE} {each['column']}: {reason}" for reason in reasons if reason)
        names = [judge["name"] for judge in each["judges"] if judge["published"]]
        if names:
            yield f"{each['column']}, published, not run here: {', '.join(names)}"
    yield from _unmatched("in the score table, but no judge here", said["not_in_report"])
    yield from _unmatched("no line in the score table", said["not_in_scores"])
    if said["without_auroc"]:
        yield f"without an AUROC: {', '.join(said['without_auroc'])}"
    yield from said["says"]


def _row(each: Json) -> Sequence[str]:
    p = each["spearman"]["p"]
    spearman, kendall, pearson = (_interval(each[kind]) for kind in ("spearman", "kendall", "pearson"))
    return (
        each["column"],
        str(each["n"]),
        spearman,
        NONE if p is None else f"{p:.3f}".removeprefix("0"),
        kendall,
        pearson,
    )


def _interval(figure: Json) -> str:
    if figure["value"] is None:
        return NONE
    ends = NONE if figure["low"] is None else f"{_two(figure['low'])}, {_two(figure['high'])}"
    return f"{_two(figure['value'])} [{ends}]"


def _two(value: float) -> str:
    """A number in [-1, 1] without its leading zero."""
    return f"{round(value, 2) + 0.0:.2f}".replace("0.", ".", 1)  # no -0


def _unmatched(what: str, names: Sequence[Json]) -> Iterator[str]:
    if names:
        yield f"{what}: {', '.join(map(_named, names))}"


def _named(name: Json) -> str:
    return f"{name['name']} (nearest: {', '.join(name['nearest'])})" if name["nearest"] else f"{name['name']}"
