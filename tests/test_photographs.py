"""Checks the embedded photographs against what is documented of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import alignbench
from alignbench.decode import decode
from alignbench.exchange.table import import_table
from alignbench.store import Dataset
from alignbench.text import split_sentences
from alignbench.types import ErrorType, Label, Origin
from alignbench.validate import validate

FOLDER = Path(alignbench.__file__).parent / "embedded" / "photographs"
TABLE = FOLDER / "photographs.jsonl"
IMAGES = FOLDER / "images"
ROWS: list[dict[str, Any]] = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
FILES = sorted(path.name for path in IMAGES.iterdir())

# Written out once more by hand, so that an offset that slips by one is seen.
WRONG_WORDS = {
    "chelsea.png": [("direction", "left"), ("location", "left"), ("illusion", "A thin red collar")],
    "coffee.jpg": [("attribute", "square"), ("relation", "on the table, next to"), ("direction", "upper right")],
    "camera.png": [("direction", "left"), ("illusion", "A striped scarf"), ("number", "four"), ("location", "left")],
    "horse.png": [("object", "donkey"), ("number", "three"), ("attribute", "raised in the air")],
    "astronaut.jpg": [("text", "Harvey"), ("location", "left"), ("object", "Saturn V rocket"), ("relation", "behind")],
    "rocket.jpg": [("number", "three"), ("attribute", "square"), ("illusion", "A cloud of white smoke")],
    "hubble_deep_field.jpg": [
        ("location", "upper"),
        ("object", "planet with rings"),
        ("relation", "next to each other"),
    ],
    "clock_motion.png": [("location", "lower left corner"), ("attribute", "darker"), ("illusion", "A dark cord")],
    "text.png": [("text", "k"), ("text", "a + b"), ("relation", "below")],
}


def sentences_of(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return [sentence for row in rows for sentence in row["sentences"]]


def wrong_words(row: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        (span["error_type"], sentence["text"][span["start"] : span["end"]])
        for sentence in row["sentences"]
        for span in sentence.get("spans", [])
    ]


def documented(columns: int) -> dict[str, list[str]]:
    """The rows of the table of LICENCES.md that has so many columns, by file name."""
    lines = (FOLDER / "LICENCES.md").read_text(encoding="utf-8").splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| `")]
    return {row[0].strip("`"): row for row in cells if len(row) == columns}


@pytest.mark.parametrize("name", FILES)
def test_every_picture_decodes_and_is_small(name: str) -> None:
    encoded = (IMAGES / name).read_bytes()
    picture = decode(encoded)
    assert min(picture.size) >= 150
    assert len(picture.getcolors(maxcolors=1 << 24) or []) > 50  # not a blank
    assert len(encoded) <= 400_000


def test_the_folder_is_small() -> None:
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 2_000_000


@pytest.mark.parametrize("name", FILES)
def test_every_picture_has_an_author_a_source_a_free_licence_and_evidence(name: str) -> None:
    _, author, source, licence, evidence = documented(5)[name]
    assert author
    assert source
    assert licence in {"CC0-1.0", "public domain"}
    assert ("CC0" if licence == "CC0-1.0" else "public domain") in evidence
    assert {row["licence"] for row in ROWS if row["image"] == name} == {licence}


@pytest.mark.parametrize("name", FILES)
def test_the_bytes_are_those_that_are_documented(name: str) -> None:
    _, sha256, original, of_original = documented(4)[name]
    assert hashlib.sha256((IMAGES / name).read_bytes()).hexdigest() == sha256
    assert (original, of_original) == ("unchanged", "the same") or re.fullmatch("[0-9a-f]{64}", of_original)


def test_only_pictures_that_are_here_are_documented() -> None:
    assert sorted(documented(5)) == sorted(documented(4)) == FILES


@pytest.mark.parametrize("name", FILES)
def test_every_picture_has_a_careful_and_a_subtly_wrong_caption(name: str) -> None:
    careful, wrong = (row for row in ROWS if row["image"] == name)
    labels = [Counter(sentence["label"] for sentence in row["sentences"]) for row in (careful, wrong)]
    assert all(5 <= len(row["sentences"]) <= 7 for row in (careful, wrong))
    assert labels[0]["incorrect"] == 0
    assert 2 <= labels[1]["incorrect"] <= 4
    assert all(label["unknown"] <= 1 for label in labels)


def test_the_producer_is_one_hand() -> None:
    said = {(row["producer"], row["family"], row["direction"], row["source"]) for row in ROWS}
    assert said == {("hand-written", "hand-written", "image_to_text", "scikit-image")}


@pytest.mark.parametrize("name", FILES)
def test_the_sentences_are_the_caption_as_the_splitter_cuts_it(name: str) -> None:
    for row in (row for row in ROWS if row["image"] == name):
        caption, texts = row["caption"], [sentence["text"] for sentence in row["sentences"]]
        assert " ".join(texts) == caption
        assert [caption[start:end] for start, end in split_sentences(caption)] == texts


@pytest.mark.parametrize("name", FILES)
def test_the_spans_are_the_wrong_words(name: str) -> None:
    careful, wrong = (row for row in ROWS if row["image"] == name)
    assert wrong_words(careful) == []
    assert wrong_words(wrong) == WRONG_WORDS[name]


def test_spans_are_whole_words_inside_sentences_that_are_incorrect() -> None:
    for sentence in sentences_of(*ROWS):
        text, spans = sentence["text"], sentence.get("spans", [])
        assert bool(spans) == (sentence["label"] == "incorrect")
        assert list(dict.fromkeys(span["error_type"] for span in spans)) == sentence.get("error_types", [])
        for start, end in ((span["start"], span["end"]) for span in spans):
            assert re.compile(rf"\b{re.escape(text[start:end])}\b").match(text, start)


def test_every_type_has_errors() -> None:
    counts = Counter(error for sentence in sentences_of(*ROWS) for error in sentence.get("error_types", []))
    assert counts == {
        "attribute": 4,
        "object": 3,
        "illusion": 4,
        "direction": 3,
        "number": 3,
        "text": 3,
        "location": 5,
        "relation": 4,
    }
    assert set(counts) == set(ErrorType) - {ErrorType.OTHER}


def test_no_sentence_is_said_twice() -> None:
    said = Counter(sentence["text"] for sentence in sentences_of(*ROWS))
    assert said.most_common(1)[0][1] == 1


def test_the_table_is_imported_without_a_doubt(tmp_path: Path) -> None:
    out = tmp_path / "photographs"
    summary = import_table(TABLE, IMAGES, out)
    dataset = Dataset.open(out)
    assert validate(out) == []
    assert not summary.report
    assert dataset.counts == {
        "images": 9,
        "images_missing": 0,
        "pairs": 18,
        "sentences": 116,
        "correct": 79,
        "incorrect": 28,
        "unknown": 9,
        "unlabelled": 0,
        "incorrect_without_span": 0,
    }
    images = list(dataset.images())
    assert {image.sha256 for image in images} == {documented(4)[name][1] for name in FILES}
    assert {(image.origin, image.licence) for image in images} == {
        (Origin.REAL, "CC0-1.0"),
        (Origin.REAL, "public domain"),
    }
    assert len({pair.cluster_id for pair in dataset.pairs()}) == 9
    stored = [
        (span.error_type.value, sentence.text[span.start : span.end])
        for sentence in dataset.sentences()
        if sentence.label is Label.INCORRECT
        for span in sentence.spans
    ]
    assert sorted(stored) == sorted(words for listed in WRONG_WORDS.values() for words in listed)
