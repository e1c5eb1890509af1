"""Effects, which are 0 where there is nothing: slopes, contrasts, shifts; with their intervals and p-values."""

from __future__ import annotations

from typing import NamedTuple

from alignbench.clustered import standard_error
from alignbench.intervals import Support, t_interval
from alignbench.metrics import FloatArray
from alignbench.significance import p_value


class Effect(NamedTuple):
    """An effect as results.json says it.

    Attributes:
        value: The number, or null.
        low: Lower end of its 95 % interval, or null.
        high: Upper end.
        reason: Why something is null, or a warning.
        se: The analytic clustered standard error; null where it is undefined.
        p: Two-sided, against no effect; null without a standard error.
        clusters: How many clusters it rests on.
        n: How many sentences it rests on.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None
    se: float | None
    p: float | None
    clusters: int
    n: int


def effect(value: float, influences: FloatArray, *, clusters: int, n: int) -> Effect:
    """An effect whose null value is 0, with its t interval.

    Args:
        value: The effect.
        influences: (m,) how much each cluster moves it, as `alignbench.clustered.influence` says; NaN where that
            cannot be told.
        clusters: How many clusters it rests on; one less are its degrees of freedom.
        n: How many sentences it rests on.
    """
    se = standard_error(influences)
    if se == 0 and value != 0:
        se = None  # as many clusters alike say nothing about their spread
    support = Support(clusters, clusters)
    p = p_value(value, se, support.df) if support.df > 0 else None
    return Effect(value, *t_interval(value, se, support), se, p, clusters, n)


def no_effect(reason: str, n: int = 0) -> Effect:
    """No number, for that reason."""
    return Effect(None, None, None, reason, None, None, 0, n)
