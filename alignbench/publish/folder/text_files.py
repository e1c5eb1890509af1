"""The published tables without images: sentences, label events, judgments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.errors import DatasetError
from alignbench.header import LABELS_FILE
from alignbench.parquet import open_parquet
from alignbench.publish.folder.damage import reading_dataset
from alignbench.publish.folder.features import EVENT_ROW
from alignbench.publish.folder.layout import JUDGMENTS, LABELS, SENTENCES
from alignbench.publish.folder.published_runs import PublishedRun
from alignbench.publish.folder.splits import SplitNumbers
from alignbench.publish.folder.tables import TextFiles
from alignbench.store import Dataset

_BATCH = 16_384

_Part = tuple[pa.Table, SplitNumbers]
"""Rows, and the number of the split of each."""


def write_sentences(dataset: Dataset, folder: Path, splits: Sequence[str], split_of: SplitNumbers) -> list[int]:
    """Write the sentences of every split in file order, each with its producer; returns how many each has.

    Args:
        dataset: Whose sentences.
        folder: The Hub folder.
        splits: The names of the splits.
        split_of: (pairs,) the number of each pair's split.
    """
    pairs = dataset.pairs_table(["pair_id", "producer", "direction", "cluster_id"])
    ids = pairs["pair_id"].combine_chunks()
    of_pair = {"producer": pc.struct_field(pairs["producer"].combine_chunks(), "name")}
    of_pair |= {name: pairs[name].combine_chunks() for name in ("direction", "cluster_id")}

    def parts() -> Iterator[_Part]:
        for rows in _batches(dataset.path / "sentences.parquet"):
            place = pc.index_in(rows["pair_id"].combine_chunks(), value_set=ids)
            of_row = {name: values.take(place) for name, values in of_pair.items()}
            columns = {**{name: rows[name] for name in rows.column_names}, **of_row}
            yield pa.table(columns), split_of[place.to_numpy()]

    return _write(folder, SENTENCES, splits, parts())


def splits_of_sentences(dataset: Dataset, split_of: SplitNumbers) -> tuple[pa.Array, SplitNumbers]:
    """The ids of all sentences in file order, and (sentences,) the number of each one's split."""
    sentences = dataset.sentences_table(["sentence_id", "pair_id"])
    ids = dataset.pairs_table(["pair_id"])["pair_id"].combine_chunks()
    place = pc.index_in(sentences["pair_id"].combine_chunks(), value_set=ids)
    return sentences["sentence_id"].combine_chunks(), split_of[place.to_numpy()]


def write_labels(
    dataset: Dataset, folder: Path, splits: Sequence[str], sentence_ids: pa.Array, split_of: SplitNumbers
) -> list[int]:
    """Write the label events of every split, each with its place in the dataset; returns how many each has.

    Raises:
        DatasetError: An event is of no sentence of the dataset.
    """

    def parts() -> Iterator[_Part]:
        seen = 0
        for rows in _batches(dataset.path / LABELS_FILE):
            place = pc.index_in(rows["sentence_id"].combine_chunks(), value_set=sentence_ids)
            if place.null_count:
                lost = rows["sentence_id"].filter(pc.is_null(place))[0].as_py()
                raise DatasetError(
                    f"{dataset.path / LABELS_FILE} has an event of the sentence {lost!r}, which the dataset does not "
                    f"have; run `alignbench validate {dataset.path}`"
                )
            yield (
                rows.append_column(EVENT_ROW, pa.array(np.arange(seen, seen + len(rows)))),
                split_of[place.to_numpy()],
            )
            seen += len(rows)

    return _write(folder, LABELS, splits, parts())


def write_judgments(
    runs: Sequence[PublishedRun],
    folder: Path,
    splits: Sequence[str],
    sentence_ids: pa.Array,
    split_of: SplitNumbers,
) -> list[int]:
    """Write the judgments of every split, judge by judge, each in the order of the sentences; how many each has."""

    def parts() -> Iterator[_Part]:
        for run in runs:
            seen = 0
            for rows in run.judgments(sentence_ids, _BATCH):
                yield rows.append_column("judge", pa.repeat(run.name, len(rows))), split_of[seen : seen + len(rows)]
                seen += len(rows)

    return _write(folder, JUDGMENTS, splits, parts())


def _write(folder: Path, config: str, splits: Sequence[str], parts: Iterable[_Part]) -> list[int]:
    with ExitStack() as stack:
        files = [stack.enter_context(TextFiles(folder, config, split)) for split in splits]
        for rows, split_of in parts:
            for number, file in enumerate(files):
                mine = split_of == number
                if mine.any():
                    file.add(rows if mine.all() else rows.filter(pa.array(mine)))
        for file in files:
            file.close()
    return [file.rows for file in files]


def _batches(path: Path) -> Iterator[pa.Table]:
    with reading_dataset(path.parent), open_parquet(path) as file:
        for batch in file.iter_batches(_BATCH):
            yield pa.Table.from_batches([batch])
