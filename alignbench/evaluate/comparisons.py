"""Which judges are better than which others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

import numpy as np

from alignbench.cells import NOT_COMPARABLE, Cells, comparable
from alignbench.clustered import standard_error
from alignbench.evaluate.judges import Judged
from alignbench.intervals import difference_interval
from alignbench.metrics import BoolArray, IntArray
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.significance import ALPHA, detectable, holm, p_value, tied_ranks

MIN_COVERAGE = 0.99
UNDER_COVERAGE = f"coverage under {MIN_COVERAGE:.0%}"


class Difference(NamedTuple):
    """How much better judge `a` is than judge `b`, on the sentences that both scored.

    Attributes:
        a: A judge's name.
        b: Another's.
        delta: Macro AUROC of `a` minus that of `b`, over the producers comparable on these sentences; or null.
        low: Lower end of its 95 % interval, from paired replicates.
        high: Upper end.
        reason: Why something is null, or a warning.
        p: Two-sided, from the clustered influences; null where they do not vary.
        se: What `p` rests on.
        df: Degrees of freedom of `se`.
        clusters: How many clusters hold the rarer class.
        n: How many sentences both scored.
    """

    a: str
    b: str
    delta: float | None
    low: float | None
    high: float | None
    reason: str | None
    p: float | None
    se: float | None
    df: int
    clusters: int
    n: int


def compare(judged: Sequence[Judged], cells: Cells, cluster: IntArray, draws: Draws) -> list[dict[str, Any]]:
    """Every judge against every other, then every judge against every blind control; Holm within each of the two.

    Args:
        judged: All judges and controls.
        cells: A part a producer, with all its incorrect sentences.
        cluster: (n,) of each sentence of `cells`.
        draws: Those the judges' own replicates were made from.

    Returns:
        `Difference` as JSON objects, each with `p_holm` and `detectable`: the smallest true difference that this
        comparison would have found with a chance of 80 %.
    """
    judges = [one for one in judged if one.run.control is None]
    controls = [one for one in judged if one.run.control is not None]
    said: list[dict[str, Any]] = []
    for pairs in (combinations(judges, 2), product(judges, controls)):
        said += _family([_difference(a, b, cells, cluster, draws) for a, b in pairs])
    return said


def ranks(judged: Sequence[Judged], comparisons: Sequence[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The best and the worst rank each judge may hold, by name; for some a reason why there is none.

    A judge outranks another where their difference is significant after Holm; those it cannot be told from are tied.
    """
    reasons = {one.run.name: _why_unranked(one) for one in judged}
    ranked = [name for name, reason in reasons.items() if reason is None]
    place = {name: number for number, name in enumerate(ranked)}
    beats = np.zeros((len(ranked), len(ranked)), np.bool_)
    for said in comparisons:
        if said["a"] in place and said["b"] in place and said["p_holm"] is not None and said["p_holm"] < ALPHA:
            better, worse = (said["a"], said["b"]) if said["delta"] > 0 else (said["b"], said["a"])
            beats[place[better], place[worse]] = True
    held = dict(zip(ranked, tied_ranks(beats), strict=True))
    unranked = (None, None)
    return {
        name: {"low": held.get(name, unranked)[0], "high": held.get(name, unranked)[1], "reason": reason}
        for name, reason in reasons.items()
    }


def _why_unranked(judged: Judged) -> str | None:
    if judged.run.control is not None:
        return "a blind control"
    if judged.entry["coverage"] < MIN_COVERAGE:
        return UNDER_COVERAGE
    return None if judged.entry["auroc"]["value"] is not None else "no AUROC"


def _family(differences: Sequence[Difference]) -> Iterator[dict[str, Any]]:
    adjusted = holm([difference.p for difference in differences])
    tests = sum(difference.p is not None for difference in differences)
    for difference, p_holm in zip(differences, adjusted, strict=True):
        least = detectable(difference.se, difference.df, tests)
        yield difference._asdict() | {"p_holm": p_holm, "detectable": least}


def _difference(a: Judged, b: Judged, cells: Cells, cluster: IntArray, draws: Draws) -> Difference:
    both = ~np.isnan(a.score) & ~np.isnan(b.score)
    n = int(both.sum())
    chosen = np.flatnonzero(comparable(cells.only(both))).tolist()
    if not chosen:
        return Difference(a.run.name, b.run.name, None, None, None, NOT_COMPARABLE, None, None, 0, 0, n)
    of_a, of_b = (_overall_on(both, one, cells, cluster, draws) for one in (a, b))
    delta = float(of_a.aurocs[chosen].mean() - of_b.aurocs[chosen].mean())
    se = standard_error(of_a.influence(chosen) - of_b.influence(chosen))
    support = of_a.support(chosen)
    interval = difference_interval(delta, se, support, of_a.replicates(chosen) - of_b.replicates(chosen))
    p = p_value(delta, se, support.df)
    return Difference(a.run.name, b.run.name, delta, *interval, p, se, support.df, support.distinct, n)


def _overall_on(rows: BoolArray, judged: Judged, cells: Cells, cluster: IntArray, draws: Draws) -> Scored:
    # The judge's AUROCs on these sentences only; those it has already where these are all it scored.
    if np.array_equal(rows, ~np.isnan(judged.score)):
        return judged.overall
    return Scored(cells, np.where(rows, judged.score, np.nan), cluster, draws)
