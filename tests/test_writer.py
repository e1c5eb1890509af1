from __future__ import annotations

import errno
import os
import resource
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from alignbench import parquet
from alignbench.errors import DatasetError, StorageError
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import ErrorType, Image, Label, Pair, Sentence, Span, Votes
from tests.datasets import PRODUCERS, make_dataset, make_image, make_noise, make_pair, png, tree, write

Change = Callable[[Image, Pair, list[Sentence]], tuple[Image, Pair, list[Sentence]]]


# ---- what it refuses


def test_the_first_image_of_a_key_wins(tmp_path: Path) -> None:
    image = make_image(0)
    pair = make_pair(image, PRODUCERS[0], 0)
    assert list(write(tmp_path / "d", image, replace(image, licence="CC0-1.0"), pair).images()) == [image]


def changed_sentence(**fields: Any) -> Change:
    return lambda image, pair, sentences: (image, pair, [replace(sentences[0], **fields), *sentences[1:]])


def changed_pair(**fields: Any) -> Change:
    return lambda image, pair, sentences: (image, replace(pair, **fields), sentences)


def changed_image(**fields: Any) -> Change:
    return lambda image, pair, sentences: (replace(image, **fields), pair, sentences)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(changed_image(bytes=png((1, 2, 3))), "sha256 that is not that of its bytes", id="sha256"),
        pytest.param(changed_image(image_key="other"), "there is no image 'tests:0'", id="no image"),
        pytest.param(changed_image(provenance={"a": {1}}), "not made of JSON values", id="provenance"),
        pytest.param(changed_image(source="\ud800"), "half a surrogate pair", id="surrogate"),
        pytest.param(changed_pair(caption="Short."), "is not a range of the caption", id="caption"),
        pytest.param(changed_sentence(index=1), "index is 1, but 0 sentences of its pair come before it", id="index"),
        pytest.param(changed_sentence(sentence_id="alpha-cap/tests:0#1"), "comes twice", id="sentence id"),
        pytest.param(changed_sentence(label=Label.CORRECT), "carries no error types", id="label"),
        pytest.param(
            changed_sentence(spans=(Span(0, 999, ErrorType.OBJECT),)), "is not a range of the sentence", id="span"
        ),
        pytest.param(changed_sentence(votes=Votes(2**40, 0, 0)), "does not fit its column", id="too large"),
    ],
)
def test_a_row_that_breaks_a_rule_is_refused(tmp_path: Path, change: Change, message: str) -> None:
    image = make_image(0)
    row = change(image, *make_pair(image, PRODUCERS[0], 0))
    with pytest.raises(DatasetError, match=message):
        write(tmp_path / "d", row[0], row[1:])
    assert list(tmp_path.iterdir()) == []


