"""Counts what a dataset holds: in all, by producer, by split, by source of images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from alignbench.coding import producer_codes
from alignbench.errors import DatasetError
from alignbench.metrics import IntArray
from alignbench.panel import ERROR_TYPES, INDICES
from alignbench.parquet import open_parquet, read_group
from alignbench.publish.terms.licence_names import known, licence_of
from alignbench.publish.terms.publication import ProducerTerms, Publication, SourceTerms
from alignbench.store import Dataset, table_files
from alignbench.types import Label, ModelRef

LABELS = (*(str(label) for label in Label), "unlabelled")
_INCORRECT = 1


@dataclass(frozen=True, slots=True)
class Rows:
    """The pairs and sentences of a dataset as codes: n pairs, N sentences.

    Attributes:
        producers: Names, in their order; with the revision where two share a name.
        models: What the dataset says of each: name, revision, family, provider.
        splits: Names, in their order.
        directions: Those that occur, in their order.
        domains: Likewise; a pair without one has the last code.
        producer: (n,) places in `producers`.
        split: (n,) places in `splits`.
        direction: (n,) places in `directions`.
        domain: (n,) places in `domains`, or its length.
        cluster: (n,) a number for each cluster.
        image: (n,) a number for each image.
        pair: (N,) the pair of each sentence.
        index: (N,) places in `INDICES`.
        label: (N,) places in `LABELS`.
        words: (N,) how many words stand between white space.
        typed: (t,) a sentence for every error type that an incorrect one has.
        kind: (t,) which of `ERROR_TYPES` it is.
        spanned: (s,) a sentence for every span of an incorrect one.
        span_kind: (s,) its error type.
    """

    producers: tuple[str, ...]
    models: tuple[ModelRef, ...]
    splits: tuple[str, ...]
    directions: tuple[str, ...]
    domains: tuple[str, ...]
    producer: IntArray
    split: IntArray
    direction: IntArray
    domain: IntArray
    cluster: IntArray
    image: IntArray
    pair: IntArray
    index: IntArray
    label: IntArray
    words: IntArray
    typed: IntArray
    kind: IntArray
    spanned: IntArray
    span_kind: IntArray


def read_rows(dataset: Dataset, splits: Sequence[str]) -> Rows:
    """Read the pairs and sentences of a dataset; `splits` says the split of each pair, in file order.

    Raises:
        DatasetError: A sentence belongs to no pair, or a label or an error type is none.
        ValueError: There is not one split for each pair.
    """
    pairs = dataset.pairs_table(["pair_id", "image_key", "producer", "direction", "domain", "cluster_id"])
    if len(pairs) != len(splits):
        raise ValueError(f"{len(splits)} splits are given for {len(pairs)} pairs")
    sentences = dataset.sentences_table(["pair_id", "index", "text", "label", "error_types", "spans"])
    producer, producers, models = producer_codes(pairs["producer"])
    split, split_names = _codes(pa.array(splits, pa.string()))
    direction, directions = _codes(pairs["direction"].combine_chunks())
    domain, domains = _codes(pairs["domain"].combine_chunks())
    label = _places(pc.fill_null(sentences["label"], LABELS[-1]), LABELS, "labels", dataset)
    typed, kind = _listed(sentences["error_types"].combine_chunks(), None, label, dataset)
    spanned, span_kind = _listed(sentences["spans"].combine_chunks(), "error_type", label, dataset)
    words = pc.count_substring_regex(sentences["text"], r"\S+")
    return Rows(
        producers=producers,
        models=models,
        splits=split_names,
        directions=directions,
        domains=domains,
        producer=producer,
        split=split,
        direction=direction,
        domain=domain,
        cluster=_codes(pairs["cluster_id"].combine_chunks())[0],
        image=_codes(pairs["image_key"].combine_chunks())[0],
        pair=_places(sentences["pair_id"], pairs["pair_id"].combine_chunks(), "pairs of sentences", dataset),
        index=np.minimum(sentences["index"].to_numpy(), len(INDICES) - 1).astype(np.int64),
        label=label,
        words=words.to_numpy().astype(np.int64),
        typed=typed,
        kind=kind,
        spanned=spanned,
        span_kind=span_kind,
    )


def counts_of(rows: Rows, pairs: IntArray | None = None) -> dict[str, Any]:
    """How many images, clusters, pairs and sentences of each label there are, among the `pairs` given or all."""
    taken = np.ones(rows.producer.size, np.bool_) if pairs is None else np.isin(np.arange(rows.producer.size), pairs)
    label = np.bincount(rows.label[taken[rows.pair]], minlength=len(LABELS)).tolist()
    return {
        "images": int(np.unique(rows.image[taken]).size),
        "clusters": int(np.unique(rows.cluster[taken]).size),
        "pairs": int(taken.sum()),
        "sentences": int(sum(label)),
        **dict(zip(LABELS, label, strict=True)),
    }


def producers_of(rows: Rows, publication: Publication) -> dict[str, Any]:
    """What is known and counted of each producer, by its name."""
    alone = Counter(model.name for model in rows.models)
    return {
        name: {
            **_said_of(rows.models[place], publication, is_alone=alone[rows.models[place].name] == 1),
            **_counted_of(rows, place),
        }
        for place, name in enumerate(rows.producers)
    }


def splits_of(rows: Rows) -> dict[str, Any]:
    """The counts of each split, and its sentences of each producer, by its name."""
    found = {}
    for place, name in enumerate(rows.splits):
        pairs = np.flatnonzero(rows.split == place)
        here = rows.producer[rows.pair[np.isin(rows.pair, pairs)]]
        sizes = np.bincount(here, minlength=len(rows.producers)).tolist()
        found[name] = counts_of(rows, pairs) | {"producers": dict(zip(rows.producers, sizes, strict=True))}
    return found


def error_types_of(rows: Rows) -> dict[str, Any]:
    """How many incorrect sentences have each error type, and how many spans, in all."""
    typed = np.bincount(rows.kind, minlength=len(ERROR_TYPES)).tolist()
    spans = np.bincount(rows.span_kind, minlength=len(ERROR_TYPES)).tolist()
    return {
        kind: {"sentences": sentences, "spans": marked}
        for kind, sentences, marked in zip(ERROR_TYPES, typed, spans, strict=True)
    }


def sizes_of(codes: IntArray, names: Sequence[str]) -> dict[str, int]:
    """How often each name occurs."""
    counted = np.bincount(codes, minlength=len(names)).tolist()
    return dict(zip(names, counted[: len(names)], strict=True))


def sources_of(dataset: Dataset, publication: Publication) -> dict[str, Any]:
    """The images of each source, by its name: how many, of what origin, under which licences.

    An image's own licence goes before what the publisher says of its source; `unlicensed` have neither.
    """
    images = dataset.images_table(["source", "origin", "licence", "sha256"])
    images = images.append_column("missing", pc.is_null(images["sha256"]))
    grouped = images.group_by(["source", "origin", "licence", "missing"]).aggregate([([], "count_all")])
    found: dict[str, dict[str, Any]] = {}
    for each in sorted(grouped.to_pylist(), key=lambda row: [str(value) for value in row.values()]):
        terms = publication.sources.get(each["source"]) or SourceTerms()
        said = found.setdefault(
            each["source"],
            {
                "images": 0,
                "missing": 0,
                "origins": {},
                "licences": {},
                "unlicensed": 0,
                "licence": terms.licence,
                "revision": terms.revision,
                "url": terms.url,
            },
        )
        count, licence = each["count_all"], each["licence"] or said["licence"]
        said["images"] += count
        said["missing"] += count if each["missing"] else 0
        said["origins"][each["origin"]] = said["origins"].get(each["origin"], 0) + count
        if licence is None:
            said["unlicensed"] += count
        else:
            said["licences"][licence] = said["licences"].get(licence, 0) + count
    return dict(sorted(found.items()))


def image_bytes(dataset: Dataset) -> int:
    """How many bytes the images have together; a row group is in memory at a time."""
    total = 0
    for path in table_files(dataset.path)["images"]:
        with open_parquet(path) as file:
            for group in range(file.num_row_groups):
                column = read_group(file, group, ["bytes"])["bytes"]
                total += pc.sum(pc.binary_length(column)).as_py() or 0
    return total


def _said_of(model: ModelRef, publication: Publication, *, is_alone: bool) -> dict[str, Any]:
    """What is said of a producer; the publisher's revision holds where no other producer has its name."""
    terms = publication.producers.get(model.name) or ProducerTerms()
    found = known(terms.licence) if terms.licence else licence_of(model)
    return {
        "model": model.name,
        "revision": (terms.revision if is_alone else None) or model.revision,
        "family": model.family,
        "provider": model.provider,
        "licence": terms.licence or (found.name if found else None),
        "licence_note": found.note if found else None,
        "url": terms.url,
        "terms": terms.terms,
    }


