"""Writes that happen wholly or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from alignbench.errors import DatasetError, StorageError

_FULL = "free some space or choose another --out, then run the same command again"
_FORBIDDEN = "mend the permissions or choose another --out, then run the same command again"
_ADVICE = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EFBIG: "the file system or a limit of the shell allows no file of that size; choose another --out",
    errno.EROFS: "choose another --out, then run the same command again",
    errno.EACCES: _FORBIDDEN,
    errno.EPERM: _FORBIDDEN,
}


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an `OSError` of the block into a StorageError that names `path` and says what to do."""
    try:
        yield
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        advice = _ADVICE.get(error.errno or 0, "mend that, then run the same command again")
        lost = "nothing that was there is lost"
        raise StorageError(f"{path} could not be written: {reason}; {lost}; {advice}") from error


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling of `path`, then put it in the place of `path`.

    Whoever looks at `path`, also after a power cut, sees the old file or the new one, whole.

    Args:
        path: The file to write; its folder is made where missing.
        write: Gets the path of the temporary file.

    Raises:
        StorageError: The disk refused; `path` is as it was.
    """
    partial = path.parent / f".{path.name}.{os.getpid()}.partial"
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            sync(partial)
            os.replace(partial, path)  # noqa: PTH105  tests make this very call fail
        finally:
            partial.unlink(missing_ok=True)
        sync(path.parent)


def sync(path: Path) -> None:
    """Make what was written to the file or folder `path` survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some network file systems cannot sync a folder; they order renames themselves.
        if error.errno != errno.EINVAL or not path.is_dir():
            raise
    finally:
        os.close(descriptor)


def swap_folder(partial: Path, target: Path) -> None:
    """Put the folder `partial`, with all that is in it, in the place of the folder `target`, which may exist.

    Everything is synced before. Between two renames `target` is missing for a moment; a kill right then leaves the old
    folder as `old_of(target)`, whole.

    Raises:
        OSError: The disk refused; `target` is as it was.
    """
    for entry in sorted(partial.rglob("*")):
        sync(entry)
    sync(partial)
    old = old_of(target)
    if target.exists():
        shutil.rmtree(old, ignore_errors=True)
        target.rename(old)
    try:
        partial.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
    sync(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def old_of(target: Path) -> Path:
    """Where the folder that is being replaced at `target` stands meanwhile."""
    return target.parent / f".{target.name}.old"


@contextmanager
def partial_folder(target: Path) -> Iterator[Path]:
    """An empty folder beside `target` for what will replace it; gone after the block, unless it was moved away.

    One process at a time has it. What a killed one left is removed.

    Raises:
        DatasetError: Another process is writing `target`.
        OSError: The disk refused.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.parent / f".{target.name}.partial"
    with _locked(target.parent / f".{target.name}.lock", target):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        try:
            yield partial
        finally:
            shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def _locked(lock: Path, target: Path) -> Iterator[None]:
    descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not _take(descriptor, lock):
            raise DatasetError(f"another process is writing {target}; wait for it or choose another --out")
        try:
            yield
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


def _take(descriptor: int, lock: Path) -> bool:
    """Lock the file; False where another process has it, or had it a moment ago and removed its name."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == lock.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False
