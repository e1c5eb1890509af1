"""Reads chosen rows of parquet files, never more of them at once than a few."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.errors import ImportFileError
from alignbench.parquet import READ_ERRORS, open_parquet

_BATCH = 8


@dataclass(frozen=True, slots=True)
class ParquetRow:
    """A row: its file, its number in that file (from 1), and its cells by column."""

    file: Path
    number: int
    cells: dict[str, Any]


@dataclass(frozen=True, slots=True)
class ParquetFiles:
    """Files with the same columns; `sizes` says how many rows each has."""

    files: tuple[Path, ...]
    sizes: tuple[int, ...]

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return sum(self.sizes)

    def read(self, columns: Sequence[str], chosen: Sequence[int] | None = None) -> Iterator[ParquetRow]:
        """The rows with the numbers `chosen`, which count from 0 over all files and rise; all rows where null.

        Row groups without a chosen row are not read.

        Raises:
            ImportFileError: A file is damaged.
        """
        first = 0
        for path, size in zip(self.files, self.sizes, strict=True):
            wanted = range(first, first + size) if chosen is None else _between(chosen, first, first + size)
            with _reading(path):
                for number, cells in _rows(path, columns, [row - first for row in wanted]) if wanted else ():
                    yield ParquetRow(path, number + 1, cells)
            first += size


def schema_of(path: Path) -> tuple[pa.Schema, int]:
    """The columns of a file and how many rows it has; ImportFileError where it is no parquet file."""
    with _reading(path), open_parquet(path) as file:
        return file.schema_arrow, file.metadata.num_rows


def _between(chosen: Sequence[int], first: int, end: int) -> Sequence[int]:
    return chosen[bisect_left(chosen, first) : bisect_left(chosen, end)]


def _rows(path: Path, columns: Sequence[str], wanted: Sequence[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The wanted rows of one file, each with its number from 0."""
    with open_parquet(path) as file:
        first = 0
        for group in range(file.num_row_groups):
            end = first + file.metadata.row_group(group).num_rows
            here = _between(wanted, first, end)
            if here:
                yield from _group_rows(file, group, columns, here, first)
            first = end


def _group_rows(
    file: pq.ParquetFile, group: int, columns: Sequence[str], wanted: Sequence[int], first: int
) -> Iterator[tuple[int, dict[str, Any]]]:
    for batch in file.iter_batches(_BATCH, row_groups=[group], columns=list(columns), use_threads=False):
        for row in _between(wanted, first, first + len(batch)):
            yield row, batch.slice(row - first, 1).to_pylist()[0]
        first += len(batch)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except READ_ERRORS as error:
        raise ImportFileError(f"{path} cannot be read as parquet: {error}; fetch or write it again") from error
