"""The scored sentences of a judge, weighted so that every producer counts alike, and shares of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from alignbench.cells import Cells, comparable
from alignbench.clustered import standard_error
from alignbench.intervals import FEW_CLUSTERS, LEVEL, NO_SPREAD, Support, logit_interval, support_of
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import Panel


@dataclass(frozen=True, slots=True)
class Alike:
    """Scored sentences of some producers, whose base rates differ widely: each producer has the same weight.

    Attributes:
        is_correct: (n,)
        score: (n,) finite.
        producer: (n,) from 0, without gaps.
        cluster: (n,) from 0.
        n_clusters: How many clusters the dataset has, those without such a sentence included.
        weight: (n,) one over the number of producers and over that of the sentences of its own; they sum to 1.
        reach: (n,) `weight` times the root of I/(I - 1) for the I clusters of its producer, as in
            `alignbench.clustered.mean_influence`; NaN where I is 1.
    """

    is_correct: BoolArray
    score: FloatArray
    producer: IntArray
    cluster: IntArray
    n_clusters: int
    weight: FloatArray
    reach: FloatArray

    @classmethod
    def of(
        cls, is_correct: BoolArray, score: FloatArray, producer: IntArray, cluster: IntArray, n_clusters: int
    ) -> Self:
        """Weigh n sentences, each with a finite score; the numbers of the producers may have gaps."""
        _, place, sizes = np.unique(producer, return_inverse=True, return_counts=True)
        weight = 1 / (sizes.size * sizes[place])
        of_producer = np.unique(place * n_clusters + cluster) // n_clusters
        holding = np.bincount(of_producer, minlength=sizes.size).astype(np.float64)
        holding[holding == 1] = np.nan
        reach = weight * np.sqrt(holding / (holding - 1))[place]
        return cls(is_correct, score, place, cluster, n_clusters, weight, reach)

    def only(self, keep: BoolArray) -> Self:
        """The sentences where `keep`, (n,), is true, weighed anew; a producer without any drops out."""
        return self.of(
            self.is_correct[keep], self.score[keep], self.producer[keep], self.cluster[keep], self.n_clusters
        )

    @property
    def n_producers(self) -> int:
        """How many producers there are."""
        return int(self.producer.max(initial=-1)) + 1

    def influence(self, value: FloatArray) -> FloatArray:
        """How much each cluster moves the weighted mean of the sentences' values.

        Args:
            value: (n,) finite.

        Returns:
            (m,) summing to about 0, the squares to the variance; all NaN where a producer lies in a single cluster.
        """
        means = np.bincount(self.producer, weights=value) / np.bincount(self.producer)
        moved = self.reach * (value - means[self.producer])
        if np.isnan(moved).any():
            return np.full(self.n_clusters, np.nan)
        return np.asarray(np.bincount(self.cluster, weights=moved, minlength=self.n_clusters), np.float64)

    def holding(self, rows: BoolArray) -> int:
        """How many clusters hold one of these sentences, (n,)."""
        return int(np.unique(self.cluster[rows]).size)

    def support(self) -> Support:
        """The clusters that a mean over the producers rests on, as for a mean of AUROCs."""
        return support_of([self.cluster[self.producer == place]] for place in range(self.n_producers))


class Share(NamedTuple):
    """A share of sentences as results.json says it.

    Attributes:
        value: In [0, 1], or null.
        low: Lower end of its 95 % interval, or null.
        high: Upper end.
        reason: Why something is null, or a warning.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None


class Fraction(NamedTuple):
    """Some sentences among others: `part` within `whole`, which is not empty; both (n,) for the n of `sentences`."""

    sentences: Alike
    part: BoolArray
    whole: BoolArray

    def value(self) -> float:
        """The weight of the part over that of the whole."""
        weight = self.sentences.weight
        return float(weight[self.part].sum() / weight[self.whole].sum())

    def influence(self) -> FloatArray:
        """How much each cluster moves the value, (m,): the linearisation of a ratio of two means."""
        residual = np.where(self.whole, self.part - self.value(), 0.0)
        return self.sentences.influence(residual) / float(self.sentences.weight[self.whole].sum())


def alike(panel: Panel, score: FloatArray) -> Alike | None:
    """The scored sentences of the producers that have 10 of each class with a score; null where no producer has.

    Args:
        panel: n labelled sentences.
        score: (n,) NaN where missing; those sentences are left out.
    """
    scored = ~np.isnan(score)
    cells = Cells(panel.is_correct, panel.producer, len(panel.producers), ~panel.is_correct[:, None])
    keep = scored & comparable(cells.only(scored))[panel.producer]
    if not keep.any():
        return None
    return Alike.of(panel.is_correct[keep], score[keep], panel.producer[keep], panel.cluster[keep], panel.stratum.size)


def share(*fractions: Fraction) -> Share:
    """The mean of fractions that share no cluster, with its interval.

    A t interval on the logit scale from the clustered linearised standard error. What that error rests on is how many
    clusters hold the rarer outcome, `r`: a count of r has the relative spread of a chi-square with 2r degrees of
    freedom, which t therefore gets. Simulated with scores and labels that cluster (r from 2 to 170), it covers 93 to
    98 %; with the degrees of freedom of all clusters it covers as few as 92 %, and without the logit 86 %. A share of 0
    or 1 has no spread to go by: it gets the bound that Clopper and Pearson (1934) give to as many clusters.
    """
    value = float(np.mean([each.value() for each in fractions]))
    parts = sum(each.sentences.holding(each.part) for each in fractions)
    others = sum(each.sentences.holding(each.whole & ~each.part) for each in fractions)
    rarer = min(parts, others)
    warning = None if rarer >= FEW_CLUSTERS else f"too few: the rarer outcome lies in {rarer} clusters"
    if rarer == 0:
        slack = 1 - ((1 - LEVEL) / 2) ** (1 / max(parts, others))
        return Share(value, max(0.0, value - slack), min(1.0, value + slack), warning)
    se = standard_error(np.sum([each.influence() for each in fractions], axis=0) / len(fractions))
    if not se:
        return Share(value, None, None, NO_SPREAD)
    low, high, _ = logit_interval(value, se, Support(rarer, 2 * rarer + 1))
    return Share(value, low, high, warning)


def no_share(reason: str) -> Share:
    """No number, for that reason."""
    return Share(None, None, None, reason)
