"""What label events come to, character by character and without haste: a second reading of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alignbench.types import ErrorType, Label, LabelEvent, Role, Span, Votes


@dataclass(frozen=True)
class Slow:
    label: Label | None
    error_types: tuple[ErrorType, ...]
    spans: tuple[Span, ...]
    votes: Votes | None


def last_of(events: Sequence[LabelEvent]) -> LabelEvent:
    """The newest event: nobody is later, and none of the same time stands behind it."""
    best = events[0]
    for event in events[1:]:
        if event.time >= best.time:
            best = event
    return best


def last_words(events: Sequence[LabelEvent], role: Role) -> list[LabelEvent]:
    """What each annotator said last in a role, in the order of the file."""
    mine = [event for event in events if event.role is role]
    lasts = {
        name: last_of([event for event in mine if event.annotator == name]) for name in {e.annotator for e in mine}
    }
    return [event for event in mine if lasts[event.annotator] is event]


def slow_votes(votes: Sequence[LabelEvent]) -> Votes:
    said = [event.label for event in votes]
    pairs = [said[i] == said[j] for i in range(len(said)) for j in range(len(said)) if i != j]
    numbers = [said.count(label) for label in (Label.CORRECT, Label.INCORRECT, Label.UNKNOWN)]
    return Votes(*numbers, max(numbers) / len(said), sum(pairs) / len(pairs) if pairs else None)


def slow_label(votes: Sequence[LabelEvent], rule: str) -> Label:
    said = [event.label for event in votes]
    for label in Label:
        others = [said.count(other) for other in Label if other is not label]
        if rule == "strict-majority" and said.count(label) > len(said) / 2:
            return label
        if rule == "majority" and said.count(label) > max(others):
            return label
    return Label.UNKNOWN


def slow_marks(votes: Sequence[LabelEvent], length: int) -> tuple[tuple[ErrorType, ...], tuple[Span, ...]]:
    wrong = [event for event in votes if event.label is Label.INCORRECT]
    kinds: list[ErrorType | None] = []
    for place in range(length):
        marked = [{s.error_type for s in event.spans if s.start <= place < s.end} for event in wrong]
        times = {kind: sum(kind in one for one in marked) for kind in ErrorType}
        enough = sum(bool(one) for one in marked) >= len(wrong) / 2
        kinds.append(max(ErrorType, key=lambda kind: times[kind]) if enough else None)  # max takes the first of equals
    spans, start = [], 0
    for place in range(1, length + 1):
        if place == length or kinds[place] is not kinds[start]:
            kind = kinds[start]
            if kind is not None:
                spans.append(Span(start, place, kind))
            start = place
    chosen = {kind: sum(kind in event.error_types for event in wrong) for kind in ErrorType}
    types = [k for k in ErrorType if k in {s.error_type for s in spans} or chosen[k] >= len(wrong) / 2]
    if not types:
        types = [kind for kind in ErrorType if chosen[kind] == max(chosen.values()) > 0]
    return tuple(types), tuple(spans)


def slow_resolution(events: Sequence[LabelEvent], rule: str) -> Slow:
    """What the events of one sentence come to by `strict-majority` or `majority`."""
    votes = [event for event in last_words(events, Role.ANNOTATOR) if event.label is not None]
    adjudications = [event for event in last_words(events, Role.ADJUDICATOR) if event.label is not None]
    baselines = last_words(events, Role.BASELINE)
    counted = slow_votes(votes) if votes else last_of(baselines).votes if baselines else None
    if adjudications:
        last = last_of(adjudications)
        return Slow(last.label, last.error_types, last.spans, counted)
    if votes:
        label = slow_label(votes, rule)
        types, spans = slow_marks(votes, len(votes[0].text)) if label is Label.INCORRECT else ((), ())
        return Slow(label, types, spans, counted)
    if baselines:
        last = last_of(baselines)
        return Slow(last.label, last.error_types, last.spans, counted)
    return Slow(None, (), (), None)
