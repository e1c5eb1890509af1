"""Adds bytes that arrived later to the images of a dataset."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.exchange.arrivals import MISSING_IMAGES, UNREADABLE, filled, find_images, write_missing
from alignbench.exchange.notes import Notes
from alignbench.exchange.pictures import check_folder
from alignbench.exchange.summary import AttachSummary
from alignbench.header import read_header, write_header
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Image, Pair, Sentence

# What a rewritten dataset has anew; all else in its folder is copied.
_OWN = ("dataset.json", "images", "pairs.parquet", "sentences.parquet", MISSING_IMAGES)


def attach_images(dataset: Path, images_dir: Path) -> AttachSummary:
    """Give the missing images of a dataset their bytes from a folder; no id changes.

    Files are found as by the import: at the `expected_path` that `missing_images.csv` lists, or where the folder is one
    above or below the one that was meant. The dataset is written anew beside its place and then put there, so that it
    is whole at any moment; its digest changes, so earlier runs do not fit it any more. Label events and other files in
    the folder stay. Where nothing arrived, nothing is written.

    Raises:
        UsageError: There is no such folder of images.
        DatasetError: `dataset` is no dataset, or another process is writing it.
        ImportFileError: It is not clear which file is which image.
        StorageError: The disk refused; the dataset is as it was.
    """
    check_folder(images_dir)
    opened = Dataset.open(dataset)
    notes = Notes()
    missing = opened.counts["images_missing"]
    files = find_images(_without_bytes(opened), images_dir) if missing else {}
    still_missing = _rewrite(dataset, files, notes) if files else missing
    report = [*notes.lines(), *([f"still missing: see {MISSING_IMAGES}"] if still_missing else [])]
    return AttachSummary(
        dataset=dataset,
        digest=Dataset.open(dataset).digest,
        attached=missing - still_missing,
        still_missing=still_missing,
        mismatched=notes.count(UNREADABLE),
        report=tuple(report),
    )


def _without_bytes(dataset: Dataset) -> Iterator[Image]:
    return (dataclasses.replace(image, bytes=None) for image in dataset.images())


def _rewrite(dataset: Path, files: Mapping[str, Path], notes: Notes) -> int:
    """Put the dataset with the bytes of `files` in its place, unless none can be read; how many are missing then.

    Nobody else, such as a recording of labels, writes the dataset meanwhile.
    """
    folder = dataset.resolve()
    missing: list[Image] = []
    with storage_errors(folder), partial_folder(folder) as partial:
        opened = Dataset.open(dataset)
        staged = partial / "dataset"
        with DatasetWriter(staged, name=opened.name, version=opened.version, splitter=opened.splitter) as writer:
            for image in opened.images():
                now = filled(image, files, notes)
                missing += [now] if now.sha256 is None else []
                writer.add_image(now)
            for pair, sentences in _pairs(opened):
                writer.add_pair(pair, sentences)
        if len(missing) < opened.counts["images_missing"]:
            _copy_others(folder, staged)
            if opened.labels is not None:
                write_header(staged, read_header(staged) | {"labels": opened.labels})
            write_missing(staged, missing)
            swap_folder(staged, folder)
    return len(missing)


def _pairs(dataset: Dataset) -> Iterator[tuple[Pair, list[Sentence]]]:
    groups = groupby(dataset.sentences(), key=attrgetter("pair_id"))
    pair_id, sentences = next(groups, (None, iter(())))
    for pair in dataset.pairs():
        if pair.pair_id != pair_id:
            yield pair, []
            continue
        yield pair, list(sentences)
        pair_id, sentences = next(groups, (None, iter(())))


def _copy_others(folder: Path, staged: Path) -> None:
    for entry in folder.iterdir():
        if entry.name in _OWN:
            continue
        if entry.is_dir():
            shutil.copytree(entry, staged / entry.name)
        else:
            shutil.copy2(entry, staged / entry.name)
