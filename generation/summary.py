"""What a call to `generate` did, and what stands in the dataset now."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alignbench.store import Dataset
from alignbench.types import Status
from generation.journal import Journal
from generation.lost import read_lost
from generation.plan import Row
from generation.produce import standing
from generation.work import UNUSABLE_FILE, Work

Counts = Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class GenerateSummary:
    """What a call to `generate` did, and what stands in the dataset now.

    Attributes:
        path: The dataset's folder, which is not there before it is complete.
        digest: The dataset's digest; null before it is complete.
        counts: Its counts, as dataset.json has them; empty before it is complete.
        made: Rows that this call made; the others were there before.
        failures: For each producer with rows that could not be made, how many have which status; they can be retried.
        filtered: For each filter, how many rows of which producer it dropped; `copy` and `parent` stand for repeated
            images and prompts, and for rows whose parent was dropped.
        truncated: For each producer, of how many prompts in the dataset its text encoder saw only a part.
        unusable: For images and prompts, how many of what was found cannot be used, by status.
        rows: How many rows there are to make, failed ones included.
        finished: How many of them have a status, over all shards and calls.
        spent_usd: What this call spent; null where it spent nothing.
        complete: Whether the dataset stands; otherwise shards are missing, or the money ran out.
        stopped: Why this call ended before all was made; null where it did not.
    """

    path: Path
    digest: str | None
    counts: Mapping[str, int]
    made: int
    failures: Counts
    filtered: Counts = field(default_factory=dict)
    truncated: Mapping[str, int] = field(default_factory=dict)
    unusable: Counts = field(default_factory=dict)
    rows: int = 0
    finished: int = 0
    spent_usd: float | None = None
    complete: bool = True
    stopped: str | None = None


def of_dataset(out: Path, made: int, spent_usd: float | None) -> GenerateSummary:
    """The summary of a call after which the dataset stands."""
    dataset, lost = Dataset.open(out), list(read_lost(out))
    truncated = Counter(pair.producer.name for pair in dataset.pairs() if _made(pair.provenance).get("truncated"))
    rows = dataset.counts["pairs"] + len(lost)
    return GenerateSummary(
        path=out,
        digest=dataset.digest,
        counts=dataset.counts,
        made=made,
        failures=_nested((row["producer"], row["status"]) for row in lost if row["can_retry"]),
        filtered=_nested((row["filter"], row["producer"]) for row in lost if not row["can_retry"]),
        truncated=dict(sorted(truncated.items())),
        unusable=_unusable(out),
        rows=rows,
        finished=rows,
        spent_usd=spent_usd,
    )


def of_work(
    work: Work, rows: Iterable[Row], journal: Journal, made: int, spent_usd: float | None, stopped: str | None
) -> GenerateSummary:
    """The summary of a call after which rows are still to make; `stopped` says why it ended."""
    rows = list(rows)
    statuses = standing(rows, journal)
    entries = [journal.entry(row.pair_id) for row in rows if journal.status(row.pair_id) is not None]
    failed = [entry for entry in entries if entry.status is not Status.OK]
    return GenerateSummary(
        path=work.out,
        digest=None,
        counts={},
        made=made,
        failures=_nested((entry.producer.name, entry.status) for entry in failed),
        truncated=dict(
            sorted(Counter(e.producer.name for e in entries if _made(e.provenance).get("truncated")).items())
        ),
        unusable=_unusable(work.path),
        rows=len(rows),
        finished=sum(status is not None for status in statuses.values()),
        spent_usd=spent_usd,
        complete=False,
        stopped=stopped,
    )


def can_retry(out: Path) -> bool:
    """Whether a dataset lacks rows that could come out otherwise when they are made again."""
    return any(row["can_retry"] for row in read_lost(out))


def _made(provenance: Mapping[str, object]) -> Mapping[str, object]:
    made = provenance.get("made")
    return made if isinstance(made, Mapping) else {}


def _unusable(folder: Path) -> Counts:
    path = folder / UNUSABLE_FILE
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8") as lines:
        return _nested((f"{row['kind']}s", row["status"]) for row in map(json.loads, lines))


def _nested(named: Iterable[tuple[str, str]]) -> dict[str, dict[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for (outer, inner), count in sorted(Counter(named).items()):
        counts.setdefault(outer, {})[inner] = count
    return counts
