"""Every string of every file in a folder, as a stream that says where each one stands."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.publish.folder.layout import CONFIGS, DATA, published_files

FILE_NAME = "file name"
METADATA = "metadata"
_BATCH = 4096
_PIECE, _OVERLAP = 1 << 20, 4096
_MARKS = {
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
    codecs.BOM_UTF8: "utf-8-sig",
}
_STRINGS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_BYTES = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_fixed_size_binary, pa.types.is_binary_view)
_LISTS = (pa.types.is_list, pa.types.is_large_list)


@dataclass(frozen=True, slots=True)
class Strings:
    """Some strings of one column of a parquet file, or some lines of a text file.

    Attributes:
        file: Its path within the folder.
        table: The config that the file is of, such as `pairs`; the path of a file of none.
        column: Its path within the table, such as `producer.name`; empty for the lines of a text file.
        values: (N,) the strings; null where there is none.
        rows: (N,) the row of each, or its line, from 1.
    """

    file: str
    table: str
    column: str
    values: pa.Array
    rows: npt.NDArray[np.int64]

    @property
    def name(self) -> str:
        """What a waiver calls the place, such as `pairs/provenance`."""
        return f"{self.table}/{self.column}" if self.column else self.table

    def text(self, place: int) -> str:
        """The string at `place`; bytes that are no UTF-8 are marked in it."""
        return bytes(self.values[place].as_py() or b"").decode("utf-8", "replace")

    def where(self, place: int) -> str:
        """Where the string at `place` stands, in words."""
        if self.column == FILE_NAME:
            return f"the name of the file {self.file}"
        if self.column == METADATA:
            return f"the metadata of {self.file}"
        row = int(self.rows[place])
        return f"{self.file}, row {row}, column {self.column}" if self.column else f"{self.file}, line {row}"


class _Source(NamedTuple):
    file: str
    table: str


def strings_in(folder: Path) -> Iterator[Strings]:
    """The strings of every published file, by the file's path: its name, then what it says of itself, then its rows.

    Of parquet files come all columns of strings, also those within structs and lists and the columns of bytes but the
    images' own; of all other files the lines. A few thousand rows or lines are in memory at a time, of a long line a
    million characters, which overlap with the next ones. What cannot be read is left out: the check `rows` tells it.
    """
    for path in published_files(folder):
        relative = path.relative_to(folder)
        source = _Source(relative.as_posix(), _table_of(relative))
        yield _few(source, FILE_NAME, [source.file])
        try:
            yield from _of_parquet(path, source) if path.suffix == ".parquet" else _of_text(path, source)
        except READ_ERRORS:
            continue


def _table_of(relative: Path) -> str:
    inside = len(relative.parts) == 3 and relative.parts[0] == DATA and relative.parts[1] in CONFIGS
    return relative.parts[1] if inside else relative.as_posix()


def _few(source: _Source, column: str, texts: list[str]) -> Strings:
    values = pa.array([text.encode("utf-8", "surrogateescape") for text in texts], pa.binary())
    return Strings(source.file, source.table, column, values, np.ones(len(texts), np.int64))


def _of_text(path: Path, source: _Source) -> Iterator[Strings]:
    with path.open("rb") as file:
        start = file.read(4)
    encoding = next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8")
    lines: list[str] = []
    numbers: list[int] = []
    size = 0
    with path.open(encoding=encoding, errors="replace") as text:
        for number, line in _lines(text):
            lines.append(line)
            numbers.append(number)
            size += len(line)
            if len(lines) == _BATCH or size > _PIECE:
                yield _lines_of(source, lines, numbers)
                lines, numbers, size = [], [], 0
    if lines:
        yield _lines_of(source, lines, numbers)


def _lines(file: TextIO) -> Iterator[tuple[int, str]]:
    number, before = 1, ""
    while piece := file.readline(_PIECE):
        yield number, (before + piece).rstrip("\n")
        ended = piece.endswith("\n")
        number, before = number + ended, "" if ended else piece[-_OVERLAP:]


def _lines_of(source: _Source, lines: list[str], numbers: list[int]) -> Strings:
    values = pa.array([line.encode("utf-8", "replace") for line in lines], pa.binary())
    return Strings(source.file, source.table, "", values, np.array(numbers, np.int64))


def _of_parquet(path: Path, source: _Source) -> Iterator[Strings]:
    with open_parquet(path) as file:
        said = _metadata(file)
        if said:
            yield _few(source, METADATA, said)
        columns = [name for field in file.schema_arrow for name in _readable(field)]
        first = 1
        for batch in file.iter_batches(_BATCH, columns=columns, use_threads=False):
            rows = np.arange(first, first + len(batch), dtype=np.int64)
            first += len(batch)
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                for leaf, values, places in _leaves(name, column, rows):
                    yield Strings(source.file, source.table, leaf, values, places)


def _metadata(file: pq.ParquetFile) -> list[str]:
    columns = file.schema_arrow
    held = [columns.metadata, *(field.metadata for field in columns), file.metadata.metadata]
    said = {key: value for entries in held for key, value in (entries or {}).items() if key != b"ARROW:schema"}
    return [part.decode("utf-8", "replace") for key, value in sorted(said.items()) for part in (key, value)]


def _readable(field: pa.Field) -> Iterator[str]:
    """The columns to read of a field: all that hold strings, but no bytes of images."""
    if not pa.types.is_struct(field.type):
        if not _only_numbers(field.type):
            yield field.name
        return
    for child in field.type:
        if not _only_numbers(child.type) and not any(is_it(child.type) for is_it in _BYTES):
            yield f"{field.name}.{child.name}"


def _only_numbers(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return all(_only_numbers(child.type) for child in kind)
    if any(is_it(kind) for is_it in _LISTS):
        return _only_numbers(kind.value_type)
    return bool(pa.types.is_primitive(kind) or pa.types.is_null(kind))


def _leaves(
    name: str, column: pa.Array, rows: npt.NDArray[np.int64]
) -> Iterator[tuple[str, pa.Array, npt.NDArray[np.int64]]]:
    """The columns of strings within a column, each with the rows that its values are of."""
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        yield from _leaves(name, column.storage, rows)
    elif pa.types.is_dictionary(kind):
        yield from _leaves(name, column.dictionary_decode(), rows)
    elif any(is_it(kind) for is_it in (*_STRINGS, *_BYTES)):
        yield name, column.cast(pa.binary()), rows
    elif pa.types.is_struct(kind):
        for child, values in zip(kind, column.flatten(), strict=True):
            yield from _leaves(f"{name}.{child.name}", values, rows)
    elif any(is_it(kind) for is_it in _LISTS):
        parents = pc.list_parent_indices(column).to_numpy(zero_copy_only=False)
        yield from _leaves(name, column.flatten(), rows[parents])
    elif not _only_numbers(kind):
        texts = [json.dumps(value, ensure_ascii=False, default=str).encode() for value in column.to_pylist()]
        yield name, pa.array(texts, pa.binary()), rows
