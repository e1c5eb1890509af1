"""What an importer of labels found in a file."""

from __future__ import annotations

from typing import NamedTuple

from alignbench.exchange.notes import Notes
from alignbench.store import Dataset
from alignbench.types import LabelEvent


class ArrivingLabels(NamedTuple):
    """Label events read from a file of others; nothing is written yet.

    Attributes:
        events: In the order of the file.
        notes: What was left out or mapped with doubt.
    """

    events: list[LabelEvent]
    notes: Notes


class SaidBefore:
    """What each annotator said last of each sentence.

    Some formats do not tell when something was said. Read again, they would say everything anew; what their annotator
    said last already is then no news.
    """

    def __init__(self, dataset: Dataset) -> None:
        events = sorted(dataset.label_events(), key=lambda event: event.time)
        self._last = {(event.annotator, event.role, event.sentence_id): _content(event) for event in events}

    def __contains__(self, event: LabelEvent) -> bool:
        """Whether its annotator said just this last."""
        return self._last.get((event.annotator, event.role, event.sentence_id)) == _content(event)


def _content(event: LabelEvent) -> tuple[object, ...]:
    return event.label, frozenset(event.error_types), frozenset(event.spans), event.comment
