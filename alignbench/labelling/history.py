"""How a sentence came to its label: every event of it, which of them stand, and what decided."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from alignbench.errors import UnknownNameError
from alignbench.labelling.resolution import Decider, Standing, standing
from alignbench.rows import event_row, sentence_row
from alignbench.schema import events_from_table, sentences_from_table
from alignbench.store import Dataset
from alignbench.types import LabelEvent, Sentence


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of the label of a sentence.

    Attributes:
        sentence: As it is now.
        events: Every event, in the order of recording.
        standing: Those that count.
        decider: What decided; nothing where there are no events, or all were taken back.
        rule: By which votes become a label; null where the dataset has no events.
    """

    sentence: Sentence
    events: tuple[LabelEvent, ...]
    standing: Standing
    decider: Decider
    rule: str | None

    def stands(self, event: LabelEvent) -> bool:
        """Whether an event counts: nothing newer of the same annotator takes its place."""
        now = self.standing
        return event in (*now.votes, now.adjudication, now.baseline)

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values; times in ISO 8601, UTC."""
        events = [
            event_row(event) | {"time": event.time.isoformat(), "stands": self.stands(event)} for event in self.events
        ]
        return {
            "sentence": sentence_row(self.sentence),
            "rule": self.rule,
            "decided_by": str(self.decider),
            "events": events,
        }


def history_of(dataset: Dataset, sentence_id: str) -> History:
    """The history of one sentence.

    Raises:
        UnknownNameError: There is no such sentence.
        DatasetError: A file of the dataset is damaged.
        MissingDependencyError: The rule is Dawid-Skene, and crowd-kit is not installed.
    """
    table = dataset.sentences_table()
    known = table["sentence_id"].to_pylist()
    if sentence_id not in known:
        raise _unknown(dataset, sentence_id, known)
    (sentence,) = sentences_from_table(table.slice(known.index(sentence_id), 1))
    labels = dataset.labels_table()
    events = events_from_table(labels.filter(pc.equal(labels["sentence_id"], sentence_id)))
    if dataset.labels is None or not events:
        return History(sentence, (), standing([]), Decider.NOTHING, (dataset.labels or {}).get("rule"))
    now = standing(events)
    return History(sentence, tuple(events), now, _decider(now), dataset.labels["rule"])


def _unknown(dataset: Dataset, given: str, known: list[str]) -> UnknownNameError:
    near = difflib.get_close_matches(given, known, n=3, cutoff=0.5)
    hint = f"nearest: {', '.join(near)}" if near else f"its first one is {known[0]}"
    what = f"{dataset.path} has no sentence {given!r} ({hint})"
    return UnknownNameError(f"{what}; ids are those of the column sentence_id of its sentences.parquet")


def _decider(now: Standing) -> Decider:
    if now.adjudication is not None:
        return Decider.ADJUDICATION
    if now.votes:
        return Decider.VOTES
    return Decider.NOTHING if now.baseline is None else Decider.BASELINE
