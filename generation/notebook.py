"""A kill-proof memory of answers that cost money or a network: what is in it is never asked for again."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from pydantic import JsonValue

from alignbench.atomic import storage_errors
from alignbench.errors import RunError
from alignbench.lines import LineFile


class _Place(NamedTuple):
    start: int
    length: int


class Notebook:
    """JSON values by their keys, one line an entry, of which the last of a key counts; only places are in memory.

    While it is open no other process can open it. A kill can leave the last line cut short: opening cuts it off.

    Args:
        path: The file; made, with its folder, where missing.

    Raises:
        RunError: Another process has it open, or a whole line of it cannot be read.
        StorageError: The disk refused.
    """

    def __init__(self, path: Path) -> None:
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        busy = f"another process is at work with {path}; wait for it, then run the same command again"
        self._lines = LineFile(path, busy, sync_each=True)
        self._places: dict[str, _Place] = {}
        try:
            self._find_places()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> JsonValue:
        """The value last put under the key; null where there is none.

        Raises:
            RunError: Its line was damaged since.
        """
        place = self._places.get(key)
        return None if place is None else self._parse(self._lines.read(*place), place.start)[1]

    def put(self, key: str, value: JsonValue) -> None:
        """Keep a value; once this returns it survives a kill and a power cut.

        Raises:
            RunError: The value cannot be said in JSON.
            StorageError: The disk refused; the notebook is as it was.
        """
        try:
            # ASCII, because a file name that is no Unicode has to be a key too.
            line = json.dumps([key, value], allow_nan=False, separators=(",", ":")).encode() + b"\n"
        except (TypeError, ValueError, RecursionError) as error:
            raise RunError(f"what belongs to {key!r} cannot be kept in {self._lines.path}: {error}") from error
        self._places[key] = _Place(self._lines.append(line), len(line))

    def close(self) -> None:
        """Let other processes in."""
        self._lines.close()

    def _find_places(self) -> None:
        start = 0
        with self._lines.path.open("rb") as lines:
            for line in lines:
                self._places[self._parse(line, start)[0]] = _Place(start, len(line))
                start += len(line)

    def _parse(self, line: bytes, start: int) -> tuple[str, JsonValue]:
        path = self._lines.path
        try:
            key, value = json.loads(line)
            if not isinstance(key, str):
                raise TypeError(f"a key is a text, not {key!r}")
        except (TypeError, ValueError, RecursionError) as error:
            raise RunError(
                f"{path} is damaged at byte {start}: {error}; remove that line, and what it held is asked for again, "
                f"or remove the file"
            ) from error
        return key, value
