"""How well a judge finds incorrect sentences: average precision, the share caught at few false alarms, the ROC curve.

Here the incorrect sentences are the positives, and those with the lowest scores are flagged first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from alignbench.analysis.resampled import resampled_interval
from alignbench.cells import MIN_PER_CLASS, NOT_COMPARABLE
from alignbench.intervals import support_of
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import Panel
from alignbench.resample import Draws

FPR = 0.05
"""The share of the correct sentences that may be flagged."""
GRID = np.linspace(0, 1, 101)
"""Where the ROC curve is given."""
LEVELS = 500
"""Replicates see at most so many different scores of a producer."""

_ROUNDING = 1e-12


class _Part(NamedTuple):
    """The scored sentences of one producer: (n,) each."""

    score: FloatArray
    is_correct: BoolArray
    cluster: IntArray


def detection(panel: Panel, score: FloatArray, draws: Draws) -> dict[str, Any]:
    """Macro means over the producers with at least 10 scored sentences of each class.

    Average precision is the sum over thresholds of precision times the rise of recall, tied scores being one threshold
    (scikit-learn's `average_precision_score`); that of a judge that knows nothing is the share of incorrect sentences,
    given as `chance`. The share caught is read off the ROC curve by linear interpolation, so ties count one half. The
    curve is the vertical mean of the producers' curves at the rates of `GRID`; at a rate of 0, where a curve rises
    straight up, it has the upper end: the share caught before the first false alarm.

    The intervals resample clusters. Replicates see the scores on at most `LEVELS` quantiles, so the interval is the
    exact value plus the quantiles of what a replicate on the levels differs by from the value on the levels.

    Args:
        panel: n labelled sentences.
        score: (n,) NaN where missing; those sentences are left out.
        draws: The clusters of every replicate.

    Returns:
        `{"average_precision": figure + chance, "tpr_at_fpr": figure + fpr, "roc": {"fpr": [101], "tpr": [101]} |
        null}`; a figure has value, low, high, reason, n_correct and n_incorrect.
    """
    parts = _parts(panel, score)
    sizes = {
        "n_correct": sum(int(part.is_correct.sum()) for part in parts),
        "n_incorrect": sum(int((~part.is_correct).sum()) for part in parts),
    }
    if not parts:
        return _nothing(sizes)
    exact = np.mean([_found(*_counted_once(part)) for part in parts], axis=0)[:, 0]
    support = support_of([(part.cluster[part.is_correct], part.cluster[~part.is_correct]) for part in parts])
    precision, caught = (
        {"value": value, **resampled_interval(value, value + moved, support)._asdict()}
        for value, moved in zip(exact.tolist(), _moves(parts, draws), strict=True)
    )
    chance = float(np.mean([(~part.is_correct).mean() for part in parts]))
    return {
        "average_precision": precision | {"chance": chance} | sizes,
        "tpr_at_fpr": caught | {"fpr": FPR} | sizes,
        "roc": {"fpr": GRID.tolist(), "tpr": np.mean([_curve(part) for part in parts], axis=0).tolist()},
    }


def operating_point(panel: Panel, score: FloatArray) -> float | None:
    """The highest threshold below which at most a share of `FPR` of the correct sentences scores.

    Producers count alike; ties can make the share smaller. A sentence that scores below it is flagged.

    Args:
        panel: n labelled sentences.
        score: (n,) NaN where missing.

    Returns:
        The threshold, one of the scores; null where no producer has 10 scored sentences of each class.
    """
    parts = _parts(panel, score)
    if not parts:
        return None
    correct = [np.sort(part.score[part.is_correct]) for part in parts]
    known = np.unique(np.concatenate(correct))
    shares = [np.searchsorted(scores, known, side="right") / scores.size for scores in correct]
    return float(known[np.argmax(np.mean(shares, axis=0) > FPR + _ROUNDING)])


def _parts(panel: Panel, score: FloatArray) -> list[_Part]:
    known = ~np.isnan(score)
    parts = []
    for producer in range(len(panel.producers)):
        rows = np.flatnonzero(known & (panel.producer == producer))
        is_correct = panel.is_correct[rows]
        if min(is_correct.sum(), (~is_correct).sum()) >= MIN_PER_CLASS:
            parts.append(_Part(score[rows], is_correct, panel.cluster[rows]))
    return parts


def _nothing(sizes: dict[str, int]) -> dict[str, Any]:
    figure = {"value": None, "low": None, "high": None, "reason": NOT_COMPARABLE}
    return {
        "average_precision": figure | {"chance": None} | sizes,
        "tpr_at_fpr": figure | {"fpr": FPR} | sizes,
        "roc": None,
    }


def _found(incorrect: FloatArray, correct: FloatArray) -> FloatArray:
    """(2, r) average precision and the share caught, NaN where a class is empty.

    Args:
        incorrect: (k, r) how many incorrect sentences have each of k scores, which rise.
        correct: The same of correct ones.
    """
    caught, alarms = np.cumsum(incorrect, axis=0), np.cumsum(correct, axis=0)
    n_incorrect, n_correct = caught[-1], alarms[-1]
    flagged = caught + alarms
    precision = np.divide(caught, flagged, out=flagged, where=flagged > 0)
    precision *= incorrect
    found = np.stack([precision.sum(axis=0), _interpolated(caught, alarms)])
    missing = (n_incorrect == 0) | (n_correct == 0)
    return np.asarray(np.where(missing, np.nan, found / np.maximum(n_incorrect, 1)), np.float64)


def _interpolated(caught: FloatArray, alarms: FloatArray) -> FloatArray:
    """(r,) how many are caught where a share of `FPR` of the alarms is reached; as np.interp, the end of a jump."""
    wanted = FPR * alarms[-1]
    place = np.minimum((alarms <= wanted).sum(axis=0), len(alarms) - 1)[None]  # the first threshold beyond
    (after,), (alarms_after,) = (np.take_along_axis(each, place, axis=0) for each in (caught, alarms))
    (before,), (alarms_before,) = (
        np.where(place > 0, np.take_along_axis(each, np.maximum(place - 1, 0), axis=0), 0) for each in (caught, alarms)
    )
    rise = alarms_after - alarms_before
    part = np.divide(wanted - alarms_before, rise, out=np.zeros_like(rise), where=rise > 0)
    return np.asarray(before + part * (after - before), np.float64)


def _counted_once(part: _Part) -> tuple[FloatArray, FloatArray]:
    """(k, 1) how many incorrect, then correct sentences have each score."""
    known, level = np.unique(part.score, return_inverse=True)
    incorrect, correct = (
        np.bincount(level[part.is_correct == side], minlength=known.size)[:, None].astype(np.float64)
        for side in (False, True)
    )
    return incorrect, correct


def _moves(parts: Sequence[_Part], draws: Draws) -> FloatArray:
    """(2, b) by how much each replicate differs from the data, both on levels."""
    levelled = [_levelled(part, draws.stratum.size) for part in parts]

    def mean_found(counts: FloatArray) -> FloatArray:
        return np.asarray(np.mean([_found(*(side @ counts for side in sides)) for sides in levelled], axis=0))

    replicates = np.concatenate([mean_found(counts) for counts in draws], axis=1)
    return np.asarray(replicates - mean_found(np.ones((draws.stratum.size, 1))), np.float64)


def _levelled(part: _Part, n_clusters: int) -> list[sparse.csr_array]:
    """(levels, m) how many incorrect, then correct sentences each cluster has on each level."""
    known, level = np.unique(part.score, return_inverse=True)
    if known.size > LEVELS:
        tops = np.unique(np.sort(part.score)[np.arange(1, LEVELS) * part.score.size // LEVELS])
        level = np.searchsorted(tops, part.score)
    shape = (int(level.max()) + 1, n_clusters)
    sides = (np.flatnonzero(part.is_correct == side) for side in (False, True))
    return [sparse.csr_array((np.ones(rows.size), (level[rows], part.cluster[rows])), shape=shape) for rows in sides]


def _curve(part: _Part) -> FloatArray:
    """(101,) the share caught at each rate of `GRID`."""
    incorrect, correct = (np.cumsum(counts) / counts.sum() for counts in _counted_once(part))
    return np.asarray(np.interp(GRID, np.append(0.0, correct), np.append(0.0, incorrect)), np.float64)
