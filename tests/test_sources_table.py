from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench.errors import AlignbenchError, ImportFileError, UsageError
from alignbench.types import Image, Origin, Status
from generation.parts import image_source
from generation.protocols import Site, Unusable
from generation.sources import parquet_rows
from generation.sources.table import TableSource
from tests.awkward_pictures import bomb, encode, picture

PICTURES = [encode(picture(number)) for number in range(40)]
HUB_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write(path: Path, cells: Sequence[Any], kind: pa.DataType = HUB_IMAGE, **columns: Sequence[Any]) -> Path:
    """A parquet file with row groups of three."""
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table({"image": pa.array(cells, kind), **columns})
    pq.write_table(table, path, row_group_size=3)
    return path


def hub(numbers: Sequence[int]) -> list[dict[str, Any]]:
    return [{"bytes": PICTURES[number], "path": f"{number}.png"} for number in numbers]


def source_of(folder: Path, path: str, **options: Any) -> TableSource:
    return TableSource.from_options(Site(folder, folder / "site"), path=path, **options)


def images_of(outcomes: Sequence[Image | Unusable]) -> list[Image]:
    return [each for each in outcomes if isinstance(each, Image)]


def numbers_of(outcomes: Sequence[Image | Unusable]) -> list[int]:
    return [PICTURES.index(image.bytes or b"") for image in images_of(outcomes)]


def test_rows_come_with_what_they_say(tmp_path: Path) -> None:
    said = {"rights": ["CC-BY-4.0", None], "topic": ["Food", "n/a"], "key": [17, 18]}
    write(tmp_path / "set.parquet", hub([0, 1]), **said)
    columns = {"licence_column": "rights", "domain_column": "topic", "id_column": "key"}
    first, second = images_of(list(source_of(tmp_path, "set.parquet", licence="none", **columns).images(None, 0)))
    assert first.bytes == PICTURES[0] and first.image_key == first.sha256
    assert (first.source, first.licence, first.origin) == ("set", "CC-BY-4.0", Origin.REAL)
    assert first.provenance == {"file": "set.parquet", "row": 1, "path": "0.png", "id": "17", "domain": "Food"}
    assert second.licence == "none" and "domain" not in second.provenance


@pytest.mark.parametrize(
    "kind", [pa.binary(), pa.large_binary(), pa.binary_view(), pa.dictionary(pa.int32(), pa.binary())]
)
def test_plain_bytes_are_images_too(tmp_path: Path, kind: pa.DataType) -> None:
    write(tmp_path / "set.parquet", PICTURES[:5], kind)
    assert numbers_of(list(source_of(tmp_path, "set.parquet").images(None, 0))) == [0, 1, 2, 3, 4]


