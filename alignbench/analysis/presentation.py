"""What it does to a judge's scores how a sentence is shown: at which place of a caption, and in a caption at all."""

from __future__ import annotations

from typing import Any

import numpy as np

from alignbench.analysis.position import Valued, contest, macro_mean, win_share
from alignbench.analysis.regression import Observations, slope
from alignbench.cells import MIN_PER_CLASS, NOT_COMPARABLE, Cells, comparable
from alignbench.clustered import influence
from alignbench.effects import Effect, effect, no_effect
from alignbench.intervals import support_of
from alignbench.metrics import BoolArray, FloatArray, IntArray, normalised_ranks
from alignbench.panel import INDICES, Panel


def presentation(scores: FloatArray, places: IntArray, cluster: IntArray, n_clusters: int) -> Effect:
    """How much the score of one and the same sentence changes when it is shown one place later.

    The least-squares slope of (rank - 1/2)/n, ranked over all shuffles together, on the place, with a constant for each
    sentence and standard errors by cluster. As a sentence is compared with itself alone, nothing that it says has a
    part in the slope; that more sentences stand before it when it stands later has. Places are clipped like the indices
    of a `Panel`, those after 5 counting as 5, so that the slope is in the unit of that of `position_bias`.

    Args:
        scores: (K, n) of n sentences in K shuffles, NaN where missing; only sentences with all K count.
        places: (K, n) where they stood, from 0.
        cluster: (n,) from 0.
        n_clusters: How many clusters there are.
    """
    in_all = ~np.isnan(scores).any(axis=0)
    if not in_all.any():
        return no_effect("no sentence has a score in every shuffle")
    shuffles, n = scores[:, in_all].shape
    ranks = normalised_ranks(scores[:, in_all].ravel())
    place = np.minimum(places[:, in_all], len(INDICES) - 1).ravel().astype(np.float64)
    sentence, clusters = np.tile(np.arange(n), shuffles), np.tile(cluster[in_all], shuffles)
    found = slope(Observations(ranks, place, sentence, clusters), n_clusters, nested=True, ranked=True)
    return found._replace(n=n)


def context_effects(panel: Panel, alone: FloatArray, in_caption: FloatArray) -> dict[str, Any]:
    """What changes when a judge is shown sentences in their captions rather than alone, on those it scored both ways.

    Args:
        panel: n labelled sentences.
        alone: (n,) NaN where missing.
        in_caption: (n,) NaN where missing.

    Returns:
        Effects as JSON, each in the caption minus alone: `auroc`, the macro AUROC over producers with at least 10
        sentences of each class; `correct` and `incorrect`, the mean score of such sentences on the judge's own scale,
        over producers with at least 10 of them.
    """
    both = ~np.isnan(alone) & ~np.isnan(in_caption)
    moved = Valued((in_caption - alone)[both], panel.producer[both], panel.cluster[both])
    is_correct, n_clusters = panel.is_correct[both], panel.stratum.size
    said = {
        "auroc": _auroc_gain(panel, alone, in_caption, both),
        "correct": _shift(moved.only(is_correct), n_clusters, "correct"),
        "incorrect": _shift(moved.only(~is_correct), n_clusters, "incorrect"),
    }
    return {name: each._asdict() for name, each in said.items()}


def _auroc_gain(panel: Panel, alone: FloatArray, in_caption: FloatArray, both: BoolArray) -> Effect:
    n_clusters, cluster = panel.stratum.size, panel.cluster[both]
    cells = Cells(panel.is_correct, panel.producer, len(panel.producers), ~panel.is_correct[:, None]).only(both)
    chosen = np.flatnonzero(comparable(cells)).tolist()
    if not chosen:
        return no_effect(NOT_COMPARABLE, int(both.sum()))
    sides = [[contest(cells, cell, score[both], cluster) for cell in chosen] for score in (alone, in_caption)]
    before, after = (np.array([win_share(*pair) for pair in pairs]) for pairs in sides)  # (producers,)
    moved_by = [np.mean([influence(*pair, n_clusters) for pair in pairs], axis=0) for pairs in sides]
    support = support_of([correct.cluster, incorrect.cluster] for correct, incorrect in sides[0])
    n = sum(part.cluster.size for pair in sides[0] for part in pair)
    return effect(float((after - before).mean()), moved_by[1] - moved_by[0], clusters=support.typical, n=n)


def _shift(moved: Valued, n_clusters: int, label: str) -> Effect:
    mean = macro_mean(moved, n_clusters)
    if mean is None:
        return no_effect(
            f"no producer has {MIN_PER_CLASS} {label} sentences that were scored both ways", moved.value.size
        )
    return effect(mean.value, mean.influences, clusters=mean.support.typical, n=mean.n)
