from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignbench import parquet
from alignbench.errors import DatasetError, ImageError
from alignbench.store import Dataset, DatasetWriter, image_of, sentence_id_of
from alignbench.text import SPLITTER, split_sentences
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Pair, Sentence, Span, Votes
from alignbench.validate import validate
from tests.datasets import PRODUCERS, make_dataset, make_image, make_noise, make_pair, png, tree, write


def test_what_is_written_is_read(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", missing=[2])
    images = [make_image(number, missing=number == 2) for number in range(4)]
    rows = [make_pair(image, producer, number) for number, image in enumerate(images) for producer in PRODUCERS]
    assert list(dataset.images()) == images
    assert dataset.image_keys() == [image.image_key for image in images]
    assert list(dataset.pairs()) == [pair for pair, _ in rows]
    assert list(dataset.sentences()) == [sentence for _, sentences in rows for sentence in sentences]
    assert dataset.pairs_table(["pair_id"]).column_names == ["pair_id"]
    assert dataset.sentences_table().num_rows == dataset.counts["sentences"] == 24
    assert (dataset.name, dataset.version, dataset.splitter) == ("tiny", "0.1.0", dict(SPLITTER))


def test_the_header_counts_every_kind_of_row(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "d", name="counts", splitter=None) as writer:
        image = make_image(0)
        writer.add_image(image)
        writer.add_image(make_image(1, missing=True))
        pair, sentences = make_pair(image, PRODUCERS[0], 0)
        writer.add_pair(pair, [replace(sentences[0], spans=()), *sentences[1:]])
        writer.add_pair(*make_pair(make_image(1), PRODUCERS[1], 1))
        writer.add_pair(*make_pair(image, PRODUCERS[1], 0, labelled=False))
    assert json.loads((tmp_path / "d" / "dataset.json").read_text())["splitter"] is None
    assert Dataset.open(tmp_path / "d").counts == {
        "images": 2,
        "images_missing": 1,
        "pairs": 3,
        "sentences": 9,
        "correct": 3,
        "incorrect": 2,
        "unknown": 1,
        "unlabelled": 3,
        "incorrect_without_span": 1,
    }


def test_image_of_keeps_the_bytes() -> None:
    encoded = png(size=(5, 3))
    image = image_of(encoded, source="tests", origin=Origin.GENERATED, provenance={"seed": 1})
    assert (image.bytes, image.width, image.height) == (encoded, 5, 3)
    assert image.image_key == image.sha256
    assert image_of(encoded, source="tests", origin=Origin.REAL, key="tests:a").image_key == "tests:a"
    with pytest.raises(ImageError):
        image_of(encoded[:-30], source="tests", origin=Origin.REAL)


# ---- any dataset that keeps the rules survives, whatever its text

CAPTIONS = st.text(max_size=30) | st.lists(
    st.sampled_from(["A dog. ", "é\u0301 ", "👨\u200d👩\u200d👧. ", "No. 5\n", "猫。", "“Go.” ", "\u00a0"]), max_size=5
).map("".join)
MARKS = st.sampled_from([None, Label.CORRECT, Label.UNKNOWN, Label.INCORRECT])


@st.composite
def sentences_of(draw: st.DrawFn, pair: Pair) -> list[Sentence]:
    sentences = []
    for index, (start, end) in enumerate(split_sentences(pair.caption)):
        sentence = Sentence(
            sentence_id_of(pair.pair_id, index), pair.pair_id, index, start, end, pair.caption[start:end]
        )
        label = draw(MARKS)
        if label is Label.INCORRECT and draw(st.booleans()):
            kind = draw(st.sampled_from(ErrorType))
            first = draw(st.integers(0, end - start - 1))
            spans = (Span(first, draw(st.integers(first + 1, end - start)), kind),)
            sentence = replace(sentence, error_types=(kind,), spans=spans, votes=Votes(0, 3, 0, 1.0, None))
        sentences.append(replace(sentence, label=label))
    return sentences


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_dataset_that_keeps_the_rules_survives(data: st.DataObject, tmp_path: Path) -> None:
    folder = tmp_path / "any"
    shutil.rmtree(folder, ignore_errors=True)
    count = data.draw(st.integers(1, 3))
    images = [make_image(number, missing=data.draw(st.booleans())) for number in range(count)]
    captions = ["A dog."] + [data.draw(CAPTIONS) for _ in images[1:]]
    rows = []
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        maker = ModelRef(f"m{number}", family=data.draw(st.none() | st.text(max_size=5)))
        pair = Pair(f"p{number}", image.image_key, caption, maker, Direction.IMAGE_TO_TEXT, None, f"c{number}")
        rows.append((pair, data.draw(sentences_of(pair))))
    with DatasetWriter(folder, name="any") as writer:
        for image, (pair, sentences) in zip(images, rows, strict=True):
            writer.add_image(image)
            writer.add_pair(pair, sentences)
    dataset = Dataset.open(folder)
    assert list(dataset.images()) == images
    assert list(dataset.pairs()) == [pair for pair, _ in rows]
    assert list(dataset.sentences()) == [sentence for _, sentences in rows for sentence in sentences]
    assert validate(folder) == []


# ---- bytes and digests


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    make_dataset(tmp_path / "a", images=70, missing=[3])
    make_dataset(tmp_path / "b", images=70, missing=[3])
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_a_dataset_read_and_written_again_is_the_same_file_for_file(tmp_path: Path, dataset: Dataset) -> None:
    with DatasetWriter(tmp_path / "again", name=dataset.name, version=dataset.version) as writer:
        for image in dataset.images():
            writer.add_image(image)
        sentences = list(dataset.sentences())
        for pair in dataset.pairs():
            writer.add_pair(pair, [sentence for sentence in sentences if sentence.pair_id == pair.pair_id])
    assert tree(tmp_path / "again") == tree(dataset.path)


def test_digests_do_not_depend_on_the_layout_of_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset
) -> None:
    monkeypatch.setattr(parquet, "ROWS_PER_GROUP", 5)
    monkeypatch.setattr(parquet, "IMAGES_PER_GROUP", 1)
    other = make_dataset(tmp_path / "other")
    assert pq.ParquetFile(other.path / "pairs.parquet").num_row_groups == 2
    assert (other.digest, other.shown_digest) == (dataset.digest, dataset.shown_digest)