def test_files_come_from_a_folder_or_a_pattern(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        write(tmp_path / f"set/below/train-{number}.parquet", hub([number * 2, number * 2 + 1]))
    write(tmp_path / "set/test-0.parquet", hub([20]))
    write(tmp_path / "set/.hidden/x.parquet", hub([30]))
    (tmp_path / "set/readme.md").write_text("a set")
    outcomes = list(source_of(tmp_path, "set").images(None, 0))
    assert numbers_of(outcomes) == [0, 1, 2, 3, 4, 5, 20]
    assert (
        images_of(outcomes)[0].provenance["file"] == "below/train-0.parquet" and images_of(outcomes)[0].source == "set"
    )
    assert numbers_of(list(source_of(tmp_path, "set/**/train-*.parquet").images(None, 0))) == [0, 1, 2, 3, 4, 5]
    absolute = images_of(list(source_of(tmp_path, str(tmp_path / "set/*.parquet")).images(None, 0)))
    assert [image.provenance["file"] for image in absolute] == ["test-0.parquet"]
    assert str(tmp_path) not in json.dumps([dict(image.provenance) for image in absolute])


def test_a_draw_is_the_same_for_a_seed(tmp_path: Path) -> None:
    for part in range(4):
        write(tmp_path / f"set/{part}.parquet", hub(range(part * 10, part * 10 + 10)))
    drawn = {seed: numbers_of(list(source_of(tmp_path, "set").images(7, seed))) for seed in range(6)}
    assert {seed: numbers_of(list(source_of(tmp_path, "set").images(7, seed))) for seed in range(6)} == drawn
    assert len({tuple(numbers) for numbers in drawn.values()}) == 6
    assert all(len(set(numbers)) == 7 for numbers in drawn.values())
    assert {number // 10 for numbers in drawn.values() for number in numbers} == {0, 1, 2, 3}, "of all files"


def test_a_draw_goes_on_past_what_is_unusable(tmp_path: Path) -> None:
    cells = hub(range(12))
    for number in range(0, 12, 2):
        cells[number]["bytes"] = b"damaged"
    write(tmp_path / "set.parquet", cells)
    outcomes = list(source_of(tmp_path, "set.parquet").images(5, 3))
    assert len(images_of(outcomes)) == 5 and all(number % 2 for number in numbers_of(outcomes))
    everything = list(source_of(tmp_path, "set.parquet").images(100, 3))
    assert len(images_of(everything)) == 6 and len(everything) == 12


def test_only_row_groups_with_a_drawn_row_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "set.parquet", hub(range(40)))
    groups: list[int] = []
    read = parquet_rows._group_rows
    monkeypatch.setattr(parquet_rows, "_group_rows", lambda *said: groups.append(said[1]) or read(*said))
    outcomes = list(source_of(tmp_path, "set.parquet").images(4, 0))
    assert sorted({number // 3 for number in numbers_of(outcomes)}) == groups


def test_every_row_ends_as_an_image_or_a_status(tmp_path: Path) -> None:
    secret = tmp_path / "secret.png"
    secret.write_bytes(PICTURES[30])
    cells: list[Any] = [
        {"bytes": PICTURES[0], "path": "/home/somebody/a.png"},
        {"bytes": None, "path": str(secret)},
        {"bytes": None, "path": None},
        None,
        {"bytes": b"", "path": None},
        {"bytes": PICTURES[0], "path": "the same again.png"},
        {"bytes": b"<html>", "path": "page.png"},
        {"bytes": bomb(30_000), "path": "bomb.png"},
        {"bytes": PICTURES[1], "path": "../../etc/passwd"},
        {"bytes": PICTURES[2], "path": "new\nline.png"},
    ]
    write(tmp_path / "set.parquet", cells)
    outcomes = list(source_of(tmp_path, "set.parquet").images(None, 0))
    assert numbers_of(outcomes) == [0, 1, 2]
    assert [image.provenance.get("path") for image in images_of(outcomes)] == [None, None, "new\\nline.png"]
    found = {each.name: (each.status, each.reason) for each in outcomes if isinstance(each, Unusable)}
    for row, (kind, words) in {
        2: (Status.IMAGE_MISSING, "paths in a table are not opened"),
        3: (Status.IMAGE_MISSING, "it has no bytes"),
        4: (Status.IMAGE_MISSING, "it has no bytes"),
        5: (Status.IMAGE_UNREADABLE, "0 bytes"),
        6: (Status.FILTERED, "the same bytes as set.parquet row 1"),
        7: (Status.IMAGE_UNREADABLE, "not a whole image"),
        8: (Status.IMAGE_UNREADABLE, "at most 64,000,000 pixels"),
    }.items():
        assert found[f"set.parquet row {row}"][0] is kind and words in found[f"set.parquet row {row}"][1]


def test_a_row_that_is_too_large_is_told(tmp_path: Path) -> None:
    write(tmp_path / "set.parquet", hub([0, 1]))
    outcomes = list(source_of(tmp_path, "set.parquet", max_bytes=10).images(None, 0))
    assert all(isinstance(each, Unusable) and "at most 10 bytes" in each.reason for each in outcomes)


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"path": "nowhere.parquet"}, UsageError, "no parquet file"),
        ({"path": "none/*.parquet"}, UsageError, "no parquet file"),
        ({"path": "empty"}, UsageError, "no parquet file"),
        ({"path": "set.parquet", "image_column": "picture"}, UsageError, "'picture'.*image_column"),
        ({"path": "set.parquet", "image_column": "topic"}, UsageError, "holds string, no bytes"),
        ({"path": "set.parquet", "licence_column": "licence"}, UsageError, "licence_column"),
        ({"path": "text.parquet"}, ImportFileError, "cannot be read as parquet"),
        ({"path": "set.parquet", "max_pixels": 0}, UsageError, "max_pixels"),
    ],
)
def test_options_and_files_that_make_no_sense_are_refused(
    tmp_path: Path, options: dict[str, Any], kind: type[AlignbenchError], words: str
) -> None:
    write(tmp_path / "set.parquet", hub([0]), topic=["Food"])
    (tmp_path / "text.parquet").write_text("no parquet")
    (tmp_path / "empty").mkdir()
    with pytest.raises(kind, match=words):
        image_source("table", Site(tmp_path, tmp_path / "site"), options)


def test_a_damaged_file_is_an_error_of_its_own(tmp_path: Path) -> None:
    file = write(tmp_path / "set.parquet", hub(range(10)))
    content = bytearray(file.read_bytes())
    content[100:400] = bytes(300)
    file.write_bytes(bytes(content))
    with pytest.raises(ImportFileError, match="cannot be read as parquet"):
        list(source_of(tmp_path, "set.parquet").images(None, 0))
