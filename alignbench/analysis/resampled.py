"""Intervals of shares that have no analytic standard error, from their replicates alone."""

from __future__ import annotations

import numpy as np

from alignbench.intervals import (
    LEVEL,
    MANY_CLUSTERS,
    MAX_UNDEFINED,
    NO_SPREAD,
    Interval,
    Support,
    auroc_interval,
    logit_interval,
)
from alignbench.metrics import FloatArray


def resampled_interval(value: float, replicates: FloatArray, support: Support) -> Interval:
    """The interval of a share, or of a mean of shares; as `alignbench.intervals.auroc_interval`.

    Below `MANY_CLUSTERS` clusters the standard error of its t interval is that of the replicates.

    Args:
        value: In [0, 1].
        replicates: (b,) resampled shares, NaN where undefined; those outside [0, 1] are moved to its ends.
        support: The clusters it rests on.
    """
    if support.df < 1:
        return Interval(None, None, NO_SPREAD)
    if value in (0.0, 1.0) or support.typical >= MANY_CLUSTERS:
        return auroc_interval(value, None, support, np.clip(replicates, 0, 1))
    reason = undefined_reason(replicates)
    if reason:
        return Interval(None, None, reason)
    return logit_interval(value, float(np.nanstd(replicates)), support)


def percentile_interval(replicates: FloatArray, support: Support) -> Interval:
    """Percentiles of the replicates, (b,) and NaN where undefined, however few the clusters."""
    if support.df < 1:
        return Interval(None, None, NO_SPREAD)
    reason = undefined_reason(replicates)
    if reason:
        return Interval(None, None, reason)
    low, high = np.nanquantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high), support.warning())


def undefined_reason(replicates: FloatArray) -> str | None:
    """Why these replicates, (b,), give no interval; null where enough of them are defined."""
    undefined = np.isnan(replicates).mean()
    return f"undefined in {undefined:.1%} of the replicates" if undefined > MAX_UNDEFINED else None
