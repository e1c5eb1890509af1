"""The rows that are not in a dataset, each with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.types import Status
from generation.plan import Row

FAILURES_FILE = "failed_rows.jsonl"
COPY = "copy"
"""What drops a row that repeats another one; no filter of a recipe."""
PARENT = "parent"
"""What drops a row whose parent was dropped; no filter of a recipe."""


@dataclass(frozen=True, slots=True)
class Lost:
    """Why a row is not in the dataset: nothing could be made, or what was made was dropped by `filter`.

    `value` is what the filter measured.
    """

    status: Status
    reason: str
    filter: str | None = None
    value: float | None = None

    @property
    def can_retry(self) -> bool:
        """Whether the row can come out otherwise when it is made again; what was dropped would only come again."""
        return self.filter is None

    def of_child(self, parent: str) -> Lost:
        """What becomes of a row that goes on from this one."""
        reason = f"its parent {parent} came to nothing: {self.status}: {self.reason}"
        return Lost(Status.FAILED, reason) if self.can_retry else Lost(Status.FILTERED, reason, PARENT)

    def to_json(self, row: Row, producer: str) -> dict[str, Any]:
        """What `failed_rows.jsonl` says of the row."""
        return {
            "pair_id": row.pair_id,
            "producer": producer,
            "direction": row.direction,
            "stage": str(row.stage),
            "cluster_id": row.cluster_id,
            "parent": row.parent,
            "status": self.status,
            "reason": self.reason,
            "filter": self.filter,
            "value": self.value,
            "can_retry": self.can_retry,
        }


def write_lost(folder: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write what `to_json` said of the lost rows, unless there are none; OSError where the disk refused."""
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    if lines:
        (folder / FAILURES_FILE).write_text(lines, encoding="utf-8")


def read_lost(folder: Path) -> Iterator[dict[str, Any]]:
    """The lost rows of a dataset."""
    path = folder / FAILURES_FILE
    if path.is_file():
        with path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)
