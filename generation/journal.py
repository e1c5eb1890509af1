"""Append-only files of what producers made, a line a row, of which a kill at any moment loses at most the last."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from alignbench.errors import RunError
from alignbench.lines import LineFile, is_open
from alignbench.schema import canonical_json
from alignbench.types import ModelRef, Status

_PATTERN = "journal-*-of-*.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one row: a caption, or the sha256 of an image; neither when `status` is not `ok`.

    `attempt` counts from 1 how often the row was tried; it is no part of the dataset.
    """

    pair_id: str
    status: Status
    producer: ModelRef
    caption: str | None = None
    image: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)
    attempt: int = 1

    @property
    def reason(self) -> str:
        """Why the row came to nothing, as far as its producer says."""
        return str(self.provenance.get("made", {}).get("reason", ""))

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
    path: Path
    start: int
    length: int
    status: Status
    attempt: int


class Journal:
    """The entries of all journals of a folder, of which the session's own is open for appending.

    Only places and statuses are held in memory; the last attempt at a row counts. While a journal is open no other
    process can open it, nor one of another division into shards. A kill can leave its last line cut short: opening cuts
    it off.

    Args:
        folder: The work folder.
        shard: (i, n), which part of the rows this session makes.

    Raises:
        RunError: another process has it open, or a whole line cannot be read.
        StorageError: the disk refused.
    """

    def __init__(self, folder: Path, shard: tuple[int, int] = (0, 1)) -> None:
        self._folder = folder
        self._found: dict[str, _Place] = {}
        self._read: dict[Path, int] = {}
        path = folder / f"journal-{shard[0]}-of-{shard[1]}.jsonl"
        busy = f"another process is at work in {path}; wait for it, or choose another --out or --shard"
        self._own = LineFile(path, busy, sync_each=True)
        try:
            self._refuse_other_divisions(shard[1])
            self.refresh()
        except BaseException:
            self._own.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._own.close()

    @property
    def entries(self) -> int:
        """How many entries there are over all journals, earlier attempts included."""
        return sum(place.attempt for place in self._found.values())

    def status(self, pair_id: str) -> Status | None:
        """What became of a row; null when it has not been made yet."""
        found = self._found.get(pair_id)
        return found.status if found else None

    def attempts(self, pair_id: str) -> int:
        """How often a row was tried."""
        found = self._found.get(pair_id)
        return found.attempt if found else 0

    def entry(self, pair_id: str) -> Entry:
        """The entry of a row that has a status."""
        place = self._found[pair_id]
        with place.path.open("rb") as lines:
            lines.seek(place.start)
            return self._parse(lines.read(place.length), place.path, place.start)

    def append(self, entry: Entry) -> None:
        """Add an entry; once this returns it survives a kill and a power cut.

        Raises:
            StorageError: the disk refused; the journal is as it was.
            RunError: the entry cannot be said in JSON.
        """
        line = entry.to_line()
        start = self._own.append(line)
        self._note(entry, self._own.path, start, len(line))
        self._read[self._own.path] = start + len(line)

    def refresh(self) -> None:
        """Take note of what other processes have added meanwhile; a line that is still being written waits.

        Raises:
            RunError: a whole line cannot be read.
        """
        for path in sorted(self._folder.glob(_PATTERN)):
            for start, line in _whole_lines(path, self._read.get(path, 0)):
                self._note(self._parse(line, path, start), path, start, len(line))
                self._read[path] = start + len(line)

    def _refuse_other_divisions(self, shards: int) -> None:
        for other in sorted(self._folder.glob(_PATTERN)):
            if not other.stem.endswith(f"-of-{shards}") and is_open(other):
                raise RunError(f"another process is at work in {other}, with another number of shards; wait for it")

    def _note(self, entry: Entry, path: Path, start: int, length: int) -> None:
        before = self._found.get(entry.pair_id)
        if before is None or entry.attempt >= before.attempt:
            self._found[entry.pair_id] = _Place(path, start, length, entry.status, entry.attempt)

    def _parse(self, line: bytes, path: Path, start: int) -> Entry:
        try:
            return Entry.from_line(line)
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(
                f"{path} is damaged at byte {start}: {error}; remove {self._folder} to begin again"
            ) from error


def _whole_lines(path: Path, start: int) -> Iterator[tuple[int, bytes]]:
    """The lines of a file from an offset on, each with where it begins."""
    with path.open("rb") as lines:
        lines.seek(start)
        for line in lines:
            if not line.endswith(b"\n"):
                return
            yield start, line
            start += len(line)
