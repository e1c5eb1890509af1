"""Label Studio: what goes out, what comes in, and that nothing shifts between."""

from __future__ import annotations

import base64
import datetime as dt
import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as Xml

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alignbench.errors import ImportFileError, UsageError
from alignbench.exchange.label_studio.annotations import read_annotations
from alignbench.exchange.label_studio.config import labelling_config
from alignbench.exchange.label_studio.regions import Unit, region_of
from alignbench.exchange.label_studio.tasks import export_tasks
from alignbench.exchange.labelling_tasks import LabellingTask, Suggestion, Wanted, tasks_of
from alignbench.labelling.guidelines import fingerprint
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, LabelEvent, Role, Span
from tests.datasets import make_dataset, tree
from tests.label_studio import (
    CODE_POINTS,
    SECRET,
    UTF16,
    Count,
    Said,
    annotation,
    exported,
    label_all,
    make_captions,
    results_of,
)

FIXTURES = Path(__file__).parent / "fixtures" / "label_studio"
PIECES = (
    *("a dog", "the cat", "two", "red", "left", "end", "aa", "x", "“No. 5”", "&amp;", "<b>bold</b>", "it's", '"so"'),
    *("😀", "👩🏽‍🚒", "👨‍👩‍👧‍👦", "🇫🇷", "🇯🇵🇫🇷", "👍🏿", "❤️", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣"),
    *("日本語", "𠮷野家", "猫が", "한국어", "\u1112\u1161\u11ab", "汉字"),
    *("e\u0301", "n\u0303o\u0308", "Z\u0351\u036b\u0343", "é", "ﬁ", "İ"),
    *("مرحبا", "שלום", "\u202eabc\u202c", "नमस्ते", "𝒳𝓎", "𐍈", "\U0010ffff"),
    *("two\nlines", "a\ttab", "two  spaces", "a\r\nb", "no\u00a0break", "zero\u200bwidth"),
)
EMOJI = "A 👩🏻‍🚒 drives the 🚒 firetrucks."
FIXTURE_SENTENCES = (EMOJI, "Two  spaces\tand 𠮷野家 cat.", "Line one 😀\nline two.", "Nice.")


def all_tasks(dataset: Dataset, suggestions: Mapping[str, Suggestion] | None = None) -> list[LabellingTask]:
    return tasks_of(dataset, Wanted(), suggestions)[0]


def one(tmp_path: Path, *sentences: str) -> tuple[Dataset, list[dict[str, Any]]]:
    """A dataset with one caption, and its tasks as they went out."""
    dataset = make_captions(tmp_path / "dataset", [sentences or (EMOJI,)])
    export_tasks(dataset, all_tasks(dataset), tmp_path / "out")
    return dataset, json.loads((tmp_path / "out" / "tasks.json").read_text(encoding="utf-8"))


def save(tmp_path: Path, tasks: Any) -> Path:
    file = tmp_path / "export.json"
    file.write_text(json.dumps(tasks), encoding="utf-8")
    return file


def wrong(text: str, words: str, kind: ErrorType = ErrorType.OBJECT) -> Said:
    start = text.index(words)
    return Said("incorrect", [Span(start, start + len(words), kind)])


# --- the round trip


def crowd(seed: int) -> tuple[list[list[str]], dict[str, Said]]:
    """A hundred captions of five sentences, and what somebody says of each sentence."""
    dice = random.Random(seed)
    captions, said = [], {}
    for number in range(100):
        captions.append([" ".join(dice.choices(PIECES, k=dice.randint(1, 9))) for _ in range(5)])
        for index, text in enumerate(captions[-1]):
            said[f"pair{number}#{index}"] = answer(dice, text)
    return captions, said


def answer(dice: random.Random, text: str) -> Said:
    label = dice.choice(["correct", "incorrect", "incorrect", "incorrect", "unknown"])
    spans: list[Span] = []
    if label == "incorrect":
        for _ in range(dice.randint(0, 3)):
            start, end = sorted(dice.sample(range(len(text) + 1), 2))
            spans.append(Span(start, end, dice.choice(list(ErrorType))))
    types = dice.sample(list(ErrorType), dice.randint(0, 2)) if label == "incorrect" else []
    return Said(label, spans, types, dice.choice([None, "why not 😀"]))


@pytest.mark.parametrize("count", [CODE_POINTS, UTF16])
def test_500_awkward_sentences_come_back_without_a_shift(tmp_path: Path, count: Count) -> None:
    captions, said = crowd(seed=6)
    dataset = make_captions(tmp_path / "dataset", captions)
    written = export_tasks(dataset, all_tasks(dataset), tmp_path / "out")
    assert (written.tasks, written.pairs, written.images, written.suggestions) == (500, 100, 100, 0)
    file = label_all(tmp_path / "out", said, tmp_path / "export.json", count=count)
    events, notes = read_annotations(dataset, file)
    assert len(events) == 500 == len({event.sentence_id for event in events})
    texts = {sentence.sentence_id: sentence.text for sentence in dataset.sentences()}
    for event in events:
        answered = said[event.sentence_id]
        assert event.text == texts[event.sentence_id]
        assert event.label == answered.label
        assert set(event.spans) == set(answered.spans)
        assert set(event.error_types) == {*answered.types, *(span.error_type for span in answered.spans)}
        assert event.comment == answered.comment
    units = "offsets that count UTF-16 code units, turned into code points"
    assert (notes.count(units) > 100) == (count is UTF16)
    assert not notes.count("offsets that may count code points or UTF-16 code units, taken as code points")


def test_the_bytes_of_the_file_may_be_escaped_and_begin_with_a_mark(tmp_path: Path) -> None:
    dataset, _ = one(tmp_path)
    file = label_all(tmp_path / "out", {"pair0#0": wrong(EMOJI, "🚒 fire")}, tmp_path / "a.json", ascii_only=True)
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    (event,), notes = read_annotations(dataset, file)
    assert EMOJI[event.spans[0].start : event.spans[0].end] == "🚒 fire"
    assert notes.lines() == ()


@settings(max_examples=300, deadline=None)
@given(st.text(st.sampled_from("ab 😀\u0301\U000200bb\n\té🇫🇷\u200d"), min_size=1, max_size=30), st.data())
def test_a_region_in_either_unit_is_found_again(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    for unit, count in ((Unit.CODE_POINTS, CODE_POINTS), (Unit.UTF16, UTF16)):
        (result,) = results_of(text, Said(spans=[Span(start, end, ErrorType.TEXT)]), count)
        region = region_of(text, result["value"], (ErrorType.TEXT,))
        assert region.ranges[unit] == (start, end)
        assert region.is_open or region.spans(unit) == region.spans(Unit.CODE_POINTS) == [
            Span(start, end, ErrorType.TEXT)
        ]


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), min_size=1, max_size=5), st.data())
def test_any_text_goes_out_and_comes_back(tmp_path_factory: Any, texts: list[str], data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("any")
    dataset = make_captions(folder / "dataset", [texts])
    export_tasks(dataset, all_tasks(dataset), folder / "out")
    said = {}
    for index, text in enumerate(texts):
        start = data.draw(st.integers(0, len(text) - 1))
        span = Span(start, data.draw(st.integers(start + 1, len(text))), data.draw(st.sampled_from(ErrorType)))
        said[f"pair0#{index}"] = Said("incorrect", [span])
    events, _ = read_annotations(dataset, label_all(folder / "out", said, folder / "export.json"))
    assert {event.sentence_id: event.spans for event in events} == {key: tuple(one.spans) for key, one in said.items()}


# --- what goes out


def test_the_folder(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", missing={3})
    told = export_tasks(dataset, all_tasks(dataset), tmp_path / "a b")
    files = tree(tmp_path / "a b")
    images = [name for name in files if name.startswith("images/")]
    assert sorted({*files} - {*images}) == ["README.md", "config.xml", "tasks.json"]
    assert told.to_json() == {
        "folder": str(tmp_path / "a b"),
        "tasks": 18,
        "pairs": 6,
        "images": 3,
        "suggestions": 0,
        "image_prefix": "/data/local-files/?d=a%20b/images/",
    }
    tasks = json.loads(files["tasks.json"])
    assert {task["data"]["image"].removeprefix("/data/local-files/?d=a%20b/") for task in tasks} == {*images}
    data = tasks[0]["data"]
    assert {*data} == {
        *("image", "caption", "place", "text", "sentence_id", "pair_id", "dataset", "shown_digest", "guideline")
    }
    assert (data["dataset"], data["shown_digest"]) == ("tiny", dataset.shown_digest)
    assert data["guideline"] == fingerprint()
    assert [task["data"]["place"] for task in tasks[:4]] == [
        *(f"Sentence {n} of 3" for n in (1, 2, 3)),
        "Sentence 1 of 3",
    ]
    assert files["config.xml"].decode() == labelling_config()
    steps = files["README.md"].decode().splitlines()[2:]
    assert [step[:2] for step in steps] == ["1.", "2.", "3."]
    assert str(tmp_path) not in files["README.md"].decode()


def test_only_asked_sentences_become_tasks_and_the_caption_stays_whole(tmp_path: Path) -> None:
    dataset = make_captions(tmp_path / "dataset", [["One.", "Two.", "Three."]])
    tasks, _ = tasks_of(dataset, Wanted(sentence_ids=["pair0#1"]))
    assert export_tasks(dataset, tasks, tmp_path / "out").tasks == 1
    (task,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert task["data"]["caption"] == "One. Two. Three."
    assert (task["data"]["text"], task["data"]["place"]) == ("Two.", "Sentence 2 of 3")


def test_no_producer_label_or_vote_goes_out(tmp_path: Path) -> None:
    one(tmp_path, "One.", "Two.")
    for content in tree(tmp_path / "out").values():
        assert SECRET.encode() not in content
    labelled = make_dataset(tmp_path / "labelled")
    export_tasks(labelled, all_tasks(labelled), tmp_path / "more")
    (tmp_path / "bare").mkdir()
    bare = make_dataset(tmp_path / "bare", labelled=False)
    export_tasks(bare, all_tasks(bare), tmp_path / "again" / "more")
    assert tree(tmp_path / "more") == tree(tmp_path / "again" / "more")


@pytest.mark.parametrize(
    ("prefix", "begins"),
    [("https://host/x", "https://host/x/"), ("s3://bucket/x/", "s3://bucket/x/"), ("/data/?d=", "/data/?d=")],
)
def test_images_by_a_prefix_of_ones_own(tmp_path: Path, prefix: str, begins: str) -> None:
    dataset = make_captions(tmp_path / "dataset", [["One."]])
    assert export_tasks(dataset, all_tasks(dataset), tmp_path / "out", image_prefix=prefix).image_prefix == begins
    (task,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    (image,) = (tmp_path / "out" / "images").iterdir()
    assert task["data"]["image"] == f"{begins}{image.name}"


def test_embedded_images_are_the_bytes(tmp_path: Path) -> None:
    dataset = make_captions(tmp_path / "dataset", [["One."]])
    told = export_tasks(dataset, all_tasks(dataset), tmp_path / "out", embed=True)
    assert (told.images, told.image_prefix) == (0, None)
    assert sorted(tree(tmp_path / "out")) == ["README.md", "config.xml", "tasks.json"]
    (task,) = json.loads((tmp_path / "out" / "tasks.json").read_text())
    head, _, body = task["data"]["image"].partition(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(body) == next(dataset.images()).bytes


def test_suggestions_are_predictions_in_code_points(tmp_path: Path) -> None:
    dataset = make_captions(tmp_path / "dataset", [[EMOJI, "Fine."]])
    start = EMOJI.index("firetrucks")
    spans = (Span(start, start + 10, ErrorType.OBJECT),)
    suggestions = {
        "pair0#0": Suggestion("abc123def456", Label.INCORRECT, (ErrorType.NUMBER, ErrorType.OBJECT), spans, 0.25),
        "pair0#1": Suggestion("abc123def456", Label.CORRECT),
    }
    assert export_tasks(dataset, all_tasks(dataset, suggestions), tmp_path / "out").suggestions == 2
    wrong_one, right_one = json.loads((tmp_path / "out" / "tasks.json").read_text(encoding="utf-8"))
    (prediction,) = wrong_one["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("abc123def456", 0.25)
    said = {entry["from_name"]: entry for entry in prediction["result"]}
    assert said["label"]["value"] == {"choices": ["incorrect"]}
    assert said["spans"]["value"] == {"start": 20, "end": 30, "text": "firetrucks", "labels": ["object"]}
    assert said["types"]["value"] == {"choices": ["number"]}
    assert all(entry["to_name"] == "text" for entry in prediction["result"])
    ids = [entry["id"] for task in (wrong_one, right_one) for entry in task["predictions"][0]["result"]]
    assert len(set(ids)) == len(ids) == 4
    assert all(name.isalnum() for name in ids)
    assert "score" not in right_one["predictions"][0]
    assert "`Use predictions to prelabel tasks`" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    dataset = make_captions(tmp_path / "dataset", [["One."]])
    (tmp_path / "out").mkdir()
    export_tasks(dataset, all_tasks(dataset), tmp_path / "out")
    before = tree(tmp_path / "out")
    with pytest.raises(UsageError, match="not an empty folder"):
        export_tasks(dataset, all_tasks(dataset), tmp_path / "out")
    (tmp_path / "file").write_text("x")
    with pytest.raises(UsageError, match="not an empty folder"):
        export_tasks(dataset, all_tasks(dataset), tmp_path / "file")
    with pytest.raises(UsageError, match="--embed and --image-prefix"):
        export_tasks(dataset, all_tasks(dataset), tmp_path / "new", embed=True, image_prefix="x")
    assert tree(tmp_path / "out") == before
    assert not (tmp_path / "new").exists()


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=2, missing={1})
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    sentences = list(dataset.sentences())
    task = LabellingTask(pairs[sentences[-1].pair_id], tuple(sentences[-3:]), (0,), {})
    with pytest.raises(UsageError, match="the image 'tests:1' is missing"):
        export_tasks(dataset, [task], tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["dataset"]


def test_the_interface_is_made_of_our_labels_and_error_types() -> None:
    root = Xml.fromstring(labelling_config())
    named = {tag.get("name"): tag for tag in root.iter() if tag.get("name")}
    assert {name: tag.tag for name, tag in named.items()} == {
        "image": "Image",
        "caption": "Text",
        "text": "Text",
        "label": "Choices",
        "spans": "Labels",
        "types": "Choices",
        "comment": "TextArea",
    }
    assert [choice.get("value") for choice in named["label"]] == list(Label)
    assert [label.get("value") for label in named["spans"]] == list(ErrorType)
    assert [choice.get("value") for choice in named["types"]] == list(ErrorType)
    assert (named["label"].get("choice"), named["types"].get("choice")) == ("single", "multiple")
    keys = [tag.get("hotkey") for tag in [*named["label"], *named["spans"]]]
    assert len(set(keys)) == len(Label) + len(ErrorType)
    colours = [label.get("background") for label in named["spans"]]
    assert len(set(colours)) == len(ErrorType)
    assert all(
        tag.get("toName") == "text" for name, tag in named.items() if name in {"label", "spans", "types", "comment"}
    )
    values = {tag.get("value") for tag in root.iter() if (tag.get("value") or "").startswith("$")}
    assert values == {"$image", "$caption", "$place", "$text"}
    shown = " ".join(tag.get("value") or "" for tag in root.iter("Header"))
    for words in (
        "everything the sentence says of the image is true",
        "Left and right",
        "what is written in the image",
    ):
        assert words in shown
    assert all(label.get("hint") != label.get("value") for label in named["spans"])


# --- what comes in


def test_an_export_in_the_documented_format(tmp_path: Path) -> None:
    """Every field of https://labelstud.io/guide/task_format and of an export of version 1.23.2."""
    dataset = make_captions(tmp_path / "dataset", [FIXTURE_SENTENCES])
    file = fixture(tmp_path, "export.json", dataset)
    events, notes = read_annotations(dataset, file, annotators={"two@example.invalid": "second"})
    assert [told(event) for event in events] == [
        ("pair0#0", "label-studio:1", "annotator", "incorrect", [("drives", "attribute"), ("firetrucks", "object")]),
        ("pair0#0", "second", "annotator", "incorrect", []),
        ("pair0#1", "label-studio:1", "annotator", "incorrect", [("𠮷野家 cat", "illusion")]),
        ("pair0#1", "label-studio:1", "adjudicator", "correct", []),
        ("pair0#2", "label-studio:1", "annotator", "incorrect", [("😀\nline", "text")]),
        ("pair0#3", "label-studio:3", "annotator", "unknown", []),
    ]
    first, second, third, truth, _, last = events
    assert first.time == dt.datetime(2026, 3, 9, 22, 16, 8, 728378, tzinfo=dt.UTC)
    assert (first.tool, first.guideline, first.seconds) == ("label-studio", "9a5f5e2c275c", 4.288)
    assert (first.suggested_by, second.suggested_by, third.suggested_by) == ("abc123def456", None, "0123456789ab")
    assert second.error_types == (ErrorType.NUMBER, ErrorType.RELATION)
    assert (first.comment, second.comment) == ("one 🚒, not two\nsee the left", None)
    assert third.time < truth.time
    assert (last.seconds, last.comment) == (None, "a matter of taste")
    assert notes.lines() == (
        "drafts, left out (1): task 2 (1)",
        "ground truth, taken as adjudications (1): task 2, sentence 'pair0#1'",
        "annotations cancelled or skipped, left out (1): task 3, sentence 'pair0#2'",
        "answers to questions that are not ours, left out (2): task 3, sentence 'pair0#2' (2 times)",
    )
    assert all("example.invalid" not in repr(event) for event in events)


def told(event: LabelEvent) -> tuple[Any, ...]:
    spans = [(event.text[span.start : span.end], str(span.error_type)) for span in event.spans]
    return event.sentence_id, event.annotator, str(event.role), event.label, spans


def test_an_export_whose_offsets_count_utf16(tmp_path: Path) -> None:
    dataset = make_captions(tmp_path / "dataset", [FIXTURE_SENTENCES])
    events, notes = read_annotations(dataset, fixture(tmp_path, "export_2021.json", dataset))
    assert [told(event)[-1] for event in events] == [
        [("🚒 fire", "relation"), ("firetrucks", "object")],
        [("😀\nline", "text")],
    ]
    assert notes.count("offsets that count UTF-16 code units, turned into code points") == 3


def fixture(tmp_path: Path, name: str, dataset: Dataset) -> Path:
    text = (FIXTURES / name).read_text(encoding="utf-8").replace("SHOWN_DIGEST", dataset.shown_digest)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def test_one_task_alone_and_the_role(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    file = save(tmp_path, exported(task, 1, [annotation(1, results_of(EMOJI, Said("correct")))]))
    (event,), _ = read_annotations(dataset, file, role=Role.ADJUDICATOR)
    assert (event.role, event.label) == (Role.ADJUDICATOR, Label.CORRECT)


@pytest.mark.parametrize(
    ("by", "name"),
    [
        (6, "label-studio:6"),
        ("7", "label-studio:7"),
        ({"id": 7, "email": "a@example.invalid", "first_name": "A"}, "label-studio:7"),
        ({"id": 8}, "eight"),
        ("b@example.invalid", "bee"),
        ({"id": 9, "email": "b@example.invalid"}, "bee"),
        (None, "label-studio:unknown"),
    ],
)
def test_annotators_are_pseudonyms(tmp_path: Path, by: Any, name: str) -> None:
    dataset, (task,) = one(tmp_path)
    file = save(tmp_path, [exported(task, 1, [annotation(1, results_of(EMOJI, Said("correct")), by=by)])])
    (event,), _ = read_annotations(dataset, file, annotators={"8": "eight", "b@example.invalid": "bee"})
    assert event.annotator == name


def test_annotations_of_one_person_are_events_in_the_order_of_their_times(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    times = ["2026-03-09T22:16:08+00:00", "2026-03-09T21:00:00-05:00", "2026-03-09T20:00:00Z", "2026-03-09T23:00:00"]
    said = [
        annotation(number, results_of(EMOJI, Said(label)), updated_at=time)
        for number, (label, time) in enumerate(zip(["correct", "unknown", "incorrect", "correct"], times, strict=True))
    ]
    events, notes = read_annotations(dataset, save(tmp_path, [exported(task, 1, said)]))
    assert [event.label for event in events] == ["incorrect", "correct", "correct", "unknown"]
    assert [event.time for event in events] == sorted(event.time for event in events)
    assert notes.count("times without a zone, taken as UTC") == 1


def test_what_says_nothing_is_no_event(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    said = [
        annotation(1, []),
        annotation(2, results_of(EMOJI, Said("correct")), was_cancelled=True),
        annotation(3, results_of(EMOJI, Said(types=["object"]))),
        annotation(4, results_of(EMOJI, Said(comment="   "))),
    ]
    events, notes = read_annotations(dataset, save(tmp_path, [exported(task, 1, said), exported(task, 2, [])]))
    assert events == []
    assert notes.count("annotations without an answer, left out") == 2
    assert notes.count("annotations cancelled or skipped, left out") == 1
    assert notes.count("error types chosen before the label became another, left out") == 1


def test_words_without_a_label_are_wrong_words(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    spans = wrong(EMOJI, "firetrucks").spans
    file = save(tmp_path, [exported(task, 1, [annotation(1, results_of(EMOJI, Said(spans=spans)))])])
    (event,), notes = read_annotations(dataset, file)
    assert (event.label, event.spans) == (Label.INCORRECT, tuple(spans))
    assert notes.count("words marked and no label chosen, taken as `incorrect`") == 1


def test_a_comment_alone_is_an_event_without_a_label(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    file = save(tmp_path, [exported(task, 1, [annotation(1, results_of(EMOJI, Said(comment="too dark")))])])
    (event,), notes = read_annotations(dataset, file)
    assert (event.label, event.comment) == (None, "too dark")
    assert notes.count("comments without a label, kept as events without one") == 1


@pytest.mark.parametrize("label", ["correct", "unknown"])
def test_marked_words_of_a_sentence_that_is_not_incorrect_are_a_problem(tmp_path: Path, label: str) -> None:
    dataset, (task,) = one(tmp_path)
    said = Said(label, wrong(EMOJI, "firetrucks").spans)
    file = save(tmp_path, [exported(task, 31, [annotation(1, results_of(EMOJI, said))])])
    with pytest.raises(
        ImportFileError, match=rf"entry 1: task 31, sentence 'pair0#0': it is labelled `{label}`, and 1 of"
    ):
        read_annotations(dataset, file)


@pytest.mark.parametrize(
    ("fields", "predictions", "judge"),
    [
        ({"prediction": {"id": 5, "model_version": "aaa"}, "parent_prediction": 5}, [5], "aaa"),
        ({"parent_prediction": 5}, [{"id": 4, "model_version": "no"}, {"id": 5, "model_version": "bbb"}], "bbb"),
        ({"parent_prediction": 5}, [5], None),
        ({"prediction": {"model_version": "\ud800x"}}, [], "\ufffdx"),
        ({"prediction": {"model_version": 7}}, [], None),
        ({}, [{"id": 4, "model_version": "no"}], None),
    ],
)
def test_the_judge_whose_suggestion_was_taken(
    tmp_path: Path, fields: dict[str, Any], predictions: list[Any], judge: str | None
) -> None:
    dataset, (task,) = one(tmp_path)
    made = annotation(1, results_of(EMOJI, Said("correct")), **fields)
    (event,), notes = read_annotations(dataset, save(tmp_path, [exported(task, 1, [made], predictions=predictions)]))
    assert event.suggested_by == judge
    lost = notes.count("predictions taken over whose model the file does not tell")
    assert lost == (judge is None and "parent_prediction" in fields)


def test_results_of_a_prediction_tell_their_judge_where_there_is_one(tmp_path: Path) -> None:
    dataset, (task,) = one(tmp_path)
    results = [{**entry, "origin": "prediction-changed"} for entry in results_of(EMOJI, Said("correct"))]
    tasks = [exported(task, 1, [annotation(1, results)], predictions=[{"id": 4, "model_version": "ccc"}])]
    (event,), _ = read_annotations(dataset, save(tmp_path, tasks))
    assert event.suggested_by == "ccc"


def test_offsets_that_nothing_tells_are_read_as_the_files_others(tmp_path: Path) -> None:
    text = "😀aa then 🚒 and cat."
    dataset, (task,) = one(tmp_path, text)
    open_one = {"start": 2, "end": 3, "text": "a", "labels": ["object"]}
    blank = {"start": 4, "end": 6, "text": "", "labels": ["object"]}
    results = [{"from_name": "spans", "value": value} for value in (open_one, blank)]
    alone, notes = read_annotations(dataset, save(tmp_path, [exported(task, 1, [annotation(1, results)])]))
    assert alone[0].spans == (Span(2, 3, ErrorType.OBJECT), Span(4, 6, ErrorType.OBJECT))
    assert notes.count("offsets that may count code points or UTF-16 code units, taken as code points") == 2
    tells = annotation(2, results_of(text, wrong(text, "cat"), UTF16), by=2)
    (beside, _), notes = read_annotations(dataset, save(tmp_path, [exported(task, 1, [annotation(1, results), tells])]))
    assert beside.spans == (Span(1, 2, ErrorType.OBJECT), Span(3, 5, ErrorType.OBJECT))
    assert notes.count("offsets that count UTF-16 code units, turned into code points") == 3
