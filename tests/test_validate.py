from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench import schema
from alignbench.digest import Tally
from alignbench.errors import DatasetError
from alignbench.store import Dataset
from alignbench.validate import Violation, validate
from tests.datasets import make_dataset, png

Rows = list[dict[str, Any]]
FILES = {"images": "images/part-00000.parquet", "pairs": "pairs.parquet", "sentences": "sentences.parquet"}
PAIR = "alpha-cap/tests:0"  # the first pair; its first sentence is incorrect with a span, its second correct


def rows_of(folder: Path, table: str) -> Rows:
    return list(pq.read_table(folder / FILES[table]).to_pylist())


def loose(field: pa.Field) -> pa.Field:
    """The same column, in which everything may be null: as files of other writers have it."""
    kind = field.type
    if pa.types.is_struct(kind):
        kind = pa.struct([loose(inner) for inner in kind])
    if pa.types.is_list(kind):
        kind = pa.list_(loose(kind.value_field))
    return pa.field(field.name, kind)


def tamper(folder: Path, table: str, change: Callable[[Rows], Any]) -> None:
    """Change the rows of a table behind the writer's back, then make counts and digests fit again."""
    rows = rows_of(folder, table)
    change(rows)
    columns = pa.schema([loose(field) for field in schema.DATASET_TABLES[table]])
    pq.write_table(pa.Table.from_pylist(rows, schema=columns), folder / FILES[table])
    tally = Tally()
    for each in FILES:
        for row in rows_of(folder, each):
            tally.add(each, row)
    header = json.loads((folder / "dataset.json").read_text())
    (folder / "dataset.json").write_text(json.dumps(header | tally.summary()))


def broken(folder: Path) -> list[tuple[str, str, str]]:
    return [(violation.rule, violation.table, violation.row) for violation in validate(folder)]


def put(column: str, value: Any, row: int = 0) -> Callable[[Rows], Any]:
    return lambda rows: rows[row].update({column: value})


def put_span(start: int | None, end: int, kind: str) -> Callable[[Rows], Any]:
    return put("spans", [{"start": start, "end": end, "error_type": kind}])


def put_votes(**votes: Any) -> Callable[[Rows], Any]:
    empty = {"correct": 0, "incorrect": 0, "unknown": 0, "agreement_ratio": None, "fleiss_pi": None}
    return put("votes", empty | votes)


def swap(rows: Rows) -> None:
    rows[3:6], rows[:3] = rows[:3], rows[3:6]


def turn(rows: Rows) -> None:
    rows[0], rows[1] = rows[1], rows[0]


SENTENCE = f"{PAIR}#0"
NAN = float("nan")


