"""AUROCs of many cells at once under one shared resampling of clusters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from alignbench.cells import Cells
from alignbench.metrics import FloatArray, IntArray

# Replicates side by side, a column each, as vector units like it.
BLOCK = 32
# Fewer of them where a working array would have more numbers than the second-level cache of a processor holds.
_CACHED = 100_000
_NARROWEST = 8


@dataclass(frozen=True, slots=True)
class Draws:
    """Which clusters each replicate draws: as many as there are, with replacement, within each stratum.

    Iterating twice gives the same draws, and the first replicates do not depend on how many follow: all judges,
    producers and groups are resampled alike, which is what makes their differences paired.

    Attributes:
        stratum: (m,) a number for the stratum of each cluster.
        seed: Not negative.
        replicates: How many.
    """

    stratum: IntArray
    seed: int
    replicates: int

    def __iter__(self) -> Iterator[FloatArray]:
        """Blocks of (m, at most `BLOCK`) counts: how often a replicate, one a column, drew each cluster."""
        strata = [np.flatnonzero(self.stratum == number) for number in np.unique(self.stratum)]
        for first in range(0, self.replicates, BLOCK):
            # A generator a block: no replicate depends on how the work is cut.
            rng = np.random.default_rng([self.seed, first // BLOCK])
            counts = np.empty((self.stratum.size, BLOCK))
            for members in strata:
                counts[members] = _multinomial(rng, members.size)
            yield np.ascontiguousarray(counts[:, : self.replicates - first])


class Presorted:
    """The scores of a grid of cells, sorted once so that a replicate costs additions only.

    Only the order of the scores matters, and of the order only where correct and incorrect sentences alternate: a
    step is a run of correct sentences that no incorrect one parts, so few distinct scores make few steps. What a
    replicate weighs each step is a sparse product with its counts. All sums are of whole numbers below 2**53: every
    AUROC is the exact ratio, rounded once.
    """

    def __init__(self, cells: Cells, score: FloatArray, cluster: IntArray, n_clusters: int) -> None:
        """Sort n sentences.

        Args:
            cells: The grid over the n sentences.
            score: (n,) finite.
            cluster: (n,) the cluster of each sentence, from 0.
            n_clusters: The length of a column of counts.
        """
        self._size = cells.size
        level = _levels(cells.part, score)
        correct = np.flatnonzero(cells.is_correct)
        correct = correct[np.argsort(level[correct], kind="stable")]
        incorrect, column = np.nonzero(cells.opposes)
        # For each incorrect sentence, how many correct ones of its part and those before lie below it, and not above.
        below, level_with = (np.searchsorted(level[correct], level[incorrect], side=side) for side in ("left", "right"))
        bounds = np.searchsorted(cells.part[correct], np.arange(cells.n_parts + 1))

        cuts = np.unique(np.concatenate([below, level_with, bounds]))
        step = np.searchsorted(cuts, np.arange(correct.size), side="right") - 1
        self._steps = _indicator(step, cluster[correct], cuts.size - 1, n_clusters)

        # Incorrect sentences of a cell between the same cuts are one group; groups are sorted by cell.
        cell = cells.part[incorrect] * cells.width + column
        key = (cell * cuts.size + np.searchsorted(cuts, below)) * cuts.size + np.searchsorted(cuts, level_with)
        key, group = np.unique(key, return_inverse=True)
        self._groups = _indicator(group, cluster[incorrect], key.size, n_clusters)
        self._below, self._level_with = key // cuts.size % cuts.size, key % cuts.size
        self._cell, self._first = np.unique(key // cuts.size**2, return_index=True)
        self._width = max(_NARROWEST, _CACHED // max(cuts.size, key.size))
        self._bottom, self._top = (np.searchsorted(cuts, bounds)[self._cell // cells.width + edge] for edge in (0, 1))

    def aurocs(self, counts: FloatArray) -> FloatArray:
        """The AUROC of every cell in every replicate.

        Args:
            counts: (m, r) how often each replicate drew each cluster.

        Returns:
            (cells, r), NaN where a replicate drew only one class of a cell.
        """
        firsts = range(0, counts.shape[1], self._width)
        return np.concatenate([self._aurocs(counts[:, first : first + self._width]) for first in firsts], axis=1)

    def _aurocs(self, counts: FloatArray) -> FloatArray:
        counts = np.ascontiguousarray(counts)
        correct = np.zeros((self._steps.shape[0] + 1, counts.shape[1]))  # those below each cut
        np.cumsum(self._steps @ counts, axis=0, out=correct[1:])
        incorrect = self._groups @ counts
        lost = correct[self._below]
        lost += correct[self._level_with]
        lost *= incorrect
        n_incorrect = np.add.reduceat(incorrect, self._first)
        contests = 2 * n_incorrect * (correct[self._top] - correct[self._bottom])
        won = 2 * n_incorrect * correct[self._top] - np.add.reduceat(lost, self._first)
        aurocs = np.full((self._size, counts.shape[1]), np.nan)
        aurocs[self._cell] = np.divide(won, contests, out=np.full_like(won, np.nan), where=contests > 0)
        return aurocs


def replicate(presorted: Presorted, draws: Draws) -> FloatArray:
    """The AUROC of every cell in every replicate, (cells, replicates), in blocks so that memory stays bounded."""
    return np.concatenate([presorted.aurocs(counts) for counts in draws], axis=1)


def _multinomial(rng: np.random.Generator, size: int) -> FloatArray:
    # (size, BLOCK) counts of `size` draws a column; much faster than Generator.multinomial for many clusters.
    chosen = rng.integers(size, size=(BLOCK, size))
    chosen *= BLOCK
    chosen += np.arange(BLOCK)[:, None]
    return np.bincount(chosen.ravel(), minlength=size * BLOCK).reshape(size, BLOCK).astype(np.float64)


def _levels(part: IntArray, score: FloatArray) -> IntArray:
    # The rank of each (part, score), equal where both are.
    order = np.lexsort((score, part))
    rises = (np.diff(score[order]) > 0) | (np.diff(part[order]) > 0)
    level = np.empty(order.size, np.int64)
    level[order] = np.concatenate([[0], np.cumsum(rises)])[: order.size]
    return level


def _indicator(row: IntArray, column: IntArray, n_rows: int, n_columns: int) -> sparse.csr_array:
    return sparse.csr_array((np.ones(row.size), (row, column)), shape=(n_rows, n_columns))
