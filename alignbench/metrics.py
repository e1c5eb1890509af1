"""How well scores tell correct sentences from incorrect ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


class Estimate(NamedTuple):
    """A number, or the reason why there is none: exactly one of the two is null."""

    value: float | None
    reason: str | None


def auroc(is_correct: BoolArray, score: FloatArray) -> Estimate:
    """The probability that a random correct sentence outscores a random incorrect one, ties counted one half.

    Equal to the area under the ROC curve (Hanley and McNeil 1982). The sum of placements is a whole number of
    halves, so the value is exact up to one division.

    Args:
        is_correct: (n,) which sentences are correct.
        score: (n,) finite, higher for better aligned.

    Returns:
        A value in [0, 1], or a reason where one class is empty.

    Raises:
        ValueError: The shapes differ or a score is not finite.
    """
    _check(is_correct, score)
    correct, incorrect = score[is_correct], score[~is_correct]
    if not correct.size or not incorrect.size:
        return Estimate(None, one_class_reason(correct.size, incorrect.size))
    return Estimate(float(placements(correct, incorrect).sum() / (correct.size * incorrect.size)), None)


def placements(those: FloatArray, others: FloatArray) -> FloatArray:
    """How many of `others` each of `those` outscores, ties counted one half.

    Args:
        those: (a,) finite scores.
        others: (b,) finite scores.

    Returns:
        (a,) multiples of one half between 0 and b.
    """
    ladder = np.sort(others)
    return (np.searchsorted(ladder, those, side="left") + np.searchsorted(ladder, those, side="right")) / 2


def normalised_ranks(score: FloatArray) -> FloatArray:
    """(rank - 1/2) / n of every score among the n that are there, tied ones sharing the mean of their ranks.

    A scale on which judges can be compared: no rising function of the scores changes it, and its mean is one half.

    Args:
        score: (N,) NaN where missing.

    Returns:
        (N,) in (0, 1), NaN where missing.
    """
    known = ~np.isnan(score)
    _, level, size = np.unique(score[known], return_inverse=True, return_counts=True)
    ranks = np.full(score.size, np.nan)
    ranks[known] = (np.cumsum(size) - size / 2)[level] / level.size
    return ranks


def macro(estimates: Iterable[Estimate]) -> Estimate:
    """The mean of estimates that count alike; undefined where one of them is, or where there are none."""
    values: list[float] = []
    for estimate in estimates:
        if estimate.value is None:
            return estimate
        values.append(estimate.value)
    return Estimate(float(np.mean(values)), None) if values else Estimate(None, "there is nothing to average")


def one_class_reason(n_correct: int, n_incorrect: int) -> str:
    """Why there is no AUROC for these numbers of sentences, at least one of which is 0."""
    if n_correct == n_incorrect == 0:
        return "no sentence"
    return "no incorrect sentence" if n_correct else "no correct sentence"


def _check(is_correct: BoolArray, score: FloatArray) -> None:
    if is_correct.shape != score.shape or score.ndim != 1:
        raise ValueError(f"is_correct and score must be equally long vectors, not {is_correct.shape} and {score.shape}")
    if not np.isfinite(score).all():
        raise ValueError("every score must be finite; leave out the sentences that have none")
