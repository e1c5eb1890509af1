"""The rules that the rows of labels.parquet keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from alignbench.labelling.events import event_id_of
from alignbench.rows import Row
from alignbench.rules import (
    Fault,
    Violation,
    label_faults,
    legal_faults,
    nulls_within,
    span_faults,
    votes_faults,
)
from alignbench.schema import LABELS
from alignbench.types import Role


class EventRules:
    """Checks the rows of label events, which pass by once.

    Args:
        texts: The text of every sentence, by sentence_id.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self._ids: set[str] = set()
        self._seen = 0

    def check(self, row: Row) -> list[Violation]:
        """Every rule that this row breaks, alone or with the rows before it."""
        self._seen += 1
        nulls = [path for field in LABELS for path in nulls_within(row[field.name], field, field.name)]
        found = [("null", f"{path} must not be null") for path in nulls] or list(self._faults(row))
        name = row["event_id"] or f"row {self._seen}"
        return [Violation(rule, "labels", name, message) for rule, message in found]

    def _faults(self, row: Row) -> Iterator[Fault]:
        yield from self._identity(row)
        text = self._texts.get(row["sentence_id"])
        if text is None:
            yield "event-sentence", f"there is no sentence {row['sentence_id']!r}"
        elif text != row["text"]:
            yield "text", f"it is of the text {row['text']!r}, but sentence {row['sentence_id']!r} reads {text!r}"
        yield from legal_faults("role", row["role"], Role)
        yield from label_faults(row)
        for span in row["spans"]:
            yield from span_faults(row, span)
        yield from votes_faults(row["votes"] or {})
        if row["votes"] is not None and row["role"] != Role.BASELINE:
            yield "votes", f"votes are those of a baseline, not of an {row['role']}"
        if not row["annotator"].strip():
            yield "annotator", "annotator must not be empty"
        if row["seconds"] is not None and not 0 <= row["seconds"] < math.inf:
            yield "seconds", f"seconds is {row['seconds']}, which is no time"

    def _identity(self, row: Row) -> Iterator[Fault]:
        event_id = row["event_id"]
        if event_id in self._ids:
            yield "id-unique", f"event_id {event_id!r} comes twice"
        self._ids.add(event_id)
        if event_id != (own := _own_id(row)):
            yield "event-id", f"event_id is {event_id}, that of its content is {own}"


def _own_id(row: Row) -> str:
    try:
        return event_id_of(row)
    except UnicodeEncodeError:
        return "none: a string of it is no Unicode text"
