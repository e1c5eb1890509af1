"""Slow and obvious second opinions on the statistics, and worlds in which the truth is known."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


def slow_auroc(is_correct: BoolArray, score: FloatArray) -> float:
    """Every correct sentence against every incorrect one."""
    won = [
        1.0 if right > wrong else 0.5 if right == wrong else 0.0
        for right in score[is_correct]
        for wrong in score[~is_correct]
    ]
    return float(np.mean(won)) if won else float("nan")


def slow_obuchowski(is_correct: BoolArray, score: FloatArray, cluster: IntArray) -> float:
    """The variance of Obuchowski (1997), formula by formula; at least two clusters hold each class."""
    right, wrong = np.flatnonzero(is_correct), np.flatnonzero(~is_correct)
    theta = slow_auroc(is_correct, score)
    psi = np.array([[(score[i] > score[j]) + 0.5 * (score[i] == score[j]) for j in wrong] for i in right])
    x = {c: [psi[a].mean() - theta for a, i in enumerate(right) if cluster[i] == c] for c in np.unique(cluster)}
    y = {c: [psi[:, b].mean() - theta for b, j in enumerate(wrong) if cluster[j] == c] for c in np.unique(cluster)}
    m, n, clusters = len(right), len(wrong), len(x)
    holding_x, holding_y = sum(map(bool, x.values())), sum(map(bool, y.values()))
    s10 = holding_x / ((holding_x - 1) * m) * sum(sum(part) ** 2 for part in x.values())
    s01 = holding_y / ((holding_y - 1) * n) * sum(sum(part) ** 2 for part in y.values())
    s11 = clusters / (clusters - 1) * sum(sum(x[c]) * sum(y[c]) for c in x)
    return float(s10 / m + s01 / n + 2 * s11 / (m * n))


class World(NamedTuple):
    """Sentences whose labels and scores cluster by image."""

    is_correct: BoolArray
    score: FloatArray
    cluster: IntArray


def draw_world(
    rng: np.random.Generator,
    *,
    images: int,
    sentences: int = 6,
    auroc: float = 0.75,
    wrong: float = 0.2,
    icc: float = 0.5,
) -> World:
    """One data set from a world with a known AUROC.

    Args:
        rng: Where chance comes from.
        images: Clusters.
        sentences: Per image.
        auroc: Of a random correct against a random incorrect sentence of another image.
        wrong: Share of incorrect sentences; each image has its own, from a beta distribution.
        icc: Intra-class correlation of the labels, and that of the scores within a label.
    """
    cluster = np.repeat(np.arange(images), sentences)
    strength = (1 - icc) / icc
    share = rng.beta(strength * wrong, strength * (1 - wrong), images)
    is_correct = rng.random(cluster.size) >= share[cluster]
    noise = np.sqrt(icc) * rng.normal(size=images)[cluster] + np.sqrt(1 - icc) * rng.normal(size=cluster.size)
    return World(is_correct, noise + np.sqrt(2) * special.ndtri(auroc) * is_correct, cluster)
