"""Decides in which order a run asks: a query an image, its sentences shuffled, all of it a function of keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alignbench.errors import DatasetError
from alignbench.store import Dataset


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """A query to come: `rows` are the sentences of an image as rows of sentences.parquet, in the order they are shown.

    `shown_key` is the image that the judge gets, which a control may have replaced.
    """

    number: int
    image_key: str
    shown_key: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All queries of a dataset, and the ids and texts of its sentences by row."""

    queries: Sequence[PlannedQuery]
    sentence_ids: Sequence[str]
    texts: pa.ChunkedArray

    def shard(self, number: int, count: int) -> Sequence[PlannedQuery]:
        """The queries of one of `count` parts: neighbours, because they share row groups of the images."""
        total = len(self.queries)
        return self.queries[number * total // count : (number + 1) * total // count]


def plan_queries(dataset: Dataset, seed: int, asked_of: Mapping[str, str]) -> Plan:
    """Plan the queries of a dataset, in the order in which their images are stored.

    Args:
        dataset: What to judge.
        seed: Of the shuffling; the order of an image's sentences depends on it and the image's key alone.
        asked_of: The image whose sentences are asked about, by the key of the image that is shown; itself where absent.

    Raises:
        DatasetError: A sentence whose pair, or a pair whose image, is not there; an id that comes twice.
    """
    table = dataset.sentences_table(["sentence_id", "pair_id", "text"])
    sentence_ids, image_keys = table.column("sentence_id").to_pylist(), dataset.image_keys()
    _refuse_twice(dataset, "sentence", sentence_ids)
    _refuse_twice(dataset, "image", image_keys)
    rows_of = _rows_by_image(dataset, table.column("pair_id").to_pylist())
    queries: list[PlannedQuery] = []
    for shown_key in image_keys:
        image_key = asked_of.get(shown_key, shown_key)
        rows = rows_of.pop(image_key, [])
        random.Random(f"{seed}:{image_key}").shuffle(rows)
        if rows:
            queries.append(PlannedQuery(len(queries), image_key, shown_key, tuple(rows)))
    if rows_of:
        raise DatasetError(
            f"the image {next(iter(rows_of))!r} of a pair is not in {dataset.path}; "
            f"run `alignbench validate {dataset.path}`"
        )
    return Plan(queries, sentence_ids, table.column("text"))


def _refuse_twice(dataset: Dataset, what: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        twice = next(each for each, count in Counter(ids).items() if count > 1)
        raise DatasetError(
            f"the {what} {twice!r} comes twice in {dataset.path}; run `alignbench validate {dataset.path}`"
        )


def _rows_by_image(dataset: Dataset, pair_ids: Sequence[str]) -> dict[str, list[int]]:
    pairs = dataset.pairs_table(["pair_id", "image_key"])
    _refuse_twice(dataset, "pair", pairs.column("pair_id").to_pylist())
    image_of = dict(zip(pairs.column("pair_id").to_pylist(), pairs.column("image_key").to_pylist(), strict=True))
    rows_of: dict[str, list[int]] = {}
    for row, pair_id in enumerate(pair_ids):
        if pair_id not in image_of:
            raise DatasetError(
                f"the pair {pair_id!r} of a sentence is not in {dataset.path}; run `alignbench validate {dataset.path}`"
            )
        rows_of.setdefault(image_of[pair_id], []).append(row)
    return rows_of


def still_to_ask(queries: Sequence[PlannedQuery], wanted: NDArray[np.bool_]) -> dict[str, PlannedQuery]:
    """The queries with a wanted sentence, without their other sentences, by the key of the image that is shown.

    Args:
        queries: What was planned.
        wanted: Which sentences to ask, by row, (sentences,).
    """
    left = ((query, tuple(row for row in query.rows if wanted[row])) for query in queries)
    return {
        query.shown_key: PlannedQuery(query.number, query.image_key, query.shown_key, rows)
        for query, rows in left
        if rows
    }
