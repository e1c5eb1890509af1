"""Whether differences between judges are more than chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import special

ALPHA = 0.05
POWER = 0.8


def p_value(delta: float, se: float | None, df: int) -> float | None:
    """The two-sided p of a difference, against t, which is normal for many degrees of freedom.

    A bootstrap p could not go below one in the number of replicates, so none would outlive Holm's correction.

    Returns:
        1 for equal judges; null where there is no standard error to go by.
    """
    if delta == 0:
        return 1.0
    if not se:
        return None
    return float(2 * special.stdtr(df, -abs(delta) / se))


def holm(p: Sequence[float | None]) -> list[float | None]:
    """P-values adjusted for being many (Holm 1979); nulls stay null and do not count."""
    known = [place for place, value in enumerate(p) if value is not None]
    ascending = sorted(known, key=lambda place: p[place] or 0.0)
    adjusted: list[float | None] = [None] * len(p)
    highest = 0.0
    for rank, place in enumerate(ascending):
        highest = max(highest, min(1.0, (len(known) - rank) * (p[place] or 0.0)))
        adjusted[place] = highest
    return adjusted


def detectable(se: float | None, df: int, tests: int) -> float | None:
    """The smallest true difference that has an 80 % chance to be found, as the first of `tests` that Holm looks at."""
    if not se:
        return None
    quantile = special.stdtrit(df, 1 - ALPHA / (2 * tests))
    return float((quantile + special.ndtri(POWER)) * se)


def tied_ranks(beats: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The best and the worst rank that each of n judges may hold.

    Args:
        beats: (n, n) whether the judge of the row is found better than the judge of the column.

    Returns:
        For each judge 1 + how many beat it, and n - how many it beats.
    """
    return [(1 + int(beats[:, j].sum()), len(beats) - int(beats[j].sum())) for j in range(len(beats))]