def _counted_of(rows: Rows, place: int) -> dict[str, Any]:
    pairs = np.flatnonzero(rows.producer == place)
    mine = rows.producer[rows.pair] == place
    counts = counts_of(rows, pairs)
    decided = counts[Label.CORRECT] + counts[Label.INCORRECT]
    kinds = rows.kind[mine[rows.typed]]
    words = rows.words[mine]
    return {
        "directions": sizes_of(rows.direction[pairs], rows.directions),
        **counts,
        # Of one producer only: over all, it would say nothing of any of them.
        "correct_share": counts[Label.CORRECT] / decided if decided else None,
        "sentences_per_pair": counts["sentences"] / counts["pairs"],
        "words_per_sentence": float(words.mean()) if words.size else None,
        "error_types": sizes_of(kinds, ERROR_TYPES),
        "incorrect_by_index": _by_index(rows, mine),
    }


def _by_index(rows: Rows, mine: np.ndarray[Any, Any]) -> dict[str, Any]:
    found = {}
    for place, name in enumerate(INDICES):
        labels = rows.label[mine & (rows.index == place)]
        incorrect, decided = int((labels == _INCORRECT).sum()), int((labels <= _INCORRECT).sum())
        found[name] = {
            "labelled": decided,
            "incorrect": incorrect,
            "share": incorrect / decided if decided else None,
        }
    return found


