"""How far the AUROC of one judge moves where labels of its sentences are corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alignbench.clustered import standard_error
from alignbench.intervals import FEW_CLUSTERS, NO_SPREAD, Support, t_interval
from alignbench.metrics import one_class_reason
from alignbench.scored import Scored
from alignbench.significance import p_value

NOTHING_CHANGED = "no label changed of the sentences that count and have a score"
NO_MOVE = "the AUROC changes alike whatever clusters are drawn, so its change has no spread to measure"
ONE_CLUSTER = "all changed labels lie in one cluster, so there is no spread between clusters to measure"


class Change(NamedTuple):
    """The macro AUROC of a judge under two labelings of the same sentences.

    Attributes:
        before: Under the first; null where undefined.
        after: Under the second.
        delta: `after` minus `before`.
        low: Lower end of its 95 % interval; null where there is none, which `reason` explains.
        high: Upper end.
        reason: Why something is null, or a warning.
        p: Two-sided, of no change; null where there is no standard error.
        se: The standard error of `delta`, clustered.
        df: Degrees of freedom of `se`.
        clusters: How many clusters hold a changed label.
    """

    before: float | None
    after: float | None
    delta: float | None
    low: float | None
    high: float | None
    reason: str | None
    p: float | None
    se: float | None
    df: int
    clusters: int


def change(before: Scored, after: Scored, chosen: Sequence[int], changed: int) -> Change:
    """The change of the mean AUROC of the `chosen` cells, at least one.

    The two means rest on the same clusters, so the influence of a cluster on the change is the difference of its
    influences (Obuchowski 1997, see `alignbench.clustered`): what the labelings agree on cancels out. The interval is a
    t interval. Only clusters with a changed label move the change much, so they are what its degrees of freedom count,
    where they are fewer than those that each mean rests on. With changed labels in a few
    clusters only it holds the true change less often than it says; the warning stands there, and
    tests/test_label_effect.py tries it on simulated data.

    Args:
        before: A judge's AUROCs under the first labelling.
        after: The same under the second; its clusters have the same numbers.
        chosen: Cells of both, which mean the same in both.
        changed: How many clusters hold a sentence of these cells that has a score, and another label after.
    """
    was, now = _mean(before, chosen), _mean(after, chosen)
    if was is None or now is None:
        return Change(was, now, None, None, None, _why_undefined(before, after, chosen), None, None, 0, changed)
    delta = now - was
    if not changed:
        return Change(was, now, delta, None, None, NOTHING_CHANGED, 1.0, 0.0, 0, 0)
    se = standard_error(after.influence(chosen) - before.influence(chosen))
    typical = min(changed, *(each.support(chosen).typical for each in (before, after)))
    support = Support(changed, typical)
    low, high, _ = t_interval(delta, se or None, support)
    p = p_value(delta, se, support.df) if support.df >= 1 else None
    return Change(was, now, delta, low, high, _warning(se, support), p, se, support.df, changed)


def _mean(scored: Scored, chosen: Sequence[int]) -> float | None:
    mean = float(scored.aurocs[list(chosen)].mean())
    return None if np.isnan(mean) else mean


def _why_undefined(before: Scored, after: Scored, chosen: Sequence[int]) -> str:
    for scored in (before, after):
        for cell in chosen:
            if np.isnan(scored.aurocs[cell]):
                sizes = scored.cells.n_correct()[cell], scored.cells.n_incorrect()[cell]
                return f"{one_class_reason(*map(int, sizes))} with a score"
    raise ValueError("every chosen cell has an AUROC")


def _warning(se: float | None, support: Support) -> str | None:
    if support.distinct == 1:
        return ONE_CLUSTER
    if se is None or support.df < 1:
        return NO_SPREAD
    if se == 0:
        return NO_MOVE
    if support.distinct < FEW_CLUSTERS:
        return f"too few: labels changed in {support.distinct} clusters"
    return None
