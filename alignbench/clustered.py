"""Analytic variance of means and AUROCs whose sentences come in clusters."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from alignbench.metrics import FloatArray, IntArray, placements


class Scores(NamedTuple):
    """The scores of one class of sentences and where they come from.

    Attributes:
        score: (n,) finite.
        cluster: (n,) the cluster of each, from 0.
    """

    score: FloatArray
    cluster: IntArray


def influence(correct: Scores, incorrect: Scores, n_clusters: int) -> FloatArray:
    """How much each cluster moves the AUROC of two non-empty classes; the squares sum to its variance.

    This is the variance of Obuchowski (1997, Biometrics 53:567-578) written as a sum over clusters, so that means and
    differences of AUROCs have a variance too, that of the mean or difference of their influences. Her factors
    I/(I - 1) for the I clusters that hold a class stay; that of the cross term is their geometric mean.

    Returns:
        (n_clusters,) summing to 0; all NaN where a class lies in a single cluster, which says nothing about spread.
    """
    outscored = placements(correct.score, incorrect.score) / incorrect.score.size
    outscoring = 1 - placements(incorrect.score, correct.score) / correct.score.size
    return mean_influence(outscored, correct.cluster, n_clusters) + mean_influence(
        outscoring, incorrect.cluster, n_clusters
    )


def standard_error(influences: FloatArray) -> float | None:
    """The standard error that belongs to an influence; null where a class lies in a single cluster."""
    variance = float(np.square(influences).sum())
    return None if math.isnan(variance) else math.sqrt(variance)


def mean_influence(value: FloatArray, cluster: IntArray, n_clusters: int) -> FloatArray:
    """How much each cluster moves the mean of some sentences' values; the squares sum to its variance.

    Args:
        value: (n,) finite, at least one.
        cluster: (n,) from 0.
        n_clusters: How many clusters there are, those without such a sentence included.

    Returns:
        (n_clusters,) summing to 0; all NaN where a single cluster holds them all.
    """
    holding = np.unique(cluster).size
    if holding == 1:
        return np.full(n_clusters, np.nan)
    deviation = np.bincount(cluster, weights=value - value.mean(), minlength=n_clusters)
    return math.sqrt(holding / (holding - 1)) * deviation / value.size
