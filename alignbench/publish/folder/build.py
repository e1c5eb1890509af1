"""The Hub folder of a dataset: its data, and what says what they are."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from alignbench.atomic import storage_errors
from alignbench.cards import card_file
from alignbench.errors import PublishError
from alignbench.evaluate import evaluation_of
from alignbench.header import HEADER
from alignbench.publish.folder import layout
from alignbench.publish.folder.pair_files import write_pairs
from alignbench.publish.folder.published import PUBLICATION_KEY
from alignbench.publish.folder.published_runs import PublishedRun, published_runs
from alignbench.publish.folder.splits import SPLIT_SEED, assign
from alignbench.publish.folder.text_files import splits_of_sentences, write_judgments, write_labels, write_sentences
from alignbench.store import Dataset


class Splitting(Protocol):
    """As much of a publication as the data depend on."""

    @property
    def splits(self) -> Mapping[str, float]:
        """The name and the share of every split."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """A Hub folder with its data.

    Attributes:
        folder: Where it is.
        dataset: What was built from.
        rows: How many rows each config has in each split, as `rows[config][split]`.
        results: What results.json says; null without runs.
        refused: Why runs of the dataset are not among what is published, by folder name.
    """

    folder: Path
    dataset: Dataset
    rows: Mapping[str, Mapping[str, int]]
    results: Mapping[str, Any] | None
    refused: Mapping[str, str]


def build_data(
    dataset: Dataset,
    runs: Path | None,
    publication: Splitting,
    folder: Path,
    *,
    said: str | None = None,
    seed: int = 0,
    replicates: int = 2000,
) -> Built:
    """Fill a folder with the data, dataset.json, the guidelines and, with runs, judges.json and results.json.

    The card, facts.json, the change log and the checksums come later; `front_matter` says what the card's YAML needs.
    The same dataset, runs and publication give the same bytes. Not more than some row groups are in memory at a time,
    beside the ids and what `evaluate` takes.

    Args:
        dataset: What is published.
        runs: A folder of run folders, of which every finished run of the dataset is published.
        publication: Which splits there are.
        folder: An empty folder.
        said: The text of publication.yaml, which is published as it is.
        seed: Of the resampling behind results.json.
        replicates: How often clusters are resampled there.

    Raises:
        PublishError: The folder is not empty, or a split would be.
        DatasetError: The dataset is damaged.
        RunError: No run can be used, or a finished one is damaged.
        DatasetChangedError: No run can be used, because the dataset has changed since.
        StorageError: The disk refused.
    """
    if not folder.is_dir() or any(folder.iterdir()):
        raise PublishError(f"{folder} is not an empty folder; give one")
    splits, split_of = list(publication.splits), assign(dataset, publication.splits)
    sentence_ids, split_of_sentence = splits_of_sentences(dataset, split_of)
    published, refused = published_runs(dataset, runs, sentence_ids) if runs else ([], {})
    results = None if runs is None else published_results(dataset, runs, seed=seed, replicates=replicates)
    with storage_errors(folder):
        counts = {
            layout.PAIRS: write_pairs(dataset, folder, splits, split_of),
            layout.SENTENCES: write_sentences(dataset, folder, splits, split_of),
        }
        if published:
            counts[layout.JUDGMENTS] = write_judgments(published, folder, splits, sentence_ids, split_of_sentence)
        if dataset.labels is not None:
            counts[layout.LABELS] = write_labels(dataset, folder, splits, sentence_ids, split_of_sentence)
        rows = {config: dict(zip(splits, numbers, strict=True)) for config, numbers in counts.items()}
        _write_texts(folder, _header(dataset, publication, rows), published, results, said)
    return Built(folder, dataset, rows, results, refused)


def published_results(dataset: Dataset, runs: Path, *, seed: int, replicates: int) -> dict[str, Any]:
    """The results of what is published: runs that are not published leave no trace, so that anybody gets the same."""
    results = evaluation_of(dataset, runs, seed=seed, replicates=replicates).results
    return results | {"refused": {}, "runs_of_other_datasets": 0}


def _header(dataset: Dataset, publication: Splitting, rows: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    header = json.loads((dataset.path / HEADER).read_text(encoding="utf-8"))
    splits = {
        split: {"share": share, **{config: numbers[split] for config, numbers in rows.items()}}
        for split, share in publication.splits.items()
    }
    return {
        **header,
        "version": dataset.version,
        PUBLICATION_KEY: {"layout": layout.LAYOUT_VERSION, "split_seed": SPLIT_SEED, "splits": splits},
    }


def _write_texts(
    folder: Path,
    header: Mapping[str, Any],
    published: list[PublishedRun],
    results: Mapping[str, Any] | None,
    said: str | None,
) -> None:
    _write_json(folder / layout.DATASET, header)
    if results is not None:
        runs = [{"name": run.name, **run.description} for run in published]
        _write_json(folder / layout.JUDGES, {"runs": runs}, ordered=True)
        _write_json(folder / layout.RESULTS, results)
    if said is not None:
        (folder / layout.PUBLICATION).write_bytes(said.encode())
    for name in (layout.GUIDELINES, layout.ERROR_TYPES):
        shutil.copyfile(card_file(name), folder / name)


def _write_json(path: Path, value: Mapping[str, Any], *, ordered: bool = False) -> None:
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, sort_keys=ordered)
    path.write_text(text + "\n", encoding="utf-8", newline="\n")
