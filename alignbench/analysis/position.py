"""Whether a judge scores earlier sentences otherwise than later ones that are as true.

First sentences are truer than later ones, so everything here is within a label. What a difference means depends on what
the judge was shown: of a sentence alone it can only be what later sentences say, in a caption also where they stand.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from alignbench.analysis.regression import Observations, slope
from alignbench.cells import MIN_PER_CLASS, Cells, comparable
from alignbench.clustered import Scores, influence, mean_influence, standard_error
from alignbench.effects import Effect
from alignbench.intervals import Interval, Support, auroc_interval, logit_interval, support_of, t_interval
from alignbench.metrics import BoolArray, FloatArray, IntArray, normalised_ranks, placements
from alignbench.panel import INDICES, Panel

ALIKE = "all of them score alike, so there is no spread to measure"
_ROUNDING = 1e-12


class Valued(NamedTuple):
    """Numbers that sentences have, and where the sentences come from.

    Attributes:
        value: (n,) finite.
        producer: (n,) from 0.
        cluster: (n,) from 0.
    """

    value: FloatArray
    producer: IntArray
    cluster: IntArray

    def only(self, keep: BoolArray) -> Valued:
        """Those where `keep`, (n,), is true."""
        return Valued(self.value[keep], self.producer[keep], self.cluster[keep])


class Mean(NamedTuple):
    """A mean over producers that count alike.

    Attributes:
        value: The mean.
        influences: (m,) how much each cluster moves it, as in `alignbench.clustered`.
        support: The clusters it rests on.
        n: How many sentences it rests on.
    """

    value: float
    influences: FloatArray
    support: Support
    n: int


def position_bias(panel: Panel, score: FloatArray) -> dict[str, Any]:
    """Compare a judge's scores of earlier and later sentences within the correct and within the incorrect ones.

    Args:
        panel: n labelled sentences.
        score: (n,) NaN where missing; those sentences are left out.

    Returns:
        As JSON: `{"by_index": {"correct": {"0": figure, ..., "5+": figure}, "incorrect": {...}}, "correct": figure,
        "incorrect": figure, "slope": Effect}`.

        `by_index` is the mean score at each index on the judge's own scale, over the producers with at least 10 such
        sentences; the figures have value, low, high, reason, se, clusters and n.
        `correct` and `incorrect` are the probability that a random sentence at index 0 outscores a random later one of
        the same producer and label, ties counted one half, over the producers with at least 10 of both; 0.5 is no
        difference. Their figures have value, low, high, reason, se, clusters, n_first and n_later.
        `slope` is how much (rank - 1/2)/n among the n scored sentences changes with each step of min(index, 5), with a
        constant for each label of each producer.
    """
    keep = ~np.isnan(score)
    seen = Valued(score[keep], panel.producer[keep], panel.cluster[keep])
    is_correct, index, n_clusters = panel.is_correct[keep], panel.index[keep], panel.stratum.size
    labels = {"correct": is_correct, "incorrect": ~is_correct}
    by_index = {
        label: {
            name: _mean_figure(seen.only(those & (index == place)), n_clusters, f"{label} sentences at index {name}")
            for place, name in enumerate(INDICES)
        }
        for label, those in labels.items()
    }
    contests = {
        label: _first_against_later(seen.only(those), index[those] == 0, n_clusters, label)
        for label, those in labels.items()
    }
    return {"by_index": by_index, **contests, "slope": _slope(seen, is_correct, index, n_clusters)._asdict()}


def macro_mean(seen: Valued, n_clusters: int) -> Mean | None:
    """The mean over producers with at least 10 sentences of the means of their values; null where there is none.

    Args:
        seen: The sentences.
        n_clusters: How many clusters there are, those without such a sentence included.
    """
    sizes = np.bincount(seen.producer)
    parts = [seen.only(seen.producer == each) for each in np.flatnonzero(sizes >= MIN_PER_CLASS)]
    if not parts:
        return None
    moved = np.mean([mean_influence(part.value, part.cluster, n_clusters) for part in parts], axis=0)
    support = support_of([part.cluster] for part in parts)
    value = float(np.mean([part.value.mean() for part in parts]))
    return Mean(value, moved, support, sum(part.value.size for part in parts))


def contest(cells: Cells, cell: int, value: FloatArray, cluster: IntArray) -> tuple[Scores, Scores]:
    """The two sides of a cell, of which (n,) values and clusters are given."""
    those, others = (Scores(value[rows], cluster[rows]) for rows in (cells.correct_in(cell), cells.incorrect_in(cell)))
    return those, others


def win_share(those: Scores, others: Scores) -> float:
    """The probability that one of `those` outscores one of `others`, ties counted one half; neither may be empty."""
    return float(placements(those.score, others.score).sum() / (those.score.size * others.score.size))


def _mean_figure(seen: Valued, n_clusters: int, what: str) -> dict[str, Any]:
    mean = macro_mean(seen, n_clusters)
    if mean is None:
        reason = f"no producer has {MIN_PER_CLASS} {what} with a score"
        return _figure(None, Interval(None, None, reason), None, 0) | {"n": seen.value.size}
    se = standard_error(mean.influences)
    alike = se is not None and se <= _ROUNDING * abs(mean.value)
    interval = Interval(None, None, ALIKE) if alike else t_interval(mean.value, se, mean.support)
    return _figure(mean.value, interval, se, mean.support.distinct) | {"n": mean.n}


def _first_against_later(seen: Valued, is_first: BoolArray, n_clusters: int, label: str) -> dict[str, Any]:
    n_first = int(is_first.sum())
    cells = Cells(is_first, seen.producer, int(seen.producer.max(initial=-1)) + 1, ~is_first[:, None])
    chosen = np.flatnonzero(comparable(cells)).tolist()
    contests = [contest(cells, cell, seen.value, seen.cluster) for cell in chosen]
    if not contests:
        reason = f"no producer has {MIN_PER_CLASS} {label} sentences at index 0, and as many later ones, with a score"
        nothing = _figure(None, Interval(None, None, reason), None, 0)
        return nothing | {"n_first": n_first, "n_later": is_first.size - n_first}
    value = float(np.mean([win_share(first, later) for first, later in contests]))
    se = standard_error(np.mean([influence(first, later, n_clusters) for first, later in contests], axis=0))
    support = support_of([first.cluster, later.cluster] for first, later in contests)
    figure = _figure(value, _share_interval(value, se, support), se, support.distinct)
    firsts, laters = zip(*contests, strict=True)
    return figure | {"n_first": _n_sentences(firsts), "n_later": _n_sentences(laters)}


def _share_interval(value: float, se: float | None, support: Support) -> Interval:
    if value in (0.0, 1.0):
        return auroc_interval(value, se, support, np.empty(0))
    return logit_interval(value, se, support)


def _n_sentences(sides: Iterable[Scores]) -> int:
    return sum(side.score.size for side in sides)


def _slope(seen: Valued, is_correct: BoolArray, index: IntArray, n_clusters: int) -> Effect:
    group = 2 * seen.producer + is_correct
    ranks = normalised_ranks(seen.value)
    return slope(Observations(ranks, index.astype(np.float64), group, seen.cluster), n_clusters, ranked=True)


def _figure(value: float | None, interval: Interval, se: float | None, clusters: int) -> dict[str, Any]:
    return {"value": value, **interval._asdict(), "se": se, "clusters": clusters}
