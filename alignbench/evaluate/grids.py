"""Which cells every number of the results is the mean of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from alignbench.cells import Cells, comparable
from alignbench.panel import ERROR_TYPES, INDICES, Panel


@dataclass(frozen=True, slots=True)
class Row:
    """One number of the results: a mean over cells of a grid.

    Attributes:
        comparable: The cells that hold at least `MIN_PER_CLASS` sentences of each class, which count in the mean.
        cells: All cells, one a producer; those too small to count included.
    """

    comparable: Sequence[int]
    cells: Sequence[int]


@dataclass(frozen=True, slots=True)
class Grids:
    """The cells of a panel, which depend on its labels and never on a judge.

    Attributes:
        by_producer: A part a producer, with all its incorrect sentences: the cells of `producers`, in their order.
        by_type: A part a producer, with its incorrect sentences of each error type.
        by_index: A part a producer and index, producer by producer, with all its incorrect sentences.
        producers: Their names.
        overall: The macro mean over producers, in `by_producer`.
        error_types: The same for each error type, in `by_type`.
        indices: The same for each index, in `by_index`.
    """

    by_producer: Cells
    by_type: Cells
    by_index: Cells
    producers: Sequence[str]
    overall: Row
    error_types: Mapping[str, Row]
    indices: Mapping[str, Row]

    def sizes(self) -> dict[str, dict[str, int | bool]]:
        """How many labelled sentences each producer has, and whether it counts in the macro mean."""
        n_correct, n_incorrect = self.by_producer.n_correct(), self.by_producer.n_incorrect()
        return {
            name: {
                "correct": int(n_correct[cell]),
                "incorrect": int(n_incorrect[cell]),
                "in_macro": cell in self.overall.comparable,
            }
            for cell, name in enumerate(self.producers)
        }


def grids_of(panel: Panel) -> Grids:
    """Lay out the cells of a panel."""
    every = ~panel.is_correct[:, None]
    by_producer = Cells(panel.is_correct, panel.producer, len(panel.producers), every)
    by_type = Cells(panel.is_correct, panel.producer, len(panel.producers), panel.error_types)
    part = panel.producer * len(INDICES) + panel.index
    by_index = Cells(panel.is_correct, part, len(panel.producers) * len(INDICES), every)
    return Grids(
        by_producer,
        by_type,
        by_index,
        producers=panel.producers,
        overall=_rows(by_producer, 1)[0],
        error_types=dict(zip(ERROR_TYPES, _rows(by_type, len(ERROR_TYPES)), strict=True)),
        indices=dict(zip(INDICES, _rows(by_index, len(INDICES)), strict=True)),
    )


def _rows(cells: Cells, n_rows: int) -> list[Row]:
    # Every n-th cell belongs to the same row: a cell a producer.
    enough = comparable(cells)
    every = [range(row, cells.size, n_rows) for row in range(n_rows)]
    return [Row([cell for cell in those if enough[cell]], those) for those in every]
