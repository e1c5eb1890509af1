"""A file of whole lines that only grows: what is in it survives a kill, and no other process writes to it meanwhile."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from pathlib import Path

from alignbench.atomic import storage_errors, sync
from alignbench.errors import RunError

_SYNC_SECONDS = 1.0
_BLOCK = 1 << 16


class LineFile:
    """An append-only file, open for reading and writing in one process at a time.

    A kill can leave the last line cut short: opening cuts it off.

    Args:
        path: The file; made where missing.
        busy: What to say where another process has it open.
        sync_each: Whether each line survives a power cut as soon as it is added, rather than a second later.

    Raises:
        RunError: Another process has it open.
        StorageError: The disk refused.
    """

    def __init__(self, path: Path, busy: str, *, sync_each: bool = False) -> None:
        self.path = path
        self._seconds = 0.0 if sync_each else _SYNC_SECONDS
        with storage_errors(path):
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if not _try_lock(self._descriptor, fcntl.LOCK_EX):
                raise RunError(busy)
            with storage_errors(path):
                self._length = _whole_length(self._descriptor)
                if self._length < os.fstat(self._descriptor).st_size:
                    os.ftruncate(self._descriptor, self._length)
                sync(path.parent)
        except BaseException:
            os.close(self._descriptor)
            raise
        self._synced = time.monotonic()

    def append(self, line: bytes) -> int:
        """Add a line, its newline included; once this returns, it survives a kill, and a power cut as `sync_each` says.

        Returns:
            Where the line begins.

        Raises:
            StorageError: The disk refused; the file is as it was before.
        """
        start = self._length
        with storage_errors(self.path):
            self._write(line)
            if time.monotonic() - self._synced >= self._seconds:
                os.fsync(self._descriptor)
                self._synced = time.monotonic()
        return start

    def _write(self, line: bytes) -> None:
        """Write in one call; the disk may take a part, and only asking on tells why."""
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, self._length)
            raise
        self._length += len(line)

    def read(self, start: int, length: int) -> bytes:
        """The `length` bytes from `start`."""
        return os.pread(self._descriptor, length, start)

    def close(self) -> None:
        """Make all lines survive a power cut, then let other processes in."""
        try:
            with storage_errors(self.path):
                os.fsync(self._descriptor)
        finally:
            os.close(self._descriptor)


def is_open(path: Path) -> bool:
    """Whether a process has the file open as a `LineFile`."""
    with path.open("rb") as file:
        return not _try_lock(file.fileno(), fcntl.LOCK_SH)


def _whole_length(descriptor: int) -> int:
    """How many bytes of the file are whole lines, looking from its end."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        start = max(0, end - _BLOCK)
        newline = os.pread(descriptor, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0


def _try_lock(descriptor: int, mode: int) -> bool:
    try:
        fcntl.flock(descriptor, mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