Change = Callable[[Image, Pair, list[Sentence]], tuple[Image, Pair, list[Sentence]]]


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        pytest.param(
            lambda i, p, s: (i, p, [replace(x, label=None, error_types=(), spans=()) for x in s]), False, id="label"
        ),
        pytest.param(lambda i, p, s: (i, replace(p, producer=ModelRef("other")), s), False, id="producer"),
        pytest.param(lambda i, p, s: (replace(i, licence="CC0-1.0"), p, s), False, id="licence"),
        pytest.param(lambda i, p, s: (i, p, s[:-1]), True, id="a sentence less"),
        pytest.param(lambda i, p, s: (i, replace(p, caption=p.caption + " "), s), True, id="caption"),
        pytest.param(lambda i, p, s: (make_image(0, missing=True), p, s), True, id="image bytes"),
    ],
)
def test_only_what_a_judge_sees_is_in_the_shown_digest(tmp_path: Path, change: Change, shown: bool) -> None:
    image = make_image(0)
    row = (image, *make_pair(image, PRODUCERS[0], 0))
    digests = []
    for number, (seen, pair, sentences) in enumerate((row, change(*row))):
        dataset = write(tmp_path / str(number), seen, (pair, sentences))
        digests.append((dataset.digest, dataset.shown_digest))
    assert digests[0][0] != digests[1][0]
    assert (digests[0][1] != digests[1][1]) is shown


# ---- large datasets stream


def test_a_dataset_of_many_megabytes_is_written_and_read_a_row_group_at_a_time(tmp_path: Path) -> None:
    before, held = pa.total_allocated_bytes(), 0
    with DatasetWriter(tmp_path / "noise", name="noise") as writer:
        for number in range(240):
            image = make_noise(number, 250_000)
            writer.add_image(image)
            writer.add_pair(*make_pair(image, PRODUCERS[0], number))
            held = max(held, pa.total_allocated_bytes() - before)
    dataset = Dataset.open(tmp_path / "noise")
    stored = sum(path.stat().st_size for path in dataset.path.rglob("*.parquet"))
    assert stored > 60_000_000
    assert held < 2 * parquet.GROUP_BYTES
    before, held, read = pa.total_allocated_bytes(), 0, 0
    for image in dataset.images():
        held = max(held, pa.total_allocated_bytes() - before)
        read += len(image.bytes or b"")
    assert read == 240 * 250_000
    assert held < 2 * parquet.GROUP_BYTES
    assert pa.total_allocated_bytes() - before < 1_000_000


