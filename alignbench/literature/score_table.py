"""Reads what others measured of judges from a CSV file."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignbench.errors import ImportFileError
from alignbench.metrics import FloatArray

JUDGE = "judge"
_FORM = f"a header with {JUDGE!r} and at least one more column, then a line a judge with a number or nothing in each"


@dataclass(frozen=True, slots=True, eq=False)
class ScoreTable:
    """Numbers of judges, such as their accuracy on MMMU.

    Attributes:
        judges: (J,) names, all different.
        columns: (C,) names, all different.
        values: (J, C) NaN where a cell is empty.
    """

    judges: tuple[str, ...]
    columns: tuple[str, ...]
    values: FloatArray


def read_scores(path: Path) -> ScoreTable:
    """Read a CSV file: a column `judge`, and one or more columns of numbers, in which a cell may be empty.

    Raises:
        ImportFileError: It is no such file; names the line and what is allowed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ImportFileError(f"{path} cannot be read as UTF-8 text: {error}; give {_FORM}") from error
    lines = _lines(path, text)
    _, header = next(lines, (1, []))
    columns = [name for name in header if name != JUDGE]
    if header.count(JUDGE) != 1 or not columns or "" in columns or len(set(columns)) < len(columns):
        raise ImportFileError(f"{path}, line 1: the columns are {', '.join(header) or 'none'}; allowed is {_FORM}")
    values: dict[str, list[float]] = {}
    first_line: dict[str, int] = {}
    for number, cells in lines:
        if len(cells) != len(header):
            raise ImportFileError(
                f"{path}, line {number}: {len(cells)} cells, but the header has {len(header)}; quote a cell that holds "
                "a comma"
            )
        row = dict(zip(header, cells, strict=True))
        judge = row.pop(JUDGE)
        if not judge:
            raise ImportFileError(
                f"{path}, line {number}: there is no name in the column {JUDGE!r}; give each line one"
            )
        if judge in first_line:
            raise ImportFileError(
                f"{path}, line {number}: {judge!r} stands in line {first_line[judge]} already; keep one line a judge"
            )
        first_line[judge] = number
        values[judge] = list(_numbers(f"{path}, line {number}", row))
    array = np.array(list(values.values()), np.float64).reshape(len(values), len(columns))
    return ScoreTable(tuple(values), tuple(columns), array)


def _lines(path: Path, text: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the cells, without the space around them, of each line that is not blank."""
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                yield reader.line_num, [cell.strip() for cell in cells]
    except csv.Error as error:
        raise ImportFileError(f"{path}, line {reader.line_num}: {error}; allowed is {_FORM}") from error


def _numbers(place: str, row: Mapping[str, str]) -> Iterator[float]:
    for column, cell in row.items():
        try:
            number = float(cell) if cell else math.nan
        except ValueError:
            number = math.inf
        if math.isinf(number) or (cell and math.isnan(number)):
            raise ImportFileError(
                f"{place}: {cell!r} in the column {column!r} is no finite number; allowed are numbers such as 56.1, "
                f"and nothing where there is none. Only {JUDGE!r} holds text: remove other columns of text"
            )
        yield number
