"""Decides in which order a run asks: a query an image or a caption, all of it a function of keys."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alignbench.errors import DatasetError, UnknownNameError
from alignbench.shuffling import SHUFFLED_CAPTION as SHUFFLED_CAPTION
from alignbench.shuffling import in_order, shuffled
from alignbench.store import Dataset
from alignbench.types import Context
from alignbench.wording import Alone, InCaption, Rearranged, Wording

CONTEXTS = ("sentence", "caption")
"""What a judge may be shown with a sentence: nothing, or the caption that it stands in."""


@dataclass(frozen=True, slots=True)
class PlannedQuery:
    """A query to come: `rows` are its sentences as rows of sentences.parquet, in the order they are shown.

    `shown_key` is the image that the judge gets, which a control may have replaced.
    """

    number: int
    image_key: str
    shown_key: str
    rows: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """All queries of a dataset, in the order of their numbers, the ids of its sentences by row, and their words."""

    queries: Sequence[PlannedQuery]
    sentence_ids: Sequence[str]
    wording: Wording

    def part(self, shard: tuple[int, int], limit: int | None) -> NDArray[np.bool_]:
        """Which sentences belong to the i-th of n parts and are among the first `limit`, (sentences,).

        Queries of a part are neighbours, because neighbours share row groups of the images.
        """
        number, count = shard
        total = len(self.queries)
        mine = np.zeros(len(self.sentence_ids), dtype=np.bool_)
        for query in self.queries[number * total // count : (number + 1) * total // count]:
            mine[list(query.rows)] = True
        if limit is not None:
            mine[limit:] = False
        return mine

    def words(self, asked: PlannedQuery) -> tuple[tuple[str, ...], Context | None]:
        """The sentences of a query that may lack some of the planned ones, and the caption where it is shown."""
        return self.wording.of(self.queries[asked.number].rows, asked.rows)


def plan_queries(
    dataset: Dataset, seed: int, asked_of: Mapping[str, str], context: str = "sentence", shuffle: int | None = None
) -> Plan:
    """Plan the queries of a dataset, in the order in which their images are stored.

    Args:
        dataset: What to judge.
        seed: Of the shuffling; the order of an image's sentences depends on it and the image's key alone.
        asked_of: The image whose sentences are asked about, by the key of the image that is shown; itself where absent.
        context: `sentence`: a query an image, the sentences of all its captions shuffled. `caption`: a query a caption,
            its sentences in their order.
        shuffle: Which other order to show captions in, from 0; see `alignbench.shuffling`. Null for their own.

    Raises:
        UnknownNameError: No such context.
        DatasetError: A sentence whose pair, or a pair whose image, is not there; an id that comes twice.
    """
    if context not in CONTEXTS:
        raise UnknownNameError.of("context", context, CONTEXTS, "mend the judge's spec")
    in_caption = context == "caption"
    table = dataset.sentences_table(["sentence_id", "pair_id", *(["start", "end"] if in_caption else ["text"])])
    pairs = dataset.pairs_table(["pair_id", "image_key", *(["caption"] if in_caption else [])])
    sentence_ids, image_keys = table.column("sentence_id").to_pylist(), dataset.image_keys()
    _refuse_twice(dataset, "sentence", sentence_ids)
    _refuse_twice(dataset, "image", image_keys)
    pair_of = _pair_of(dataset, table.column("pair_id").to_pylist(), pairs.column("pair_id").to_pylist())
    wording: Wording
    if in_caption:
        wording, order = _in_caption(dataset, table, pairs, pair_of, shuffle)
    else:
        wording, order = Alone(table.column("text")), None
    blocks = _blocks(pairs.column("image_key").to_pylist(), pair_of, order)
    queries: list[PlannedQuery] = []
    for shown_key in image_keys:
        image_key = asked_of.get(shown_key, shown_key)
        for rows in blocks.pop(image_key, []):
            if not in_caption:
                random.Random(f"{seed}:{image_key}").shuffle(rows)
            queries.append(PlannedQuery(len(queries), image_key, shown_key, tuple(rows)))
    if blocks:
        raise DatasetError(f"the image {next(iter(blocks))!r} of a pair is not in {dataset.path}; {_check(dataset)}")
    return Plan(queries, sentence_ids, wording)


def _refuse_twice(dataset: Dataset, what: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        twice = next(each for each, count in Counter(ids).items() if count > 1)
        raise DatasetError(f"the {what} {twice!r} comes twice in {dataset.path}; {_check(dataset)}")


def _check(dataset: Dataset) -> str:
    return f"run `alignbench validate {dataset.path}`"


def _pair_of(dataset: Dataset, wanted: Sequence[str], pair_ids: Sequence[str]) -> NDArray[np.int64]:
    """The row of each sentence's pair, (sentences,)."""
    _refuse_twice(dataset, "pair", pair_ids)
    row_of = {pair_id: row for row, pair_id in enumerate(pair_ids)}
    try:
        return np.fromiter((row_of[pair_id] for pair_id in wanted), np.int64, len(wanted))
    except KeyError as error:
        raise DatasetError(
            f"the pair {error.args[0]!r} of a sentence is not in {dataset.path}; {_check(dataset)}"
        ) from error


def _in_caption(
    dataset: Dataset, table: pa.Table, pairs: pa.Table, pair_of: NDArray[np.int64], shuffle: int | None
) -> tuple[Wording, NDArray[np.int64]]:
    """The wording, and the rows of the sentences by pair, then by their place in what is shown, (sentences,)."""
    # Not by `to_numpy`, which imports pandas where that is installed: a second for nothing.
    start, end = (np.array(table.column(name).to_pylist(), np.int32) for name in ("start", "end"))
    wording = InCaption(pairs.column("caption"), pair_of, start, end, _check(dataset))
    order = in_order(pair_of, start, end)
    if shuffle is None:
        return wording, order
    return Rearranged(wording), shuffled(order, pair_of, pairs.column("pair_id").to_pylist(), shuffle)


def _blocks(
    image_keys: Sequence[str], pair_of: NDArray[np.int64], order: NDArray[np.int64] | None
) -> dict[str, list[list[int]]]:
    """The rows of each query to come, by the image that its sentences are about: a block a pair where `order` is given.

    Args:
        image_keys: Of each pair.
        pair_of: The pair of each sentence, (sentences,).
        order: The sentences' rows with those of a pair together, (sentences,); null for a block an image.
    """
    blocks: dict[str, list[list[int]]] = {}
    if order is None:
        for row, pair in enumerate(pair_of.tolist()):
            blocks.setdefault(image_keys[pair], [[]])[0].append(row)
        return blocks
    cuts = np.flatnonzero(np.diff(pair_of[order])) + 1
    for rows in np.split(order, cuts) if order.size else []:
        blocks.setdefault(image_keys[pair_of[rows[0]]], []).append(rows.tolist())
    return blocks


def still_to_ask(plan: Plan, wanted: NDArray[np.bool_]) -> Iterator[PlannedQuery]:
    """The queries with a wanted sentence, without their other sentences, in the order of their numbers.

    Args:
        plan: All queries.
        wanted: Which sentences to ask, by row, (sentences,).
    """
    for query in plan.queries:
        rows = tuple(row for row in query.rows if wanted[row])
        if rows:
            yield query if len(rows) == len(query.rows) else replace(query, rows=rows)
