"""Label Studio: files that are not what they should be, and answers that cannot be right."""

from __future__ import annotations

import json
import re
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.label_studio import exported_file
from alignbench.exchange.label_studio.annotations import read_annotations
from alignbench.exchange.label_studio.exported_file import exported_tasks
from alignbench.exchange.label_studio.tasks import export_tasks
from alignbench.exchange.labelling_tasks import Wanted, tasks_of
from alignbench.store import Dataset
from alignbench.types import ErrorType, Span
from tests.label_studio import Said, annotation, exported, make_captions, result, results_of

TEXT = "A 😀 cat & <b>dog</b>."
FIXTURE = Path(__file__).parent / "fixtures" / "label_studio" / "export.json"
CORRECT = results_of(TEXT, Said("correct"))


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, dict[str, Any]]:
    """A dataset of one sentence, and its task."""
    folder = tmp_path_factory.mktemp("given")
    dataset = make_captions(folder / "dataset", [[TEXT]])
    export_tasks(dataset, tasks_of(dataset, Wanted())[0], folder / "out")
    return dataset, json.loads((folder / "out" / "tasks.json").read_text(encoding="utf-8"))[0]


Given = tuple[Dataset, dict[str, Any]]


def complaint(dataset: Dataset, tmp_path: Path, content: Any) -> str:
    """What reading a file says is wrong."""
    file = tmp_path / "export.json"
    if isinstance(content, bytes):
        file.write_bytes(content)
    else:
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    with pytest.raises(ImportFileError) as caught:
        read_annotations(dataset, file)
    message = str(caught.value)
    assert message.startswith(str(file))
    message.encode()  # no half of a surrogate pair: it can be printed
    return message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b" \n\t", "is empty"),
        (b"id,text,label\n1,a,correct\n", "begins with neither [ nor {"),
        (b"PK\x03\x04", "begins with neither"),
        (b"\xff\xfe[]", "is not UTF-8 text (invalid start byte at byte 0)"),
        (b"[", "is not JSON (expected an object, a task at character 1)"),
        (b"[1]", "expected an object, a task at character 1"),
        (b"[[]]", "holds no tasks: its first entry is no JSON object"),
        (b'["a"]', "holds no tasks"),
        (b'[{"data": {}', "is not JSON (Expecting ',' delimiter at character 12)"),
        (b'[{"annotations": [], "data": {}}', "expected , or ] at character 32"),
        (b'[{"annotations": [], "data": {}},]', "expected an object, a task at character 33"),
        (b'[{"annotations": [], "data": {}}] x', "more after the end at character 34"),
        (b'{"annotations": [], "data": {}} {}', "more after the end"),
        (b'[{"id": ' + b"9" * 5000 + b"}]", "is not JSON (Exceeds the limit"),
        (b'[{"data": {}, "annotations": ' + b"[" * 100_000, "nested too deep"),
        (b'[{"data": {}, "annotations": ' + b"[" * 20 + b"]" * 20 + b"}]", "task 1: nested more than 16 levels deep"),
        (b'{"images": [], "annotations": [], "categories": []}', "is a COCO export"),
        (b'[{"id": 1, "label": "correct", "annotator": 1, "lead_time": 2}]', "is a JSON-MIN export"),
        (b'[{"data": {}, "predictions": []}]', "go into Label Studio, without `annotations` (only `predictions`"),
        (b'[{"data": {}}]', "go into Label Studio, without `annotations`;"),
        (b'[{"data": {}, "completions": []}]', "before 1.0"),
        (b'{"a": 1}', "is not Label Studio's JSON export"),
    ],
    ids=range(23),
)
def test_another_file_is_told_apart(given: Given, tmp_path: Path, content: bytes, reason: str) -> None:
    message = complaint(given[0], tmp_path, content)
    assert reason in message
    assert message.endswith("choose Export, then JSON (not JSON-MIN, CSV or another format), and give that file")
    assert "\n" not in message


def test_there_is_no_such_file(given: Given, tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match=r"there is no file .*; in Label Studio choose Export, then JSON"):
            read_annotations(given[0], path)


