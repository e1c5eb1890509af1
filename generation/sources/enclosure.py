"""A folder of the user's out of which nothing leads: no link is followed, nothing but regular files is opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from generation.sources.intake import too_large

Parts = tuple[str, ...]

_DEEPEST = 64
_LINK = "a link; links are not followed, put the file itself into the folder"
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Without O_NONBLOCK the open would hang on a FIFO that came in the place of the file that was listed.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Listed:
    """A name below the folder, as its parts; `obstacle` says why it is not opened, null for a regular file."""

    parts: Parts
    obstacle: str | None = None


class ClosedError(Exception):
    """A file that is not read; its text is the reason."""


class Enclosure:
    """The files below `root`, a link to a folder at most itself.

    Every step of a path is opened in the folder before it, without following links, so that what is swapped for a link
    after it was listed leads nowhere.

    Raises:
        OSError: The folder cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._root)

    def names(self, *, recursive: bool) -> Iterator[Listed]:
        """What lies in the folder, in no order; hidden names, which begin with a dot, are passed over."""
        waiting: list[Parts] = [()]
        while waiting:
            above = waiting.pop()
            try:
                entries = self._entries(above)
            except OSError as error:
                yield Listed(above, f"the folder cannot be looked through: {error.strerror}")
                continue
            for name, mode in entries:
                if name.startswith("."):
                    continue
                if not stat.S_ISDIR(mode):
                    yield Listed((*above, name), _obstacle(mode))
                elif recursive and len(above) == _DEEPEST:
                    yield Listed((*above, name), f"a folder more than {_DEEPEST} folders deep; it is not looked into")
                elif recursive:
                    waiting.append((*above, name))

    def _entries(self, parts: Parts) -> list[tuple[str, int]]:
        found = []
        with self._folder(parts) as descriptor, os.scandir(descriptor) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # removed since; nothing is left to tell of it
                    found.append((entry.name, entry.stat(follow_symlinks=False).st_mode))
        return found

    def read(self, parts: Parts, most: int) -> bytes:
        """The bytes of a file, at most `most`.

        Raises:
            ClosedError: It is no regular file any more, is larger, or cannot be read.
        """
        try:
            with self._folder(parts[:-1]) as above:
                descriptor = os.open(parts[-1], _FILE, dir_fd=above)
            with open(descriptor, "rb") as file:  # noqa: PTH123  a descriptor has no path
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise ClosedError(_obstacle(status.st_mode))
                encoded = file.read(min(status.st_size, most) + 1)
        except OSError as error:
            raise ClosedError(f"it cannot be opened: {error.strerror}") from error
        if len(encoded) > most:
            raise ClosedError(too_large(status.st_size if status.st_size > most else None, most))
        return encoded

    @contextmanager
    def _folder(self, parts: Parts) -> Iterator[int]:
        """A descriptor of a folder below the root."""
        descriptor = os.dup(self._root)
        try:
            for part in parts:
                below = os.open(part, _FOLDER, dir_fd=descriptor)
                os.close(descriptor)
                descriptor = below
            yield descriptor
        finally:
            os.close(descriptor)


def _obstacle(mode: int) -> str | None:
    if stat.S_ISREG(mode):
        return None
    if stat.S_ISLNK(mode):
        return _LINK
    kinds = ((stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"), (stat.S_ISDIR, "a folder"))
    kind = next((name for fits, name in kinds if fits(mode)), "a device")
    return f"{kind}, no regular file; it is not opened"
