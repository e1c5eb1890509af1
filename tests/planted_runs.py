"""Datasets and finished runs on disk, with labels and scores that a test chooses."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from alignbench import run_folder, schema
from alignbench.store import Dataset, DatasetWriter, sentence_id_of
from alignbench.types import (
    Direction,
    ErrorType,
    Image,
    JudgeSpec,
    Judgment,
    Label,
    ModelRef,
    Origin,
    Pair,
    Sentence,
    Status,
    Usage,
    Verdict,
)

KINDS = tuple(ErrorType)


@dataclass(frozen=True, slots=True)
class Producer:
    """A producer of a planted dataset: `wrong` is the share of its sentences that are incorrect."""

    name: str
    wrong: float = 0.3
    direction: Direction = Direction.IMAGE_TO_TEXT
    images: int = 40
    revision: str | None = None


def write_dataset(path: Path, producers: Sequence[Producer], *, sentences: int = 5, seed: int = 0) -> Dataset:
    """Each producer captions the same images, or draws from the same prompts; the images themselves are missing."""
    rng = np.random.default_rng(seed)
    with DatasetWriter(path, name=path.name) as writer:
        for producer in producers:
            for number in range(producer.images):
                shown = producer.direction is Direction.IMAGE_TO_TEXT
                root = f"{'photo' if shown else 'prompt'}-{number}"
                key = root if shown else f"{producer.name}-{number}"
                origin = Origin.REAL if shown else Origin.GENERATED
                writer.add_image(Image(key, None, None, None, None, origin, "planted"))
                labels = [
                    Label.INCORRECT if wrong else Label.CORRECT for wrong in rng.random(sentences) < producer.wrong
                ]
                kinds = [KINDS[one] for one in rng.integers(8, size=sentences)]
                pair_id = f"{producer.name}@{producer.revision}/{number}"
                model = ModelRef(producer.name, producer.revision, family=producer.name.split("-")[0])
                writer.add_pair(*pair_of(pair_id, key, model, producer.direction, root, labels, kinds))
    return Dataset.open(path)


def pair_of(
    pair_id: str,
    image_key: str,
    producer: ModelRef,
    direction: Direction,
    cluster_id: str,
    labels: Sequence[Label | None],
    kinds: Sequence[ErrorType],
) -> tuple[Pair, list[Sentence]]:
    """A pair of short sentences with these labels; the error types of those that are not incorrect are ignored."""
    texts = [f"Sentence {place} of {cluster_id}." for place in range(len(labels))]
    sentences, start = [], 0
    for index, (text, label, kind) in enumerate(zip(texts, labels, kinds, strict=True)):
        types = (kind,) if label is Label.INCORRECT else ()
        end = start + len(text)
        sentences.append(Sentence(sentence_id_of(pair_id, index), pair_id, index, start, end, text, label, types))
        start = end + 1
    return Pair(pair_id, image_key, " ".join(texts), producer, direction, None, cluster_id), sentences


def scores_for(dataset: Dataset, auroc_shift: float, *, seed: int = 0) -> NDArray[np.float64]:
    """Normal scores, those of correct sentences `auroc_shift` higher."""
    is_correct = np.array(dataset.sentences_table(["label"])["label"].to_pylist()) == "correct"
    return np.asarray(np.random.default_rng(seed).normal(size=is_correct.size) + auroc_shift * is_correct, np.float64)


def write_run(
    runs: Path,
    dataset: Dataset,
    name: str,
    scores: NDArray[np.float64],
    *,
    control: str | None = None,
    context: str = "sentence",
    briefed: bool = False,
    options: Mapping[str, str] | None = None,
    usage: Usage | None = None,
) -> Path:
    """A finished run; a score that is NaN becomes a failure."""
    spec = JudgeSpec(name, "planted", ModelRef(name), context=context, control=control, options=options or {})
    folder = run_folder.folder_of(runs, dataset, spec)
    folder.mkdir(parents=True)
    said = run_folder.describe(
        dataset, spec, seed=0, shards=1, briefed=briefed, permutation=None, environment={"device": "cpu"}
    )
    (folder / "run.json").write_text(json.dumps(said), encoding="utf-8")
    judgments = [
        Judgment(sentence.sentence_id, spec.judge_id, verdict_of(score, usage or Usage()))
        for sentence, score in zip(dataset.sentences(), scores.tolist(), strict=True)
    ]
    pq.write_table(schema.judgments_to_table(judgments), folder / "judgments.parquet")
    return folder


def verdict_of(score: float, usage: Usage) -> Verdict:
    """The verdict with that score, or a failure."""
    return Verdict.failed(Status.FAILED, "planted") if np.isnan(score) else Verdict(score, usage=usage)
