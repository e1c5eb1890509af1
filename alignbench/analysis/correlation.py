"""How two numbers of the same judges go together."""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np
from scipy import special

from alignbench.intervals import LEVEL
from alignbench.metrics import FloatArray

MIN_JUDGES = 5
"""With fewer judges a correlation says nothing: even a perfect one is no more than chance would give."""
EXACT = 8
"""Up to so many judges all permutations are tried."""
PERMUTATIONS = 9_999
"""How many are drawn for more judges."""

_PERFECT = "the correlation is perfect, which leaves no spread to go by"
_ROUNDING = 1e-12


class Correlation(NamedTuple):
    """A correlation as `alignbench correlate` says it.

    Attributes:
        value: From -1 to 1, or null.
        low: Lower end of its 95 % interval, or null.
        high: Upper end.
        reason: Why something is null.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None


class Correlations(NamedTuple):
    """Three correlations of the same numbers.

    Attributes:
        n: How many judges have both.
        spearman: Of the ranks, tied ones sharing the mean of theirs.
        kendall: Tau-b.
        pearson: Of the numbers themselves.
        p: Two-sided, of no rank correlation, by permutation; null where `spearman` is.
    """

    n: int
    spearman: Correlation
    kendall: Correlation
    pearson: Correlation
    p: float | None


def correlations(first: FloatArray, second: FloatArray, seed: int) -> Correlations:
    """Spearman's, Kendall's and Pearson's correlation over the judges that have both numbers.

    The intervals are those of Bonett and Wright (2000, Psychometrika 65:23-28): normal on the scale of Fisher's z, with
    variance 1 / (n - 3) for Pearson's, (1 + r^2 / 2) / (n - 3) for Spearman's and 0.437 / (n - 4) for Kendall's. They
    speak of judges drawn at random from judges such as these, which those of a table seldom are. Simulated with normal
    numbers of 5 to 50 judges and correlations of 0 to 0.95, they cover 92 to 100 %; percentiles of a bootstrap over
    judges, for Pearson's, cover 83 to 95 %.

    Args:
        first: (J,) NaN where missing.
        second: (J,) NaN where missing.
        seed: Of the permutations, not negative.
    """
    from scipy import stats

    both = ~np.isnan(first) & ~np.isnan(second)
    x, y, n = first[both], second[both], int(both.sum())
    reason = _why_none(x, y)
    if reason:
        nothing = Correlation(None, None, None, reason)
        return Correlations(n, nothing, nothing, nothing, None)
    rank_x, rank_y = (np.asarray(stats.rankdata(values), np.float64) for values in (x, y))
    rho = _pearson(rank_x, rank_y)
    return Correlations(
        n,
        spearman=_with_interval(rho, (1 + rho**2 / 2) / (n - 3)),
        kendall=_with_interval(float(stats.kendalltau(x, y).statistic), 0.437 / (n - 4)),
        pearson=_with_interval(_pearson(x, y), 1 / (n - 3)),
        p=_permutation_p(rank_x, rank_y, seed),
    )


def _why_none(x: FloatArray, y: FloatArray) -> str | None:
    if x.size < MIN_JUDGES:
        return f"{x.size} judges have both numbers, and a correlation needs at least {MIN_JUDGES}"
    return "all judges have the same number" if np.ptp(x) == 0 or np.ptp(y) == 0 else None


def _pearson(x: FloatArray, y: FloatArray) -> float:
    # Of deviations scaled to 1, so that no square overflows or vanishes.
    x, y = (_unit(values) for values in (x, y))
    return float(np.clip(x @ y, -1, 1))


def _unit(values: FloatArray) -> FloatArray:
    deviation = values / np.abs(values).max()
    deviation = deviation - deviation.mean()
    unit: FloatArray = deviation / np.linalg.norm(deviation)
    return unit


def _with_interval(value: float, variance: float) -> Correlation:
    if 1 - abs(value) < _ROUNDING:
        return Correlation(math.copysign(1.0, value), None, None, _PERFECT)
    reach = float(special.ndtri((1 + LEVEL) / 2)) * math.sqrt(variance)
    return Correlation(value, math.tanh(math.atanh(value) - reach), math.tanh(math.atanh(value) + reach), None)


def _permutation_p(x: FloatArray, y: FloatArray, seed: int) -> float:
    """How often the ranks of one, in another order, correlate as strongly."""
    if x.size <= EXACT:
        drawn = y[np.array(list(itertools.permutations(range(y.size))))]
    else:
        drawn = np.random.default_rng(seed).permuted(np.tile(y, (PERMUTATIONS, 1)), axis=1)
    middle = x.size * x.mean() * y.mean()
    extreme = np.abs(drawn @ x - middle) >= abs(x @ y - middle) - 1e-6
    if x.size <= EXACT:
        return float(extreme.mean())
    return float((1 + extreme.sum()) / (1 + PERMUTATIONS))
