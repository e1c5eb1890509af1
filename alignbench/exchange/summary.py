"""What an import or an attachment did, as counts and lines for people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from alignbench.exchange.notes import Notes
from alignbench.store import Dataset


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What an import wrote.

    Attributes:
        dataset: The folder that was written.
        name: The name in its dataset.json.
        digest: Its digest, as in dataset.json.
        counts: Its counts, as in dataset.json, plus `spans`.
        report: Lines for people: everything that was mapped with doubt, left out or could not be read.
    """

    dataset: Path
    name: str
    digest: str
    counts: Mapping[str, int]
    report: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {**asdict(self), "dataset": str(self.dataset), "counts": dict(self.counts), "report": list(self.report)}


@dataclass(frozen=True, slots=True)
class AttachSummary:
    """What attaching images to a dataset did.

    Attributes:
        dataset: The folder that was changed (or left alone, when nothing was attached).
        digest: Its digest afterwards.
        attached: Images that were missing before and now have their bytes.
        still_missing: Images that are missing still.
        mismatched: Images for which a file was found that is no image we decode, a part of `still_missing`.
        report: Lines for people.
    """

    dataset: Path
    digest: str
    attached: int
    still_missing: int
    mismatched: int
    report: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The summary as JSON values."""
        return {**asdict(self), "dataset": str(self.dataset), "report": list(self.report)}


def summarize(out: Path, spans: int, notes: Notes) -> ImportSummary:
    """The summary of the dataset that was just written to `out`, which has so many spans."""
    dataset = Dataset.open(out)
    return ImportSummary(out, dataset.name, dataset.digest, {**dataset.counts, "spans": spans}, notes.lines())
