"""Which 95 % interval a number gets, by how many clusters it rests on."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from scipy import special

from alignbench.metrics import FloatArray, IntArray

LEVEL = 0.95
MANY_CLUSTERS = 100
FEW_CLUSTERS = 20
MAX_UNDEFINED = 0.01
NO_SPREAD = "one cluster holds a whole class, so there is no spread between clusters to measure"


class Interval(NamedTuple):
    """A 95 % interval, or the reason why there is none; `reason` beside an interval is a warning."""

    low: float | None
    high: float | None
    reason: str | None = None


class Support(NamedTuple):
    """The clusters that a number rests on.

    Attributes:
        distinct: How many hold the rarer class.
        typical: The same for one AUROC; for a mean of AUROCs the harmonic mean of theirs, rounded down. Many small
            producers do not make a large one: with `distinct` in its place simulated intervals of means cover 89 to
            94 %, with the harmonic mean 93 to 97 %.
    """

    distinct: int
    typical: int

    @property
    def df(self) -> int:
        """Degrees of freedom of the standard error."""
        return self.typical - 1

    def warning(self) -> str | None:
        """What to say of a number that rests on fewer than `FEW_CLUSTERS`."""
        if self.distinct >= FEW_CLUSTERS:
            return None
        return f"too few: the rarer class lies in {self.distinct} clusters"


def support_of(parts: Iterable[Sequence[IntArray]]) -> Support:
    """What a mean over parts, at least one, rests on.

    Args:
        parts: Of each part the clusters of its sentences, (n,) for each class; one class for a mean of values.
    """
    by_part = [[np.unique(of_class) for of_class in classes] for classes in parts]
    rarer = [min(held.size for held in classes) for classes in by_part]
    distinct = min(np.unique(np.concatenate(held)).size for held in zip(*by_part, strict=True))
    return Support(distinct, harmonic_mean(rarer))


def harmonic_mean(sizes: Sequence[int]) -> int:
    """Of positive whole numbers, at least one; rounded down, and exact where they are equal, as floats are not."""
    return int(len(sizes) // sum(Fraction(1, size) for size in sizes))


def auroc_interval(value: float, se: float | None, support: Support, replicates: FloatArray) -> Interval:
    """The interval of an AUROC or of a mean of AUROCs.

    From `MANY_CLUSTERS` clusters on, percentiles of the replicates. Below, where percentiles are too narrow, a t
    interval on the logit scale, which stays within [0, 1]. A perfect or perfectly wrong AUROC has no spread to go by:
    it gets the bound that Clopper and Pearson (1934) give to as many successes as there are clusters.

    Args:
        value: The AUROC.
        se: Its analytic clustered standard error, or null.
        support: The clusters it rests on.
        replicates: (b,) resampled AUROCs, NaN where undefined.
    """
    if value in (0.0, 1.0):
        slack = 1 - ((1 - LEVEL) / 2) ** (1 / support.typical)
        return Interval(max(0.0, value - slack), min(1.0, value + slack), support.warning())
    if support.typical >= MANY_CLUSTERS:
        return _percentiles(replicates)
    return logit_interval(value, se, support)


def logit_interval(value: float, se: float | None, support: Support) -> Interval:
    """The t interval, on the logit scale, of a share or probability strictly between 0 and 1."""
    if se is None:
        return Interval(None, None, NO_SPREAD)
    reach = _t_quantile(support) * se / (value * (1 - value))
    low, high = special.expit(special.logit(value) + np.array([-reach, reach]))
    return Interval(float(low), float(high), support.warning())


def difference_interval(delta: float, se: float | None, support: Support, replicates: FloatArray) -> Interval:
    """The interval of a difference between AUROCs of the same sentences; as `auroc_interval`, but on its own scale."""
    if se is None or (se == 0 and delta != 0):
        return Interval(None, None, NO_SPREAD)
    if support.typical >= MANY_CLUSTERS:
        return _percentiles(replicates)
    return t_interval(delta, se, support)


def t_interval(value: float, se: float | None, support: Support) -> Interval:
    """The t interval of a number that is a sum over clusters, or nearly: a mean, a contrast, a slope."""
    if se is None or support.df < 1:
        return Interval(None, None, NO_SPREAD)
    reach = _t_quantile(support) * se
    return Interval(value - reach, value + reach, support.warning())


def _percentiles(replicates: FloatArray) -> Interval:
    undefined = np.isnan(replicates)
    if undefined.mean() > MAX_UNDEFINED:
        return Interval(None, None, f"undefined in {undefined.mean():.1%} of the replicates")
    low, high = np.quantile(replicates[~undefined], [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _t_quantile(support: Support) -> float:
    return float(special.stdtrit(support.df, (1 + LEVEL) / 2))
