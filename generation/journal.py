"""An append-only file of what producers made, a line a row, of which a kill at any moment loses at most the last."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from alignbench.atomic import storage_errors
from alignbench.errors import RunError
from alignbench.schema import canonical_json
from alignbench.types import ModelRef, Status

_SYNC_SECONDS = 1.0


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
        self._path = path
        self._found: dict[str, _Place] = {}
        self._synced = time.monotonic()
        with storage_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            self._lock()
            with storage_errors(path):
                self._length = self._read_places()
                os.ftruncate(self._descriptor, self._length)
        except BaseException:
            os.close(self._descriptor)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            with storage_errors(self._path):
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)

    def status(self, pair_id: str) -> Status | None:
        """What became of a row; null when it has not been made yet."""
        found = self._found.get(pair_id)
        return found.status if found else None

    def entry(self, pair_id: str) -> Entry:
        """The entry of a row that has a status."""
        place = self._found[pair_id]
        return self._parse(os.pread(self._descriptor, place.length, place.start), f"byte {place.start}")

    def append(self, entry: Entry) -> None:
        """Add an entry; once this returns it survives a kill, and a second later a power cut.

        Raises:
            StorageError: the disk refused; the journal is as it was.
            RunError: the entry cannot be said in JSON.
        """
        line = entry.to_line()
        with storage_errors(self._path):
            self._write(line)
            if time.monotonic() - self._synced > _SYNC_SECONDS:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()
        self._found[entry.pair_id] = _Place(self._length, len(line), entry.status)
        self._length += len(line)

    def _write(self, line: bytes) -> None:
        """Write a whole line; the disk may take a part, and only asking on tells why."""
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            folder = self._path.parent
            raise RunError(f"another process is at work in {folder}; wait for it, or choose another --out") from error

    def _read_places(self) -> int:
        """Remember where each entry begins; returns where the last whole line ends."""
        end = 0
        with self._path.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                entry = self._parse(line, f"byte {end}")
                self._found[entry.pair_id] = _Place(end, len(line), entry.status)
                end += len(line)
        return end

    def _parse(self, line: bytes, where: str) -> Entry:
        try:
            return Entry.from_line(line)
        except (ValueError, TypeError, KeyError) as error:
            folder = self._path.parent
            raise RunError(f"{self._path} is damaged at {where}: {error}; remove {folder} to begin again") from error