def test_only_the_row_groups_with_wanted_images_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "IMAGES_PER_GROUP", 2)
    dataset = make_dataset(tmp_path / "d", images=9)
    read: list[int] = []
    real = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: list[str] | None = None, **options: Any) -> pa.Table:
        if columns is None:
            read.append(group)
        return real(self, group, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    wanted = ["tests:7", "tests:3", "tests:6", "not there"]
    assert [image.image_key for image in dataset.images(wanted)] == ["tests:3", "tests:6", "tests:7"]
    assert read == [1, 3]


# ---- folders that are no datasets


def header_with(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        header = json.loads((folder / "dataset.json").read_text()) | fields
        kept = {name: value for name, value in header.items() if value is not ...}
        (folder / "dataset.json").write_text(json.dumps(kept))

    return change


def write_file(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def cut_off(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def other_columns(folder: Path) -> None:
    pq.write_table(pa.table({"pair_id": [1], "colour": ["red"]}), folder / "pairs.parquet")


def fewer_rows(folder: Path) -> None:
    table = pq.read_table(folder / "pairs.parquet")
    pq.write_table(table.slice(0, 3), folder / "pairs.parquet")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        pytest.param(shutil.rmtree, "give a folder that `alignbench generate`", id="no folder"),
        pytest.param(lambda d: (d / "dataset.json").unlink(), "it has no dataset.json", id="no header"),
        pytest.param(write_file("dataset.json", b"{"), "dataset.json cannot be read", id="header cut off"),
        pytest.param(write_file("dataset.json", b"\xff"), "dataset.json cannot be read", id="header not text"),
        pytest.param(write_file("dataset.json", b"[]"), "it is not a JSON object", id="header a list"),
        pytest.param(header_with(schema_version=2), "schema_version is 2, this alignbench reads 1", id="newer"),
        pytest.param(header_with(digest=...), "digest is missing", id="no digest"),
        pytest.param(header_with(counts={"pairs": 8}), "counts does not have a number", id="no counts"),
        pytest.param(header_with(name=""), "name is not a string, or empty", id="no name"),
        pytest.param(header_with(splitter="me"), "splitter is neither null", id="splitter"),
        pytest.param(lambda d: (d / "pairs.parquet").unlink(), "cannot be read.*alignbench validate", id="no pairs"),
        pytest.param(cut_off("sentences.parquet"), "cannot be read.*alignbench validate", id="sentences cut off"),
        pytest.param(cut_off("images/part-00000.parquet"), "cannot be read.*alignbench validate", id="images cut off"),
        pytest.param(other_columns, "'caption' is missing.*'colour' is not known.*'pair_id' is int64", id="columns"),
        pytest.param(fewer_rows, "holds 3 pairs, but its dataset.json counts 8; run `alignbench validate", id="rows"),
        pytest.param(lambda d: shutil.rmtree(d / "images"), "holds 0 images", id="no images"),
    ],
)
def test_a_folder_that_is_no_dataset_is_an_error_that_says_what_to_do(
    dataset: Dataset, damage: Callable[[Path], None], message: str
) -> None:
    damage(dataset.path)
    with pytest.raises(DatasetError, match=f"{dataset.path}.*{message}"):
        Dataset.open(dataset.path)


def test_an_empty_dataset_is_an_error(dataset: Dataset) -> None:
    table = pq.read_table(dataset.path / "sentences.parquet")
    pq.write_table(table.slice(0, 0), dataset.path / "sentences.parquet")
    header_with(counts={**dataset.counts, "sentences": 0})(dataset.path)
    with pytest.raises(DatasetError, match="empty dataset"):
        Dataset.open(dataset.path)


def test_a_dataset_that_an_interrupted_write_left_aside_is_found(tmp_path: Path, dataset: Dataset) -> None:
    dataset.path.rename(tmp_path / ".tiny.old")
    with pytest.raises(DatasetError, match=r"cut short left .*\.tiny\.old: move it back"):
        Dataset.open(dataset.path)


@pytest.mark.parametrize("file", ["pairs.parquet", "sentences.parquet", "images/part-00000.parquet"])
def test_a_byte_that_flipped_is_an_error_and_never_another_row(dataset: Dataset, file: str) -> None:
    path, rng = dataset.path / file, random.Random(file)
    whole = path.read_bytes()
    rows = (list(dataset.pairs()), list(dataset.sentences()), list(dataset.images()))
    body = len(whole) - int.from_bytes(whole[-8:-4], "little") - 8  # the pages; what follows describes them
    refused = 0
    for place in rng.sample(range(4, body), 80):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << rng.randrange(8))]) + whole[place + 1 :])
        try:
            assert (list(dataset.pairs()), list(dataset.sentences()), list(dataset.images())) == rows
        except DatasetError as error:
            refused += "alignbench validate" in str(error)
    assert refused > 40
