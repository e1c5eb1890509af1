from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench import schema
from alignbench.errors import DatasetError, RunError
from alignbench.rows import canonical_json
from alignbench.types import (
    Direction,
    ErrorType,
    Image,
    Judgment,
    Label,
    Mark,
    ModelRef,
    Origin,
    Pair,
    Sentence,
    Span,
    Status,
    Usage,
    Verdict,
    Votes,
)
from tests.datasets import PRODUCERS, make_image, make_pair

TEXT = st.text(max_size=12)
OPTIONAL = st.none() | TEXT
INT32 = st.integers(0, 2**31 - 1)
FLOAT = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | FLOAT | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
OBJECT = st.dictionaries(TEXT, JSON, max_size=3)
IMAGES = st.builds(
    Image,
    image_key=TEXT,
    sha256=OPTIONAL,
    bytes=st.none() | st.binary(max_size=20),
    width=st.none() | INT32,
    height=st.none() | INT32,
    origin=st.sampled_from(Origin),
    source=TEXT,
    licence=OPTIONAL,
    url=OPTIONAL,
    provenance=OBJECT,
)
PAIRS = st.builds(
    Pair,
    pair_id=TEXT,
    image_key=TEXT,
    caption=TEXT,
    producer=st.builds(ModelRef, TEXT, OPTIONAL, OPTIONAL, OPTIONAL),
    direction=st.sampled_from(Direction),
    domain=OPTIONAL,
    cluster_id=TEXT,
    provenance=OBJECT,
)
SPANS = st.builds(Span, INT32, INT32, st.sampled_from(ErrorType))
SENTENCES = st.builds(
    Sentence,
    sentence_id=TEXT,
    pair_id=TEXT,
    index=INT32,
    start=INT32,
    end=INT32,
    text=TEXT,
    label=st.none() | st.sampled_from(Label),
    error_types=st.lists(st.sampled_from(ErrorType), max_size=3).map(tuple),
    spans=st.lists(SPANS, max_size=3).map(tuple),
    votes=st.none() | st.builds(Votes, INT32, INT32, INT32, st.none() | FLOAT, st.none() | FLOAT),
)
USAGES = st.builds(Usage, st.none() | INT32, st.none() | INT32, st.none() | FLOAT, st.none() | FLOAT)
MARKS = st.tuples(INT32, INT32, FLOAT).filter(lambda mark: mark[0] < mark[1]).map(lambda mark: Mark(*mark))
ALL_MARKS = st.none() | st.lists(MARKS, max_size=3).map(tuple)
VERDICTS = st.builds(Verdict, FLOAT, st.just(Status.OK), OBJECT, USAGES, st.booleans(), ALL_MARKS) | st.builds(
    Verdict, st.none(), st.sampled_from([status for status in Status if status is not Status.OK]), OBJECT, USAGES
)
JUDGMENTS = st.builds(Judgment, TEXT, TEXT, VERDICTS, INT32)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize(
    ("rows", "to_table", "from_table", "columns"),
    [
        pytest.param(IMAGES, schema.images_to_table, schema.images_from_table, schema.IMAGES, id="images"),
        pytest.param(PAIRS, schema.pairs_to_table, schema.pairs_from_table, schema.PAIRS, id="pairs"),
        pytest.param(
            SENTENCES, schema.sentences_to_table, schema.sentences_from_table, schema.SENTENCES, id="sentences"
        ),
        pytest.param(
            JUDGMENTS, schema.judgments_to_table, schema.judgments_from_table, schema.JUDGMENTS, id="judgments"
        ),
    ],
)
def test_rows_survive_the_table(data: st.DataObject, rows: Any, to_table: Any, from_table: Any, columns: Any) -> None:
    values = data.draw(st.lists(rows, max_size=3))
    table = to_table(values)
    table.validate(full=True)
    assert table.schema == columns
    assert from_table(table) == values


