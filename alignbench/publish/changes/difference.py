"""The difference between a folder and what is published, as a value: for people, for machines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from alignbench.publish.changes.json_changes import JsonChange
from alignbench.publish.changes.published_labels import Relabelled
from alignbench.publish.folder.layout import CHANGELOG, CHECKSUMS, PUBLICATION, README

_SHOWN = 20
WORDS_ALONE = frozenset({README, CHANGELOG, CHECKSUMS})
"""Files that may change without a new version: they say nothing that the others do not."""


class FileSize(NamedTuple):
    """A file, and how many bytes it has."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class Said:
    """What one side says of itself; empty or null where there is nothing, or where it cannot be read.

    Attributes:
        version: Of the dataset.
        schema_version: Of its tables.
        counts: Pairs, sentences and so on.
        licence: Of the dataset.
        judges: The judge_id of every judge by its name.
        events: How many label events there are.
        terms: What publication.yaml says, less what is only text.
    """

    version: str | None = None
    schema_version: int | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    licence: str | None = None
    judges: Mapping[str, str] = field(default_factory=dict)
    events: int = 0
    terms: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Difference:
    """What publishing a folder would change.

    Attributes:
        repo: `ORG/NAME`.
        head: The commit it was compared with; empty where there is no repository.
        first: Whether no alignbench dataset is published there yet.
        not_ours: Why the folder must not replace what is there; null where it may.
        added: New files.
        changed: Files with other contents.
        removed: Files that would be deleted.
        upload_bytes: How much would be sent at most; what the Hub has under another name is not counted.
        before: What the published one says.
        after: What the folder says.
        relabelled: Sentences of both that are labelled otherwise now.
        facts: What facts.json says otherwise.
        history_fault: What is wrong with the label events, which are only ever added; null where nothing is.
    """

    repo: str
    head: str
    first: bool
    not_ours: str | None
    added: tuple[FileSize, ...]
    changed: tuple[FileSize, ...]
    removed: tuple[str, ...]
    upload_bytes: int
    before: Said
    after: Said
    relabelled: tuple[Relabelled, ...] = ()
    facts: tuple[JsonChange, ...] = ()
    history_fault: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether the folder is there already."""
        return not (self.added or self.changed or self.removed)

    @property
    def needs_version(self) -> bool:
        """Whether more than words would change, so that the version must."""
        touched = {file.path for file in (*self.added, *self.changed)} | set(self.removed)
        if self.before.terms == self.after.terms:
            touched.discard(PUBLICATION)
        return not self.first and bool(touched - WORDS_ALONE)

    def lines(self) -> Iterator[str]:
        """The difference for people."""
        if self.is_empty:
            yield f"{self.repo} holds this already; nothing would be sent"
            return
        if self.first:
            yield f"{self.repo}: first publication, version {self.after.version}"
        else:
            yield f"{self.repo}: version {self.before.version} -> {self.after.version} (head {self.head[:12]})"
        for name, old, new in self.count_changes():
            yield f"  {name}: {new:,}" if self.first else f"  {name}: {old:,} -> {new:,}"
        if self.before.licence != self.after.licence and not self.first:
            yield f"  licence: {self.before.licence or 'none'} -> {self.after.licence or 'none'}"
        if self.before.events != self.after.events:
            yield f"  label events: {self.before.events:,} -> {self.after.events:,}"
        yield from self._label_lines()
        yield from _cut([f"  fact {change.line()}" for change in self.facts], "facts")
        yield from _cut([f"  + {file.path} ({_bytes(file.size)})" for file in self.added], "new files")
        yield from _cut([f"  ~ {file.path} ({_bytes(file.size)})" for file in self.changed], "changed files")
        yield from _cut([f"  - {path}" for path in self.removed], "removed files")
        yield f"  to send: at most {_bytes(self.upload_bytes)}"

    def count_changes(self) -> Iterator[tuple[str, int, int]]:
        """Every count that differs: its name, before, after."""
        for name, new in self.after.counts.items():
            old = self.before.counts.get(name, 0)
            if old != new:
                yield name, old, new

    def to_json(self) -> dict[str, Any]:
        """The difference for machines."""
        return {
            "repo": self.repo,
            "head": self.head or None,
            "first": self.first,
            "files": {
                "added": [file._asdict() for file in self.added],
                "changed": [file._asdict() for file in self.changed],
                "removed": list(self.removed),
            },
            "upload_bytes": self.upload_bytes,
            "version": {"before": self.before.version, "after": self.after.version},
            "counts": {"before": dict(self.before.counts), "after": dict(self.after.counts)},
            "licence": {"before": self.before.licence, "after": self.after.licence},
            "label_events": {"before": self.before.events, "after": self.after.events},
            "labels": [
                {"sentence_id": each.sentence_id, "before": each.before._asdict(), "after": each.after._asdict()}
                for each in self.relabelled
            ],
            "facts": [change.to_json() for change in self.facts],
        }

    def _label_lines(self) -> Iterator[str]:
        if self.relabelled:
            yield f"  relabelled sentences: {len(self.relabelled):,}"
        shown = [f"    {each.sentence_id}: {each.before.words} -> {each.after.words}" for each in self.relabelled]
        yield from _cut(shown, "sentences")


def _cut(lines: list[str], what: str) -> Iterator[str]:
    yield from lines[:_SHOWN]
    if len(lines) > _SHOWN:
        yield f"    ... and {len(lines) - _SHOWN:,} more {what}"


def _bytes(size: int) -> str:
    number = float(size)
    for unit in ("B", "kB", "MB"):
        if number < 1000:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= 1000
    return f"{number:.1f} GB"
