"""What two scores.parquet say differently of the same sentences: labels, and which sentences a judge rejects."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignbench import schema
from alignbench.errors import UsageError
from alignbench.metrics import BoolArray, IntArray
from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.report.scores import FILE, SCORES
from alignbench.types import Label

_LABELS = (Label.CORRECT, Label.INCORRECT)


class Stored(NamedTuple):
    """The scores of a report.

    Attributes:
        path: scores.parquet.
        reason: Why it cannot be used; null where it can.
    """

    path: Path
    reason: str | None

    @classmethod
    def of(cls, report: Path, signature: str) -> Stored:
        """The scores in the folder `report`, whose results have this signature.

        Raises:
            UsageError: The file is damaged.
        """
        path = report / FILE
        if not path.is_file():
            return cls(path, f"{report} has no {FILE}")
        try:
            found = pq.read_schema(path)
        except READ_ERRORS as error:
            raise _unreadable(path, error) from error
        wrong = schema.differences(SCORES, found)
        if wrong:
            raise _unreadable(path, "; ".join(wrong))
        if (found.metadata or {}).get(b"alignbench") != signature.encode():
            return cls(path, f"{path} is of another evaluation than the results beside it")
        return cls(path, None)

    def rows(self, judge_id: str, columns: list[str]) -> pa.Table:
        """The rows of one judge."""
        chosen = pc.field("judge_id") == judge_id
        try:
            return pq.read_table(
                self.path, columns=columns, filters=chosen, partitioning=None, page_checksum_verification=True
            )
        except READ_ERRORS as error:
            raise _unreadable(self.path, error) from error

    def labels(self) -> pa.Table:
        """The id and the label of every sentence, which are the same for each judge."""
        try:
            with open_parquet(self.path) as file:
                return file.read_row_group(0, ["sentence_id", "label"])
        except READ_ERRORS as error:
            raise _unreadable(self.path, error) from error


def labels_changed(a: Stored, b: Stored, limit: int) -> dict[str, Any]:
    """How many sentences have another label in `b`, and how many are labelled in one of the two only.

    Args:
        a: Scores that can be used.
        b: Likewise.
        limit: How many sentences to name, the first in the order of `b`.

    Returns:
        `{"shared", "correct_to_incorrect", "incorrect_to_correct", "only_in_a", "only_in_b", "first": [{"sentence_id",
        "a", "b"}]}`.
    """
    before, after = a.labels(), b.labels()
    old, new = _shared(before, after)
    was, now = (table["label"].to_numpy()[rows] for table, rows in ((before, old), (after, new)))
    changed = np.flatnonzero(was != now)
    ids = after["sentence_id"].take(new[changed[:limit]]).to_pylist()
    return {
        "shared": int(new.size),
        "correct_to_incorrect": int((was[changed] == Label.CORRECT).sum()),
        "incorrect_to_correct": int((was[changed] == Label.INCORRECT).sum()),
        "only_in_a": int(len(before) - old.size),
        "only_in_b": int(len(after) - new.size),
        "first": [
            {"sentence_id": sentence_id, "a": was[place], "b": now[place]}
            for sentence_id, place in zip(ids, changed[:limit], strict=True)
        ],
    }


def flips(a: Stored, b: Stored, judge_id: str, limit: int) -> dict[str, Any]:
    """The sentences that a judge rejects at its operating point in one report and not in the other.

    Args:
        a: Scores that can be used.
        b: Likewise.
        judge_id: Of a judge of both.
        limit: How many sentences to name, the first in the order of `b`.

    Returns:
        `{"shared", "threshold": {"a", "b"}, "now_rejected": {label: n}, "now_accepted": {label: n}, "first":
        [{"sentence_id", "label", "rejected": {"a", "b"}, "score": {"a", "b"}}]}`; `shared` counts the sentences that
        were decided in both; labels are those of `b`.
    """
    columns = ["sentence_id", "label", "score", "rejected", "threshold"]
    before, after = (each.rows(judge_id, columns) for each in (a, b))
    old, new = _shared(before, after)
    before, after = before.take(old), after.take(new)
    was, now = (_codes(table["rejected"]) for table in (before, after))
    decided = (was >= 0) & (now >= 0)
    flipped = decided & (was != now)
    chosen = np.flatnonzero(flipped)[:limit]
    return {
        "shared": int(decided.sum()),
        "threshold": {"a": _first(before["threshold"]), "b": _first(after["threshold"])},
        "now_rejected": _by_label(after, flipped & (now == 1)),
        "now_accepted": _by_label(after, flipped & (now == 0)),
        "first": [
            _flip(old, new)
            for old, new in zip(before.take(chosen).to_pylist(), after.take(chosen).to_pylist(), strict=True)
        ],
    }


def _shared(a: pa.Table, b: pa.Table) -> tuple[IntArray, IntArray]:
    """Where the sentences of both stand in `a` and in `b`, in the order of `b`."""
    found = pc.index_in(b["sentence_id"], value_set=a["sentence_id"].combine_chunks())
    place = np.asarray(pc.fill_null(found, -1).to_numpy(), np.int64)
    return place[place >= 0], np.flatnonzero(place >= 0)


def _codes(rejected: pa.ChunkedArray) -> IntArray:
    """(n,) 1 where rejected, 0 where not, -1 where undecided."""
    return np.asarray(pc.fill_null(rejected.cast(pa.int8()), -1).to_numpy(), np.int64)


def _by_label(table: pa.Table, rows: BoolArray) -> dict[str, int]:
    label = table["label"].to_numpy()[rows]
    return {str(each): int((label == each).sum()) for each in _LABELS}


def _first(column: pa.ChunkedArray) -> float | None:
    return column[0].as_py() if len(column) else None


def _flip(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    both = {name: {"a": old[name], "b": new[name]} for name in ("rejected", "score")}
    return {"sentence_id": new["sentence_id"], "label": new["label"], **both}


def _unreadable(path: Path, reason: object) -> UsageError:
    return UsageError(
        f"{path} cannot be read: {reason}; run `alignbench evaluate DATASET RUNS --out {path.parent}` again"
    )
