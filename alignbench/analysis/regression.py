"""Slopes within groups, with standard errors that know which sentences belong together."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from alignbench.effects import Effect, effect, no_effect
from alignbench.metrics import FloatArray, IntArray

NO_VARIATION = "nothing varies within the groups that are compared: every sentence stands at the same place there"
_ROUNDING = 1e-12


class Observations(NamedTuple):
    """What a slope is fitted to.

    Attributes:
        outcome: (n,) finite, of the order of 1.
        step: (n,) what it is regressed on.
        group: (n,) from 0; only observations of one group are compared, as if each had a constant of its own.
        cluster: (n,) from 0.
    """

    outcome: FloatArray
    step: FloatArray
    group: IntArray
    cluster: IntArray


def slope(seen: Observations, n_clusters: int, *, nested: bool = False, ranked: bool = False) -> Effect:
    """The ordinary least-squares slope with a fixed effect for each group.

    The groups' constants are taken out by demeaning, which gives the same slope and residuals as a column for each
    (Frisch and Waugh 1933). The variance is clustered with the correction G/(G - 1) * (n - 1)/(n - k) for G clusters
    and k coefficients, constants included: what statsmodels gives for `cov_type="cluster"`; the interval is that of t
    with G - 1 degrees of freedom. Where every group lies within one cluster (`nested`), k counts one constant only:
    counting all would make the variance of groups of two about twice what it is (Cameron and Miller 2015, J. Human
    Resources 50:317-372, section III.B).

    Args:
        seen: The observations.
        n_clusters: How many clusters there are, those without an observation included.
        nested: Whether no group reaches over two clusters.
        ranked: Whether the outcomes are normalised ranks among these observations, and it counts that other clusters
            would have ranked them otherwise. statsmodels takes ranks for given numbers. Without an effect that is
            right; where scores move by 0.6 standard deviations a step, its intervals from 150 images cover 87.5 % of
            the time, and 94 % with `ranked` (1,500 simulated data sets).

    Returns:
        The change of the outcome a step; null where there is no observation, or no step within a group.
    """
    n = seen.outcome.size
    if not n:
        return no_effect("there is no sentence with a score to compare")
    sizes = np.bincount(seen.group)
    step, outcome = (_demeaned(values, seen.group, sizes) for values in (seen.step, seen.outcome))
    spread = float(step @ step)
    if spread == 0:
        return no_effect(NO_VARIATION, n)
    value = float(step @ outcome) / spread
    left = _cleaned(outcome - value * step)
    coefficients = 1 + (1 if nested else int(np.count_nonzero(sizes)))
    clusters = np.unique(seen.cluster).size
    moved = step * left / spread
    if ranked:
        moved += _of_ranking(seen.outcome, step / spread, value)
    influences = _correction(clusters, n, coefficients) * np.bincount(seen.cluster, weights=moved, minlength=n_clusters)
    return effect(value, np.asarray(influences, np.float64), clusters=clusters, n=n)


def _demeaned(values: FloatArray, group: IntArray, sizes: IntArray) -> FloatArray:
    sums = np.bincount(group, weights=values, minlength=sizes.size)
    return _cleaned(values - (sums / np.maximum(sizes, 1))[group])


def _cleaned(values: FloatArray) -> FloatArray:
    # What is 0 but for rounding is 0, so that what does not vary is found not to.
    values[np.abs(values) < _ROUNDING] = 0.0
    return values


def _correction(clusters: int, n: int, coefficients: int) -> float:
    # Of the standard error; NaN where nothing is left over to estimate it from.
    if clusters < 2 or n <= coefficients:
        return math.nan
    return math.sqrt(clusters / (clusters - 1) * (n - 1) / (n - coefficients))


def _of_ranking(rank: FloatArray, weight: FloatArray, value: float) -> FloatArray:
    """(n,) how much each observation moves sum(weight * rank), which is `value`, by the ranks it gives to others."""
    # An observation adds 1/n to the rank of each that outscores it, and half of that to those that tie with it.
    _, level = np.unique(rank, return_inverse=True)
    of_level = np.bincount(level, weights=weight)
    above = of_level / 2 - np.cumsum(of_level)  # the weights sum to 0
    return _cleaned((above - value)[level]) / rank.size