def test_an_empty_list_has_no_events(given: Given, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("[ ]")
    assert read_annotations(given[0], tmp_path / "export.json").events == []


@pytest.mark.parametrize("chunk", [1, 2, 7, 64, 1 << 20])
def test_tasks_are_read_across_chunks(monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(exported_file, "_CHUNK", chunk)
    assert [task for _, task in exported_tasks(FIXTURE)] == json.loads(FIXTURE.read_text(encoding="utf-8"))


def test_a_big_file_is_not_held(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    task = {"data": {**task["data"], "image": "data:image/png;base64," + "A" * 200_000}}
    with (tmp_path / "export.json").open("w") as out:
        for number in range(200):
            row = exported(task, number, [annotation(number, CORRECT)])
            out.write(("[" if not number else ",") + json.dumps(row))
        out.write("]")
    tracemalloc.start()
    events, _ = read_annotations(dataset, tmp_path / "export.json")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(events) == 200
    assert peak < 12_000_000 < (tmp_path / "export.json").stat().st_size


REGION = {"start": 4, "end": 7, "text": "cat", "labels": ["object"]}


@pytest.mark.parametrize(
    ("region", "reason"),
    [
        ({"start": 4.0}, "an offset of a region is no whole number: 4.0"),
        ({"start": float("nan")}, "an offset of a region is no whole number: nan"),
        ({"start": True}, "an offset of a region is no whole number: True"),
        ({"start": "four"}, "an offset of a region is no whole number: 'four'"),
        ({"start": "４"}, "an offset of a region is no whole number"),
        ({"end": None}, "an offset of a region is no whole number: None"),
        ({"start": -1}, "the region [-1, 7) said to mark 'cat' does not fit"),
        ({"start": 7}, "as code points no range of its 21 characters"),
        ({"end": 99, "text": ""}, "as UTF-16 code units 99 is no offset of a text of 22 UTF-16 code units"),
        ({"end": 10**30}, "does not fit"),
        ({"text": "dog"}, "as code points it marks 'cat'; as UTF-16 code units it marks ' ca'"),
        (
            {"start": 3, "text": "dog"},
            "as code points it marks ' cat'; as UTF-16 code units 3 lies inside the surrogate",
        ),
        ({"start": 5, "end": 8, "text": "dog"}, "as code points it marks 'at '; as UTF-16 code units it marks 'cat'"),
        ({"text": "\ud83d"}, r"said to mark '\ud83d' does not fit"),
        ({"text": 7}, "the text of a region is no text: 7"),
        ({"labels": ["colour"]}, "'colour' is none of attribute, object"),
        ({"labels": [7]}, "`labels` of a result is no list of texts: [7]"),
        ({"labels": {"object": 1}}, "`labels` of a result is no list of texts"),
    ],
    ids=range(18),
)
def test_regions_that_cannot_be_right(given: Given, tmp_path: Path, region: dict[str, Any], reason: str) -> None:
    dataset, task = given
    results = [result("label", "choices", {"choices": ["incorrect"]}), result("spans", "labels", REGION | region)]
    message = complaint(dataset, tmp_path, [exported(task, 12, [annotation(1, results)])])
    assert "entry 1: task 12, sentence 'pair0#0': " in message
    assert reason in message


def test_offsets_written_as_texts_are_read(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    results = [result("spans", "labels", {"start": "4", "end": "7", "labels": ["object"]})]
    (tmp_path / "export.json").write_text(json.dumps([exported(task, 1, [annotation(1, results)])]))
    ((event,), _) = read_annotations(dataset, tmp_path / "export.json")
    assert [TEXT[span.start : span.end] for span in event.spans] == ["cat"]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"result": None}, "`result` is no list: None"),
        ({"result": {"label": "correct"}}, "`result` is no list"),
        ({"result": [7]}, "a result is no JSON object: 7"),
        ({"result": [{"from_name": "label", "value": 7}]}, "the value of a result of `label` is no JSON object: 7"),
        (
            {"result": [result("label", "choices", {"choices": ["maybe"]})]},
            "'maybe' is none of correct, incorrect, unknown",
        ),
        ({"result": [result("label", "choices", {"choices": ["\ud800"]})]}, r"'\ud800' is none of correct"),
        (
            {"result": [result("label", "choices", {"choices": ["correct", "unknown"]})]},
            "more than one label is chosen",
        ),
        (
            {"result": [*CORRECT, *results_of(TEXT, Said("unknown"))]},
            "more than one label is chosen: correct, unknown",
        ),
        ({"result": [result("types", "choices", {"choices": ["Object"]})]}, "'Object' is none of attribute, object"),
        ({"result": [result("comment", "textarea", {"text": 7})]}, "`text` of a result is no list of texts: 7"),
        (
            {"completed_by": "ann@example.invalid"},
            "`completed_by` is no ID: 'ann@example.invalid'; give a name to use",
        ),
        ({"completed_by": True}, "`completed_by` is no ID: True"),
        ({"completed_by": 1.5}, "`completed_by` is no ID: 1.5"),
        ({"completed_by": [1]}, "`completed_by` is no ID: [1]"),
        ({"completed_by": {}}, "`completed_by` is no ID: None"),
        ({"updated_at": "yesterday"}, "`updated_at` is no time: 'yesterday'"),
        ({"updated_at": 1646777768}, "`updated_at` is no time: 1646777768"),
        ({"updated_at": None, "created_at": None}, "`updated_at` is no time: None"),
        ({"updated_at": "0001-01-01T00:00:00+23:59"}, "`updated_at` is no time"),
        ({"was_cancelled": "yes"}, "`was_cancelled` is neither true nor false: 'yes'"),
        ({"ground_truth": []}, "`ground_truth` is neither true nor false: []"),
    ],
    ids=range(21),
)
def test_annotations_that_cannot_be_read(given: Given, tmp_path: Path, fields: dict[str, Any], reason: str) -> None:
    dataset, task = given
    message = complaint(dataset, tmp_path, [exported(task, 12, [{**annotation(1, CORRECT), **fields}])])
    assert f"entry 1: task 12, sentence 'pair0#0': {reason}" in message


