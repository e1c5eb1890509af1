"""How fast an annotator answers: hasty answers, and answers in quick succession."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import special

from alignbench.analysis.long_runs import chance_of_run, longest_run
from alignbench.metrics import FloatArray, IntArray

AT_ONCE = 50_000
"""Answers fewer microseconds apart were handed in together, as by a page of several sentences or by an import."""
HASTY = 1.0
"""An answer in less than so many seconds is hasty; so is one in less than a fifth of the annotator's own median."""
TOLERATED = 0.1
"""Of one answer in ten an honest annotator may be that quick."""


class Haste(NamedTuple):
    """Answers that were quicker than reading takes.

    Attributes:
        answers: How many were timed; sentences that were timed together count once.
        hasty: How many of them took less than `limit`.
        limit: In seconds.
        median: In seconds.
        p: For the hypothesis that at most `TOLERATED` of all are.
    """

    answers: int
    hasty: int
    limit: float
    median: float
    p: float


class Burst(NamedTuple):
    """The longest row of answers less than a second apart.

    Attributes:
        answers: How many are in it; 1 where no two are.
        first: Its first moment, in microseconds since 1970.
        p: For the hypothesis that at most `TOLERATED` of all answers follow so soon, each whatever the one before.
    """

    answers: int
    first: int
    p: float


def haste(time: IntArray, seconds: FloatArray) -> Haste | None:
    """Whether answers were hasty; null where none was timed.

    Args:
        time: (v,) when each vote was given, in microseconds.
        seconds: (v,) how long it took; NaN where not known. Votes of one moment with the same seconds were one answer.
    """
    timed = ~np.isnan(seconds)
    if not timed.any():
        return None
    moment = _moments(time)[timed]
    order = np.lexsort((seconds[timed], moment))
    moment, took = moment[order], seconds[timed][order]
    took = took[np.append(True, (np.diff(moment) > 0) | (np.diff(took) > 0))]
    median = float(np.median(seconds[timed]))
    limit = max(HASTY, median / 5)
    hasty = int((took < limit).sum())
    p = float(special.bdtrc(hasty - 1, took.size, TOLERATED)) if hasty else 1.0
    return Haste(took.size, hasty, limit, median, p)


def burst(time: IntArray) -> Burst | None:
    """The longest row of answers in quick succession among votes of these moments, (v,); null of a single moment."""
    moments = np.unique(time)
    moments = moments[np.append(True, np.diff(moments) >= AT_ONCE)] if moments.size else moments
    gaps = np.diff(moments)
    if not gaps.size:
        return None
    soon = np.where(gaps < 1_000_000, 0, np.arange(1, gaps.size + 1))  # runs of anything else have length 1
    begin, length = longest_run(soon)
    if soon[begin] != 0:
        return Burst(1, int(moments[0]), 1.0)
    p = chance_of_run(np.full((gaps.size, 1), TOLERATED), length)
    return Burst(length + 1, int(moments[begin]), p)


def _moments(time: IntArray) -> IntArray:
    # The number of the moment of each vote; votes handed in together have the same.
    order = np.argsort(time, kind="stable")
    apart = np.append(False, np.diff(time[order]) >= AT_ONCE)[: time.size]
    number = np.empty(time.size, np.int64)
    number[order] = np.cumsum(apart)
    return number