def _codes(values: pa.Array) -> tuple[IntArray, tuple[str, ...]]:
    """(n,) the place of each value among the sorted ones that occur; a null is one past the last."""
    names = sorted(value for value in pc.unique(values).to_pylist() if value is not None)
    found = pc.fill_null(pc.index_in(values, value_set=pa.array(names, values.type)), len(names))
    return np.asarray(found.to_numpy(zero_copy_only=False), np.int64), tuple(names)


def _places(values: Any, known: Any, what: str, dataset: Dataset) -> IntArray:
    places = pc.index_in(values, value_set=pa.array(known) if isinstance(known, tuple) else known)
    if places.null_count:
        raise DatasetError(f"{dataset.path} has {what} that are none; run `alignbench validate {dataset.path}`")
    return np.asarray(places.to_numpy(), np.int64)


def _listed(lists: pa.ListArray, field: str | None, label: IntArray, dataset: Dataset) -> tuple[IntArray, IntArray]:
    """The sentence and the error type of each entry of the lists of incorrect sentences."""
    values = lists.flatten() if field is None else pc.struct_field(lists.flatten(), field)
    parent = np.asarray(pc.list_parent_indices(lists).to_numpy(), np.int64)
    kind = _places(pa.chunked_array([values]), ERROR_TYPES, "error types", dataset)
    counted = label[parent] == _INCORRECT
    return parent[counted], kind[counted]
