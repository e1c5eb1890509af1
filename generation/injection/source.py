"""Reads the captions of a labelled dataset that errors can be planted into."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from itertools import groupby

from alignbench.store import Dataset
from alignbench.types import Label, Pair, Sentence


class Unfit(StrEnum):
    """Why nothing is planted into a caption."""

    UNLABELLED = "unlabelled"
    OTHER_LABELS = "other_labels"
    NONE_CORRECT = "none_correct"
    PLANTED = "planted_already"
    TWO_CLUSTERS = "image_in_two_clusters"


def captions(dataset: Dataset) -> Iterator[tuple[Pair, list[Sentence]]]:
    """Every pair with its sentences, in file order; no more than a batch of rows is in memory."""
    groups = groupby(dataset.sentences(), key=lambda sentence: sentence.pair_id)
    waiting: tuple[str, Iterator[Sentence]] | None = next(groups, None)
    for pair in dataset.pairs():
        if waiting is not None and waiting[0] == pair.pair_id:
            yield pair, list(waiting[1])
            waiting = next(groups, None)
        else:
            yield pair, []


def unfit(pair: Pair, sentences: Sequence[Sentence], *, mixed: bool) -> Unfit | None:
    """Why a caption cannot be used, null if it can: all its sentences are correct or, if `mixed`, one at least is."""
    labels = {sentence.label for sentence in sentences}
    if "planted" in pair.provenance:
        return Unfit.PLANTED
    if not labels or None in labels:
        return Unfit.UNLABELLED
    if mixed:
        return None if Label.CORRECT in labels else Unfit.NONE_CORRECT
    return None if labels == {Label.CORRECT} else Unfit.OTHER_LABELS
