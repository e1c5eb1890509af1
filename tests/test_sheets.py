"""Sheets: what goes out tells nothing it should not, what comes back is exact or refused with its row."""

from __future__ import annotations

import csv
import datetime as dt
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from alignbench.cli import alignbench
from alignbench.errors import ImportFileError
from alignbench.exchange.quotes import occurrences
from alignbench.exchange.sheets.answers import read_sheet
from alignbench.exchange.sheets.errors_cell import errors_cell, read_errors
from alignbench.exchange.spreadsheet import guarded, unguarded
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Span
from tests.datasets import make_dataset

NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
WORDS = ["red", "a", '"quoted"', "semi;colon", "e=mc", "#2", "😀", "naïve", "日本", "e\u0301", "it's", "NO. 5", "3"]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "set", missing=[3])


def run(*arguments: object) -> str:
    outcome = CliRunner().invoke(alignbench, [str(each) for each in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as text:
        return list(csv.DictReader(text))


def write_rows(file: Path, rows: list[dict[str, str]]) -> None:
    with file.open("w", encoding="utf-8-sig", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@given(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), st.data())
def test_what_the_cell_says_is_read_back_exactly(words: list[str], data: st.DataObject) -> None:
    text = " ".join(words)
    starts = [sum(len(word) + 1 for word in words[:place]) for place in range(len(words))]
    places = data.draw(st.lists(st.sampled_from(range(len(words))), unique=True, max_size=4))
    ranges = [(starts[place], starts[place] + len(words[place])) for place in sorted(places)]
    spans = [
        Span(start, end, data.draw(st.sampled_from(list(ErrorType))))
        for start, end in ranges
        if (start, end) in occurrences(text, text[start:end])
    ]
    kinds = tuple(dict.fromkeys(span.error_type for span in spans))
    extra = data.draw(st.sampled_from([None, *ErrorType]))
    kinds += (extra,) if extra and extra not in kinds else ()
    assert read_errors(text, errors_cell(text, kinds, spans)) == (kinds, tuple(spans))


def test_people_write_it_in_their_own_ways() -> None:
    text = "A red dog and a red cat hold three signs."
    attribute, number = ErrorType.ATTRIBUTE, ErrorType.NUMBER
    assert read_errors(text, "three = number") == ((number,), (Span(29, 34, number),))
    assert read_errors(text, ' "RED" #2 = Attribute ;\nthree signs=Number errors') == (
        (attribute, number),
        (Span(16, 19, attribute), Span(29, 40, number)),
    )
    assert read_errors(text, "illusion; object") == ((ErrorType.ILLUSION, ErrorType.OBJECT), ())
    assert read_errors(text, "") == ((), ())


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("red = attribute", "2 times"),
        ('"red" #3 = attribute', "has 2 of them"),
        ("blue = attribute", "not in the sentence"),
        ("three = colour of the sky", "is not one of"),
        ("three", "WORDS = TYPE"),
        ("three = ", "is not of the form"),
        ("= = =", "is not"),
    ],
)
def test_what_cannot_be_read_says_why(cell: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        read_errors("A red dog and a red cat hold three signs.", cell)


@given(st.text())
def test_no_cell_is_a_formula_and_every_text_comes_back(text: str) -> None:
    cell = guarded(text)
    assert unguarded(cell) == text
    assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_sheet_goes_out_and_comes_back(dataset: Dataset, tmp_path: Path) -> None:
    said = run("label", "export", dataset.path, "--to", "sheet", "--out", tmp_path / "out")
    assert "18 sentences of 6 captions" in said and "image is missing: 2" in said
    rows = rows_of(tmp_path / "out" / "sheet.csv")
    assert [row["number"] for row in rows] == [str(number) for number in range(1, 19)]
    for row in rows:
        assert (tmp_path / "out" / row["image"]).is_file()
        row |= {"label": "incorrect", "errors": "2 dogs = number" if "dogs" in row["sentence"] else "object"}
    rows[0]["label"], rows[0]["errors"] = "", ""
    write_rows(tmp_path / "filled.csv", rows)
    said = run("label", "import", dataset.path, tmp_path / "filled.csv", "--from", "sheet", "--annotator", "p1")
    assert "rows without a label, passed over (1)" in said and "labels added: 17" in said
    after = {sentence.sentence_id: sentence for sentence in Dataset.open(dataset.path).sentences()}
    for row in rows[1:]:
        sentence = after[row["sentence_id"]]
        assert sentence.label is Label.INCORRECT
        assert [sentence.text[span.start : span.end] for span in sentence.spans] == (
            ["2 dogs"] if "dogs" in sentence.text else []
        )
    again = run(
        "label", "import", dataset.path, tmp_path / "filled.csv", "--from", "sheet", "--annotator", "p1", "--json"
    )
    assert json.loads(again)["added"] == 0


def test_a_sheet_tells_no_producer_and_no_label(dataset: Dataset, tmp_path: Path) -> None:
    run("label", "export", dataset.path, "--to", "sheet", "--out", tmp_path / "out")
    for row in rows_of(tmp_path / "out" / "sheet.csv"):
        assert row["label"] == row["errors"] == ""
        assert "alpha" not in "".join(value for name, value in row.items() if name != "sentence_id")
    page = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "alpha-cap" not in page and "beta-cap" not in page


def test_captions_cannot_put_markup_into_the_page(tmp_path: Path) -> None:
    from alignbench.store import sentence_id_of
    from alignbench.types import Direction, Pair, Sentence
    from tests.datasets import PRODUCERS, make_image, write

    image, text = make_image(1), "<script>alert(1)</script> =SUM(A1) & {{ 7 * 7 }}"
    pair = Pair("p", image.image_key, text, PRODUCERS[0], Direction.IMAGE_TO_TEXT, None, image.image_key)
    made = write(tmp_path / "set", image, (pair, [Sentence(sentence_id_of("p", 0), "p", 0, 0, len(text), text)]))
    run("label", "export", made.path, "--to", "sheet", "--out", tmp_path / "out")
    page = (tmp_path / "out" / "page.html").read_text(encoding="utf-8")
    assert "<script>" not in page and "&lt;script&gt;" in page and "{{ 7 * 7 }}" in page


def test_every_wrong_row_is_told_and_nothing_is_written(dataset: Dataset, tmp_path: Path) -> None:
    ids = [sentence.sentence_id for sentence in dataset.sentences()][:5]
    rows = [
        {"sentence_id": "nobody#0", "label": "correct"},
        {"sentence_id": ids[0], "label": "perhaps"},
        {"sentence_id": ids[1], "label": "correct", "errors": "object"},
        {"sentence_id": ids[2], "label": "correct", "sentence": "another text"},
        {"sentence_id": ids[3], "label": "correct", "time": "2026-01-01 12:00"},
        {"sentence_id": ids[4], "label": "incorrect", "errors": "unicorn = object"},
    ]
    columns = ("sentence_id", "label", "errors", "sentence", "time")
    write_rows(tmp_path / "wrong.csv", [{column: row.get(column, "") for column in columns} for row in rows])
    with pytest.raises(ImportFileError) as caught:
        read_sheet(dataset, tmp_path / "wrong.csv", annotator="p1", now=NOW)
    message = str(caught.value)
    assert [f"line {number}:" in message for number in range(2, 8)] == [True] * 6
    assert not (dataset.path / "labels.parquet").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,2\n", "no column `sentence_id`"),
        ("sentence_id,label\n", "no column"),
        ("sentence_id,label\nx,\n", "no label"),
        ("sentence_id;label\n", "semicolons"),
    ],
)
def test_a_file_that_is_no_sheet(dataset: Dataset, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "wrong.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ImportFileError, match=said):
        read_sheet(dataset, tmp_path / "wrong.csv", annotator="p1", now=NOW)


def test_a_row_names_its_annotator_and_time(dataset: Dataset, tmp_path: Path) -> None:
    ids = [sentence.sentence_id for sentence in dataset.sentences()]
    row = {
        "sentence_id": ids[0],
        "label": "unknown",
        "annotator": "p7",
        "time": "2026-01-01T12:00:00+02:00",
        "seconds": "3.5",
    }
    write_rows(tmp_path / "sheet.csv", [row])
    (event,) = read_sheet(dataset, tmp_path / "sheet.csv", now=NOW).events
    assert (event.annotator, event.seconds) == ("p7", 3.5)
    assert event.time == dt.datetime(2026, 1, 1, 10, tzinfo=dt.UTC)
    write_rows(tmp_path / "sheet.csv", [row | {"annotator": ""}])
    with pytest.raises(ImportFileError, match="nobody is named"):
        read_sheet(dataset, tmp_path / "sheet.csv", now=NOW)
