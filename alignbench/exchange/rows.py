"""Reads the rows of a .jsonl, .csv, .tsv or .parquet file, one by one."""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.values import MAX_DEPTH, is_deep

FORMATS = (".csv", ".tsv", ".jsonl", ".parquet")
_BATCH = 1024
_HALF = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Row:
    """A row and the line (in a parquet file: the row, from 1) where it begins. Column names are plain: `error_type`."""

    line: int
    cells: Mapping[str, Any]


def read_rows(file: Path, problems: Problems, notes: Notes) -> Iterator[Row]:
    """The rows of a file, in order. A row that cannot be read becomes a problem; the next one is read all the same.

    Raises:
        UsageError: There is no such file, or its name ends in none of `FORMATS`.
        ImportFileError: The file as a whole is not what its name says.
    """
    check_format(file, FORMATS)
    if file.suffix.lower() == ".jsonl":
        return jsonl_rows(file, problems, notes)
    if file.suffix.lower() == ".parquet":
        problems.unit = "row"
        return _parquet_rows(file, problems)
    return _csv_rows(file, problems)


def check_format(file: Path, formats: Sequence[str]) -> None:
    """UsageError where there is no such file, where it may not be read, or where its name ends in none of `formats`."""
    wanted = f"give the path of a file that ends in {', '.join(formats)}"
    if not file.is_file():
        raise UsageError(f"there is no file {file}; {wanted}")
    if file.suffix.lower() not in formats:
        raise UsageError(f"{file} ends in {file.suffix or 'nothing'}; {wanted}")
    try:
        file.open("rb").close()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}; {wanted}") from error


@functools.lru_cache(maxsize=1024)
def column_name(name: str) -> str:
    """A column's name without case and with one kind of separator: `Error Type` is `error_type`."""
    return re.sub(r"[\s_\-]+", "_", name.strip().casefold())


def jsonl_rows(file: Path, problems: Problems, notes: Notes) -> Iterator[Row]:
    """The JSON objects of a file with one a line; blank lines are passed over.

    Half of a surrogate pair, which is no character, becomes U+FFFD and is noted.
    """
    with file.open("rb") as lines:
        for line, encoded in enumerate(lines, start=1):
            text = _decoded(encoded, line, problems)
            if text is None or not text.strip():
                continue
            try:
                value = json.loads(text)
            except (ValueError, RecursionError) as error:
                problems.add(line, f"not JSON ({error}): {_cut(text)}")
                continue
            if not isinstance(value, dict) or is_deep(value):
                problems.add(line, f"not a JSON object of at most {MAX_DEPTH} levels: {_cut(text)}")
            else:
                yield Row(line, _named(_whole(value, line, text, notes), line, problems))


def _decoded(encoded: bytes, line: int, problems: Problems) -> str | None:
    try:
        return encoded.decode("utf-8-sig" if line == 1 else "utf-8")
    except UnicodeDecodeError as error:
        problems.add(line, f"not UTF-8 ({error.reason} at byte {error.start} of the line)")
        return None


def _whole(value: dict[str, Any], line: int, text: str, notes: Notes) -> dict[str, Any]:
    if "\\ud" not in text.lower() or not _HALF.search(json.dumps(value, ensure_ascii=False)):
        return value
    notes.add("halves of a surrogate pair replaced by U+FFFD", f"line {line}")
    mended: dict[str, Any] = json.loads(_HALF.sub("\ufffd", json.dumps(value, ensure_ascii=False)))
    return mended


def _named(value: Mapping[str, Any], line: int, problems: Problems) -> dict[str, Any]:
    named = {column_name(name): cell for name, cell in value.items()}
    if len(named) < len(value):
        problems.add(line, f"two columns have the same name: {', '.join(value)}")
    return named


def _csv_rows(file: Path, problems: Problems) -> Iterator[Row]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        reader = csv.reader(text, delimiter="\t" if file.suffix.lower() == ".tsv" else ",", strict=True)
        try:
            header = _header(file, next(reader, []))
            begins = reader.line_num + 1
            for cells in reader:
                if len(cells) > len(header):
                    problems.add(
                        begins, f"{len(cells)} cells, but the header names {len(header)}; quote cells with commas"
                    )
                elif cells:
                    yield Row(begins, dict(zip(header, cells, strict=False)))
                begins = reader.line_num + 1
        except UnicodeDecodeError as error:
            raise ImportFileError(
                f"{file} is not UTF-8 ({error.reason} after line {reader.line_num}); save it as UTF-8 and import again"
            ) from error
        except csv.Error as error:
            raise ImportFileError(
                f"{file}, line {reader.line_num}: not CSV ({error}); mend it and import again"
            ) from error


def _header(file: Path, cells: Sequence[str]) -> list[str]:
    header = [column_name(cell) for cell in cells]
    if len(set(header)) < len(header):
        raise ImportFileError(f"{file} has two columns of the same name: {', '.join(header)}; rename one")
    if len(header) == 1 and ";" in header[0]:
        raise ImportFileError(f"{file} separates its columns by semicolons; save it with commas, or with tabs as .tsv")
    return header


def _parquet_rows(file: Path, problems: Problems) -> Iterator[Row]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    line = 0
    try:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            for batch in parquet.iter_batches(_BATCH):
                for value in batch.to_pylist():
                    line += 1
                    yield Row(line, _named(value, line, problems))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ImportFileError(f"{file} cannot be read as parquet: {error}; write it again") from error


def _cut(text: str) -> str:
    start = text.strip()
    return start if len(start) <= 60 else start[:57] + "..."
