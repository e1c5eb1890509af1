"""The AUROCs of one judge with their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alignbench.cells import Cells
from alignbench.clustered import Scores, influence, standard_error
from alignbench.intervals import Support, auroc_interval, support_of
from alignbench.metrics import FloatArray, IntArray, one_class_reason
from alignbench.resample import Draws, Presorted, replicate


class Figure(NamedTuple):
    """An AUROC, or a mean of AUROCs, as results.json says it.

    Attributes:
        value: The number, or null.
        low: Lower end of its 95 % interval, or null.
        high: Upper end.
        reason: Why something is null, or a warning.
        se: The analytic clustered standard error, a check on the interval; null where it is undefined.
        n_correct: Scored correct sentences behind it.
        n_incorrect: Scored incorrect sentences behind it.
        clusters: How many clusters hold its rarer class.
        df: Degrees of freedom of `se`.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None
    se: float | None
    n_correct: int
    n_incorrect: int
    clusters: int
    df: int


class Scored:
    """What one judge makes of a grid of cells.

    Attributes:
        cells: The grid over the sentences that have a score.
        aurocs: (cells,) NaN where undefined.
    """

    def __init__(self, cells: Cells, score: FloatArray, cluster: IntArray, draws: Draws) -> None:
        """Compute the AUROC of every cell, and its replicates.

        Args:
            cells: The grid over n sentences.
            score: (n,) NaN where the judge gave none; those sentences are left out.
            cluster: (n,) from 0.
            draws: The clusters of every replicate.
        """
        keep = ~np.isnan(score)
        self.cells = cells.only(keep)
        self._score, self._cluster = score[keep], cluster[keep]
        self._n_clusters = draws.stratum.size
        presorted = Presorted(self.cells, self._score, self._cluster, self._n_clusters)
        self.aurocs: FloatArray = presorted.aurocs(np.ones((self._n_clusters, 1)))[:, 0]
        self._replicates = replicate(presorted, draws)

    def replicates(self, chosen: Sequence[int]) -> FloatArray:
        """(b,) the mean AUROC of the `chosen` cells in every replicate, NaN where one is undefined."""
        return np.asarray(self._replicates[list(chosen)].mean(axis=0), np.float64)

    def influence(self, chosen: Sequence[int]) -> FloatArray:
        """(m,) how much each cluster moves the mean AUROC of the `chosen` cells, which are all defined."""
        total = np.zeros(self._n_clusters)
        for cell in chosen:
            correct, incorrect = (self._scores(rows) for rows in self._rows(cell))
            total += influence(correct, incorrect, self._n_clusters)
        return total / len(chosen)

    def support(self, chosen: Sequence[int]) -> Support:
        """The clusters that the mean of the `chosen` cells, which are all defined, rests on."""
        return support_of([self._cluster[rows] for rows in self._rows(cell)] for cell in chosen)

    def figure(self, chosen: Sequence[int]) -> Figure:
        """The mean AUROC of the `chosen` cells, at least one, with its interval."""
        undefined = [cell for cell in chosen if np.isnan(self.aurocs[cell])]
        if undefined:
            return self.nothing(chosen, f"{one_class_reason(*self._sizes(undefined[:1]))} with a score")
        value = float(self.aurocs[list(chosen)].mean())
        support = self.support(chosen)
        se = standard_error(self.influence(chosen))
        interval = auroc_interval(value, se, support, self.replicates(chosen))
        return Figure(value, *interval, se, *self._sizes(chosen), support.distinct, support.df)

    def nothing(self, chosen: Sequence[int], reason: str) -> Figure:
        """No number, for that reason, but how many sentences the `chosen` cells hold."""
        return Figure(None, None, None, reason, None, *self._sizes(chosen), self._n_holding(chosen), 0)

    def _sizes(self, chosen: Sequence[int]) -> tuple[int, int]:
        cells = list(chosen)
        return int(self.cells.n_correct()[cells].sum()), int(self.cells.n_incorrect()[cells].sum())

    def _n_holding(self, cells: Sequence[int]) -> int:
        # How many clusters hold the rarer class of the cells taken together.
        classes = zip(*(self._rows(cell) for cell in cells), strict=True)
        return min(np.unique(self._cluster[np.concatenate(rows)]).size for rows in classes)

    def _rows(self, cell: int) -> tuple[IntArray, IntArray]:
        return self.cells.correct_in(cell), self.cells.incorrect_in(cell)

    def _scores(self, rows: IntArray) -> Scores:
        return Scores(self._score[rows], self._cluster[rows])