@pytest.mark.parametrize(
    "missing", ["id", "created_at", "lead_time", "prediction", "task", "was_cancelled", "ground_truth"]
)
def test_fields_that_may_be_missing(given: Given, tmp_path: Path, missing: str) -> None:
    dataset, task = given
    fields = annotation(1, CORRECT)
    del fields[missing]
    (tmp_path / "export.json").write_text(json.dumps([{"data": task["data"], "annotations": [fields]}]))
    assert len(read_annotations(dataset, tmp_path / "export.json").events) == 1


@pytest.mark.parametrize("missing", ["completed_by", "result"])
def test_fields_that_may_not(given: Given, tmp_path: Path, missing: str) -> None:
    dataset, task = given
    fields = annotation(1, CORRECT)
    del fields[missing]
    (tmp_path / "export.json").write_text(json.dumps([exported(task, 1, [fields])]))
    if missing == "completed_by":
        ((event,), notes) = read_annotations(dataset, tmp_path / "export.json")
        assert event.annotator == "label-studio:unknown"
        assert notes.count("annotations without an annotator, all taken as of label-studio:unknown") == 1
    else:
        assert "`result` is no list: None" in complaint(dataset, tmp_path, [exported(task, 1, [fields])])


@pytest.mark.parametrize("seconds", [float("nan"), float("inf"), -1, "4", True, 10**400, [1]])
def test_a_lead_time_that_is_none(given: Given, tmp_path: Path, seconds: Any) -> None:
    dataset, task = given
    (tmp_path / "export.json").write_text(json.dumps([exported(task, 1, [annotation(1, CORRECT, lead_time=seconds)])]))
    ((event,), notes) = read_annotations(dataset, tmp_path / "export.json")
    assert event.seconds is None
    assert notes.count("`lead_time` that is no time, left out") == 1


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"sentence_id": "pair9#0"}, "task 12: there is no sentence 'pair9#0' in "),
        ({"sentence_id": "\ud800"}, r"task 12: there is no sentence '\ud800' in "),
        ({"sentence_id": None}, "task 12 has no `sentence_id` and `shown_digest` in its data"),
        ({"sentence_id": ["pair0#0"]}, "task 12 has no `sentence_id` and `shown_digest` in its data"),
        ({"shown_digest": 7}, "task 12 has no `sentence_id` and `shown_digest` in its data"),
        ({"pair_id": "pair1"}, "sentence 'pair0#0': its `pair_id` is 'pair1'; here it is 'pair0'"),
        ({"text": "A dog."}, "sentence 'pair0#0': its `text` is 'A dog.'; here it is 'A 😀 cat & <b>dog</b>.'"),
        ({"text": "A \ud83d cat"}, r"sentence 'pair0#0': its `text` is 'A \ud83d cat'; here it is"),
        ({"shown_digest": "0" * 64}, "it is of another dataset, 'written' with the shown digest '000000000000'; "),
    ],
    ids=range(9),
)
def test_tasks_of_something_else(given: Given, tmp_path: Path, data: dict[str, Any], reason: str) -> None:
    dataset, task = given
    message = complaint(dataset, tmp_path, [exported({"data": task["data"] | data}, 12, [annotation(1, CORRECT)])])
    assert f"entry 1: {reason}" in message or f"entry 1: task 12, {reason}" in message


