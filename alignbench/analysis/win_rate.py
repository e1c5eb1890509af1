"""The mean win rate of judges, as HELM and AHELM report it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from alignbench.analysis.resampled import percentile_interval
from alignbench.metrics import FloatArray, IntArray
from alignbench.scored import Scored

NOTE = (
    "win rate: the share of contests, one for each other judge and producer, in which the judge has the higher AUROC, "
    "ties one half; it depends on which other judges there are, so those of two reports cannot be compared"
)
ALONE = "there is no other judge to win against"
NO_PRODUCER = "there is no producer that counts in the mean"
NO_AUROC = "no producer on which this judge and another have an AUROC"


def win_rates(names: Sequence[str], scored: Sequence[Scored], producers: Sequence[int]) -> dict[str, dict[str, Any]]:
    """The share of contests that each judge wins by AUROC, ties one half (Lee et al., AHELM, arXiv 2508.21376).

    There is a contest for each other judge and each producer on which both have an AUROC. The number depends on the
    pool of judges: one more judge, or one less, changes that of all others, which no AUROC does; see `NOTE`. How far
    ahead the winner is does not count. The interval is of percentiles of the paired replicates; a share of few contests
    moves in jumps, so it is wider than need be: simulated, it covers the truth in 95 to 100 % of the cases.

    Args:
        names: Of the judges, without the blind controls.
        scored: What each makes of the grid of producers, under the same draws.
        producers: The cells of the grid that count in macro means.

    Returns:
        By name: value, low, high, reason, and n, the number of contests.
    """
    reason = NO_PRODUCER if not len(producers) else ALONE if len(names) < 2 else None
    if reason:
        return {name: _nothing(reason) for name in names}
    aurocs = np.stack([one.aurocs[list(producers)] for one in scored])  # (judges, producers)
    # (judges, producers, replicates)
    replicates = np.stack([[one.replicates([cell]) for cell in producers] for one in scored])
    return {
        name: _win_rate(place, aurocs, replicates, scored[place], np.asarray(producers))
        for place, name in enumerate(names)
    }


def _win_rate(
    place: int, aurocs: FloatArray, replicates: FloatArray, scored: Scored, producers: IntArray
) -> dict[str, Any]:
    others = np.arange(len(aurocs)) != place
    contests = ~np.isnan(aurocs[others] - aurocs[place])  # (others, producers)
    n = int(contests.sum())
    if not n:
        return _nothing(NO_AUROC)
    value = float(_won(aurocs[place], aurocs[others])[contests].mean())
    won = np.zeros(replicates.shape[-1])
    for other, counted in zip(replicates[others], contests, strict=True):
        won += _won(replicates[place][counted], other[counted]).sum(axis=0)
    support = scored.support(producers[contests.any(axis=0)].tolist())
    return {"value": value, **percentile_interval(won / n, support)._asdict(), "n": n}


def _won(own: FloatArray, other: FloatArray) -> FloatArray:
    """1 where `own` is higher, one half where both are the same, NaN where one is missing."""
    return np.asarray((np.sign(own - other) + 1) / 2, np.float64)


def _nothing(reason: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "reason": reason, "n": 0}
