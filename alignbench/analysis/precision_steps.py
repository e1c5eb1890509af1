"""The average precision of many cells at once under one shared resampling of clusters."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from alignbench.metrics import BoolArray, FloatArray, IntArray


class PrecisionSteps:
    """Cases of some cells, sorted once by falling score so that a replicate costs additions only.

    Average precision is the sum over thresholds of precision times the rise of recall, tied scores being one threshold:
    scikit-learn's `average_precision_score`. What a replicate weighs each threshold is a sparse product with its
    counts; cases of one cluster at one threshold are one number, so few distinct scores cost next to nothing.
    """

    def __init__(
        self,
        cell: IntArray,
        positive: BoolArray,
        score: FloatArray,
        cluster: IntArray,
        sizes: tuple[int, int],
        most: int | None = None,
    ) -> None:
        """Sort k cases.

        Args:
            cell: (k,) from 0.
            positive: (k,) which cases are to be found.
            score: (k,) higher for found sooner; minus infinity is allowed.
            cluster: (k,) from 0.
            sizes: How many cells there are, and how many clusters.
            most: The most thresholds of a cell: where it has more, neighbouring scores are merged into so many
                quantiles; null for no bound.
        """
        n_cells, n_clusters = sizes
        order = np.lexsort((-score, cell))
        threshold = _thresholds(cell[order], score[order], n_cells, most)
        n_rows = int(threshold[-1]) + 1 if threshold.size else 0
        held = positive[order]
        column = cluster[order]
        self._n_cells = n_cells
        self._found = _counts(threshold[held], column[held], (n_rows, n_clusters))
        self._passed = _counts(threshold, column, (n_rows, n_clusters))
        rows, firsts = np.unique(threshold, return_index=True)
        self._cell, self._first = np.unique(cell[order][firsts], return_index=True)
        self._segment = np.repeat(np.arange(self._cell.size), np.diff([*self._first, rows.size]))

    def values(self, counts: FloatArray) -> FloatArray:
        """The average precision of every cell in every replicate.

        Args:
            counts: (m, r) how often each replicate drew each cluster.

        Returns:
            (cells, r), NaN where a replicate drew only cases that are to be found, or none of these.
        """
        said = np.full((self._n_cells, counts.shape[1]), np.nan)
        if not self._cell.size:
            return said
        found = self._found @ counts
        hits, passed = (self._running(each) for each in (found, self._passed @ counts))
        precision = np.divide(hits, passed, out=np.zeros_like(hits), where=passed > 0)
        last = np.append(self._first[1:], self._segment.size) - 1
        total, cases = hits[last], passed[last]
        area = np.add.reduceat(precision * found, self._first)
        said[self._cell] = np.divide(area, total, out=np.full_like(area, np.nan), where=(total > 0) & (total < cases))
        return said

    def _running(self, amount: FloatArray) -> FloatArray:
        # Sums from the first threshold of its cell on, (rows, r); of whole numbers, so exact.
        running = np.cumsum(amount, axis=0)
        before = (running - amount)[self._first]
        running -= before[self._segment]
        return running


def _thresholds(cell: IntArray, score: FloatArray, n_cells: int, most: int | None) -> IntArray:
    # (k,) which threshold each case belongs to, numbered from 0 without gaps, for cases sorted by cell and score.
    if not cell.size:
        return np.empty(0, np.int64)
    begins = np.ones(cell.size, np.bool_)
    begins[1:] = (cell[1:] != cell[:-1]) | (score[1:] != score[:-1])
    if most is not None:
        size = np.bincount(cell, minlength=n_cells)
        many = np.bincount(cell[begins], minlength=n_cells) > most
        start = np.flatnonzero(begins)
        of = cell[start]
        quantile = (start - (np.cumsum(size) - size)[of]) * most // size[of]
        merges = np.zeros(start.size, np.bool_)
        merges[1:] = many[of[1:]] & (of[1:] == of[:-1]) & (quantile[1:] == quantile[:-1])
        begins[start[merges]] = False
    return np.cumsum(begins) - 1


def _counts(row: IntArray, column: IntArray, shape: tuple[int, int]) -> sparse.csr_array:
    counted = sparse.coo_array((np.ones(row.size), (row, column)), shape=shape)
    return counted.tocsr()