def test_problems_are_listed_together(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    other = {"data": task["data"] | {"shown_digest": "f" * 64}}
    twice = [annotation(1, CORRECT), annotation(1, results_of(TEXT, Said("unknown")))]
    wrong = results_of(TEXT, Said("correct", [Span(0, 1, ErrorType.OTHER)]))
    tasks = [
        exported(task, 1, twice),
        *(exported(other, number, [annotation(number, CORRECT)]) for number in (2, 3, 4)),
        exported(task, 5, [annotation(5, wrong)]),
        {**exported(task, 6, []), "annotations": {}},
        "seven",
        {**exported(task, 8, []), "data": None},
    ]
    message = complaint(dataset, tmp_path, tasks)
    assert [line.partition(":")[0] for line in message.splitlines()[1:-1]] == [
        *("  entry 1", "  entry 2", "  entry 5", "  entry 6", "  entry 7", "  entry 8"),
    ]
    assert "two annotations have the id 1 and differ" in message
    assert "as are 2 more tasks" in message
    assert "it is labelled `correct`, and 1 of its words or phrases are marked wrong" in message
    assert message.splitlines()[-1].strip().startswith("mend it in Label Studio")


def test_the_same_annotation_twice_is_taken_once(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    tasks = [exported(task, 1, [annotation(1, CORRECT), annotation(2, CORRECT, by=2)])] * 2
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    events, notes = read_annotations(dataset, tmp_path / "export.json")
    assert [event.annotator for event in events] == ["label-studio:1", "label-studio:2"]
    assert notes.count("annotations that come twice, taken once") == 2


def test_halves_of_surrogate_pairs_are_mended_where_they_are_only_remarks(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    results = results_of(TEXT, Said("correct", comment="broken \ud83d here"))
    data = {"data": task["data"] | {"guideline": "\udc00", "extra": "\ud800"}}
    (tmp_path / "export.json").write_text(json.dumps([exported(data, 1, [annotation(1, results)])]))
    ((event,), notes) = read_annotations(dataset, tmp_path / "export.json")
    assert (event.comment, event.guideline) == ("broken \ufffd here", "\ufffd")
    assert notes.count("halves of a surrogate pair replaced by U+FFFD") == 2


def test_regions_without_a_type_and_with_several(given: Given, tmp_path: Path) -> None:
    dataset, task = given
    bare = {key: value for key, value in REGION.items() if key != "labels"}
    results = [
        result("spans", "labels", bare),
        result("spans", "labels", REGION | {"labels": ["text", "number", "text"]}),
    ]
    (tmp_path / "export.json").write_text(json.dumps([exported(task, 1, [annotation(1, results)])]))
    ((event,), notes) = read_annotations(dataset, tmp_path / "export.json")
    assert event.spans == tuple(Span(4, 7, kind) for kind in (ErrorType.NUMBER, ErrorType.OTHER, ErrorType.TEXT))
    assert notes.count("marked words without a type, taken as `other`") == 1


def test_a_blank_name_is_refused(given: Given, tmp_path: Path) -> None:
    (tmp_path / "export.json").write_text("[]")
    with pytest.raises(UsageError, match=re.escape("the annotator '1' is given a blank name")):
        read_annotations(given[0], tmp_path / "export.json", annotators={"1": " "})
