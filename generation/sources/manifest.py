"""Reads a list of addresses of images."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.errors import ImportFileError
from alignbench.exchange.notes import Notes, Problems, some
from alignbench.exchange.rows import column_name, read_rows
from alignbench.exchange.values import text_of
from generation.sources import options
from generation.sources.addresses import without_user
from generation.sources.cells import word
from generation.sources.names import shown

_SHA256 = re.compile(r"[0-9a-f]{64}")
_DEFAULTS: Mapping[str, tuple[str, ...]] = {
    "url": ("url",),
    "sha256": ("sha256",),
    "licence": ("licence", "license"),
    "domain": ("domain",),
    "id": ("id",),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of the list: its number (a line, in a parquet file a row, from 1) and what it says."""

    number: int
    url: str | None
    sha256: str | None
    licence: str | None
    domain: str | None
    id: str | None

    @property
    def name(self) -> str:
        """What people find it by."""
        return f"row {self.number}" if self.url is None else shown(without_user(self.url))

    @property
    def bad_checksum(self) -> bool:
        """Whether its checksum is no sha256, so that no content could have it."""
        return self.sha256 is not None and not _SHA256.fullmatch(self.sha256)


def read_manifest(file: Path, columns: Mapping[str, str | None]) -> list[Entry]:
    """The rows of a .csv, .tsv, .jsonl or .parquet file, in order.

    Args:
        file: The list.
        columns: Which column holds the url, sha256, licence, domain and id; where null, the one of that name, and of
            all but the url nothing where there is none.

    Raises:
        UsageError: There is no such file or column.
        ImportFileError: The file cannot be read; lists the lines at fault.
    """
    problems = Problems(file)
    rows = [(row.line, row.cells) for row in read_rows(file, problems, Notes())]
    problems.raise_any("mend the list, then run the same command again")
    there = dict.fromkeys(column for _, cells in rows for column in cells)
    found = {what: _column(what, columns[what], there, file) for what in _DEFAULTS}
    if found["url"] is None:
        raise ImportFileError(
            f"{file} has no column `url`, only {some(there, 20) or 'no rows'}; name the column with `url_column`"
        )
    return [_entry(line, cells, found) for line, cells in rows]


def _column(what: str, wanted: str | None, there: Iterable[str], file: Path) -> str | None:
    if wanted is None:
        return next((column for column in _DEFAULTS[what] if column in there), None)
    return options.column(f"{what}_column", column_name(wanted), there, str(file))


def _entry(line: int, cells: Mapping[str, Any], columns: Mapping[str, str | None]) -> Entry:
    said = {what: None if column is None else cells.get(column) for what, column in columns.items()}
    sha256 = word(said["sha256"])
    return Entry(
        line,
        text_of(said["url"]),
        sha256.lower() if sha256 else None,
        word(said["licence"]),
        word(said["domain"]),
        word(said["id"]),
    )
