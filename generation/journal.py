"""An append-only file of what producers made, a line a row, of which a kill at any moment loses at most the last."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from alignbench.errors import RunError
from alignbench.lines import LineFile
from alignbench.schema import canonical_json
from alignbench.types import ModelRef, Status


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one row: a caption, or the sha256 of an image; neither when `status` is not `ok`."""

    pair_id: str
    status: Status
    producer: ModelRef
    caption: str | None = None
    image: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def to_line(self) -> bytes:
        """The entry as one line of JSON.

        Raises:
            RunError: its provenance is not made of JSON values, or its caption is no Unicode text.
        """
        try:
            return canonical_json(asdict(self)).encode() + b"\n"
        except (TypeError, UnicodeEncodeError) as error:
            raise RunError(f"what {self.producer.name!r} made cannot be kept: {error}; mend the adapter") from error

    @classmethod
    def from_line(cls, line: bytes) -> Entry:
        """The entry that `to_line` wrote.

        Raises:
            ValueError, TypeError, KeyError: the line is something else.
        """
        said = json.loads(line)
        return cls(**said | {"status": Status(said["status"]), "producer": ModelRef(**said["producer"])})


class _Place(NamedTuple):
    start: int
    length: int
    status: Status


class Journal:
    """The entries of a file, of which only places and statuses are held in memory; the last of a row counts.

    While it is open no other process can open it. A kill can leave the last line cut short: opening cuts it off.

    Raises:
        RunError: another process has it open, or a whole line of it cannot be read.
        StorageError: the disk refused.
    """

    def __init__(self, path: Path) -> None:
        self._found: dict[str, _Place] = {}
        busy = f"another process is at work in {path.parent}; wait for it, or choose another --out"
        self._lines = LineFile(path, busy)
        try:
            self._read_places()
        except RunError:
            self._lines.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._lines.close()

    def status(self, pair_id: str) -> Status | None:
        """What became of a row; null when it has not been made yet."""
        found = self._found.get(pair_id)
        return found.status if found else None

    def entry(self, pair_id: str) -> Entry:
        """The entry of a row that has a status."""
        place = self._found[pair_id]
        return self._parse(self._lines.read(place.start, place.length), f"byte {place.start}")

    def append(self, entry: Entry) -> None:
        """Add an entry; once this returns it survives a kill, and a second later a power cut.

        Raises:
            StorageError: the disk refused; the journal is as it was.
            RunError: the entry cannot be said in JSON.
        """
        line = entry.to_line()
        start = self._lines.append(line)
        self._found[entry.pair_id] = _Place(start, len(line), entry.status)

    def _read_places(self) -> None:
        """Remember where each entry begins."""
        start = 0
        with self._lines.path.open("rb") as lines:
            for line in lines:
                entry = self._parse(line, f"byte {start}")
                self._found[entry.pair_id] = _Place(start, len(line), entry.status)
                start += len(line)

    def _parse(self, line: bytes, where: str) -> Entry:
        try:
            return Entry.from_line(line)
        except (ValueError, TypeError, KeyError) as error:
            folder = self._lines.path.parent
            raise RunError(
                f"{self._lines.path} is damaged at {where}: {error}; remove {folder} to begin again"
            ) from error
