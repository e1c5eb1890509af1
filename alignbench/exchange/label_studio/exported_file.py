"""Reads the file that Label Studio exports as JSON: a list of tasks with their annotations, task by task.

The format is that of https://labelstud.io/guide/task_format; a file with one task alone is read too.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TextIO

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.values import MAX_DEPTH, is_deep

_CHUNK = 1 << 20
_CHOOSE = "in Label Studio choose Export, then JSON (not JSON-MIN, CSV or another format), and give that file"
_SPACE = " \t\r\n"


def exported_tasks(file: Path) -> Iterator[tuple[int, Any]]:
    """The tasks of an export and their numbers from 1; no more than one task and a chunk is in memory at a time.

    Raises:
        UsageError: There is no such file.
        ImportFileError: It is not JSON, or not Label Studio's JSON export.
    """
    if not file.is_file():
        raise UsageError(f"there is no file {file}; {_CHOOSE}")
    try:
        with file.open(encoding="utf-8-sig", newline="") as text:
            for number, task in enumerate(_elements(file, text), start=1):
                if number == 1:
                    _check_kind(file, task)
                if is_deep(task):
                    raise ImportFileError(f"{file}, task {number}: nested more than {MAX_DEPTH} levels deep; {_CHOOSE}")
                yield number, task
    except UnicodeDecodeError as error:
        raise ImportFileError(f"{file} is not UTF-8 text ({error.reason} at byte {error.start}); {_CHOOSE}") from error
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}; {_CHOOSE}") from error


class _Buffer:
    """The part of a file that is read and not yet used up."""

    def __init__(self, file: Path, text: TextIO) -> None:
        self._file, self._text = file, text
        self._held, self._place, self._used = text.read(_CHUNK), 0, 0
        self._decoder = json.JSONDecoder()

    def peek(self) -> str:
        """The next character that is not space, which stays; empty at the end of the file."""
        while True:
            while self._place < len(self._held) and self._held[self._place] in _SPACE:
                self._place += 1
            if self._place < len(self._held):
                return self._held[self._place]
            if not self._more():
                return ""

    def skip(self) -> None:
        """Go past one character."""
        self._place += 1

    def value(self) -> Any:
        """The JSON value that begins here."""
        while True:
            try:
                value, self._place = self._decoder.raw_decode(self._held, self._place)
            except json.JSONDecodeError as error:
                beyond = error.pos - self._place
                if not self._more():
                    self.fail(error.msg, self._place + beyond)
            except RecursionError:
                self.fail("nested too deep", self._place)
            except ValueError as error:  # a number of more digits than Python reads
                self.fail(str(error), self._place)
            else:
                return value

    def fail(self, reason: str, place: int | None = None) -> NoReturn:
        """Say that the file is not JSON here."""
        at = self._used + (self._place if place is None else place)
        raise ImportFileError(f"{self._file} is not JSON ({reason} at character {at}); {_CHOOSE}")

    def _more(self) -> bool:
        """Read on, by as much as is held, so that a long value is tried a few times only; False at the end."""
        read = self._text.read(max(_CHUNK, len(self._held) - self._place))
        self._used += self._place
        self._held, self._place = self._held[self._place :] + read, 0
        return bool(read)


def _elements(file: Path, text: TextIO) -> Iterator[Any]:
    buffer = _Buffer(file, text)
    first = buffer.peek()
    if first not in ("[", "{"):
        empty = "is empty" if not first else "is not JSON: it begins with neither [ nor {"
        raise ImportFileError(f"{file} {empty}; {_CHOOSE}")
    if first == "{":
        yield buffer.value()
    else:
        yield from _list_elements(buffer)
    if buffer.peek():
        buffer.fail("more after the end")


def _list_elements(buffer: _Buffer) -> Iterator[Any]:
    buffer.skip()
    if buffer.peek() == "]":
        buffer.skip()
        return
    while True:
        if buffer.peek() not in ("{", "[", '"'):  # a number could go on in the next chunk, and is no task
            buffer.fail("expected an object, a task")
        yield buffer.value()
        after = buffer.peek()
        if after not in ("]", ","):
            buffer.fail("expected , or ]")
        buffer.skip()
        if after == "]":
            return


def _check_kind(file: Path, task: Any) -> None:
    """ImportFileError where the first task shows that the file is another export, or what went into Label Studio."""
    if not isinstance(task, Mapping):
        raise ImportFileError(f"{file} holds no tasks: its first entry is no JSON object; {_CHOOSE}")
    if "annotations" in task and "data" in task:
        return
    if {"images", "annotations", "categories"} <= task.keys():
        kind = "is a COCO export, which has no sentences"
    elif "completions" in task:
        kind = "is an export of a version before 1.0"
    elif "data" in task:
        kind = f"holds tasks as they go into Label Studio, without `annotations`{_sole(task)}"
    elif task.keys() & {"annotator", "annotation_id", "lead_time", "sentence_id"}:
        kind = "is a JSON-MIN export, which lacks what tells annotators and times apart"
    else:
        kind = "is not Label Studio's JSON export: its first entry has no `data` and no `annotations`"
    raise ImportFileError(f"{file} {kind}; {_CHOOSE}")


def _sole(task: Mapping[str, Any]) -> str:
    return "" if "predictions" not in task else " (only `predictions`, which are suggestions)"
