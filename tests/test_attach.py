"""Images that arrive after the import: bytes come, ids stay."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

from alignbench.errors import DatasetError, ImportFileError, StorageError, UsageError
from alignbench.exchange import attach
from alignbench.exchange.attach import attach_images
from alignbench.exchange.halcap import import_halcap
from alignbench.store import Dataset
from alignbench.validate import validate

PLAIN = Path(__file__).parent / "fixtures" / "halcap_plain.jsonl"


def put(path: Path, colour: int = 0) -> None:
    encoded = io.BytesIO()
    Pillow.new("RGB", (5, 4), (colour, 0, 0)).save(encoded, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encoded.getvalue())


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    import_halcap(PLAIN, None, tmp_path / "ds")
    return tmp_path / "ds"


def missing(dataset: Path) -> dict[str, str]:
    """What missing_images.csv says: the expected path by key."""
    if not (dataset / "missing_images.csv").exists():
        return {}
    with (dataset / "missing_images.csv").open(encoding="utf-8", newline="") as text:
        return {row["image_key"]: row["expected_path"] for row in csv.DictReader(text)}


def content(dataset: Path) -> dict[str, bytes]:
    return {str(path.relative_to(dataset)): path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


def test_files_at_the_expected_paths_complete_the_dataset(dataset: Path, tmp_path: Path) -> None:
    before = Dataset.open(dataset)
    pairs, sentences, keys = list(before.pairs()), list(before.sentences()), before.image_keys()
    for colour, path in enumerate(missing(dataset).values()):
        put(tmp_path / "images" / path, colour)
    summary = attach_images(dataset, tmp_path / "images")
    after = Dataset.open(dataset)
    assert (summary.attached, summary.still_missing, summary.mismatched) == (4, 0, 0)
    assert (list(after.pairs()), list(after.sentences()), after.image_keys()) == (pairs, sentences, keys)
    assert summary.digest == after.digest != before.digest
    assert after.shown_digest != before.shown_digest
    assert after.splitter == before.splitter
    assert [image.width for image in after.images()] == [5] * 4
    assert validate(dataset) == []
    assert missing(dataset) == {}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ds", "images"]


def test_the_result_is_that_of_an_import_with_the_images(dataset: Path, tmp_path: Path) -> None:
    for colour, path in enumerate(missing(dataset).values()):
        put(tmp_path / "images" / path, colour)
    attach_images(dataset, tmp_path / "images")
    import_halcap(PLAIN, tmp_path / "images", tmp_path / "at-once", name="halcap_plain")
    assert content(dataset) == content(tmp_path / "at-once")


def test_some_now_and_some_later(dataset: Path, tmp_path: Path) -> None:
    wanted = missing(dataset)
    first, *rest = wanted
    put(tmp_path / "images" / wanted[first])
    summary = attach_images(dataset, tmp_path / "images")
    assert (summary.attached, summary.still_missing) == (1, 3)
    assert list(missing(dataset)) == rest
    for key in rest:
        put(tmp_path / "images" / wanted[key])
    assert attach_images(dataset, tmp_path / "images").attached == 3


def test_an_image_that_is_there_keeps_its_claim_to_its_file(dataset: Path, tmp_path: Path) -> None:
    put(tmp_path / "images" / "images/data_generation/sd/0.png", 1)
    attach_images(dataset, tmp_path / "images")
    # The name alone would fit two images, and it is not the less ambiguous because one of them is there.
    put(tmp_path / "flat" / "0.png", 2)
    with pytest.raises(ImportFileError, match=r"0\.png could be the image of any of"):
        attach_images(dataset, tmp_path / "flat")


def test_a_file_that_is_no_image_is_counted_and_changes_nothing(dataset: Path, tmp_path: Path) -> None:
    path = tmp_path / "images" / "images/data_generation/sd/0.png"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"GIF89a but not really")
    before = content(dataset)
    summary = attach_images(dataset, tmp_path / "images")
    assert (summary.attached, summary.still_missing, summary.mismatched) == (0, 4, 1)
    assert any("images/data_generation/sd/0.png" in line for line in summary.report)
    assert content(dataset) == before


def test_nothing_found_and_nothing_missing_leave_the_dataset_alone(dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    before = content(dataset)
    assert attach_images(dataset, tmp_path / "images").still_missing == 4
    assert content(dataset) == before
    for path in missing(dataset).values():
        put(tmp_path / "images" / path)
    attach_images(dataset, tmp_path / "images")
    complete = content(dataset)
    again = attach_images(dataset, tmp_path / "images")
    assert (again.attached, again.still_missing, again.report) == (0, 0, ())
    assert content(dataset) == complete
    assert json.loads(json.dumps(again.to_json()))["digest"] == again.digest


def test_other_files_in_the_folder_stay(dataset: Path, tmp_path: Path) -> None:
    (dataset / "labels.parquet").write_bytes(b"events")
    (dataset / "notes").mkdir()
    (dataset / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    put(tmp_path / "images" / next(iter(missing(dataset).values())))
    attach_images(dataset, tmp_path / "images")
    assert (dataset / "labels.parquet").read_bytes() == b"events"
    assert (dataset / "notes" / "a.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("step", ["_copy_others", "write_missing", "swap_folder"])
def test_a_disk_that_refuses_leaves_the_dataset_as_it_was(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    put(tmp_path / "images" / next(iter(missing(dataset).values())))
    before = content(dataset)
    monkeypatch.setattr(attach, step, refuse)
    with pytest.raises(StorageError, match="No space left"):
        attach_images(dataset, tmp_path / "images")
    assert content(dataset) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ds", "images"]


def test_wrong_use(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no folder"):
        attach_images(dataset, tmp_path / "none")
    with pytest.raises(DatasetError):
        attach_images(tmp_path / "none", tmp_path)
