"""Single rows of large parquet files, with few of their row groups in memory."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from alignbench.parquet import open_parquet, read_group

CACHE_BYTES = 64_000_000


class Place(NamedTuple):
    """Where a row is: the number of its file, of its row group there, and its own in the group, each from 0."""

    file: int
    group: int
    row: int


class RowGroups:
    """Reads rows by their place and keeps the row groups used last, up to `CACHE_BYTES`, and at least one.

    Rows that are asked for in the order in which they lie, even in several interleaved orders, are read once.
    """

    def __init__(self, files: Sequence[Path], columns: Sequence[str]) -> None:
        self._files, self._columns = files, list(columns)
        self._kept: OrderedDict[tuple[int, int], pa.Table] = OrderedDict()
        self._size = 0

    def row(self, place: Place) -> pa.Table:
        """A table of the one row; one of `alignbench.parquet.READ_ERRORS` where it cannot be read."""
        key = (place.file, place.group)
        if key in self._kept:
            self._kept.move_to_end(key)
        else:
            self._read(key)
        return self._kept[key].slice(place.row, 1)

    def _read(self, key: tuple[int, int]) -> None:
        with open_parquet(self._files[key[0]]) as file:
            size = file.metadata.row_group(key[1]).total_byte_size
            while self._kept and self._size + size > CACHE_BYTES:
                self._size -= self._kept.popitem(last=False)[1].nbytes
            self._kept[key] = read_group(file, key[1], self._columns)
        self._size += self._kept[key].nbytes
