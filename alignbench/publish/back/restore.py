"""The way back: from a Hub folder to the dataset folder and the run folders that it was made from."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.errors import DatasetError, PublishError
from alignbench.header import LABELS_FILE, write_header
from alignbench.labelling.events import write_events
from alignbench.publish.back.restored_rows import events_of, images_of, pairs_of
from alignbench.publish.back.restored_runs import ToldRun, same_judgments, told_runs, write_runs
from alignbench.publish.folder.damage import AGAIN
from alignbench.publish.folder.layout import DATASET, LABELS
from alignbench.publish.folder.published import Published, open_published
from alignbench.publish.folder.splits import SplitNumbers
from alignbench.store import Dataset, DatasetWriter, read_header

_DIGESTS = ("counts", "digest", "shown_digest", "labels")


def restore(folder: Path, out: Path, *, runs: Path | None = None, replace: bool = False, check: bool = True) -> Dataset:
    """Write the dataset that a Hub folder was made from, and its runs.

    Images, pairs, sentences and label events come back in the dataset's own order with all their fields, images with
    their bytes; judgments and run.json of every run too, less what was not published of them. All is checked before
    anything is put in its place. At most some row groups are in memory at a time, beside the ids.

    Args:
        folder: A folder that `alignbench publish` wrote, or that was fetched.
        out: The dataset folder to write. It must not hold anything, unless it is a dataset and `replace` is true.
        runs: The folder to write the runs' folders into; other runs may be there, and the same ones, which stay.
        replace: Whether a dataset that stands at `out` is replaced.
        check: Whether the rows must be those that dataset.json counts and whose digests it has. Otherwise the restored
            dataset.json says what the rows say.

    Raises:
        PublishError: The folder is not as it was published: a file is missing, cut off or changed, rows were added or
            lost; or no dataset was published there.
        DatasetError: `out` is occupied, a run is there with other judgments, or another process is writing them.
        StorageError: The disk refused; nothing was written.
    """
    published = open_published(folder)
    told = told_runs(published) if runs is not None else []
    refuse_occupied(out, replace=replace)
    with storage_errors(out), partial_folder(out.resolve()) as home:
        split_of = _write_dataset(published, home / "dataset", check=check)
        if runs is not None and told:
            _place_runs(told, published, Dataset.open(home / "dataset"), split_of, runs)
        swap_folder(home / "dataset", out.resolve())
    return Dataset.open(out)


def refuse_occupied(out: Path, *, replace: bool) -> None:
    """DatasetError where no dataset may be written to `out`."""
    DatasetWriter(out, name="-", replace=replace)  # which says so at once


def _write_dataset(published: Published, out: Path, *, check: bool) -> SplitNumbers:
    """Write the dataset folder; returns (sentences,) the number of each sentence's split."""
    header = published.header
    split_of: list[int] = []
    number = {split: place for place, split in enumerate(published.splits)}
    try:
        settled = {name: header[name] for name in ("name", "version", "splitter")}
        with DatasetWriter(out, **settled) as writer:
            for image in images_of(published):
                writer.add_image(image)
            for split, pair, sentences in pairs_of(published):
                writer.add_pair(pair, sentences)
                split_of += [number[split]] * len(sentences)
    except DatasetError as error:
        raise PublishError(f"{published.folder} is not as it was published: {error}\n{AGAIN}") from error
    found = read_header(out)
    if LABELS in published.rows:
        found["labels"] = write_events(out / LABELS_FILE, events_of(published), header["labels"]["rule"])
    if check:
        _check_same(header, found, published.folder)
        found = dict(header)
    write_header(out, found)
    return np.array(split_of, np.int16)


def _check_same(said: Mapping[str, Any], found: Mapping[str, Any], folder: Path) -> None:
    wrong = [name for name in _DIGESTS if said.get(name) != found.get(name)]
    if wrong:
        lines = "".join(
            f"\n  {name}: {DATASET} says {said.get(name)}, the rows say {found.get(name)}" for name in wrong
        )
        raise PublishError(
            f"{folder} is not as it was published, its rows are others:{lines}\n"
            f"run `alignbench verify {folder}` to see which numbers differ; or {AGAIN}"
        )


def _place_runs(
    told: list[ToldRun], published: Published, dataset: Dataset, split_of: SplitNumbers, runs: Path
) -> None:
    """Write the runs beside their places, then put all of them there; one that is there already stays."""
    ids = dataset.sentences_table(["sentence_id"])["sentence_id"].combine_chunks()
    with partial_folder((runs / f"{dataset.shown_digest[:8]}-restored").resolve()) as home:
        written = write_runs(told, published, ids, split_of, home)
        fresh = [folder for folder in written if not (runs / folder.name).exists()]
        other = [
            folder.name for folder in written if folder not in fresh and not same_judgments(folder, runs / folder.name)
        ]
        if other:
            raise DatasetError(f"{runs / other[0]} is there with other judgments; remove it or choose another --runs")
        for folder in fresh:
            swap_folder(folder, (runs / folder.name).resolve())