@pytest.mark.parametrize("name", sorted(schema.DATASET_TABLES))
def test_a_schema_survives_parquet(tmp_path: Path, name: str) -> None:
    columns = schema.DATASET_TABLES[name]
    pq.write_table(columns.empty_table(), tmp_path / "t.parquet")
    assert pq.read_schema(tmp_path / "t.parquet") == columns
    assert schema.differences(columns, pq.read_schema(tmp_path / "t.parquet")) == []


def test_judgments_survive_parquet_with_their_marks(tmp_path: Path) -> None:
    verdicts = [Verdict(0.5), Verdict(0.5, marks=()), Verdict(0.5, marks=(Mark(0, 3, -1.5), Mark(3, 4, 0.1 + 0.2)))]
    verdicts.append(Verdict.failed(Status.UNPARSABLE, "no"))
    judgments = [Judgment(f"s#{place}", "j", verdict) for place, verdict in enumerate(verdicts)]
    pq.write_table(schema.judgments_to_table(judgments), tmp_path / "t.parquet")
    assert pq.read_schema(tmp_path / "t.parquet") == schema.JUDGMENTS
    assert schema.judgments_from_table(pq.read_table(tmp_path / "t.parquet")) == judgments


def test_judgments_of_before_there_were_marks_have_none(tmp_path: Path) -> None:
    judgments = [Judgment("s#0", "j", Verdict(0.5)), Judgment("s#1", "j", Verdict.failed(Status.FAILED, "no"))]
    old = schema.judgments_to_table(judgments).drop_columns(["marks", "cached_tokens"])
    assert schema.judgments_from_table(old) == judgments
    found = schema.with_later_columns(old)
    assert schema.differences(schema.JUDGMENTS, found.schema) == []
    assert found["marks"].null_count == 2


def test_differences_name_every_column_that_differs() -> None:
    found = pa.schema(
        [
            pa.field("pair_id", pa.int64()),
            pa.field("colour", pa.string()),
            *(schema.PAIRS.field(name) for name in schema.PAIRS.names if name not in ("pair_id", "caption")),
        ]
    )
    assert schema.differences(schema.PAIRS, found) == [
        "column 'caption' is missing",
        "column 'colour' is not known",
        "column 'pair_id' is int64, not string",
    ]


def test_columns_that_may_be_null_are_no_difference() -> None:
    loose = pa.schema([field.with_nullable(True) for field in schema.SENTENCES])
    assert schema.differences(schema.SENTENCES, loose) == []


@pytest.mark.parametrize(("column", "value"), [("label", "wrong"), ("error_types", ["hue"]), ("error_types", None)])
def test_a_row_without_a_type_is_named(column: str, value: Any) -> None:
    _, sentences = make_pair(make_image(0), PRODUCERS[0], 0)
    rows = schema.sentences_to_table(sentences).to_pylist()
    rows[1][column] = value
    with pytest.raises(DatasetError, match=f"{rows[1]['sentence_id']}.*alignbench validate"):
        schema.sentences_from_table(pa.Table.from_pylist(rows, schema=schema.SENTENCES))


def test_a_judgment_with_a_score_and_a_failure_is_named() -> None:
    table = schema.judgments_to_table([Judgment("s#0", "j", Verdict(0.5))])
    broken = table.set_column(table.schema.get_field_index("status"), "status", pa.array(["failed"]))
    with pytest.raises(RunError, match="s#0"):
        schema.judgments_from_table(broken)


@given(OBJECT)
def test_canonical_json_has_one_spelling(value: dict[str, Any]) -> None:
    shuffled = dict(sorted(value.items(), reverse=True))
    assert canonical_json(value) == canonical_json(shuffled)
    assert json.loads(canonical_json(value)) == value


def test_canonical_json_spells_what_is_not_finite() -> None:
    assert canonical_json({"b": [math.nan, -math.inf], "a": "é"}) == '{"a":"é","b":["nan","-inf"]}'
    with pytest.raises(TypeError, match="JSON cannot say"):
        canonical_json({"a": {1, 2}})
