"""Reads the rows of a file of prompts, whatever its format, with the faults of single rows in their places."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from alignbench.errors import UsageError


class Entry(NamedTuple):
    """A row, counted from 1, with its values by their columns in the order asked; `fault` says why it has none."""

    row: int
    values: Mapping[str, Any]
    fault: str | None = None


def rows_of_txt(path: Path, columns: tuple[str, ...]) -> Iterator[Entry]:
    """The lines that are not blank, each as the only column asked for."""
    with _telling(path), path.open(encoding="utf-8-sig") as lines:
        for row, line in enumerate(lines, 1):
            if line.strip():
                yield Entry(row, {columns[0]: line})


def rows_of_csv(path: Path, columns: tuple[str, ...]) -> Iterator[Entry]:
    """The rows below the header; `.tsv` files have tabs between their columns."""
    with _telling(path), path.open(encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
        _need_columns(path, columns, list(rows.fieldnames or ()))
        for row, values in enumerate(rows, 1):
            if None in values:
                yield Entry(row, {}, f"it has more columns than the header, up to line {rows.line_num}")
            else:
                yield Entry(row, {column: values[column] for column in columns})


def rows_of_jsonl(path: Path, columns: tuple[str, ...]) -> Iterator[Entry]:
    """The lines that are not blank, each an object; one without the first column is a fault of that row."""
    with _telling(path), path.open(encoding="utf-8-sig") as lines:
        for row, line in enumerate(lines, 1):
            if line.strip():
                yield _parsed(row, line, columns)


def rows_of_parquet(path: Path, columns: tuple[str, ...]) -> Iterator[Entry]:
    """The rows of a parquet file, of which only the columns asked for are read."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        with _telling(path), pq.ParquetFile(path) as file:
            _need_columns(path, columns, file.schema_arrow.names)
            for batch in file.iter_batches(columns=list(columns)):
                for values in batch.to_pylist():
                    row += 1
                    yield Entry(row, {column: values[column] for column in columns})
    except (pa.ArrowException, ValueError) as error:
        raise UsageError(f"{path} is no parquet file that can be read: {error}; write it again") from error


def _parsed(row: int, line: str, columns: tuple[str, ...]) -> Entry:
    try:
        said = json.loads(line)
    except (ValueError, RecursionError) as error:
        return Entry(row, {}, f"the line is not JSON: {error}")
    if not isinstance(said, dict) or columns[0] not in said:
        return Entry(row, {}, f"the line is no object with the key {columns[0]!r}")
    return Entry(row, {column: said.get(column) for column in columns})


def _need_columns(path: Path, columns: tuple[str, ...], there: list[str]) -> None:
    for column in columns:
        if column not in there:
            raise UsageError(
                f"{path} has no column {column!r}; its columns are: {', '.join(map(str, there)) or 'none'}"
            )


@contextmanager
def _telling(path: Path) -> Iterator[None]:
    """Turn what reading a file can raise into a UsageError that names it."""
    try:
        yield
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not in UTF-8: {error}; save it in UTF-8") from error
    except (OSError, csv.Error) as error:
        raise UsageError(f"{path} cannot be read: {error}; mend the file, then run the same command again") from error
