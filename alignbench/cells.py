"""Which correct sentences stand against which incorrect ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignbench.metrics import BoolArray, IntArray

MIN_PER_CLASS = 10
"""A producer with fewer sentences of a class does not count in a macro mean."""
NOT_COMPARABLE = f"no producer has {MIN_PER_CLASS} correct and {MIN_PER_CLASS} incorrect sentences here"


@dataclass(frozen=True, slots=True)
class Cells:
    """A grid of contests over n sentences, `n_parts` high and k wide, numbered row by row.

    The sentences fall into parts, say one a producer. Within a part all correct sentences stand against each of k
    sets of incorrect ones, say all of them, then those of each error type; the sets may overlap.

    Attributes:
        is_correct: (n,)
        part: (n,) the part of each sentence, from 0.
        n_parts: How many parts there are, empty ones included.
        opposes: (n, k) the sets each sentence belongs to; none for a correct one.
    """

    is_correct: BoolArray
    part: IntArray
    n_parts: int
    opposes: BoolArray

    @property
    def width(self) -> int:
        """How many sets of incorrect sentences each part has."""
        return int(self.opposes.shape[1])

    @property
    def size(self) -> int:
        """How many cells there are."""
        return self.n_parts * self.width

    def correct_in(self, cell: int) -> IntArray:
        """The places of the correct sentences of a cell."""
        return np.flatnonzero(self.is_correct & (self.part == cell // self.width))

    def incorrect_in(self, cell: int) -> IntArray:
        """The places of the incorrect sentences of a cell."""
        return np.flatnonzero(self.opposes[:, cell % self.width] & (self.part == cell // self.width))

    def n_correct(self) -> IntArray:
        """(size,) the number of correct sentences of every cell."""
        return np.repeat(np.bincount(self.part[self.is_correct], minlength=self.n_parts), self.width)

    def n_incorrect(self) -> IntArray:
        """(size,) the number of incorrect sentences of every cell."""
        place, column = np.nonzero(self.opposes)
        return np.bincount(self.part[place] * self.width + column, minlength=self.size)

    def only(self, keep: BoolArray) -> Cells:
        """The same grid over the sentences where `keep`, (n,), is true."""
        return Cells(self.is_correct[keep], self.part[keep], self.n_parts, self.opposes[keep])


def comparable(cells: Cells) -> BoolArray:
    """(cells,) which cells hold enough sentences of both classes to count in a macro mean."""
    return np.minimum(cells.n_correct(), cells.n_incorrect()) >= MIN_PER_CLASS
