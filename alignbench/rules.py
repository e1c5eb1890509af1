"""The rules that the rows of a dataset keep."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import pyarrow as pa

from alignbench.rows import Row
from alignbench.schema import DATASET_TABLES
from alignbench.types import Direction, ErrorType, Label, Origin, Role

_ID_COLUMNS = {"images": "image_key", "pairs": "pair_id", "sentences": "sentence_id"}
# Of each table, the plain columns that must not be null, then the columns with fields within.
_SCALARS = {
    table: [field.name for field in columns if not field.nullable and not pa.types.is_nested(field.type)]
    for table, columns in DATASET_TABLES.items()
}
_NESTED = {
    table: [field for field in columns if pa.types.is_nested(field.type)] for table, columns in DATASET_TABLES.items()
}
_ENUMERATIONS: tuple[type[StrEnum], ...] = (Label, ErrorType, Direction, Origin, Role)
_NAMES = {kind: tuple(str(member) for member in kind) for kind in _ENUMERATIONS}

Fault = tuple[str, str]
"""The name of a broken rule, and what is wrong in words."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One broken rule.

    Attributes:
        rule: Its name.
        table: images, pairs, sentences, labels, or dataset for what they share.
        row: The id of the row, `row N` (from 1) where it has none, or a file's name where all of it is meant.
        message: What is wrong, in words.
    """

    rule: str
    table: str
    row: str
    message: str


@dataclass(slots=True)
class _PairState:
    """What the sentences of a pair are checked against."""

    caption: str
    place: int
    sentences: int = 0
    end: int = 0


class Rules:
    """Checks rows that pass by once: images, then pairs, then sentences; or each pair followed by its sentences."""

    def __init__(self) -> None:
        self._seen: Counter[str] = Counter()
        self._ids: dict[str, set[str]] = {table: set() for table in _ID_COLUMNS}
        self._origins: dict[str, str] = {}
        self._unused: dict[str, None] = {}
        self._pairs: dict[str, _PairState | None] = {}
        self._clusters: dict[tuple[str, str], str] = {}
        self._place = 0

    def check(self, table: str, row: Row) -> list[Violation]:
        """Every rule that this row of `table` breaks, alone or with the rows before it."""
        row_id = row[_ID_COLUMNS[table]]
        self._seen[table] += 1
        nulls = [name for name in _SCALARS[table] if row[name] is None]
        nulls += [path for field in _NESTED[table] for path in nulls_within(row[field.name], field, field.name)]
        found = [("null", f"{path} must not be null") for path in nulls]
        found += self._unique(table, row_id)
        if nulls:
            self._pass_over(table, row)
        else:
            found += {"images": self._image, "pairs": self._pair, "sentences": self._sentence}[table](row)
        name = row_id or f"row {self._seen[table]}"
        return [Violation(rule, table, name, message) for rule, message in found]

    def finish(self) -> list[Violation]:
        """Every rule that is broken by what did not come."""
        return [Violation("image-orphan", "images", key, "no pair uses this image") for key in self._unused]

    def forget(self, pair_id: str) -> None:
        """Free the caption of a pair whose sentences have all come."""
        self._pairs[pair_id] = None

    def _pass_over(self, table: str, row: Row) -> None:
        """Remember of a row with nulls what keeps the rows that refer to it from breaking rules for its sake."""
        if table == "images":
            self._origins.setdefault(row["image_key"], row["origin"])
        elif table == "pairs":
            self._pairs.setdefault(row["pair_id"], None)
            self._unused.pop(row["image_key"], None)
        elif pair := self._pairs.get(row["pair_id"]):
            pair.sentences += 1

    def _unique(self, table: str, row_id: str | None) -> Iterator[Fault]:
        if row_id is None:
            return
        if not row_id:
            yield "id-empty", f"{_ID_COLUMNS[table]} must not be empty"
        if row_id in self._ids[table]:
            yield "id-unique", f"{_ID_COLUMNS[table]} {row_id!r} comes twice"
        self._ids[table].add(row_id)

    def _image(self, row: Row) -> Iterator[Fault]:
        self._origins[row["image_key"]] = row["origin"]
        self._unused[row["image_key"]] = None
        yield from legal_faults("origin", row["origin"], Origin)
        yield from _json_object(row["provenance"])
        absent = [name for name in ("sha256", "bytes", "width", "height") if row[name] is None]
        if absent and len(absent) < 4:
            yield "image-missing", f"sha256, bytes, width and height are null together or not at all; null: {absent}"

    def _pair(self, row: Row) -> Iterator[Fault]:
        self._pairs.setdefault(row["pair_id"], _PairState(row["caption"], len(self._pairs)))
        self._unused.pop(row["image_key"], None)
        yield from legal_faults("direction", row["direction"], Direction)
        yield from _json_object(row["provenance"])
        if not row["producer"]["name"]:
            yield "producer", "producer.name must not be empty"
        if row["domain"] == "":
            yield "domain", "domain must not be empty; null says that there is none"
        if row["image_key"] not in self._origins:
            yield "pair-image", f"there is no image {row['image_key']!r}"
        elif row["direction"] == Direction.TEXT_TO_IMAGE and self._origins[row["image_key"]] == Origin.REAL:
            yield "origin", f"image {row['image_key']!r} is real, but a text_to_image pair says that a model made it"
        yield from self._cluster(row)

    def _cluster(self, row: Row) -> Iterator[Fault]:
        if not row["cluster_id"]:
            yield "cluster", "cluster_id must not be empty"
        roots = [("image", row["image_key"])]
        if row["direction"] == Direction.TEXT_TO_IMAGE:
            roots.append(("prompt", row["caption"]))
        for what, root in roots:
            known = self._clusters.setdefault((f"{row['direction']} {what}", root), row["cluster_id"])
            if known != row["cluster_id"]:
                yield "cluster", f"its {row['direction']} {what} is in cluster {known!r}, not {row['cluster_id']!r}"

    def _sentence(self, row: Row) -> Iterator[Fault]:
        if row["pair_id"] not in self._pairs:
            yield "sentence-pair", f"there is no pair {row['pair_id']!r}"
        elif pair := self._pairs[row["pair_id"]]:
            yield from self._place_in(pair, row)
        yield from label_faults(row)
        for span in row["spans"]:
            yield from span_faults(row, span)
        yield from votes_faults(row["votes"] or {})

    def _place_in(self, pair: _PairState, row: Row) -> Iterator[Fault]:
        if pair.place < self._place:
            yield "sentence-order", "sentences must come in the order of their pairs"
        self._place = max(self._place, pair.place)
        if row["index"] != pair.sentences:
            yield "index", f"index is {row['index']}, but {pair.sentences} sentences of its pair come before it"
        pair.sentences += 1
        start, end = row["start"], row["end"]
        if not 0 <= start < end <= len(pair.caption):
            yield "offset", f"[{start}, {end}) is not a range of the caption, which has {len(pair.caption)} characters"
            return
        if pair.caption[start:end] != row["text"]:
            yield "text", f"caption[{start}:{end}] is {pair.caption[start:end]!r}, not {row['text']!r}"
        if start < pair.end:
            yield "overlap", f"starts at {start}, before the end {pair.end} of the sentence before it"
        pair.end = max(pair.end, end)


def nulls_within(value: Any, field: pa.Field, path: str) -> Iterator[str]:
    """The paths of all nulls in `value` where `field`, or a field within, must not be null."""
    if value is None:
        if not field.nullable:
            yield path
    elif pa.types.is_struct(field.type):
        for inner in field.type:
            yield from nulls_within(value[inner.name], inner, f"{path}.{inner.name}")
    elif pa.types.is_list(field.type):
        for place, element in enumerate(value):
            yield from nulls_within(element, field.type.value_field, f"{path}[{place}]")


def legal_faults(column: str, value: str, allowed: type[StrEnum]) -> Iterator[Fault]:
    """The fault of a value that is none of the enumeration `allowed`."""
    if value not in _NAMES[allowed]:
        yield column, f"{column} {value!r} is not one of {', '.join(_NAMES[allowed])}"


def _json_object(text: str) -> Iterator[Fault]:
    try:
        legal = isinstance(json.loads(text), dict)
    except (ValueError, RecursionError):
        legal = False
    if not legal:
        yield "provenance", "provenance must be a JSON object"


def label_faults(row: Row) -> Iterator[Fault]:
    """What is wrong with the label of a sentence or an event, and whether it may carry what it carries."""
    if row["label"] is not None:
        yield from legal_faults("label", row["label"], Label)
    for kind in row["error_types"]:
        yield from legal_faults("error-type", kind, ErrorType)
    if len(set(row["error_types"])) < len(row["error_types"]):
        yield "error-type", f"error types come twice: {', '.join(row['error_types'])}"
    if row["label"] != Label.INCORRECT and (row["error_types"] or row["spans"]):
        yield "label-span", f"a sentence with label {row['label']} carries no error types and no spans"


def span_faults(row: Row, span: Row) -> Iterator[Fault]:
    """What is wrong with a span of a sentence or an event."""
    start, end, length = span["start"], span["end"], len(row["text"])
    if not 0 <= start < end <= length:
        yield "span", f"span [{start}, {end}) is not a range of the sentence, which has {length} characters"
    if span["error_type"] not in row["error_types"]:
        yield "span-type", f"span type {span['error_type']!r} is not among the error types of the sentence"


def votes_faults(votes: Row) -> Iterator[Fault]:
    """What is wrong with the votes of a sentence or a baseline."""
    for name in ("correct", "incorrect", "unknown"):
        if votes.get(name, 0) < 0:
            yield "votes", f"votes.{name} is {votes[name]}, which is negative"
    for name in ("agreement_ratio", "fleiss_pi"):
        if votes.get(name) is not None and not math.isfinite(votes[name]):
            yield "votes", f"votes.{name} is {votes[name]}, which is not a number"
