"""Adds label events to a dataset, and writes the labels that derive from them, as one step."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from alignbench.errors import DatasetError, UnknownNameError, UsageError
from alignbench.exchange.notes import SHOWN_PROBLEMS
from alignbench.header import HEADER, LABELS_FILE
from alignbench.labelling.event_rules import EventRules
from alignbench.labelling.events import EventsDigest, baseline_of, write_events
from alignbench.labelling.relabelled import LabelChange, Relabelling, begin_copy, begin_relabelling
from alignbench.labelling.resolution import RULES
from alignbench.labels import RULE
from alignbench.parquet import open_parquet
from alignbench.rows import Row, event_row
from alignbench.store import Dataset
from alignbench.types import LabelEvent, Role

_BATCH = 16_384
_THEN = "nothing was recorded; export the tasks from this dataset again, or give the dataset they were exported from"


@dataclass(frozen=True, slots=True)
class Recording:
    """What recording or resolving did to a dataset.

    Attributes:
        dataset: Its folder.
        added: How many events are new, baselines not counted.
        repeated: How many were there already.
        changed: The sentences whose label is another one now, in file order.
        events: How many events there are now, baselines included.
        digest: The dataset's digest now.
        shown_digest: That of what a judge sees, which labels do not change: runs stay usable.
        rule: By which labels derive from votes.
    """

    dataset: Path
    added: int
    repeated: int
    changed: tuple[LabelChange, ...]
    events: int
    digest: str
    shown_digest: str
    rule: str

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "dataset": str(self.dataset),
            "added": self.added,
            "repeated": self.repeated,
            "changed": [change.to_json() for change in self.changed],
            "events": self.events,
            "digest": self.digest,
            "shown_digest": self.shown_digest,
            "rule": self.rule,
        }


def record_events(
    dataset: Path, events: Iterable[LabelEvent], *, rule: str | None = None, moment: dt.datetime | None = None
) -> Recording:
    """Add label events to a dataset and derive its labels anew; whoever looks sees all of it done, or nothing.

    Labels.parquet, sentences.parquet and dataset.json are written beside the dataset and put in its place together; no
    other file is copied where the disk can link. A sentence that has a label and no history gets a baseline event
    first, so no label is lost. An event that is there already is not added again, so the same call can be repeated;
    where nothing is new, nothing is written.

    Args:
        dataset: The dataset's folder.
        events: In the order to store them; see `alignbench.labelling.events.make_event`.
        rule: One of `alignbench.labelling.resolution.RULES`; by default the recorded one, or strict-majority.
        moment: The time of baselines; by default now.

    Raises:
        UnknownNameError: There is no such rule.
        DatasetError: There is no such dataset, its rows are not those its digests are of, another process is writing
            it, or events are not of its sentences: all of these are listed.
        MissingDependencyError: The rule is Dawid-Skene, and crowd-kit is not installed.
        StorageError: The disk refused; the dataset is as it was.
    """
    _check_rule(rule)
    arriving = list(events)
    with begin_relabelling(dataset) as task:
        opened = task.opened
        rule = rule or (opened.labels or {}).get("rule", RULE)
        stored = _Stored.of(opened)
        fresh = list({event.event_id: event for event in arriving if event.event_id not in stored.event_ids}.values())
        _check_events(opened, arriving)
        if not fresh and (not stored.event_ids or rule == (opened.labels or {})["rule"]):
            return _recording(task, {}, added=0, repeated=len(arriving), changed=(), rule=rule)
        baselines = _baselines(opened, stored.sentence_ids, moment or dt.datetime.now(dt.UTC))
        rows = _chained(_stored_rows(opened), baselines, map(event_row, fresh))
        entry = write_events(task.partial / LABELS_FILE, rows, rule)
        header, changed = task.finish(entry)
        added = len(fresh)
        return _recording(task, header, added=added, repeated=len(arriving) - added, changed=changed, rule=rule)


def resolve_labels(dataset: Path, *, rule: str, until: dt.datetime | None = None, out: Path | None = None) -> Recording:
    """Derive the labels of a dataset anew from its events, by another rule perhaps.

    Args:
        dataset: The dataset's folder.
        rule: One of `alignbench.labelling.resolution.RULES`.
        until: Count no event after this moment; needs `out`, since no event is taken from a dataset. Baselines count
            at any moment: they are what sentences came with. A sentence with later events only had no label then.
        out: Write another dataset folder, and leave `dataset` as it is. It must not hold anything.

    Raises:
        UnknownNameError: There is no such rule.
        UsageError: A moment without `out`, or without a time zone.
        DatasetError: As for `record_events`; or the dataset has no label events, or `out` is occupied.
        MissingDependencyError: The rule is Dawid-Skene, and crowd-kit is not installed.
        StorageError: The disk refused; what was there is as it was.
    """
    _check_rule(rule)
    if until is not None and out is None:
        raise UsageError("labels as they were at a moment go to another dataset, since events stay; give --out")
    if until is not None and until.utcoffset() is None:
        raise UsageError(f"the moment {until} needs a time zone, such as {until.isoformat()}+00:00")
    begun = begin_relabelling(dataset) if out is None else begin_copy(dataset, out)
    with begun as task:
        opened = task.opened
        if opened.labels is None:
            raise DatasetError(f"{dataset} has no label events; its labels stay as they are; {_IMPORT}")
        rows = (row for row in _stored_rows(opened) if _counts(row, until))
        entry = write_events(task.partial / LABELS_FILE, rows, rule)
        header, changed = task.finish(entry)
        return _recording(task, header, added=0, repeated=0, changed=changed, rule=rule)


_IMPORT = "labels come with `alignbench label import`"


@dataclass(frozen=True, slots=True)
class _Stored:
    """The ids of the events that are stored, and of the sentences that have one."""

    event_ids: frozenset[str]
    sentence_ids: frozenset[str]

    @classmethod
    def of(cls, dataset: Dataset) -> _Stored:
        table = dataset.labels_table(["event_id", "sentence_id"])
        return cls(frozenset(table["event_id"].to_pylist()), frozenset(table["sentence_id"].to_pylist()))


def _check_rule(rule: str | None) -> None:
    if rule is not None and rule not in RULES:
        raise UnknownNameError.of("rule", rule, RULES, "run `alignbench label resolve --help`")


def _check_events(dataset: Dataset, events: Iterable[LabelEvent]) -> None:
    """Raise one DatasetError that lists what is wrong with the events."""
    table = dataset.sentences_table(["sentence_id", "text"])
    texts = dict(zip(table["sentence_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    rules, told = EventRules(texts), list[str]()
    for event in {event.event_id: event for event in events}.values():
        faults = rules.check(event_row(event))
        told += [f"event {fault.row} of {event.annotator!r}: {fault.message}" for fault in faults]
    if told:
        more = [f"... and {len(told) - SHOWN_PROBLEMS} more problems"] if len(told) > SHOWN_PROBLEMS else []
        listed = "\n  ".join([*told[:SHOWN_PROBLEMS], *more])
        raise DatasetError(f"the labels do not fit the dataset {dataset.path}:\n  {listed}\n  {_THEN}")


def _baselines(dataset: Dataset, known: frozenset[str], moment: dt.datetime) -> Iterator[Row]:
    """An event for every sentence that has a label and no history."""
    for sentence in dataset.sentences():
        if sentence.label is not None and sentence.sentence_id not in known:
            yield event_row(baseline_of(sentence, moment))


def _stored_rows(dataset: Dataset) -> Iterator[Row]:
    """The rows that are stored; DatasetError at their end where they are not those that dataset.json is of."""
    if dataset.labels is None:
        return
    digest = EventsDigest()
    with open_parquet(dataset.path / LABELS_FILE) as file:
        for batch in file.iter_batches(_BATCH):
            for row in pa.Table.from_batches([batch]).to_pylist():
                digest.add(row)
                yield row
    if digest.entry(dataset.labels["rule"])["digest"] != dataset.labels["digest"]:
        what = f"{dataset.path} does not hold the label events that its {HEADER} is of"
        raise DatasetError(f"{what}; nothing was recorded; run `alignbench validate {dataset.path}`")


def _chained(*parts: Iterable[Row]) -> Iterator[Row]:
    for part in parts:
        yield from part


def _counts(row: Row, until: dt.datetime | None) -> bool:
    return until is None or row["role"] == Role.BASELINE or row["time"] <= until


def _recording(
    task: Relabelling,
    header: Mapping[str, Any],
    *,
    added: int,
    repeated: int,
    changed: tuple[LabelChange, ...],
    rule: str,
) -> Recording:
    opened = task.opened
    labels = header.get("labels", opened.labels) or {"events": 0}
    return Recording(
        dataset=task.path,
        added=added,
        repeated=repeated,
        changed=changed,
        events=labels["events"],
        digest=header.get("digest", opened.digest),
        shown_digest=opened.shown_digest,
        rule=rule,
    )
