"""Every rule that a dataset folder breaks, listed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from alignbench import schema
from alignbench.decode import decode
from alignbench.digest import Tally
from alignbench.errors import ImageError
from alignbench.header import HEADER, header_faults, not_a_dataset
from alignbench.labelling.violations import label_violations
from alignbench.parquet import READ_ERRORS, open_parquet, read_group
from alignbench.rows import Row
from alignbench.rules import Rules
from alignbench.rules import Violation as Violation
from alignbench.store import table_files

_BATCH = 4096


def validate(path: Path) -> list[Violation]:
    """All rules that the dataset folder `path` breaks: those of its files first, then row by row in file order.

    Label events come last, and with them the sentences whose label is not what their events say.

    Damaged files are violations too; where the rows of a table cannot all be read, the tables that refer to it are not
    checked row by row, and the violation says so. No more than a row group of images is in memory at a time; ids and
    captions stay.

    Raises:
        DatasetError: there is no such folder, or nothing of a dataset in it.
        MissingDependencyError: labels are by Dawid-Skene, and crowd-kit is not installed.
    """
    files = table_files(path)
    if not any(file.exists() for file in [path / HEADER, *chain(*files.values())]):
        raise not_a_dataset(path)
    header, violations = _header(path)
    if header is not None and header.get("schema_version", schema.SCHEMA_VERSION) != schema.SCHEMA_VERSION:
        return violations  # what another version's rows must keep is not ours to say
    check = _Check()
    for table, paths in files.items():
        violations += check.table(table, paths)
    violations += check.finish(header or {})
    if check.sentences_read:
        violations += label_violations(path, (header or {}).get("labels"))
    return violations


class _Check:
    """The rows of the three tables, which pass by once."""

    def __init__(self) -> None:
        self._rules, self._tally = Rules(), Tally()
        self._broken: str | None = None

    @property
    def sentences_read(self) -> bool:
        """Whether all sentences could be read, so that what refers to them can be checked."""
        return self._broken is None

    def table(self, table: str, paths: list[Path]) -> Iterator[Violation]:
        """What is wrong with a table and its rows."""
        if not paths:
            yield self._file("file-missing", table, "images/part-*.parquet", "there is no such file")
        for path in paths:
            yield from self._parquet(table, path)

    def finish(self, header: Mapping[str, Any]) -> list[Violation]:
        """What is wrong with the whole; nothing can be said where a table was not read to its end."""
        if self._broken is not None:
            return []
        found, summary = self._rules.finish(), self._tally.summary()
        if not summary["counts"]["sentences"]:
            found.append(Violation("empty", "dataset", "sentences.parquet", "there are no sentences"))
        for name, value in summary.items():
            if name in header and header[name] != value:
                message = f"{HEADER} says {header[name]}, the rows say {value}"
                found.append(Violation(name, "dataset", HEADER, message))
        return found

    def _file(self, rule: str, table: str, file: str, message: str) -> Violation:
        later = {"images": " (pairs and sentences were not checked)", "pairs": " (sentences were not checked)"}
        ours = self._broken in (None, table)
        self._broken = self._broken or table
        return Violation(rule, table, file, message + (later.get(table, "") if ours else ""))

    def _parquet(self, table: str, path: Path) -> Iterator[Violation]:
        if not path.is_file():
            yield self._file("file-missing", table, path.name, "there is no such file")
            return
        try:
            with open_parquet(path) as file:
                wrong = schema.differences(schema.DATASET_TABLES[table], file.schema_arrow)
                if wrong:
                    yield self._file("columns", table, path.name, "; ".join(wrong))
                elif self._broken in (None, table):
                    yield from self._rows(table, path.name, file)
        except READ_ERRORS as error:
            yield self._file("unreadable", table, path.name, f"cannot be read: {error}")

    def _rows(self, table: str, name: str, file: pq.ParquetFile) -> Iterator[Violation]:
        count = 0
        for row in _image_rows(file) if table == "images" else _text_rows(file):
            yield from self._rules.check(table, row)
            if table == "images" and row["bytes"] is not None:
                yield from (Violation(rule, table, row["image_key"], message) for rule, message in _bytes(row))
            self._tally.add(table, row)
            count += 1
        if count != file.metadata.num_rows:
            yield self._file("unreadable", table, name, f"its footer counts {file.metadata.num_rows} rows, not {count}")


def _text_rows(file: pq.ParquetFile) -> Iterator[Row]:
    for batch in file.iter_batches(_BATCH):
        yield from batch.to_pylist()


def _image_rows(file: pq.ParquetFile) -> Iterator[Row]:
    for group in range(file.num_row_groups):
        table = read_group(file, group)
        for place in range(table.num_rows):
            yield from table.slice(place, 1).to_pylist()


def _bytes(row: Row) -> Iterator[tuple[str, str]]:
    sha256 = hashlib.sha256(row["bytes"]).hexdigest()
    if row["sha256"] is not None and sha256 != row["sha256"]:
        yield "sha256", f"sha256 is {row['sha256']}, that of the bytes is {sha256}"
    try:
        size = decode(row["bytes"]).size
    except ImageError as error:
        yield "decode", str(error)
        return
    if None not in (row["width"], row["height"]) and size != (row["width"], row["height"]):
        yield "size", f"width x height is {row['width']} x {row['height']}, that of the bytes is {size[0]} x {size[1]}"


def _header(path: Path) -> tuple[Mapping[str, Any] | None, list[Violation]]:
    """What dataset.json says, null where it cannot be read, and what is wrong with it."""
    file = path / HEADER
    if not file.is_file():
        return None, [Violation("file-missing", "dataset", HEADER, "there is no such file")]
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        return None, [Violation("unreadable", "dataset", HEADER, f"cannot be read: {error}")]
    faults = [Violation("header", "dataset", HEADER, fault) for fault in header_faults(header)]
    return header if isinstance(header, dict) else None, faults
