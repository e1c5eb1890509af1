"""Writes a simulated world as a dataset, and what its judges make of it as finished runs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image as Pillow

from alignbench import schema
from alignbench.atomic import write_atomically
from alignbench.metrics import FloatArray
from alignbench.run_folder import begin_or_resume, describe, folder_of
from alignbench.shuffling import rearranged
from alignbench.simulation.sentences import CORRECT, INCORRECT, UNKNOWN, pair_ids
from alignbench.simulation.simulate import Simulated
from alignbench.simulation.world import SimulatedProducer
from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.types import (
    Direction,
    ErrorType,
    Image,
    JudgeSpec,
    Label,
    ModelRef,
    Origin,
    Pair,
    Sentence,
    Span,
    Status,
)

_LABELS = {INCORRECT: Label.INCORRECT, CORRECT: Label.CORRECT, UNKNOWN: Label.UNKNOWN}
_KINDS = tuple(ErrorType)
_SIZE = (8, 6)


def write_dataset(simulated: Simulated, path: Path, *, name: str | None = None) -> Dataset:
    """Write the world as a dataset: small pictures of one colour, captions of plain sentences.

    The first word of an incorrect sentence is its span. Pairs and sentences stand in the order of the arrays.

    Args:
        simulated: What was drawn.
        path: The folder to write; it must not hold anything.
        name: The dataset's name; by default that of the folder.

    Raises:
        DatasetError: `path` is occupied.
        StorageError: The disk refused.
    """
    with DatasetWriter(path, name=name or path.resolve().name, splitter=None) as writer:
        pairs = _pairs(simulated)
        for producer in simulated.world.producers:
            for image in range(simulated.world.images):
                writer.add_image(_image(producer, image))
                writer.add_pair(*next(pairs))
    return Dataset.open(path)


def write_run(
    simulated: Simulated,
    judge: int,
    dataset: Dataset,
    runs: Path,
    *,
    context: str = "sentence",
    shuffle: int | None = None,
) -> Path:
    """Write what a judge makes of the world as a finished run.

    Args:
        simulated: What was drawn.
        judge: The judge's place.
        dataset: What `write_dataset` wrote of the same world.
        runs: The folder of runs.
        context: What sentences are shown in: `sentence`, alone, or `caption`.
        shuffle: Which order of `alignbench.shuffling` captions are shown in; null for their own.

    Returns:
        The run's folder.

    Raises:
        UsageError: A shuffle of sentences that are shown alone.
        RunError: The folder of the run is there and damaged.
        StorageError: The disk refused.
    """
    spec = rearranged(_spec(simulated, judge, context), shuffle)
    folder = folder_of(runs, dataset, spec)
    said = describe(
        dataset, spec, seed=simulated.seed, shards=1, briefed=True, permutation=None, environment={"device": "none"}
    )
    begin_or_resume(folder, said)
    ids = dataset.sentences_table(["sentence_id"])["sentence_id"]
    score = simulated.scores[judge] if context == "sentence" else simulated.in_caption(judge, shuffle)
    table = _judgments(ids, spec.judge_id, score)
    write_atomically(folder / "judgments.parquet", lambda path: pq.write_table(table, path, compression="zstd"))
    return folder


def _spec(simulated: Simulated, place: int, context: str) -> JudgeSpec:
    judge = simulated.judges[place]
    name = judge.name if context == "sentence" else f"{judge.name} in captions"
    options = judge.planted() | {"seed": simulated.seed, "place": place}
    return JudgeSpec(
        name, "simulated", ModelRef(judge.name, revision="1", family=judge.own), context=context, options=options
    )


def _judgments(sentence_ids: pa.ChunkedArray, judge_id: str, score: FloatArray) -> pa.Table:
    failed = np.isnan(score)
    status, raw = ([good, bad] for good, bad in ((Status.OK, Status.FAILED), ("{}", '{"reason":"a planted failure"}')))
    size = score.size
    known = {
        "sentence_id": sentence_ids,
        "judge_id": pa.repeat(judge_id, size),
        "score": pa.array(score, mask=failed),
        "status": pa.array([str(each) for each in status]).take(pa.array(failed.astype(np.int8))),
        "truncated": pa.repeat(pa.scalar(False), size),
        "raw": pa.array(raw).take(pa.array(failed.astype(np.int8))),
        "attempts": pa.repeat(pa.scalar(1, pa.int32()), size),
    }
    columns = [known.get(field.name, pa.nulls(size, field.type)) for field in schema.JUDGMENTS]
    return pa.table(columns, schema=schema.JUDGMENTS)


def _image(producer: SimulatedProducer, number: int) -> Image:
    shown = producer.direction is Direction.IMAGE_TO_TEXT
    buffer = io.BytesIO()
    Pillow.new("RGB", _SIZE, (number % 256, number // 256 % 256, number // 65_536 % 256)).save(buffer, "PNG")
    origin = Origin.REAL if shown else Origin.GENERATED
    return image_of(buffer.getvalue(), source="simulated", origin=origin, key=_image_key(producer, number))


def _image_key(producer: SimulatedProducer, number: int) -> str:
    # Captioners share the images; every image model draws its own.
    return f"image-{number}" if producer.direction is Direction.IMAGE_TO_TEXT else f"{producer.name}-{number}"


def _pairs(simulated: Simulated) -> Iterator[tuple[Pair, list[Sentence]]]:
    world, drawn = simulated.world, simulated.sentences
    ids = iter(pair_ids(world))
    labels = iter(zip(drawn.label.tolist(), drawn.kind.tolist(), strict=True))
    for producer in world.producers:
        model = ModelRef(producer.name, family=producer.family)
        for image in range(world.images):
            shown = producer.direction is Direction.IMAGE_TO_TEXT
            root = f"{'image' if shown else 'prompt'}-{image}"
            texts = [f"Sentence {index} of {root}." for index in range(world.sentences)]
            pair = Pair(next(ids), _image_key(producer, image), " ".join(texts), model, producer.direction, None, root)
            yield pair, list(_sentences(pair.pair_id, texts, islice(labels, world.sentences)))


def _sentences(pair_id: str, texts: list[str], labels: Iterator[tuple[int, int]]) -> Iterator[Sentence]:
    start = 0
    for index, (text, (label, kind)) in enumerate(zip(texts, labels, strict=True)):
        wrong = label == INCORRECT
        yield Sentence(
            sentence_id_of(pair_id, index),
            pair_id,
            index,
            start,
            start + len(text),
            text,
            _LABELS[label],
            (_KINDS[kind],) if wrong else (),
            (Span(0, text.index(" "), _KINDS[kind]),) if wrong else (),
        )
        start += len(text) + 1
