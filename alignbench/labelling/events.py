"""Makes label events, names each by its content, and writes them down."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from alignbench.parquet import TableFile
from alignbench.rows import Row, canonical_json, event_row
from alignbench.schema import LABELS
from alignbench.types import ErrorType, Label, LabelEvent, Role, Sentence, Span, Votes

DATASET = "dataset"
"""The annotator and the tool of a baseline: the dataset itself."""


def make_event(  # noqa: PLR0913 - a field each
    *,
    sentence_id: str,
    text: str,
    annotator: str,
    time: dt.datetime,
    label: Label | None,
    role: Role = Role.ANNOTATOR,
    error_types: Iterable[ErrorType] = (),
    spans: Iterable[Span] = (),
    votes: Votes | None = None,
    comment: str | None = None,
    guideline: str | None = None,
    tool: str | None = None,
    suggested_by: str | None = None,
    seconds: float | None = None,
) -> LabelEvent:
    """The event in which somebody said something of a sentence; the arguments are the fields of `LabelEvent`.

    Its time is kept in UTC. The types of the spans are added to `error_types` where they lack; a type that comes twice
    counts once. Empty texts are null.

    Raises:
        ValueError: A time without a zone, nobody or no sentence named, error types or spans of a label that is not
            incorrect, a span outside the text, votes of what is no baseline, negative or endless seconds, a string
            that is no Unicode text.
    """
    marked = tuple(spans)
    _check_names(sentence_id, annotator)
    _check_marks(text, label, marked)
    _check_numbers(role, votes, seconds)
    types = tuple(dict.fromkeys([*error_types, *(span.error_type for span in marked)]))
    if types and label is not Label.INCORRECT:
        raise ValueError(f"a label {label} carries no error types: {', '.join(types)}")
    event = LabelEvent(
        event_id="",
        sentence_id=sentence_id,
        text=text,
        annotator=annotator,
        role=role,
        time=_in_utc(time),
        label=label,
        error_types=types,
        spans=marked,
        votes=None if votes is None else _measured(votes),
        comment=comment or None,
        guideline=guideline or None,
        tool=tool or None,
        suggested_by=suggested_by or None,
        seconds=None if seconds is None else float(seconds),
    )
    try:
        return replace(event, event_id=event_id_of(event_row(event)))
    except UnicodeEncodeError as error:
        raise ValueError(f"a string of it has half a surrogate pair ({error}), which is no Unicode text") from error


def baseline_of(sentence: Sentence, time: dt.datetime) -> LabelEvent:
    """The label that a sentence has when its history begins, as an event."""
    return make_event(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        annotator=DATASET,
        time=time,
        label=sentence.label,
        role=Role.BASELINE,
        error_types=sentence.error_types,
        spans=sentence.spans,
        votes=sentence.votes,
        tool=DATASET,
    )


def event_id_of(row: Row) -> str:
    """The id that the event of `row` has by its other fields; UnicodeEncodeError where a string is no Unicode text."""
    return hashlib.sha256(_line({name: row[name] for name in row if name != "event_id"})).hexdigest()[:16]


class EventsDigest:
    """What dataset.json says of label events that pass by once, in file order."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = hashlib.sha256()

    def add(self, row: Row) -> None:
        """Take the row of an event."""
        self.count += 1
        self._hash.update(_line(row) + b"\n")

    def entry(self, rule: str) -> dict[str, Any]:
        """The entry `labels` of dataset.json: the rule, how many events, and the sha256 over their canonical lines."""
        return {"rule": rule, "events": self.count, "digest": self._hash.hexdigest()}


def write_events(file: Path, rows: Iterable[Row], rule: str) -> dict[str, Any]:
    """Write the rows of label events to a parquet file of `LABELS`; the same rows give the same bytes.

    Args:
        file: The file; it is not put in its place atomically.
        rows: Rows as `alignbench.rows.event_row` makes them.
        rule: The rule by which labels derive from them.

    Returns:
        The entry `labels` of dataset.json.
    """
    digest = EventsDigest()
    with TableFile(file, LABELS) as table:
        for row in rows:
            digest.add(row)
            table.add(row)
        table.close()
    return digest.entry(rule)


def _line(row: Row) -> bytes:
    moment = row["time"].astimezone(dt.UTC).isoformat(timespec="microseconds")
    return canonical_json({**row, "time": moment}).encode()


def _measured(votes: Votes) -> Votes:
    """The votes with their shares as the floats that a file holds, so that the event keeps its id there."""
    ratio, pi = votes.agreement_ratio, votes.fleiss_pi
    return replace(
        votes,
        agreement_ratio=None if ratio is None else float(ratio),
        fleiss_pi=None if pi is None else float(pi),
    )


def _in_utc(time: dt.datetime) -> dt.datetime:
    if time.utcoffset() is None:
        raise ValueError(f"the time of an event needs a time zone: {time}")
    try:
        return time.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"the time of an event is beyond the calendar: {time}") from error


def _check_names(sentence_id: str, annotator: str) -> None:
    if not sentence_id:
        raise ValueError("an event is of a sentence: its sentence_id is empty")
    if not annotator.strip():
        raise ValueError("an event has an annotator: its name is empty")


def _check_marks(text: str, label: Label | None, spans: Sequence[Span]) -> None:
    if spans and label is not Label.INCORRECT:
        raise ValueError(f"a label {label} carries no spans")
    for span in spans:
        if not 0 <= span.start < span.end <= len(text):
            where = f"[{span.start}, {span.end})"
            raise ValueError(f"span {where} is not a range of the sentence, which has {len(text)} characters")


def _check_numbers(role: Role, votes: Votes | None, seconds: float | None) -> None:
    if votes is not None and role is not Role.BASELINE:
        raise ValueError(f"votes are those of a baseline, not of an {role}")
    if any(fault for fault in _vote_faults(votes)):
        raise ValueError(f"votes are counts: {votes}")
    if seconds is not None and not 0 <= seconds < math.inf:
        raise ValueError(f"seconds are a time, not {seconds}")


def _vote_faults(votes: Votes | None) -> Iterator[bool]:
    if votes is not None:
        yield from (count < 0 for count in (votes.correct, votes.incorrect, votes.unknown))
        yield from (not math.isfinite(share) for share in (votes.agreement_ratio, votes.fleiss_pi) if share is not None)