IMAGE = make_image(0)
PAIR, SENTENCES = make_pair(IMAGE, PRODUCERS[0], 0)


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        pytest.param([], "at least one sentence", id="nothing"),
        pytest.param([IMAGE, (PAIR, [])], "at least one sentence", id="no sentence"),
        pytest.param([IMAGE, replace(make_image(1), image_key="tests:0")], "different bytes", id="two images of a key"),
        pytest.param([IMAGE, (PAIR, SENTENCES), (PAIR, SENTENCES)], "comes twice", id="a pair twice"),
        pytest.param(
            [IMAGE, (PAIR, SENTENCES), make_image(1)], r"'tests:1'.*no pair uses", id="an image without a pair"
        ),
        pytest.param(
            [IMAGE, (PAIR, [replace(SENTENCES[0], index=9, text="No", label=Label.CORRECT)])],
            r"rule index: .*\n.*rule text: .*\n.*rule label-span: .*\n.*rule span: ",
            id="several broken rules",
        ),
    ],
)
def test_rows_that_do_not_fit_together_are_refused(tmp_path: Path, parts: list[Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        write(tmp_path / "d", *parts)
    assert list(tmp_path.iterdir()) == []


def test_a_caller_that_goes_on_after_a_refusal_gets_no_dataset(tmp_path: Path) -> None:
    def go_on() -> None:
        with DatasetWriter(tmp_path / "d", name="d") as writer:
            writer.add_image(IMAGE)
            writer.add_pair(PAIR, SENTENCES)
            with pytest.raises(DatasetError, match="comes twice"):
                writer.add_pair(PAIR, SENTENCES)

    with pytest.raises(DatasetError, match="a row was refused"):
        go_on()
    assert list(tmp_path.iterdir()) == []


# ---- where a dataset may be written


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    assert make_dataset(tmp_path / "d").counts["pairs"] == 8


def test_a_dataset_is_replaced_only_when_told(tmp_path: Path, dataset: Dataset) -> None:
    before = tree(tmp_path)
    with pytest.raises(DatasetError, match="exists already"):
        DatasetWriter(dataset.path, name="d")
    assert write(dataset.path, IMAGE, (PAIR, SENTENCES), replace=True).name == "written"
    assert tree(tmp_path).keys() == before.keys()


def test_a_dataset_behind_a_link_is_replaced_where_it_is(tmp_path: Path, dataset: Dataset) -> None:
    link = tmp_path / "link"
    link.symlink_to(dataset.path)
    write(link, IMAGE, (PAIR, SENTENCES), replace=True)
    assert link.is_symlink()
    assert Dataset.open(dataset.path).name == "written"


@pytest.mark.parametrize("replace", [False, True])
def test_what_is_no_dataset_is_never_replaced(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").touch()
    for path, message in (
        (tmp_path / "thesis", "choose another --out"),
        (tmp_path / "thesis" / "chapter.tex", "a file"),
    ):
        with pytest.raises(DatasetError, match=message):
            DatasetWriter(path, name="d", replace=replace)


@pytest.mark.parametrize("names", [{"name": ""}, {"name": "d", "version": ""}])
def test_a_dataset_has_a_name_and_a_version(tmp_path: Path, names: dict[str, str]) -> None:
    with pytest.raises(DatasetError, match="needs a name and a version"):
        DatasetWriter(tmp_path / "d", **names)


# ---- a disk that refuses


def test_an_exception_leaves_the_old_dataset_and_nothing_else(tmp_path: Path, dataset: Dataset) -> None:
    before = tree(tmp_path)

    def fail() -> None:
        with DatasetWriter(dataset.path, name="new", replace=True) as writer:
            writer.add_image(IMAGE)
            raise KeyError("half")

    with pytest.raises(KeyError, match="half"):
        fail()
    assert tree(tmp_path) == before


@pytest.mark.parametrize(("number", "advice"), [(errno.ENOSPC, "free some space"), (errno.EROFS, "another --out")])
@pytest.mark.parametrize(("owner", "call"), [(os, "fsync"), (Path, "rename"), (Path, "write_text"), (Path, "mkdir")])
def test_a_refused_write_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dataset: Dataset, owner: Any, call: str, number: int, advice: str
) -> None:
    before = tree(tmp_path)

    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(owner, call, refuse)
    with pytest.raises(StorageError, match=f"{dataset.path} could not be written.*{advice}"):
        write(dataset.path, IMAGE, (PAIR, SENTENCES), replace=True)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("images", [3, 100])
def test_a_disk_that_fills_up_while_rows_are_written_loses_nothing(
    tmp_path: Path, dataset: Dataset, images: int
) -> None:
    """The kernel itself refuses the write, as it would on a full disk; here for a limit on the size of files."""
    noise = [make_noise(number, 10_000) for number in range(images)]
    parts = [part for image in noise for part in (image, make_pair(image, PRODUCERS[0], 0))]
    before, limits = tree(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="could not be written: File too large; nothing that was there is lost"):
            write(dataset.path, *parts, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert tree(tmp_path) == before


# ---- how the files are laid out


def test_row_groups_and_shards_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10_000)
    monkeypatch.setattr(parquet, "SHARD_BYTES", 30_000)
    sizes = [4_000, 4_000, 4_000, 25_000, 100, 40_000, 3_000, *[100] * 70]
    noise = [make_noise(number, size) for number, size in enumerate(sizes)]
    dataset = write(tmp_path / "d", *(part for image in noise for part in (image, make_pair(image, PRODUCERS[0], 0))))
    groups = []
    for path in sorted((tmp_path / "d" / "images").iterdir()):
        file = pq.ParquetFile(path)
        columns = [file.read_row_group(group).column("bytes").to_pylist() for group in range(file.num_row_groups)]
        groups.append([[len(encoded) for encoded in column] for column in columns])
    assert groups == [
        [[4_000, 4_000], [4_000]],
        [[25_000], [100]],
        [[40_000]],
        [[3_000, *[100] * 63], [100] * 7],
    ]
    assert dataset.image_keys() == [image.image_key for image in noise]


def test_image_columns_are_stored_as_the_contract_says(dataset: Dataset) -> None:
    group = pq.ParquetFile(dataset.path / "images" / "part-00000.parquet").metadata.row_group(0)
    columns = {group.column(n).path_in_schema: group.column(n) for n in range(group.num_columns)}
    assert columns["bytes"].compression == "UNCOMPRESSED"
    assert "PLAIN" in columns["bytes"].encodings
    assert not any("DICTIONARY" in encoding for encoding in columns["bytes"].encodings)
    assert columns["source"].compression == "ZSTD"
    assert columns["source"].has_offset_index
