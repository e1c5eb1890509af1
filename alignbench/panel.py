"""The labelled sentences of a dataset as arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.coding import codes_of, producer_codes
from alignbench.errors import DatasetError
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.store import Dataset
from alignbench.types import Direction, ErrorType, Label, ModelRef

ERROR_TYPES = tuple(str(kind) for kind in ErrorType)
INDICES = ("0", "1", "2", "3", "4", "5+")


@dataclass(frozen=True, slots=True)
class Panel:
    """What every judge of a dataset is measured on: its n correct and incorrect sentences.

    Attributes:
        all_ids: (N,) the ids of all sentences of the dataset, in file order.
        row: (n,) where among them each labelled sentence stands.
        is_correct: (n,)
        producer: (n,) places in `producers`.
        index: (n,) places in `INDICES`.
        pair: (n,) rows of pairs.parquet.
        agreement: (n,) the share of annotators who agree on the label, as published or else from the votes; NaN where
            there are no votes.
        error_types: (n, 9) in the order of `ERROR_TYPES`; none for a correct sentence.
        cluster: (n,) from 0.
        stratum: (m,) a number for the directions each cluster holds.
        producers: Names; with the revision where two share a name.
        models: What each producer is.
        directions: Which side of its pairs each producer made; that of its first pair, where it made both.
    """

    all_ids: pa.Array
    row: IntArray
    is_correct: BoolArray
    producer: IntArray
    index: IntArray
    pair: IntArray
    agreement: FloatArray
    error_types: BoolArray
    cluster: IntArray
    stratum: IntArray
    producers: tuple[str, ...]
    models: tuple[ModelRef, ...]
    directions: tuple[Direction, ...]


def read_panel(dataset: Dataset, unknown_as: Label | None = None) -> Panel:
    """Read the labelled sentences.

    Args:
        dataset: With labels.
        unknown_as: Take sentences labelled `unknown` for these; by default they are left out.

    Raises:
        DatasetError: No sentence has a label, or a sentence belongs to no pair.
    """
    sentences = dataset.sentences_table(["sentence_id", "pair_id", "index", "label", "error_types", "votes"])
    label = sentences["label"].combine_chunks()
    if unknown_as is not None:
        label = pc.if_else(_is(label, Label.UNKNOWN), str(unknown_as), label)
    row = np.flatnonzero(_is(label, Label.CORRECT) | _is(label, Label.INCORRECT))
    if not row.size:
        raise DatasetError(_lacks_labels(dataset))
    is_correct = _is(label, Label.CORRECT)[row]
    pairs = dataset.pairs_table(["pair_id", "producer", "direction", "cluster_id"])
    pair = _places_of_pairs(sentences["pair_id"], pairs["pair_id"], dataset)[row]
    producer, producers, models = producer_codes(pairs["producer"])
    draws_images = _is(pairs["direction"].combine_chunks(), Direction.TEXT_TO_IMAGE)
    cluster, stratum = _clusters(pairs, pair)
    return Panel(
        all_ids=sentences["sentence_id"].combine_chunks(),
        row=row,
        is_correct=is_correct,
        producer=producer[pair],
        index=np.minimum(sentences["index"].to_numpy()[row], len(INDICES) - 1).astype(np.int64),
        pair=pair,
        agreement=_agreement(sentences["votes"].combine_chunks())[row],
        error_types=_error_types(sentences["error_types"].combine_chunks(), dataset)[row] & ~is_correct[:, None],
        cluster=cluster,
        stratum=stratum,
        producers=producers,
        models=models,
        directions=tuple(
            Direction.TEXT_TO_IMAGE if draws_images[np.argmax(producer == place)] else Direction.IMAGE_TO_TEXT
            for place in range(len(producers))
        ),
    )


def _is(values: pa.Array, wanted: Label | Direction) -> BoolArray:
    equal: BoolArray = pc.fill_null(pc.equal(values, str(wanted)), False).to_numpy(zero_copy_only=False)
    return equal


def _lacks_labels(dataset: Dataset) -> str:
    counts = dataset.counts
    return (
        f"{dataset.path} has no sentence labelled correct or incorrect: {counts['unlabelled']} have no label, "
        f"{counts['unknown']} are `unknown`. Judgments can be evaluated only where there are labels: give the table "
        "a column `label`, run `alignbench import table` again, then evaluate the same runs"
    )


def _places_of_pairs(wanted: pa.ChunkedArray, pair_ids: pa.ChunkedArray, dataset: Dataset) -> IntArray:
    places = pc.index_in(wanted, value_set=pair_ids.combine_chunks())
    if places.null_count:
        raise DatasetError(f"{dataset.path} has sentences of no pair; run `alignbench validate {dataset.path}`")
    return np.asarray(places.to_numpy(), np.int64)


def _agreement(votes: pa.StructArray) -> FloatArray:
    said, *counts = (
        np.asarray(pc.struct_field(votes, name).to_numpy(zero_copy_only=False), np.float64)
        for name in ("agreement_ratio", "correct", "incorrect", "unknown")
    )
    total = np.sum(counts, axis=0)
    counted = np.divide(np.max(counts, axis=0), total, out=np.full_like(said, np.nan), where=total > 0)
    return np.where(np.isnan(said), counted, said)


def _clusters(pairs: pa.Table, pair: IntArray) -> tuple[IntArray, IntArray]:
    # The cluster of each labelled sentence, given its pair; the directions of each cluster as one number.
    code, _ = codes_of(pairs["cluster_id"].combine_chunks())
    names, cluster = np.unique(code[pair], return_inverse=True)
    draws_images = _is(pairs["direction"].combine_chunks(), Direction.TEXT_TO_IMAGE)[pair]
    holds = [np.bincount(cluster[one], minlength=names.size) > 0 for one in (draws_images, ~draws_images)]
    return cluster, holds[0] + 2 * holds[1]


def _error_types(lists: pa.Array, dataset: Dataset) -> BoolArray:
    column = pc.index_in(lists.flatten(), value_set=pa.array(ERROR_TYPES))
    if column.null_count:
        raise DatasetError(f"{dataset.path} has error types that are none; run `alignbench validate {dataset.path}`")
    member = np.zeros((len(lists), len(ERROR_TYPES)), np.bool_)
    member[pc.list_parent_indices(lists).to_numpy(), column.to_numpy()] = True
    return member
