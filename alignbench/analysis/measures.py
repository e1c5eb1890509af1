"""Shares of every producer, alone or averaged, with intervals from replicates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from alignbench.analysis.resampled import resampled_interval
from alignbench.intervals import FEW_CLUSTERS, NO_SPREAD, Support, harmonic_mean
from alignbench.metrics import BoolArray, FloatArray, IntArray

_ONE_CLUSTER = "one cluster holds them all, so there is no spread between clusters to measure"
_NOTHING = "no such sentence has an answer"


class Figure(NamedTuple):
    """A share, or a mean of shares, as results.json says it.

    Attributes:
        value: In [0, 1], or null.
        low: Lower end of its 95 % interval, or null.
        high: Upper end.
        reason: Why something is null, or a warning.
        n: How many sentences it rests on.
        clusters: How many clusters they lie in.
    """

    value: float | None
    low: float | None
    high: float | None
    reason: str | None
    n: int
    clusters: int


class Members(NamedTuple):
    """Which sentences count in which cells of a grid: a cell a producer, a row of cells for each column.

    Attributes:
        n_producers: How many there are, those without a sentence included.
        n_columns: How many rows of cells.
        cell: (e,) column times `n_producers` plus the producer.
        sentence: (e,) that counts there.
        cluster: (e,) its cluster.
    """

    n_producers: int
    n_columns: int
    cell: IntArray
    sentence: IntArray
    cluster: IntArray

    @classmethod
    def of(cls, counts: BoolArray, producer: IntArray, cluster: IntArray, n_producers: int) -> Members:
        """Lay out s sentences; `counts`, (s, columns), says where each counts."""
        column, sentence = np.nonzero(counts.T)
        cell = column * n_producers + producer[sentence]
        return cls(n_producers, counts.shape[1], cell, sentence, cluster[sentence])

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return self.n_producers * self.n_columns

    def basis(self, cells: Sequence[int]) -> tuple[int, int]:
        """How many sentences count in some cells together, and in how many clusters they lie."""
        among = np.isin(self.cell, cells)
        return int(among.sum()), np.unique(self.cluster[among]).size


class Measure:
    """One number of every cell with its replicates.

    Args:
        values: (cells,) NaN where undefined.
        replicates: (cells, b) the same.
        members: What each cell rests on; may have more cells than have values.
        least: How many sentences a producer needs to count in a mean over producers.
        undefined: Why a cell with sentences may have no value.
    """

    def __init__(
        self, values: FloatArray, replicates: FloatArray, members: Members, least: int, undefined: str
    ) -> None:
        self._values = values
        self._replicates = replicates
        self._members = members
        self._least = least
        self._undefined = undefined

    def alone(self, producer: int) -> Figure:
        """The number of one producer, however few its sentences."""
        return self._figure([producer])

    def macro(self, column: int = 0) -> Figure:
        """The mean over the producers with enough sentences in a column."""
        first = column * self._members.n_producers
        cells = range(first, first + self._members.n_producers)
        enough = np.bincount(self._members.cell, minlength=self._members.n_cells) >= self._least
        if chosen := [cell for cell in cells if enough[cell]]:
            return self._figure(chosen)
        reason = f"no producer has {self._least} such sentences with an answer"
        return Figure(None, None, None, reason, *self._members.basis(cells))

    def _figure(self, cells: Sequence[int]) -> Figure:
        n, clusters = self._members.basis(cells)
        value = float(self._values[list(cells)].mean())
        if np.isnan(value):
            return Figure(None, None, None, self._undefined if n else _NOTHING, n, clusters)
        held = [self._members.basis([cell])[1] for cell in cells]
        support = Support(clusters, harmonic_mean(held))
        low, high, reason = resampled_interval(value, self._replicates[list(cells)].mean(axis=0), support)
        if low is not None:
            reason = f"too few: these sentences lie in {clusters} clusters" if clusters < FEW_CLUSTERS else None
        return Figure(value, low, high, _ONE_CLUSTER if reason == NO_SPREAD else reason, n, clusters)
