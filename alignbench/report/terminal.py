"""Tables for a terminal of any width."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Literal, NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table as Grid
from rich.text import Text

from alignbench.report.table import Table

_GAP = 2
_WIDEST = 24
_AT_EASE = 104


class Headers(NamedTuple):
    """Headers of the columns that repeat, and what a reader needs to know about them."""

    said: Sequence[str]
    notes: Sequence[str]


def print_table(table: Table, console: Console) -> None:
    """Print a table. Where its repeated columns are too wide they get shorter headers, or are left out at last.

    Before they are, the numeric columns are.
    """
    headers = _fitting(table, console.width)
    slimmer = _without_numbers(table)
    if table.numeric and not headers.said and (others := _fitting(slimmer, console.width)).said:
        table, headers = slimmer, Headers(others.said, [*others.notes, _too_narrow(sorted(table.numeric))])
    grid = Grid(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for header in table.columns:
        justify: Literal["right", "left"] = "right" if header in table.numeric else "left"
        grid.add_column(Text(header), max_width=_WIDEST, overflow="fold", vertical="bottom", justify=justify)
    for header in headers.said:
        grid.add_column(Text(header), justify="right", no_wrap=True)
    for place, row in enumerate(table.rows):
        if row.is_control and place and not table.rows[place - 1].is_control:
            grid.add_section()
        cells = (*row.cells, *row.grouped[: len(headers.said)])
        grid.add_row(*(Text(cell) for cell in cells), style="dim" if row.is_control else None)
    console.print(Text(table.title, style="bold"))
    console.print(grid)
    for note in (*headers.notes, *table.notes):
        console.print(Text(note, style="dim"))


def _fitting(table: Table, width: int) -> Headers:
    fixed = zip(table.columns, *(row.cells for row in table.rows), strict=True)
    room = width - sum(_GAP + min(_WIDEST, _width(column)) for column in fixed)
    # Headers that lose nothing but what all have in common are better than a table that is wider than most windows.
    room_at_ease = min(room, room - width + _AT_EASE)
    for headers, most in (
        (_whole(table.groups), room_at_ease),
        (_unshared(table.groups), room),
        (_cut(table.groups), room),
        (_letters(table.groups), room),
    ):
        columns = zip(headers.said, *(row.grouped for row in table.rows), strict=True)
        if sum(_GAP + _width(column) for column in columns) - _GAP <= most:
            return headers
    return Headers((), [_too_narrow(table.groups)])


def _too_narrow(headers: Sequence[str]) -> str:
    return f"too narrow to show {', '.join(headers)}: see the files of the report"


def _without_numbers(table: Table) -> Table:
    kept = [place for place, header in enumerate(table.columns) if header not in table.numeric]
    rows = tuple(replace(row, cells=tuple(row.cells[place] for place in kept)) for row in table.rows)
    return replace(table, columns=tuple(table.columns[place] for place in kept), rows=rows, numeric=frozenset())


def _width(cells: Sequence[str]) -> int:
    return max(len(line) for cell in cells for line in cell.split("\n"))


def _whole(names: Sequence[str]) -> Headers:
    return Headers([_stack(name) for name in names], ())


def _unshared(names: Sequence[str]) -> Headers:
    shared = _shared(names)
    return Headers([_stack(name) for name in _without(shared, names)], _noted(shared))


def _cut(names: Sequence[str]) -> Headers:
    shared = _shared(names)
    rest = _without(shared, names)
    length = next((n for n in range(4, 8) if len({name[:n] for name in rest}) == len(names)), 8)
    return Headers([name[:length] for name in rest], [*_noted(shared), f"names are cut: {', '.join(rest)}"])


def _letters(names: Sequence[str]) -> Headers:
    letters = [ascii_uppercase[place % 26] + str(place // 26 or "") for place in range(len(names))]
    return Headers(letters, [", ".join(f"{letter} = {name}" for letter, name in zip(letters, names, strict=True))])


def _shared(names: Sequence[str]) -> str:
    # The first words of all names, but for the last word of each.
    columns = zip(*(_words(name)[:-1] for name in names), strict=False)
    return "".join(words[0] for words in itertools.takewhile(lambda words: len(set(words)) == 1, columns))


def _without(shared: str, names: Sequence[str]) -> list[str]:
    return [name.removeprefix(shared) for name in names]


def _noted(shared: str) -> list[str]:
    return [f"names begin with {shared!r}"] if shared else []


def _stack(name: str) -> str:
    return "\n".join(_words(name))


def _words(name: str) -> list[str]:
    # Cut after what joins words, as hyphenation would.
    return re.split(r"(?<=[-_/@ ])", name)
