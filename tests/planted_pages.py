"""A dataset whose captions and names try to break out of a page, with pictures, and runs over it."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Pair, Sentence, Span
from tests.planted_runs import write_run

HOSTILE = (
    "<script>alert(1)</script> stands here.",
    "</script><script>alert(2)</script> too.",
    "<!-- --> ]]> <![CDATA[ all of it.",
    "\"quotes\" 'and' `ticks` & &amp; &lt;b&gt;.",
    '"><img src=x onerror=alert(3)> "it" follows.',
    "emoji \N{DOG FACE}\N{ZERO WIDTH JOINER}\N{ROCKET} before a \N{DOG FACE} span.",
    "turned \N{RIGHT-TO-LEFT OVERRIDE}gnorw\N{POP DIRECTIONAL FORMATTING} around.",
    "שלום עולם and العربية mixed.",
    "{{ 7 * 7 }} {% raw %} ${x} \\u003c.",
)
PRODUCERS = (
    '<b>alpha</b> & "co"',
    "beta",
    "gamma-with-a-name-that-is-far-too-long-for-a-column-of-any-table-" + "x" * 60,
)
JUDGES = ("sharp <i>", 'blunt "judge"', "patchy")
MISSING, BROKEN = 3, 4


def picture(number: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """A picture of one colour."""
    buffer = io.BytesIO()
    Pillow.new("RGB", size, (number * 37 % 256, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def write_hostile(path: Path, *, images: int = 15) -> Dataset:
    """Each producer captions every picture with three hostile sentences; one picture is missing, one is damaged."""
    with DatasetWriter(path, name='hostile "data" <set>') as writer:
        for number in range(images):
            writer.add_image(_image(number))
            for place, producer in enumerate(PRODUCERS):
                writer.add_pair(*_pair(number, place, producer))
    return Dataset.open(path)


def hostile_evaluation(folder: Path) -> Evaluation:
    """Three judges, one of which fails now and then, and a blind control."""
    dataset = write_hostile(folder / "dataset")
    is_correct = np.array(dataset.sentences_table(["label"])["label"].to_pylist()) == "correct"
    rng = np.random.default_rng(3)
    for name, shift in zip(JUDGES, (2.0, 0.4, 0.8), strict=True):
        score = rng.normal(size=is_correct.size) + shift * is_correct
        score[rng.random(score.size) < (0.2 if name == "patchy" else 0.0)] = np.nan
        write_run(folder / "runs", dataset, name, score)
    write_run(folder / "runs", dataset, "constant", np.zeros(is_correct.size), control="constant")
    return evaluation_of(dataset, folder / "runs", replicates=100)


def _image(number: int) -> Image:
    image = image_of(picture(number), source="tests", origin=Origin.REAL, key=f"tests:{number}")
    if number == MISSING:
        return replace(image, sha256=None, bytes=None, width=None, height=None)
    if number == BROKEN:
        damaged = b"\x89PNG but no more"
        return replace(image, sha256=hashlib.sha256(damaged).hexdigest(), bytes=damaged)
    return image


def _pair(number: int, place: int, producer: str) -> tuple[Pair, list[Sentence]]:
    texts = [HOSTILE[(number + place + index) % len(HOSTILE)] for index in range(3)]
    caption, pair_id = " ".join(texts), f"{place}/{number}"
    sentences, start = [], 0
    for index, text in enumerate(texts):
        sentence = Sentence(sentence_id_of(pair_id, index), pair_id, index, start, start + len(text), text)
        sentences.append(_labelled(sentence, HOSTILE.index(text)))
        start += len(text) + 1
    model = ModelRef(producer, family=producer[:4])
    return Pair(pair_id, f"tests:{number}", caption, model, Direction.IMAGE_TO_TEXT, None, f"tests:{number}"), sentences


def _labelled(sentence: Sentence, turn: int) -> Sentence:
    if turn % 2:
        return replace(sentence, label=Label.CORRECT)
    kinds = tuple(ErrorType)[turn], tuple(ErrorType)[(turn + 1) % 9]
    middle, end = len(sentence.text) // 2, len(sentence.text) - 1
    spans = () if turn == 8 else (Span(middle - 3, middle + 2, kinds[0]), Span(middle, end, kinds[1]))
    return replace(sentence, label=Label.INCORRECT, error_types=kinds, spans=spans)
