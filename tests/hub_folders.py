"""Datasets with everything that can be published, and their Hub folders."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import yaml

from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events
from alignbench.publish.folder.build import Built, build_data
from alignbench.publish.folder.front_matter import front_matter
from alignbench.publish.folder.layout import README
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import ErrorType, Label, LabelEvent, Role, Span
from tests.datasets import PRODUCERS, make_image, make_pair
from tests.planted_runs import scores_for, write_run

TWO = {"validation": 0.4, "test": 0.6}
"""Shares with which the five pictures of `make_labelled` are in both splits."""
_NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Plan:
    """As much of a publication as the data depend on."""

    splits: Mapping[str, float]


def make_mixed(folder: Path, images: int = 5) -> Dataset:
    """Pairs by producer, so that a picture comes again late; every fifth picture is missing, captions differ."""
    with DatasetWriter(folder, name="mixed", version="1.2.0") as writer:
        pictures = [make_image(number, missing=number % 5 == 3) for number in range(images)]
        for picture in pictures:
            writer.add_image(replace(picture, licence="CC0-1.0", provenance={"by": "tests", "n": [1, None]}))
        for producer in PRODUCERS:
            for number, picture in enumerate(pictures):
                writer.add_pair(*make_pair(picture, producer, number))
    return Dataset.open(folder)


def event(dataset: Dataset, place: int, who: str, label: Label, minute: int) -> LabelEvent:
    """What somebody said of the sentence at `place`; an incorrect one is marked at its first word."""
    sentence = list(dataset.sentences())[place]
    wrong = label is Label.INCORRECT
    return make_event(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        annotator=who,
        time=_NOON + dt.timedelta(minutes=minute),
        label=label,
        role=Role.ANNOTATOR,
        error_types=(ErrorType.OBJECT,) if wrong else (),
        spans=(Span(0, sentence.text.index(" "), ErrorType.OBJECT),) if wrong else (),
        comment="Emoji 😀, e\u0301" if wrong else None,
        tool="tests",
    )


def make_labelled(folder: Path) -> Dataset:
    """`make_mixed`, with votes of three people on some sentences, out of the sentences' order."""
    dataset = make_mixed(folder)
    said = [
        event(dataset, place, who, Label.INCORRECT if (place + number) % 3 else Label.CORRECT, 7 * place + number)
        for place in (11, 2, 25, 0)
        for number, who in enumerate(("ann", "bob", "cid"))
    ]
    record_events(folder, said, moment=_NOON - dt.timedelta(days=1))
    return Dataset.open(folder)


def judge_it(dataset: Dataset, runs: Path, names: tuple[str, ...] = ("keen", "dull")) -> Path:
    """Finished runs of planted judges over the dataset; the last one failed at one sentence."""
    for number, name in enumerate(names):
        scores = scores_for(dataset, 1.5 - number, seed=number)
        if number == len(names) - 1:
            scores[4] = np.nan
        write_run(runs, dataset, name, scores)
    return runs


def publish(
    dataset: Dataset,
    folder: Path,
    runs: Path | None = None,
    splits: Mapping[str, float] | None = None,
    replicates: int = 50,
) -> Built:
    """Build the Hub folder with a card that has nothing but what loaders read."""
    folder.mkdir(parents=True)
    built = build_data(dataset, runs, Plan(splits or {"test": 1.0}), folder, seed=7, replicates=replicates)
    said = yaml.safe_dump(front_matter(folder), sort_keys=False, allow_unicode=True)
    (folder / README).write_text(f"---\n{said}---\n\n# A card\n", encoding="utf-8")
    return built


def plain_json(path: Path) -> dict[str, object]:
    """What a JSON file says."""
    said: dict[str, object] = json.loads(path.read_text(encoding="utf-8"))
    return said
