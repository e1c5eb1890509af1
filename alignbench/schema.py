"""One pyarrow schema a table."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

import pyarrow as pa

from alignbench.errors import DatasetError, RunError
from alignbench.rows import (
    Row,
    event_row,
    image_row,
    judgment_row,
    pair_row,
    row_event,
    row_image,
    row_judgment,
    row_pair,
    row_sentence,
    sentence_row,
)
from alignbench.rows import canonical_json as canonical_json
from alignbench.types import Image, Judgment, LabelEvent, Pair, Sentence

SCHEMA_VERSION = 1

_T = TypeVar("_T")


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


def _list_of(kind: pa.DataType) -> pa.DataType:
    # "element" is the name parquet gives it; any other would not survive a round trip.
    return pa.list_(_required("element", kind))


_PRODUCER = pa.struct(
    [_required("name", pa.string()), *(pa.field(name, pa.string()) for name in ("revision", "family", "provider"))]
)
_SPAN = pa.struct([_required("start", pa.int32()), _required("end", pa.int32()), _required("error_type", pa.string())])
_MARK = pa.struct([_required("start", pa.int32()), _required("end", pa.int32()), _required("suspicion", pa.float64())])
_VOTES = pa.struct(
    [
        *(_required(name, pa.int32()) for name in ("correct", "incorrect", "unknown")),
        pa.field("agreement_ratio", pa.float64()),
        pa.field("fleiss_pi", pa.float64()),
    ]
)

IMAGES = pa.schema(
    [
        _required("image_key", pa.string()),
        pa.field("sha256", pa.string()),
        pa.field("bytes", pa.binary()),
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        _required("origin", pa.string()),
        _required("source", pa.string()),
        pa.field("licence", pa.string()),
        pa.field("url", pa.string()),
        _required("provenance", pa.string()),
    ]
)
PAIRS = pa.schema(
    [
        _required("pair_id", pa.string()),
        _required("image_key", pa.string()),
        _required("caption", pa.string()),
        _required("producer", _PRODUCER),
        _required("direction", pa.string()),
        pa.field("domain", pa.string()),
        _required("cluster_id", pa.string()),
        _required("provenance", pa.string()),
    ]
)
SENTENCES = pa.schema(
    [
        _required("sentence_id", pa.string()),
        _required("pair_id", pa.string()),
        _required("index", pa.int32()),
        _required("start", pa.int32()),
        _required("end", pa.int32()),
        _required("text", pa.string()),
        pa.field("label", pa.string()),
        _required("error_types", _list_of(pa.string())),
        _required("spans", _list_of(_SPAN)),
        pa.field("votes", _VOTES),
    ]
)
JUDGMENTS = pa.schema(
    [
        _required("sentence_id", pa.string()),
        _required("judge_id", pa.string()),
        pa.field("score", pa.float64()),
        _required("status", pa.string()),
        _required("truncated", pa.bool_()),
        pa.field("marks", _list_of(_MARK)),
        _required("raw", pa.string()),
        pa.field("input_tokens", pa.int64()),
        pa.field("cached_tokens", pa.int64()),
        pa.field("output_tokens", pa.int64()),
        pa.field("seconds", pa.float64()),
        pa.field("cost_usd", pa.float64()),
        _required("attempts", pa.int32()),
    ]
)
LABELS = pa.schema(
    [
        _required("event_id", pa.string()),
        _required("sentence_id", pa.string()),
        _required("text", pa.string()),
        _required("annotator", pa.string()),
        _required("role", pa.string()),
        _required("time", pa.timestamp("us", tz="UTC")),
        pa.field("label", pa.string()),
        _required("error_types", _list_of(pa.string())),
        _required("spans", _list_of(_SPAN)),
        pa.field("votes", _VOTES),
        pa.field("comment", pa.string()),
        pa.field("guideline", pa.string()),
        pa.field("tool", pa.string()),
        pa.field("suggested_by", pa.string()),
        pa.field("seconds", pa.float64()),
    ]
)
_LATER_JUDGMENT_COLUMNS = frozenset({"cached_tokens", "marks"})
DATASET_TABLES: Mapping[str, pa.Schema] = MappingProxyType({"images": IMAGES, "pairs": PAIRS, "sentences": SENTENCES})


def with_later_columns(judgments: pa.Table) -> pa.Table:
    """The judgments of an earlier version with the columns that it did not have, which are null."""
    for field in (JUDGMENTS.field(name) for name in sorted(_LATER_JUDGMENT_COLUMNS)):
        if field.name not in judgments.schema.names:
            judgments = judgments.append_column(field, pa.nulls(len(judgments), field.type))
    return judgments


def images_to_table(images: Iterable[Image]) -> pa.Table:
    """The images as rows of `IMAGES`, in their order."""
    return pa.Table.from_pylist([image_row(image) for image in images], schema=IMAGES)


def pairs_to_table(pairs: Iterable[Pair]) -> pa.Table:
    """The pairs as rows of `PAIRS`, in their order."""
    return pa.Table.from_pylist([pair_row(pair) for pair in pairs], schema=PAIRS)


def sentences_to_table(sentences: Iterable[Sentence]) -> pa.Table:
    """The sentences as rows of `SENTENCES`, in their order."""
    return pa.Table.from_pylist([sentence_row(sentence) for sentence in sentences], schema=SENTENCES)


def judgments_to_table(judgments: Iterable[Judgment]) -> pa.Table:
    """The judgments as rows of `JUDGMENTS`, in their order."""
    return pa.Table.from_pylist([judgment_row(judgment) for judgment in judgments], schema=JUDGMENTS)


def events_to_table(events: Iterable[LabelEvent]) -> pa.Table:
    """The label events as rows of `LABELS`, in their order."""
    return pa.Table.from_pylist([event_row(event) for event in events], schema=LABELS)


def images_from_table(table: pa.Table) -> list[Image]:
    """The rows of an `IMAGES` table as types; DatasetError names the first row that has no type."""
    return _typed(table.to_pylist(), row_image, "image_key", DatasetError)


def pairs_from_table(table: pa.Table) -> list[Pair]:
    """The rows of a `PAIRS` table as types; DatasetError names the first row that has no type."""
    return _typed(table.to_pylist(), row_pair, "pair_id", DatasetError)


def sentences_from_table(table: pa.Table) -> list[Sentence]:
    """The rows of a `SENTENCES` table as types; DatasetError names the first row that has no type."""
    return _typed(table.to_pylist(), row_sentence, "sentence_id", DatasetError)


def events_from_table(table: pa.Table) -> list[LabelEvent]:
    """The rows of a `LABELS` table as types; DatasetError names the first row that has no type."""
    return _typed(table.to_pylist(), row_event, "event_id", DatasetError)


def judgments_from_table(table: pa.Table) -> list[Judgment]:
    """The rows of a `JUDGMENTS` table as types; RunError names the first row that has no type."""
    return _typed(table.to_pylist(), row_judgment, "sentence_id", RunError)


def _typed(rows: Sequence[Row], make: Callable[[Row], _T], id_column: str, error: type[Exception]) -> list[_T]:
    typed = []
    for row in rows:
        try:
            typed.append(make(row))
        except (ValueError, TypeError, RecursionError) as reason:
            fault = f"the row with {id_column} {row[id_column]!r} breaks a rule: {reason}"
            raise error(f"{fault}; `alignbench validate` lists all that do") from reason
    return typed


def differences(expected: pa.Schema, found: pa.Schema) -> list[str]:
    """What is wrong with the columns `found`, one phrase a difference; empty where both say the same.

    Whether a column may be null is left to the rules on rows: other writers do not keep it.
    """
    said = [f"column {name!r} is missing" for name in expected.names if name not in found.names]
    said += [f"column {name!r} is not known" for name in found.names if name not in expected.names]
    for name in (name for name in expected.names if found.names.count(name) == 1):
        want, got = expected.field(name).type, found.field(name).type
        if str(want).replace(" not null", "") != str(got).replace(" not null", ""):
            said.append(f"column {name!r} is {got}, not {want}")
    return said
