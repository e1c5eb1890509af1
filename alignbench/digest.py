"""What dataset.json says of the rows of a dataset: how many there are, which ones they are."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from alignbench.rows import Row, canonical_json
from alignbench.types import Label

_SHOWN = {
    "images": ("image_key", "sha256"),
    "pairs": ("pair_id", "image_key", "caption"),
    "sentences": ("sentence_id", "pair_id", "start", "end"),
}

_LABELS = tuple(str(label) for label in Label)
COUNTS = ("images", "images_missing", "pairs", "sentences", *_LABELS, "unlabelled", "incorrect_without_span")
"""The counts of dataset.json."""


class Tally:
    """Counts and digests of rows that pass by once, in file order.

    Both digests are sha256 over canonical JSON lines, a hash a table, so they depend neither on the version of
    parquet nor on how the tables were interleaved. Image bytes count through their sha256. `shown_digest` sees only
    what a judge sees, so relabelling leaves it as it is.
    """

    def __init__(self) -> None:
        self._full = {table: hashlib.sha256() for table in _SHOWN}
        self._shown = {table: hashlib.sha256() for table in _SHOWN}
        self._counts: Counter[str] = Counter()

    def add(self, table: str, row: Row) -> None:
        """Take one row of `table`; UnicodeEncodeError where a string of it is not Unicode text."""
        full = canonical_json({name: value for name, value in row.items() if name != "bytes"}).encode()
        self._full[table].update(full + b"\n")
        self._shown[table].update(canonical_json([row[name] for name in _SHOWN[table]]).encode() + b"\n")
        self._counts[table] += 1
        if table == "images":
            self._counts["images_missing"] += row["sha256"] is None
        if table == "sentences":
            self._count_label(row)

    def _count_label(self, row: Row) -> None:
        label = row["label"]
        if label is None or label in _LABELS:
            self._counts["unlabelled" if label is None else label] += 1
        self._counts["incorrect_without_span"] += label == Label.INCORRECT and not row["spans"]

    def summary(self) -> dict[str, Any]:
        """The fields counts, digest and shown_digest of dataset.json."""
        return {
            "counts": {name: self._counts[name] for name in COUNTS},
            "digest": _combined(self._full),
            "shown_digest": _combined(self._shown),
        }


def _combined(hashes: dict[str, Any]) -> str:
    lines = canonical_json({table: value.hexdigest() for table, value in hashes.items()})
    return hashlib.sha256(lines.encode()).hexdigest()
