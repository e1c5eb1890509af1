"""What people are given to label: pairs with their sentences, and perhaps what a judge suggests."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path

import pyarrow.compute as pc

from alignbench.atomic import storage_errors
from alignbench.decode import file_ending
from alignbench.errors import UnknownNameError, UsageError
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Pair, Sentence, Span


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a judge would say of a sentence.

    Attributes:
        judge_id: The judge.
        label: Correct or incorrect.
        error_types: Empty where the judge tells no types.
        spans: Its marks; of type `other` where the judge tells no types.
        score: The judge's score, higher for better aligned.
    """

    judge_id: str
    label: Label
    error_types: tuple[ErrorType, ...] = ()
    spans: tuple[Span, ...] = ()
    score: float | None = None


@dataclass(frozen=True, slots=True)
class LabellingTask:
    """A pair to label. Annotators see its image and caption; never its producer, its labels or others' votes.

    Attributes:
        pair: The pair.
        sentences: All its sentences, in their order.
        asked: The indices of those to label; the others are only shown.
        suggestions: By sentence_id; empty where annotators decide unaided.
    """

    pair: Pair
    sentences: tuple[Sentence, ...]
    asked: tuple[int, ...]
    suggestions: Mapping[str, Suggestion]


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which sentences to give out; null for all.

    Attributes:
        producers: Names of producers.
        sentence_ids: Sentences, as a queue names them; tasks then come in the order of their first sentence in it.
        limit: How many tasks at most.
        unlabelled: Whether only sentences without a label are asked.
        seed: Of the order, which mixes producers where no queue says it.
    """

    producers: Collection[str] | None = None
    sentence_ids: Sequence[str] | None = None
    limit: int | None = None
    unlabelled: bool = False
    seed: int = 0


def tasks_of(
    dataset: Dataset, wanted: Wanted, suggestions: Mapping[str, Suggestion] | None = None
) -> tuple[list[LabellingTask], int]:
    """The tasks, and how many pairs were left out because their image is missing.

    Raises:
        UnknownNameError: A producer that the dataset does not have.
        UsageError: A sentence that it does not have, or nothing is left to label.
    """
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    _check_producers(dataset, wanted, {pair.producer.name for pair in pairs.values()})
    suggestions = suggestions or {}
    rank = None if wanted.sentence_ids is None else {one: place for place, one in enumerate(wanted.sentence_ids)}
    images = dataset.images_table(["image_key", "sha256"])
    there = set(images.filter(pc.is_valid(images["sha256"]))["image_key"].to_pylist())
    tasks, missing, known = [], 0, set[str]()
    for pair_id, group in groupby(dataset.sentences(), key=attrgetter("pair_id")):
        pair, sentences = pairs[pair_id], tuple(group)
        known.update(sentence.sentence_id for sentence in sentences)
        asked = tuple(sentence.index for sentence in sentences if _is_asked(sentence, pair, wanted, rank))
        if asked and pair.image_key not in there:
            missing += 1
        elif asked:
            told = {
                s.sentence_id: suggestions[s.sentence_id] for s in sentences if s.sentence_id in (suggestions or {})
            }
            tasks.append(LabellingTask(pair, sentences, asked, told))
    if unknown := [one for one in rank or {} if one not in known]:
        raise UsageError(f"{dataset.path} has no sentence {unknown[0]!r}, nor {len(unknown) - 1} more that are wanted")
    if not tasks:
        lack = f": {missing} captions lack their image; run `alignbench attach-images`" if missing else ""
        raise UsageError(f"{dataset.path} has nothing to label among what is wanted{lack}")
    tasks.sort(key=lambda task: _place(task, wanted, rank))
    return tasks[: wanted.limit], missing


def write_pictures(dataset: Dataset, keys: Collection[str], folder: Path) -> dict[str, str]:
    """Write the images of some keys to `folder`; the name of each, which tells nothing of its producer.

    Raises:
        StorageError: The disk refused.
    """
    names = {}
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for image in dataset.images(keys):
            if image.bytes is not None:
                name = hashlib.sha256(image.bytes).hexdigest()[:16] + file_ending(image.bytes)
                (folder / name).write_bytes(image.bytes)
                names[image.image_key] = name
    return names


def _check_producers(dataset: Dataset, wanted: Wanted, known: Collection[str]) -> None:
    for name in wanted.producers or ():
        if name not in known:
            raise UnknownNameError.of("producer", name, known, f"run `alignbench validate {dataset.path}`")


def _is_asked(sentence: Sentence, pair: Pair, wanted: Wanted, rank: Mapping[str, int] | None) -> bool:
    return (
        (rank is None or sentence.sentence_id in rank)
        and (wanted.producers is None or pair.producer.name in wanted.producers)
        and not (wanted.unlabelled and sentence.label is not None)
    )


def _place(task: LabellingTask, wanted: Wanted, rank: Mapping[str, int] | None) -> tuple[int, str]:
    if rank is not None:
        return min(rank[task.sentences[index].sentence_id] for index in task.asked), ""
    return 0, hashlib.sha256(f"{wanted.seed}\0{task.pair.pair_id}".encode()).hexdigest()