CASES: list[tuple[str, Callable[[Rows], Any], list[tuple[str, str]]]] = [
    # images
    ("images", put("sha256", "0" * 64), [("sha256", "tests:0")]),
    ("images", put("bytes", b"GIF89a"), [("sha256", "tests:0"), ("decode", "tests:0")]),
    ("images", put("bytes", png((1, 1, 1))), [("sha256", "tests:0")]),
    ("images", put("bytes", None), [("image-missing", "tests:0")]),
    ("images", put("sha256", None), [("image-missing", "tests:0")]),
    ("images", put("width", None), [("image-missing", "tests:0")]),
    ("images", put("width", 9), [("size", "tests:0")]),
    ("images", put("origin", "painted"), [("origin", "tests:0")]),
    ("images", put("provenance", "[]"), [("provenance", "tests:0")]),
    ("images", put("provenance", "{"), [("provenance", "tests:0")]),
    ("images", put("provenance", "[" * 100_000), [("provenance", "tests:0")]),
    ("images", put("origin", None), [("null", "tests:0")]),
    ("images", lambda rows: rows.append(rows[0]), [("id-unique", "tests:0")]),
    ("images", lambda rows: rows.append(rows[0] | {"image_key": "spare"}), [("image-orphan", "spare")]),
    # pairs
    ("pairs", lambda rows: rows.append(rows[0]), [("id-unique", PAIR)]),
    ("pairs", put("caption", None), [("null", PAIR)]),
    ("pairs", put("producer", None), [("null", PAIR)]),
    ("pairs", lambda rows: rows[0]["producer"].update(name=""), [("producer", PAIR)]),
    ("pairs", put("direction", "sideways"), [("direction", PAIR)]),
    ("pairs", put("domain", ""), [("domain", PAIR)]),
    ("pairs", put("cluster_id", ""), [("cluster", PAIR), ("cluster", "beta-cap/tests:0")]),
    ("pairs", put("cluster_id", "another", row=1), [("cluster", "beta-cap/tests:0")]),
    ("pairs", put("direction", "text_to_image"), [("origin", PAIR)]),
    ("pairs", put("provenance", "1"), [("provenance", PAIR)]),
    ("pairs", put("image_key", "elsewhere"), [("pair-image", PAIR)]),
    # sentences
    ("sentences", put("index", 2, row=1), [("index", f"{PAIR}#1")]),
    ("sentences", put("index", 1), [("index", SENTENCE)]),
    ("sentences", put("sentence_id", f"{PAIR}#1"), [("id-unique", f"{PAIR}#1")]),
    ("sentences", put("sentence_id", ""), [("id-empty", "row 1")]),
    ("sentences", put("sentence_id", None), [("null", "row 1")]),
    ("sentences", put("text", "Picture"), [("text", SENTENCE)]),
    ("sentences", put("start", 1), [("text", SENTENCE)]),
    ("sentences", put("start", -1), [("offset", SENTENCE)]),
    ("sentences", put("end", 999), [("offset", SENTENCE)]),
    ("sentences", put("label", "wrong"), [("label", SENTENCE), ("label-span", SENTENCE)]),
    ("sentences", put("label", "correct"), [("label-span", SENTENCE)]),
    ("sentences", put("label", "unknown"), [("label-span", SENTENCE)]),
    ("sentences", put("label", None), [("label-span", SENTENCE)]),
    ("sentences", put("spans", []), []),
    ("sentences", put("error_types", ["hue"]), [("error-type", SENTENCE), ("span-type", SENTENCE)]),
    ("sentences", put("error_types", ["attribute"] * 2), [("error-type", SENTENCE)]),
    ("sentences", put("error_types", ["attribute", None]), [("null", SENTENCE)]),
    ("sentences", put_span(0, 999, "attribute"), [("span", SENTENCE)]),
    ("sentences", put_span(3, 3, "attribute"), [("span", SENTENCE)]),
    ("sentences", put_span(-1, 3, "attribute"), [("span", SENTENCE)]),
    ("sentences", put_span(0, 3, "text"), [("span-type", SENTENCE)]),
    ("sentences", put_span(None, 3, "attribute"), [("null", SENTENCE)]),
    ("sentences", put_votes(correct=-1), [("votes", SENTENCE)]),
    ("sentences", put_votes(correct=None), [("null", SENTENCE)]),
    ("sentences", put_votes(agreement_ratio=NAN), [("votes", SENTENCE)]),
    (
        "sentences",
        put("pair_id", "nobody"),
        [("sentence-pair", SENTENCE), ("index", f"{PAIR}#1"), ("index", f"{PAIR}#2")],
    ),
    ("sentences", swap, [("sentence-order", f"{PAIR}#{index}") for index in range(3)]),
    ("sentences", turn, [("index", f"{PAIR}#1"), ("index", SENTENCE), ("overlap", SENTENCE)]),
]
NAMES = [f"{number} {table} {' '.join(rule for rule, _ in rules)}" for number, (table, _, rules) in enumerate(CASES)]


