"""The labels that all sentences of a dataset derive from a table of label events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.labelling.dawid_skene import dawid_skene
from alignbench.labelling.resolution import DAWID_SKENE, Decider, Resolution, Standing, resolve, standing
from alignbench.schema import events_from_table
from alignbench.types import Label, LabelEvent, Sentence

NO_LABEL = Resolution(None, (), (), None, Decider.NOTHING)

_BATCH = 16_384


class Derived(NamedTuple):
    """What the events of one sentence come to."""

    sentence_id: str
    standing: Standing
    resolution: Resolution


def derived_labels(sentence_ids: Sequence[str], events: pa.Table, rule: str) -> Iterator[Derived]:
    """What every sentence that has events is, in the order of `sentence_ids`; a batch of events is typed at a time.

    Args:
        sentence_ids: The sentences; events of others are passed over.
        events: A table of `schema.LABELS`, in file order.
        rule: One of `alignbench.labelling.resolution.RULES`.

    Raises:
        DatasetError: A row is no event.
        MissingDependencyError: The rule is Dawid-Skene, and crowd-kit is not installed.
    """
    ordered = _by_sentence(sentence_ids, events)
    estimates: dict[str, Label] = {}
    if rule == DAWID_SKENE:
        votes = [vote for _, now in _standing(ordered) for vote in now.votes]
        estimates = dawid_skene(
            (vote.sentence_id, vote.annotator, vote.label) for vote in votes if vote.label is not None
        )
    for sentence_id, now in _standing(ordered):
        yield Derived(sentence_id, now, resolve(now, rule, estimates.get(sentence_id)))


def labelled_by(sentence: Sentence, resolution: Resolution) -> Sentence:
    """The sentence with what its events came to."""
    return replace(
        sentence,
        label=resolution.label,
        error_types=resolution.error_types,
        spans=resolution.spans,
        votes=resolution.votes,
    )


class _Ordered(NamedTuple):
    """Events and the order, by sentence and then as they stand, in which to read them."""

    events: pa.Table
    order: pa.Array


def _by_sentence(sentence_ids: Sequence[str], events: pa.Table) -> _Ordered:
    place = pc.index_in(events["sentence_id"], value_set=pa.array(sentence_ids, pa.string()))
    places = place.fill_null(-1).to_numpy()
    order = np.argsort(places, kind="stable")
    return _Ordered(events.combine_chunks(), pa.array(order[np.count_nonzero(places < 0) :]))


def _standing(ordered: _Ordered) -> Iterator[tuple[str, Standing]]:
    for sentence_id, events in groupby(_typed(ordered), key=attrgetter("sentence_id")):
        yield sentence_id, standing(events)


def _typed(ordered: _Ordered) -> Iterator[LabelEvent]:
    for start in range(0, len(ordered.order), _BATCH):
        yield from events_from_table(ordered.events.take(ordered.order.slice(start, _BATCH)))
