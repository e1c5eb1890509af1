"""The votes that stand, as arrays: of annotators from label events, else as counts that came with the sentences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.coding import codes_of, producer_codes
from alignbench.errors import DatasetError
from alignbench.header import LABELS_FILE
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.parquet import open_parquet
from alignbench.schema import LABELS as LABELS_SCHEMA
from alignbench.store import Dataset, reading
from alignbench.types import Direction, ErrorType, Label, Role

LABELS = tuple(str(label) for label in Label)
KINDS = tuple(str(kind) for kind in ErrorType)
_COLUMNS = ("sentence_id", "annotator", "role", "time", "label", "error_types", "spans", "seconds")


@dataclass(frozen=True, slots=True)
class Frame:
    """The N sentences of a dataset, in file order.

    Attributes:
        sentence_ids: (N,)
        text: (N,)
        producer: (N,) places in `producers`.
        producers: Names, in their order; with the revision where two share a name.
        cluster: (N,) from 0.
        stratum: (m,) a number for the directions each cluster holds.
        counts: (N, 3) the stored vote counts in the order of `LABELS`; 0 where there are none.
        published: (N,) the stored `fleiss_pi`; NaN where there is none.
    """

    sentence_ids: pa.Array
    text: pa.ChunkedArray
    producer: IntArray
    producers: tuple[str, ...]
    cluster: IntArray
    stratum: IntArray
    counts: IntArray
    published: FloatArray


@dataclass(frozen=True, slots=True)
class StandingVotes:
    """The v votes of annotators that stand, in the order in which they were recorded.

    Attributes:
        annotators: Who; in the order of their names.
        sentence: (v,) places in the frame.
        annotator: (v,) places in `annotators`.
        label: (v,) places in `LABELS`.
        time: (v,) microseconds since 1970, UTC.
        seconds: (v,) how long it took; NaN where not known.
        kinds: (v, 9) the error types chosen, in the order of `KINDS`.
        mark_vote: (r,) rising: whose mark each is.
        mark_start: (r,) its first character in the sentence.
        mark_end: (r,) the one behind its last.
        mark_kind: (r,) places in `KINDS`.
    """

    annotators: tuple[str, ...]
    sentence: IntArray
    annotator: IntArray
    label: IntArray
    time: IntArray
    seconds: FloatArray
    kinds: BoolArray
    mark_vote: IntArray
    mark_start: IntArray
    mark_end: IntArray
    mark_kind: IntArray

    def counts(self, sentences: int) -> IntArray:
        """(sentences, 3) how many chose each of `LABELS`."""
        cell = self.sentence * len(LABELS) + self.label
        return np.bincount(cell, minlength=sentences * len(LABELS)).reshape(sentences, len(LABELS))


def read_frame(dataset: Dataset) -> Frame:
    """Read the sentences; DatasetError where one belongs to no pair."""
    sentences = dataset.sentences_table(["sentence_id", "pair_id", "text", "votes"])
    pairs = dataset.pairs_table(["pair_id", "producer", "direction", "cluster_id"])
    place = pc.index_in(sentences["pair_id"], value_set=pairs["pair_id"].combine_chunks())
    if place.null_count:
        raise DatasetError(f"{dataset.path} has sentences of no pair; {_check(dataset)}")
    pair = place.to_numpy().astype(np.int64)
    producer, producers, _ = producer_codes(pairs["producer"])
    cluster = codes_of(pairs["cluster_id"].combine_chunks())[0][pair]
    draws_images = pc.equal(pairs["direction"], str(Direction.TEXT_TO_IMAGE)).to_numpy()[pair]
    m = int(cluster.max(initial=-1)) + 1
    holds = [np.bincount(cluster[one], minlength=m) > 0 for one in (draws_images, ~draws_images)]
    votes = sentences["votes"].combine_chunks()
    return Frame(
        sentence_ids=sentences["sentence_id"].combine_chunks(),
        text=sentences["text"],
        producer=producer[pair],
        producers=producers,
        cluster=cluster,
        stratum=holds[0] + 2 * holds[1],
        counts=np.column_stack([_field(votes, name, 0).astype(np.int64) for name in LABELS]),
        published=_field(votes, "fleiss_pi", np.nan),
    )


def read_votes(dataset: Dataset, frame: Frame) -> StandingVotes:
    """Read the votes that stand: the newest event of each annotator on each sentence, where it has a label.

    The newest of two is that of the later time; of equal times, the one recorded later. Baselines and adjudications
    are no votes.

    Raises:
        DatasetError: The file is damaged, or has sentences or labels that the dataset does not know.
    """
    table = _events(dataset)
    sentence = pc.index_in(table["sentence_id"], value_set=frame.sentence_ids)
    label = pc.index_in(table["label"], value_set=pa.array(LABELS))
    if sentence.null_count or label.null_count > table["label"].null_count:
        raise DatasetError(f"{dataset.path} has label events of no sentence, or of no label; {_check(dataset)}")
    code, names = codes_of(table["annotator"].combine_chunks())
    order = np.argsort(np.array(names, object)) if names else np.empty(0, np.int64)
    annotator = np.argsort(order)[code] if names else code
    time = table["time"].cast(pa.int64()).to_numpy()
    keep = _newest(sentence.to_numpy().astype(np.int64), annotator, time)
    keep = keep[pc.is_valid(label).to_numpy()[keep]]
    kept = table.take(pa.array(keep))
    used = np.unique(annotator[keep])
    marks, parent = _flat(kept["spans"])
    return StandingVotes(
        annotators=tuple(names[order[place]] for place in used),
        sentence=sentence.to_numpy().astype(np.int64)[keep],
        annotator=np.searchsorted(used, annotator[keep]),
        label=pc.fill_null(label, 0).to_numpy().astype(np.int64)[keep],
        time=time[keep],
        seconds=pc.fill_null(kept["seconds"], np.nan).to_numpy(),
        kinds=_kinds(kept["error_types"], dataset),
        mark_vote=parent,
        mark_start=_field(marks, "start", 0).astype(np.int64),
        mark_end=_field(marks, "end", 0).astype(np.int64),
        mark_kind=_kind_codes(pc.struct_field(marks, "error_type"), dataset),
    )


def _events(dataset: Dataset) -> pa.Table:
    if dataset.labels is None:
        return LABELS_SCHEMA.empty_table().select(list(_COLUMNS))
    with reading(dataset.path), open_parquet(dataset.path / LABELS_FILE) as file:
        table = file.read(columns=list(_COLUMNS))
    return table.filter(pc.equal(table["role"], str(Role.ANNOTATOR)))


def _check(dataset: Dataset) -> str:
    return f"run `alignbench validate {dataset.path}`"


def _newest(sentence: IntArray, annotator: IntArray, time: IntArray) -> IntArray:
    # The rows, rising, that are the last of their sentence and annotator.
    order = np.lexsort((np.arange(time.size), time, annotator, sentence))
    follows = (sentence[order][1:] == sentence[order][:-1]) & (annotator[order][1:] == annotator[order][:-1])
    return np.sort(order[np.append(~follows, True)[: order.size]])


def _flat(lists: pa.ChunkedArray) -> tuple[pa.Array, IntArray]:
    whole = lists.combine_chunks()
    return whole.flatten(), pc.list_parent_indices(whole).to_numpy().astype(np.int64)


def _kinds(lists: pa.ChunkedArray, dataset: Dataset) -> BoolArray:
    flat, parent = _flat(lists)
    member = np.zeros((len(lists), len(KINDS)), np.bool_)
    member[parent, _kind_codes(flat, dataset)] = True
    return member


def _kind_codes(names: pa.Array, dataset: Dataset) -> IntArray:
    codes = pc.index_in(names, value_set=pa.array(KINDS))
    if codes.null_count:
        raise DatasetError(f"{dataset.path} has error types that are none; {_check(dataset)}")
    return np.asarray(codes.to_numpy(), np.int64)


def _field(values: pa.StructArray, name: str, none: float) -> FloatArray:
    numbers = pc.struct_field(values, name).cast(pa.float64())
    return np.asarray(pc.fill_null(numbers, float(none)).to_numpy(zero_copy_only=False), np.float64)
