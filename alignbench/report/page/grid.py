"""A table as a page shows it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from alignbench.report.table import NONE, Table

_SHORT = 22
_LONG = 12
_NUMBER = re.compile(r"[+<\N{MINUS SIGN}-]?[\d,]*\.?\d")


class Head(NamedTuple):
    """The header of a column: whether the column holds numbers, and its classes on the page."""

    text: str
    is_number: bool

    @property
    def classes(self) -> str:
        """How it is set: numbers to the right, a short header in one line."""
        short = ["short"] if len(self.text) <= _SHORT else []
        return " ".join([*short, *(["number"] if self.is_number else [])])


class Part(NamedTuple):
    """Rows that stay together when they are sorted: the judges, or the blind controls."""

    is_control: bool
    rows: Sequence[tuple[str, ...]]


class Grid(NamedTuple):
    """A table.

    Attributes:
        title: Its caption.
        heads: One a column.
        parts: Its rows.
        row_head: Which column names the row.
        notes: Lines below it, without the signature, which the page says once.
    """

    title: str
    heads: Sequence[Head]
    parts: Sequence[Part]
    row_head: int
    notes: Sequence[str]

    @property
    def n_rows(self) -> int:
        """How many rows it has."""
        return sum(len(part.rows) for part in self.parts)

    @property
    def is_long(self) -> bool:
        """Whether it is folded, so that nobody must scroll past it: it has several rows a judge, and many of them."""
        named = {(part.is_control, row[self.row_head]) for part in self.parts for row in part.rows}
        return len(named) < self.n_rows > _LONG


def grid_of(table: Table, signature: str) -> Grid:
    """Lay out a table; the column `judge` names the rows, or else the first that holds no numbers.

    An interval stays in one line.
    """
    rows = [(*row.cells, *row.grouped) for row in table.rows]
    heads = [
        Head(text, text in table.numeric or _are_numbers([row[place] for row in rows]))
        for place, text in enumerate((*table.columns, *table.groups))
    ]
    words = [place for place, head in enumerate(heads) if not head.is_number]
    named = [place for place, text in enumerate(table.columns) if text == "judge"]
    parts = [
        Part(is_control, [_laid_out((*row.cells, *row.grouped), heads) for row in those])
        for is_control, those in groupby(table.rows, attrgetter("is_control"))
    ]
    notes = [note for note in table.notes if note != signature]
    return Grid(table.title, heads, parts, [*named, *words, 0][0], notes)


def _laid_out(cells: Sequence[str], heads: Sequence[Head]) -> tuple[str, ...]:
    return tuple(
        cell.replace(", ", ",\N{NO-BREAK SPACE}") if head.is_number else cell
        for cell, head in zip(cells, heads, strict=True)
    )


def _are_numbers(cells: Sequence[str]) -> bool:
    said = [cell for cell in cells if cell.strip()]
    return bool(said) and all(cell == NONE or _NUMBER.match(cell) for cell in said)
