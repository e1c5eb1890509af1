"""Small datasets for tests: pictures of one colour, two producers, sentences of every label."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image as Pillow

from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Pair, Sentence, Span, Votes

PRODUCERS = (ModelRef("alpha-cap", "1", family="alpha", provider="ours"), ModelRef("beta-cap", family="beta"))
CAPTION = "Picture {image} is red 😀. It shows 2 dogs, e.g. by St. Mark's. A sign reads “No. 5”."


def png(colour: tuple[int, int, int] = (200, 30, 30), size: tuple[int, int] = (8, 6)) -> bytes:
    """A picture of one colour, encoded."""
    buffer = io.BytesIO()
    Pillow.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def make_image(number: int, *, missing: bool = False) -> Image:
    """Picture `number`; its key does not depend on whether its bytes are there."""
    image = image_of(png((number % 256, number // 256, 90)), source="tests", origin=Origin.REAL, key=f"tests:{number}")
    return replace(image, sha256=None, bytes=None, width=None, height=None) if missing else image


def make_pair(image: Image, producer: ModelRef, number: int, *, labelled: bool = True) -> tuple[Pair, list[Sentence]]:
    """A pair and its three sentences; sentence `index` is incorrect where `number + index` is divisible by 3."""
    caption = CAPTION.format(image=number)
    pair_id = f"{producer.name}/{image.image_key}"
    pair = Pair(
        pair_id,
        image.image_key,
        caption,
        producer,
        Direction.IMAGE_TO_TEXT,
        "colours",
        image.image_key,
        {"seed": number},
    )
    sentences = []
    for index, (start, end) in enumerate(split_sentences(caption)):
        sentence = Sentence(sentence_id_of(pair_id, index), pair_id, index, start, end, caption[start:end])
        sentences.append(_labelled(sentence, number) if labelled else sentence)
    return pair, sentences


def _labelled(sentence: Sentence, number: int) -> Sentence:
    if (number + sentence.index) % 3 == 0:
        kind = list(ErrorType)[(number + sentence.index) % len(ErrorType)]
        span = Span(0, sentence.text.index(" "), kind)
        return replace(sentence, label=Label.INCORRECT, error_types=(kind,), spans=(span,), votes=Votes(0, 2, 1, 2 / 3))
    if number == 1 and sentence.index == 0:
        return replace(sentence, label=Label.UNKNOWN)
    return replace(sentence, label=Label.CORRECT)


def make_dataset(
    folder: Path,
    *,
    images: int = 4,
    producers: Sequence[ModelRef] = PRODUCERS,
    missing: Collection[int] = (),
    labelled: bool = True,
    name: str = "tiny",
) -> Dataset:
    """Write a dataset to `folder`: every producer captions every image; the images numbered `missing` have no bytes."""
    with DatasetWriter(folder, name=name) as writer:
        for number in range(images):
            image = make_image(number, missing=number in missing)
            writer.add_image(image)
            for producer in producers:
                writer.add_pair(*make_pair(image, producer, number, labelled=labelled))
    return Dataset.open(folder)


def tree(folder: Path) -> dict[str, bytes]:
    """Every file in `folder`, by its path."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def write(folder: Path, *parts: Image | tuple[Pair, list[Sentence]], replace: bool = False) -> Dataset:
    """Write images and pairs in the order given."""
    with DatasetWriter(folder, name="written", replace=replace) as writer:
        for part in parts:
            if isinstance(part, Image):
                writer.add_image(part)
            else:
                writer.add_pair(*part)
    return Dataset.open(folder)


def make_noise(number: int, size: int) -> Image:
    """An image whose bytes are noise: large, and as incompressible as a photograph."""
    noise = random.Random(number).randbytes(size)
    sha256 = hashlib.sha256(noise).hexdigest()
    return Image(sha256, sha256, noise, 1, 1, Origin.REAL, "tests")
