"""Argilla: a folder its library reads, and the records that come back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from alignbench.cli import alignbench
from alignbench.errors import ImportFileError
from alignbench.exchange.argilla.responses import read_responses
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Span
from tests.datasets import make_dataset

USER = "6b2b7ac1-7e2e-4b63-9a3c-111111111111"


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path / "set")


def run(*arguments: object) -> str:
    outcome = CliRunner().invoke(alignbench, [str(each) for each in arguments], catch_exceptions=False)
    assert outcome.exit_code == 0, outcome.output
    return outcome.output


def exported(dataset: Dataset, folder: Path) -> list[dict[str, Any]]:
    run("label", "export", dataset.path, "--to", "argilla", "--out", folder)
    records: list[dict[str, Any]] = json.loads((folder / "records.json").read_text(encoding="utf-8"))
    return records


def answer(record: dict[str, Any], **answers: Any) -> dict[str, Any]:
    return record | {"responses": {name: [{"value": value, "user_id": USER}] for name, value in answers.items()}}


def units(text: str, offset: int) -> int:
    return len(text[:offset].encode("utf-16-le")) // 2


def test_a_record_holds_the_image_as_it_is_and_no_label(dataset: Dataset, tmp_path: Path) -> None:
    records = exported(dataset, tmp_path / "out")
    assert [record["id"] for record in records] != []
    bytes_of = {image.image_key: image.bytes for image in dataset.images()}
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    for record in records:
        head, _, encoded = record["fields"]["image"].partition(",")
        pair = pairs[record["metadata"]["pair_id"]]
        assert head == "data:image/png;base64" and base64.b64decode(encoded) == bytes_of[pair.image_key]
        assert record["fields"]["caption"] == pair.caption
        assert record["responses"] == record["suggestions"] == {}
    settings = json.loads((tmp_path / "out" / ".argilla" / "settings.json").read_text(encoding="utf-8"))
    spans = next(question for question in settings["questions"] if question["name"] == "spans")
    assert [option["value"] for option in spans["settings"]["options"]] == list(ErrorType)
    assert all(not field["visible_for_annotators"] for field in settings["metadata"])


def test_spans_come_back_as_code_points(dataset: Dataset, tmp_path: Path) -> None:
    records = exported(dataset, tmp_path / "out")
    answered, wanted = [], {}
    for record in records:
        text = record["fields"]["sentence"]
        start, end = len(text) - 4, len(text)
        wanted[record["id"]] = Span(start, end, ErrorType.OBJECT)
        spans = [{"start": units(text, start), "end": units(text, end), "label": "object"}]
        answered.append(answer(record, label="incorrect", spans=spans, comment="no"))
    (tmp_path / "records.json").write_text(json.dumps(answered), encoding="utf-8")
    assert any(max(record["fields"]["sentence"]) > "\uffff" for record in records)
    said = run("label", "import", dataset.path, tmp_path / "records.json", "--from", "argilla")
    assert f"labels added: {len(records)}" in said and "counts twice" in said
    for sentence in Dataset.open(dataset.path).sentences():
        assert (sentence.label, sentence.spans) == (Label.INCORRECT, (wanted[sentence.sentence_id],))
    again = run("label", "import", dataset.path, tmp_path / "records.json", "--from", "argilla", "--json")
    assert json.loads(again)["added"] == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda record: record | {"id": "nobody"}, "no sentence 'nobody'"),
        (lambda record: record | {"id": None}, "no sentence None"),
        (lambda record: record | {"responses": [1]}, "not an object"),
        (lambda record: record | {"responses": {"label": "correct"}}, "not a list of answers"),
        (lambda record: answer(record, label="maybe"), "is not one of"),
        (
            lambda record: answer(record, label="correct", spans=[{"start": 0, "end": 1, "label": "object"}]),
            "has spans",
        ),
        (
            lambda record: answer(record, label="incorrect", spans=[{"start": 0, "end": 9999, "label": "object"}]),
            "9999",
        ),
        (
            lambda record: answer(record, label="incorrect", spans=[{"start": 0, "end": 1, "label": "?"}]),
            "no known type",
        ),
        (lambda record: answer(record, label="incorrect", spans=[{"start": "0", "end": 1}]), "no start and end"),
        (lambda record: record | {"fields": {"sentence": "another"}}, "not 'another'"),
        (lambda record: "text", "`record` is 'text'"),
    ],
)
def test_a_wrong_record_is_told_by_its_place(dataset: Dataset, tmp_path: Path, change: Any, said: str) -> None:
    records = exported(dataset, tmp_path / "out")
    records[1] = change(records[1])
    (tmp_path / "records.json").write_text(json.dumps(records), encoding="utf-8")
    with pytest.raises(ImportFileError, match="record 2: ") as caught:
        read_responses(dataset, tmp_path / "records.json")
    assert said in str(caught.value)


@pytest.mark.parametrize(("text", "said"), [("{}", "not a list"), ("[", "not JSON"), ("[]", "no response")])
def test_a_file_that_holds_no_records(dataset: Dataset, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "records.json").write_text(text, encoding="utf-8")
    with pytest.raises(ImportFileError, match=said):
        read_responses(dataset, tmp_path / "records.json")
