"""Prompts from a file: every format, every fault of a row, and draws that a seed gives again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench.errors import UsageError
from alignbench.types import Status
from generation import parts
from generation.protocols import Prompt, Site, Unusable
from generation.writers.file import FileWriter

ROWS: list[tuple[str | None, str | None]] = [
    ("A cat, and a dog.", "animals"),
    ("  ", "animals"),
    ('A sign that reads "OPEN".\nIt is red.', " signs "),
    ("A cat, and a dog.", "pets"),
    (None, None),
    ("Drei K\u00f6che \u2014 \u6599\u7406", ""),
]


def make_csv(path: Path) -> Path:
    quoted = [",".join(f'"{(each or "").replace(chr(34), chr(34) * 2)}"' for each in row) for row in ROWS]
    path.write_text("\ufeff" + "\r\n".join(["prompt,domain", *quoted]) + "\r\n", encoding="utf-8", newline="")
    return path


def make_jsonl(path: Path) -> Path:
    path.write_text("".join(json.dumps({"prompt": p, "domain": d, "n": 1}) + "\n" for p, d in ROWS))
    return path


def make_parquet(path: Path) -> Path:
    prompts, domains = (list(column) for column in zip(*ROWS, strict=True))
    pq.write_table(pa.table({"n": [1] * len(ROWS), "prompt": prompts, "domain": domains}), path)
    return path


def writer(path: Path, **options: Any) -> FileWriter:
    return FileWriter.from_options(Site(path.parent, path.parent / "own"), path=path.name, **options)


def texts(found: list[Prompt | Unusable]) -> list[str]:
    return [each.text for each in found if isinstance(each, Prompt)]


@pytest.mark.parametrize(
    ("make", "name"),
    [(make_csv, "rows.csv"), (make_jsonl, "rows.jsonl"), (make_parquet, "rows.PARQUET")],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_every_row_is_a_prompt_or_a_status(tmp_path: Path, make: Callable[[Path], Path], name: str) -> None:
    path = make(tmp_path / name)
    found = list(writer(path, domain_column="domain").prompts(None, 0))
    assert found[:3] == [
        Unusable("row 2", Status.EMPTY, "its prompt is blank"),
        Unusable("A cat, and a dog.", Status.FILTERED, "row 4 repeats row 1"),
        Unusable("row 5", Status.EMPTY, "its prompt is blank"),
    ]
    assert found[3:] == [
        Prompt("A cat, and a dog.", {"file": name, "row": 1, "domain": "animals"}),
        Prompt('A sign that reads "OPEN".\nIt is red.', {"file": name, "row": 3, "domain": "signs"}),
        Prompt("Drei K\u00f6che \u2014 \u6599\u7406", {"file": name, "row": 6}),
    ]
    plain = list(writer(path).prompts(None, 0))
    assert all("domain" not in each.provenance for each in plain if isinstance(each, Prompt))


def test_a_text_file_has_a_prompt_a_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_bytes("\ufeff# one\r\n\r\n  two, with\u2028a mark \n   \n# one\nthree".encode())
    found = list(writer(path).prompts(None, 0))
    assert found[0] == Unusable("# one", Status.FILTERED, "row 5 repeats row 1")
    assert texts(found) == ["# one", "two, with\u2028a mark", "three"]
    assert [each.provenance["row"] for each in found if isinstance(each, Prompt)] == [1, 3, 6]


def test_tabs(tmp_path: Path) -> None:
    (tmp_path / "rows.tsv").write_text("text\tkind\nA cat, alone.\tpets\n")
    found = list(writer(tmp_path / "rows.tsv", column="text", domain_column="kind").prompts(None, 0))
    assert found == [Prompt("A cat, alone.", {"file": "rows.tsv", "row": 1, "domain": "pets"})]


def test_a_seed_draws(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("\n".join(f"Prompt {n}" for n in range(50)))
    draw = texts(list(writer(path).prompts(10, 1)))
    assert len(set(draw)) == 10 and draw == texts(list(writer(path).prompts(10, 1)))
    assert draw != texts(list(writer(path).prompts(10, 2)))
    assert texts(list(writer(path).prompts(20, 1)))[:10] == draw
    assert sorted(texts(list(writer(path).prompts(1000, 1)))) == sorted(f"Prompt {n}" for n in range(50))
    assert texts(list(writer(path).prompts(None, 1))) == [f"Prompt {n}" for n in range(50)]


def test_faults_of_single_rows(tmp_path: Path) -> None:
    lines = [
        '{"prompt": "good"}',
        "{",
        '["prompt"]',
        '{"text": "x"}',
        '{"prompt": 7}',
        '{"prompt": "\\ud800 half"}',
        "7",
    ]
    (tmp_path / "rows.jsonl").write_text("\n".join(lines))
    found = list(writer(tmp_path / "rows.jsonl").prompts(None, 0))
    assert texts(found) == ["good"]
    unusable = [each for each in found if isinstance(each, Unusable)]
    assert [each.name for each in unusable] == [f"row {row}" for row in range(2, 8)]
    assert {each.status for each in unusable} == {Status.UNPARSABLE}
    reasons = ["not JSON", "key 'prompt'", "key 'prompt'", "its prompt is 7", "half a character", "key 'prompt'"]
    assert all(part in each.reason for part, each in zip(reasons, unusable, strict=True))
    (tmp_path / "rows.csv").write_text("prompt,n\ngood,1\nbad, 2, 3\nshort\n")
    found = list(writer(tmp_path / "rows.csv").prompts(None, 0))
    assert texts(found) == ["good", "short"]
    assert found[0] == Unusable("row 2", Status.UNPARSABLE, "it has more columns than the header, up to line 3")


@pytest.mark.parametrize(
    ("name", "content", "options", "problem"),
    [
        ("rows.csv", b"a,b\n1,2\n", {}, "no column 'prompt'; its columns are: a, b"),
        ("rows.csv", b"", {}, "its columns are: none"),
        ("rows.csv", b"prompt\n1\n", {"domain_column": "kind"}, "no column 'kind'; its columns are: prompt"),
        ("rows.txt", b"ok", {"domain_column": "kind"}, "has no columns"),
        ("rows.txt", b"caf\xe9", {}, "not in UTF-8"),
        ("rows.csv", b'prompt\n"cut off', {}, "cannot be read: unexpected end"),
        ("rows.parquet", b"PAR1 no", {}, "no parquet file that can be read"),
        ("rows.xlsx", b"", {}, r"none of \.txt, \.csv"),
    ],
    ids=str,
)
def test_a_file_that_is_none(tmp_path: Path, name: str, content: bytes, options: dict[str, Any], problem: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=problem):
        writer(tmp_path / name, **options)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        writer(tmp_path / "none.txt")
    with pytest.raises(UsageError, match="there is no file"):
        parts.prompt_writer("file", Site(tmp_path, tmp_path), {"path": "."})
    with pytest.raises(UsageError, match="the option 'path' is a text, not 7"):
        parts.prompt_writer("file", Site(tmp_path, tmp_path), {"path": 7})


def test_a_recipe_finds_it_by_name(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "prompts.txt"
    path.parent.mkdir()
    path.write_text("One.")
    found = parts.prompt_writer("file", Site(tmp_path, tmp_path / "own"), {"path": "deep/prompts.txt"})
    assert texts(list(found.prompts(None, 0))) == ["One."]
    absolute = parts.prompt_writer("file", Site(tmp_path / "x", tmp_path), {"path": str(path)})
    assert texts(list(absolute.prompts(1, 0))) == ["One."]