@pytest.mark.parametrize(("table", "change", "expected"), CASES, ids=NAMES)
def test_every_rule_is_checked(
    dataset: Dataset, table: str, change: Callable[[Rows], Any], expected: list[tuple[str, str]]
) -> None:
    tamper(dataset.path, table, change)
    assert broken(dataset.path) == [(rule, table, row) for rule, row in expected]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({"direction": "text_to_image"}, [], id="fine"),
        pytest.param({"direction": "text_to_image", "cluster_id": "p"}, [("cluster", "beta-cap/tests:1")], id="prompt"),
    ],
)
def test_one_prompt_is_one_cluster(dataset: Dataset, changes: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Two image models draw the same prompt: two images, one caption, one cluster."""

    def draw(rows: Rows) -> None:
        del rows[4:], rows[1:3]
        rows[0].update(direction="text_to_image", cluster_id="prompt")
        rows[1].update({"caption": rows[0]["caption"], "cluster_id": "prompt"} | changes)

    def keep(rows: Rows) -> None:
        del rows[12:], rows[3:9]
        for first, second in zip(rows[:3], rows[3:], strict=True):
            second.update({name: first[name] for name in ("start", "end", "text")})

    def generated(rows: Rows) -> None:
        del rows[2:]
        for row in rows:
            row["origin"] = "generated"

    for table, change in (("images", generated), ("pairs", draw), ("sentences", keep)):
        tamper(dataset.path, table, change)
    assert broken(dataset.path) == [(rule, "pairs", row) for rule, row in expected]


def test_a_dataset_that_the_writer_wrote_is_valid(tmp_path: Path) -> None:
    assert validate(make_dataset(tmp_path / "d", images=70, missing=[3]).path) == []
    assert validate(make_dataset(tmp_path / "unlabelled", labelled=False).path) == []


def test_all_violations_are_listed_not_only_the_first(dataset: Dataset) -> None:
    def spoil(rows: Rows) -> None:
        for row in rows:
            row["text"] = row["text"].upper()

    tamper(dataset.path, "images", put("origin", "painted", row=3))
    tamper(dataset.path, "sentences", spoil)
    tamper(dataset.path, "pairs", put("direction", "sideways", row=7))
    found = validate(dataset.path)
    assert [violation.table for violation in found] == ["images", "pairs", *["sentences"] * 24]
    assert len({violation.row for violation in found}) == 26
    assert found[2] == Violation(
        "text", "sentences", SENTENCE, "caption[0:19] is 'Picture 0 is red 😀.', not 'PICTURE 0 IS RED 😀.'"
    )


def test_counts_and_digests_are_those_of_the_rows(dataset: Dataset) -> None:
    header = json.loads((dataset.path / "dataset.json").read_text())
    header["counts"]["correct"] += 1
    header |= {"digest": "0" * 64, "shown_digest": "1" * 64}
    (dataset.path / "dataset.json").write_text(json.dumps(header))
    assert broken(dataset.path) == [(rule, "dataset", "dataset.json") for rule in ("counts", "digest", "shown_digest")]


def test_a_changed_row_shows_in_the_digest(dataset: Dataset) -> None:
    rows = rows_of(dataset.path, "pairs")
    rows[0]["domain"] = "other"
    pq.write_table(pa.Table.from_pylist(rows, schema=schema.PAIRS), dataset.path / "pairs.parquet")
    assert broken(dataset.path) == [("digest", "dataset", "dataset.json")]


def remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut_off(name: str) -> Callable[[Path], None]:
    return lambda folder: os.truncate(folder / name, (folder / name).stat().st_size // 2)


def overwrite(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(content) and None


def spoil_page(name: str) -> Callable[[Path], None]:
    """Damage the file where its first page is; its footer stays whole."""

    def spoil(folder: Path) -> None:
        content = bytearray((folder / name).read_bytes())
        content[60:70] = bytes(10)
        (folder / name).write_bytes(content)

    return spoil


def header_with(**fields: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        header = json.loads((folder / "dataset.json").read_text()) | fields
        (folder / "dataset.json").write_text(json.dumps({k: v for k, v in header.items() if v is not ...}))

    return change


def other_columns(name: str) -> Callable[[Path], None]:
    return lambda folder: pq.write_table(pa.table({"colour": ["red"]}), folder / name)


IMAGES, PAIRS, SENTENCES = FILES.values()


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        pytest.param(remove("dataset.json"), [("file-missing", "dataset", "dataset.json")], id="no header"),
        pytest.param(overwrite("dataset.json", b"{"), [("unreadable", "dataset", "dataset.json")], id="header cut off"),
        pytest.param(overwrite("dataset.json", b"\xff"), [("unreadable", "dataset", "dataset.json")], id="not text"),
        pytest.param(overwrite("dataset.json", b"[]"), [("header", "dataset", "dataset.json")], id="header a list"),
        pytest.param(header_with(schema_version=7), [("header", "dataset", "dataset.json")], id="newer"),
        pytest.param(
            header_with(name=..., digest=...), [("header", "dataset", "dataset.json")] * 2, id="fields missing"
        ),
        pytest.param(
            header_with(version=1, splitter=[]), [("header", "dataset", "dataset.json")] * 2, id="fields wrong"
        ),
        pytest.param(
            lambda folder: shutil.rmtree(folder / "images"),
            [("file-missing", "images", "images/part-*.parquet")],
            id="no images",
        ),
        pytest.param(remove(PAIRS), [("file-missing", "pairs", PAIRS)], id="no pairs"),
        pytest.param(remove(SENTENCES), [("file-missing", "sentences", SENTENCES)], id="no sentences"),
        pytest.param(cut_off(IMAGES), [("unreadable", "images", "part-00000.parquet")], id="images cut off"),
        pytest.param(cut_off(PAIRS), [("unreadable", "pairs", PAIRS)], id="pairs cut off"),
        pytest.param(cut_off(SENTENCES), [("unreadable", "sentences", SENTENCES)], id="sentences cut off"),
        pytest.param(spoil_page(IMAGES), [("unreadable", "images", "part-00000.parquet")], id="images damaged"),
        pytest.param(spoil_page(PAIRS), [("unreadable", "pairs", PAIRS)], id="pairs damaged"),
        pytest.param(overwrite(PAIRS, b"pair_id,image_key"), [("unreadable", "pairs", PAIRS)], id="a CSV file"),
        pytest.param(other_columns(IMAGES), [("columns", "images", "part-00000.parquet")], id="image columns"),
        pytest.param(other_columns(SENTENCES), [("columns", "sentences", SENTENCES)], id="sentence columns"),
    ],
)
def test_broken_folders_are_violations(
    dataset: Dataset, damage: Callable[[Path], None], expected: list[tuple[str, str, str]]
) -> None:
    damage(dataset.path)
    assert broken(dataset.path) == expected


def test_every_broken_file_is_listed_and_what_was_not_checked_is_said(dataset: Dataset) -> None:
    for damage in (remove("dataset.json"), cut_off(IMAGES), remove(PAIRS), other_columns(SENTENCES)):
        damage(dataset.path)
    found = validate(dataset.path)
    assert [violation.rule for violation in found] == ["file-missing", "unreadable", "file-missing", "columns"]
    assert found[1].message.endswith("(pairs and sentences were not checked)")
    assert found[3].message.startswith("column 'sentence_id' is missing; column 'pair_id' is missing;")


def test_a_footer_that_miscounts_is_a_violation(dataset: Dataset) -> None:
    path = dataset.path / PAIRS
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    miscounts = 0
    for place in range(footer, len(whole) - 8):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 2]) + whole[place + 1 :])
        try:
            miscounts += pq.ParquetFile(path).metadata.num_rows != 8
        except (pa.ArrowException, OSError):
            continue
        if miscounts:
            break
    assert miscounts
    assert broken(dataset.path) == [("unreadable", "pairs", PAIRS)]


def test_a_string_that_is_no_text_is_a_violation(dataset: Dataset) -> None:
    rows = rows_of(dataset.path, "pairs")
    bad = pa.array([b"\xff\xfe"] * len(rows), pa.binary()).view(pa.string())
    table = pa.Table.from_pylist(rows, schema=schema.PAIRS)
    pq.write_table(table.set_column(2, schema.PAIRS.field("caption"), bad), dataset.path / PAIRS)
    assert broken(dataset.path) == [("unreadable", "pairs", PAIRS)]


def test_a_dataset_without_sentences_is_a_violation(dataset: Dataset) -> None:
    tamper(dataset.path, "sentences", list.clear)
    assert broken(dataset.path) == [("empty", "dataset", "sentences.parquet")]


@pytest.mark.parametrize("make", [lambda _: None, Path.mkdir, Path.touch], ids=["nothing", "a folder", "a file"])
def test_what_is_nothing_like_a_dataset_is_an_error(tmp_path: Path, make: Callable[[Path], None]) -> None:
    make(tmp_path / "d")
    with pytest.raises(DatasetError, match="`alignbench generate` or `alignbench import`"):
        validate(tmp_path / "d")
