"""Keeps the answers of a run as they come: one JSON line an answer, appended whole."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import RunError
from alignbench.lines import LineFile, is_open
from alignbench.rows import canonical_json, judgment_row
from alignbench.types import Judgment, Status

_PATTERN = "ledger-*-of-*.jsonl"


class Ledger:
    """The ledger of one shard, open for appending; no other process can open it, or one of another division, meanwhile.

    A line is a row of `schema.JUDGMENTS`. A kill can leave the last line cut short: opening cuts it off.

    Args:
        folder: The run's folder.
        shard: (i, n), which part of the run it keeps.
        sync_each: Whether an answer survives a power cut as soon as it is appended, rather than a second later.

    Raises:
        RunError: Another process judges this run.
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path, shard: tuple[int, int], *, sync_each: bool = False) -> None:
        self.path = folder / f"ledger-{shard[0]}-of-{shard[1]}.jsonl"
        busy = f"another process is judging into {self.path}; wait for it, or give another --shard"
        self._lines = LineFile(self.path, busy, sync_each=sync_each)
        for other in sorted(folder.glob(_PATTERN)):
            if not other.stem.endswith(f"-of-{shard[1]}") and is_open(other):
                self._lines.close()
                raise RunError(f"another process is judging into {other}, with another number of shards; wait for it")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def append(self, judgment: Judgment) -> None:
        """Add a judgment; once this returns, it survives a kill, and a power cut as `sync_each` says.

        Raises:
            StorageError: The disk refused; the ledger is as it was before.
            RunError: The verdict's `raw` is not made of JSON values.
        """
        try:
            line = f"{canonical_json(judgment_row(judgment))}\n".encode()
        except TypeError as error:
            raise RunError(
                f"the judge's answer to {judgment.sentence_id} cannot be kept: {error}; mend the adapter"
            ) from error
        self._lines.append(line)

    def close(self) -> None:
        """Make all lines survive a power cut, then let other processes in."""
        self._lines.close()


class Recorded:
    """Where the newest answer to each sentence stands, over all ledgers of a run; some bytes a sentence in memory.

    Attributes:
        attempts: How often each sentence was asked, (sentences,); 0 where it has no answer.
        status: The status of its newest answer, as its place in `tuple(Status)`, (sentences,); -1 where it has none.
        truncated: Whether the judge's model saw only a part of the sentence, (sentences,).
    """

    def __init__(self, folder: Path, sentence_ids: Sequence[str]) -> None:
        self._files = sorted(folder.glob(_PATTERN))
        self._places: NDArray[np.int64] = np.full((len(sentence_ids), 2), -1)  # (sentences, file and offset)
        self.attempts: NDArray[np.int32] = np.zeros(len(sentence_ids), dtype=np.int32)
        self.status: NDArray[np.int8] = np.full(len(sentence_ids), -1, dtype=np.int8)
        self.truncated: NDArray[np.bool_] = np.zeros(len(sentence_ids), dtype=np.bool_)
        rows = {sentence_id: row for row, sentence_id in enumerate(sentence_ids)}
        for number, path in enumerate(self._files):
            for offset, line in _lines(path):
                self._note(rows, line, path, (number, offset))

    def _note(self, rows: dict[str, int], line: bytes, path: Path, place: tuple[int, int]) -> None:
        try:
            answer = json.loads(line)
            row, attempts = rows[answer["sentence_id"]], answer["attempts"]
            status, truncated = _CODES[answer["status"]], answer["truncated"]
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(
                f"{path} is damaged at byte {place[1]}: {error!r}; "
                "remove that line, or the run's folder, and run the same command again"
            ) from error
        if attempts >= self.attempts[row]:
            self.attempts[row], self.status[row], self.truncated[row] = attempts, status, truncated
            self._places[row] = place

    def answered(self, *, retry_failed: bool = False) -> NDArray[np.bool_]:
        """Which sentences are not to be asked, (sentences,).

        Args:
            retry_failed: Whether to ask again where there is an answer without a score; a missing image stays missing.
        """
        return np.isin(self.status, _FINAL) if retry_failed else self.attempts > 0

    def rows(self, start: int, stop: int) -> list[dict[str, Any]]:
        """The newest answers to the sentences from `start` to `stop`, in their order, as rows of `schema.JUDGMENTS`."""
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(path.open("rb")) for path in self._files]
            found = []
            for number, offset in self._places[start:stop].tolist():
                files[number].seek(offset)
                found.append(json.loads(files[number].readline()))
        return found


_CODES = {str(status): code for code, status in enumerate(Status)}
_FINAL = [_CODES[Status.OK], _CODES[Status.IMAGE_MISSING]]


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Every whole line with the offset of its first byte."""
    offset = 0
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield offset, line
                offset += len(line)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error}; mend that, then run the same command again") from error
