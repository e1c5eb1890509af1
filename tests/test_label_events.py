"""Label events: made, recorded, read back, checked; and what else happens to a dataset that has them."""

from __future__ import annotations

import csv
import dataclasses
import datetime as dt
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench import cli, schema
from alignbench.atomic import partial_folder
from alignbench.cards import card_file
from alignbench.errors import DatasetError, StorageError, UnknownNameError, UsageError
from alignbench.evaluate import evaluation_of
from alignbench.exchange.attach import attach_images
from alignbench.exchange.halcap import import_halcap
from alignbench.labelling.events import event_id_of, make_event, write_events
from alignbench.labelling.guidelines import fingerprint, guideline_text
from alignbench.labelling.history import history_of
from alignbench.labelling.record import record_events, resolve_labels
from alignbench.labelling.relabelled import LabelChange
from alignbench.registry import build_judge
from alignbench.rows import canonical_json, event_row
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, LabelEvent, Role, Sentence, Span, Votes
from alignbench.validate import validate
from tests.datasets import make_dataset, png, tree

C, W, U = Label.CORRECT, Label.INCORRECT, Label.UNKNOWN
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)
LATER = NOON + dt.timedelta(days=30)
AGES = dt.timedelta(days=200 * 365)
PLAIN = Path(__file__).parent / "fixtures" / "halcap_plain.jsonl"
FIRST = "alpha-cap/tests:0#0"  # incorrect, with a span, and votes
SECOND = "alpha-cap/tests:0#1"  # correct, without votes


def sentence(dataset: Path, sentence_id: str = FIRST) -> Sentence:
    return next(each for each in Dataset.open(dataset).sentences() if each.sentence_id == sentence_id)


def say(dataset: Path, annotator: str, label: Label | None, sentence_id: str = FIRST, **more: Any) -> LabelEvent:
    said: dict[str, Any] = {"text": sentence(dataset, sentence_id).text, "time": NOON} | more
    return make_event(sentence_id=sentence_id, annotator=annotator, label=label, **said)


def label_now(dataset: Path, sentence_id: str = FIRST) -> Label | None:
    return sentence(dataset, sentence_id).label


def record(dataset: Path, *events: LabelEvent, **more: Any) -> Any:
    return record_events(dataset, events, **({"moment": LATER} | more))


# events


def plain(**more: Any) -> LabelEvent:
    return make_event(**({"sentence_id": "s", "text": "a dog", "annotator": "a", "time": NOON, "label": C} | more))


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@st.composite
def any_event(draw: st.DrawFn) -> LabelEvent:
    text, label = draw(TEXTS), draw(st.sampled_from([*Label, None]))
    spans = []
    if label is W:
        for _ in range(draw(st.integers(0, 2))):
            start = draw(st.integers(0, len(text) - 1))
            spans.append(Span(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from(ErrorType))))
    role = draw(st.sampled_from(Role))
    share = st.none() | st.integers(0, 1) | st.floats(0, 1)
    return make_event(
        sentence_id=draw(TEXTS),
        text=text,
        annotator=draw(TEXTS.filter(str.strip)),
        time=(NOON + draw(st.timedeltas(-AGES, AGES))).astimezone(draw(st.timezones())),
        label=label,
        role=role,
        error_types=draw(st.lists(st.sampled_from(ErrorType), max_size=3)) if label is W else (),
        spans=spans,
        votes=Votes(draw(st.integers(0, 9)), 0, 1, draw(share), draw(share)) if role is Role.BASELINE else None,
        comment=draw(st.none() | TEXTS),
        guideline=draw(st.none() | TEXTS),
        tool=draw(st.none() | TEXTS),
        suggested_by=draw(st.none() | TEXTS),
        seconds=draw(st.none() | st.integers(0, 10**6) | st.floats(0, 1e6)),
    )


@settings(deadline=None)
@given(st.lists(any_event(), max_size=4))
def test_events_come_back_from_a_file_with_the_id_of_their_content(
    tmp_path_factory: Any, events: list[LabelEvent]
) -> None:
    file = tmp_path_factory.mktemp("events") / "labels.parquet"
    entry = write_events(file, map(event_row, events), "majority")
    back = schema.events_from_table(pq.read_table(file))
    assert back == events
    assert [event_id_of(row) for row in pq.read_table(file).to_pylist()] == [event.event_id for event in events]
    lines = [
        canonical_json(event_row(event) | {"time": event.time.isoformat(timespec="microseconds")}) for event in back
    ]
    digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
    assert entry == {"rule": "majority", "events": len(events), "digest": digest}


def test_an_event_is_named_by_all_it_says() -> None:
    others: list[dict[str, Any]] = [
        {"sentence_id": "t"},
        {"text": "a dog."},
        {"annotator": "b"},
        {"time": NOON + dt.timedelta(microseconds=1)},
        {"label": W},
        {"label": None},
        {"role": Role.ADJUDICATOR},
        {"label": W, "error_types": [ErrorType.OBJECT]},
        {"label": W, "spans": [Span(2, 5, ErrorType.OBJECT)]},
        {"role": Role.BASELINE},
        {"role": Role.BASELINE, "votes": Votes(1, 0, 0)},
        *({name: "x"} for name in ("comment", "guideline", "tool", "suggested_by")),
        {"seconds": 0},
    ]
    ids = {plain(**other).event_id for other in others} | {plain().event_id}
    assert len(ids) == len(others) + 1
    assert all(len(each) == 16 and int(each, 16) >= 0 for each in ids)


def test_the_same_moment_in_another_zone_is_the_same_event() -> None:
    elsewhere = NOON.astimezone(dt.timezone(dt.timedelta(hours=-7)))
    assert plain(time=elsewhere) == plain()
    assert plain(seconds=3).event_id == plain(seconds=3.0).event_id
    assert plain(comment="").event_id == plain().event_id


def test_types_of_spans_are_added_and_types_count_once() -> None:
    marked = plain(label=W, error_types=[ErrorType.TEXT, ErrorType.TEXT], spans=[Span(0, 1, ErrorType.NUMBER)])
    assert marked.error_types == (ErrorType.TEXT, ErrorType.NUMBER)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"sentence_id": ""}, "sentence_id is empty"),
        ({"annotator": " "}, "name is empty"),
        ({"time": NOON.replace(tzinfo=None)}, "needs a time zone"),
        ({"time": dt.datetime.max.replace(tzinfo=dt.timezone(-dt.timedelta(hours=2)))}, "beyond the calendar"),
        ({"error_types": [ErrorType.TEXT]}, "a label correct carries no error types: text"),
        ({"label": None, "error_types": [ErrorType.TEXT]}, "a label None carries no error types"),
        ({"label": U, "spans": [Span(0, 1, ErrorType.TEXT)]}, "a label unknown carries no spans"),
        ({"label": W, "spans": [Span(0, 6, ErrorType.TEXT)]}, "which has 5 characters"),
        ({"label": W, "spans": [Span(-1, 2, ErrorType.TEXT)]}, "not a range"),
        ({"label": W, "spans": [Span(2, 2, ErrorType.TEXT)]}, "not a range"),
        ({"votes": Votes(1, 0, 0)}, "votes are those of a baseline, not of an annotator"),
        ({"role": Role.BASELINE, "votes": Votes(-1, 0, 0)}, "votes are counts"),
        ({"role": Role.BASELINE, "votes": Votes(1, 0, 0, float("nan"))}, "votes are counts"),
        ({"seconds": -1}, "seconds are a time"),
        ({"seconds": float("nan")}, "seconds are a time"),
        ({"seconds": float("inf")}, "seconds are a time"),
        ({"comment": "half \ud83d"}, "half a surrogate pair"),
    ],
)
def test_what_is_no_event_is_refused(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        plain(**wrong)


# recording


def test_a_first_recording_keeps_every_label_as_a_baseline(dataset: Dataset) -> None:
    before = {each.sentence_id: each for each in dataset.sentences()}
    done = record(dataset.path, *(say(dataset.path, who, C) for who in "abc"))
    opened = Dataset.open(dataset.path)
    events = list(opened.label_events())
    assert [event.role for event in events] == [Role.BASELINE] * 24 + [Role.ANNOTATOR] * 3
    for event in events[:24]:
        was = before[event.sentence_id]
        assert (event.label, event.error_types, event.spans, event.votes) == (
            was.label,
            was.error_types,
            was.spans,
            was.votes,
        )
        assert (event.annotator, event.tool, event.time) == ("dataset", "dataset", LATER)
    after = {each.sentence_id: each for each in opened.sentences()}
    assert after.pop(FIRST) == dataclasses.replace(
        before.pop(FIRST), label=C, error_types=(), spans=(), votes=Votes(3, 0, 0, 1.0, 1.0)
    )
    assert after == before
    assert (done.added, done.repeated, done.events, done.rule) == (3, 0, 27, "strict-majority")
    assert done.changed == (LabelChange(FIRST, W, C),)
    assert done.to_json()["changed"] == [{"sentence_id": FIRST, "before": "incorrect", "after": "correct"}]
    assert validate(dataset.path) == []


def test_labels_change_the_digest_and_not_what_judges_are_shown(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, build_judge("length"), tmp_path / "runs")
    before = evaluation_of(dataset, tmp_path / "runs").results
    done = record(dataset.path, say(dataset.path, "a", C))
    opened = Dataset.open(dataset.path)
    assert opened.labels == {"rule": "strict-majority", "events": 25, "digest": opened.labels["digest"]}  # type: ignore[index]
    assert done.digest == opened.digest != dataset.digest
    assert done.shown_digest == opened.shown_digest == dataset.shown_digest
    after = evaluation_of(opened, tmp_path / "runs").results
    assert before != after
    assert [judge["name"] for judge in after["judges"]] == ["length"]


def test_events_are_only_ever_added(dataset: Dataset) -> None:
    first, second = (say(dataset.path, who, C) for who in "ab")
    record(dataset.path, first)
    stored = pq.read_table(dataset.path / "labels.parquet").to_pylist()
    done = record(dataset.path, second, first, second)
    now = pq.read_table(dataset.path / "labels.parquet").to_pylist()
    assert now[:25] == stored
    assert [row["event_id"] for row in now[25:]] == [second.event_id]
    assert (done.added, done.repeated, done.events) == (1, 2, 26)
    correction = say(dataset.path, "a", W, time=LATER)
    record(dataset.path, correction)
    assert list(Dataset.open(dataset.path).label_events())[-1] == correction


def test_where_nothing_is_new_nothing_is_written(dataset: Dataset) -> None:
    events = [say(dataset.path, "a", C)]
    whole = tree(dataset.path)
    assert record(dataset.path).events == 0
    assert tree(dataset.path) == whole
    record(dataset.path, *events)
    folder, whole = dataset.path.stat().st_ino, tree(dataset.path)
    done = record(dataset.path, *events, moment=LATER + dt.timedelta(1))
    assert (done.added, done.repeated, done.changed, done.events) == (0, 1, (), 25)
    assert (done.digest, done.rule) == (Dataset.open(dataset.path).digest, "strict-majority")
    assert (dataset.path.stat().st_ino, tree(dataset.path)) == (folder, whole)


def test_the_same_events_give_the_same_bytes(tmp_path: Path) -> None:
    trees = []
    for name in ("one", "two"):
        path = make_dataset(tmp_path / name / "d").path
        record(path, *(say(path, who, C) for who in "ab"))
        record(path, say(path, "c", W, SECOND))
        trees.append(tree(path))
    assert trees[0] == trees[1]


def test_an_unlabelled_dataset_gets_labels_and_no_baselines(tmp_path: Path) -> None:
    path = make_dataset(tmp_path / "d", labelled=False).path
    done = record(path, say(path, "a", W, spans=[Span(0, 7, ErrorType.OBJECT)]), say(path, "b", None))
    assert done.events == 2
    assert sentence(path).spans == (Span(0, 7, ErrorType.OBJECT),)
    assert Dataset.open(path).counts["unlabelled"] == 23
    assert validate(path) == []
    record(path, say(path, "a", None, time=LATER))
    assert (label_now(path), sentence(path).votes) == (None, None)
    assert validate(path) == []


def test_a_sentence_labelled_without_history_gets_its_baseline_with_the_next_events(tmp_path: Path) -> None:
    path = make_dataset(tmp_path / "d", labelled=False).path
    record(path, say(path, "a", C))
    rows = pq.read_table(path / "sentences.parquet").to_pylist()
    rows[1]["label"] = "unknown"
    rewrite(path, "sentences.parquet", rows, schema.SENTENCES)
    assert validate(path) == []
    record(path, say(path, "b", C, SECOND))
    events = [event for event in Dataset.open(path).label_events() if event.sentence_id == SECOND]
    assert [(event.role, event.label) for event in events] == [(Role.BASELINE, U), (Role.ANNOTATOR, C)]


def test_the_rule_is_recorded_and_stays(dataset: Dataset) -> None:
    votes = [say(dataset.path, who, label) for who, label in zip("abcd", (C, C, W, U), strict=True)]
    assert record(dataset.path, *votes, rule="majority").rule == "majority"
    assert label_now(dataset.path) is C
    assert record(dataset.path, say(dataset.path, "e", U, SECOND)).rule == "majority"
    assert record(dataset.path, *votes, rule="strict-majority").changed == (LabelChange(FIRST, C, U),)
    assert record(dataset.path, *votes).rule == "strict-majority"
    assert validate(dataset.path) == []
    with pytest.raises(UnknownNameError, match=r"no rule 'majorty' \(nearest: majority"):
        record(dataset.path, *votes, rule="majorty")


def test_dawid_skene_is_recorded_and_checked(dataset: Dataset) -> None:
    for each in list(dataset.sentences()):
        assert each.label is not None
    events = [
        say(dataset.path, who, each.label if who != "c" else C, each.sentence_id)
        for each in dataset.sentences()
        for who in "abc"
    ]
    record(dataset.path, *events, rule="dawid-skene")
    assert Dataset.open(dataset.path).labels["rule"] == "dawid-skene"  # type: ignore[index]
    assert label_now(dataset.path) is W
    assert validate(dataset.path) == []


def test_without_crowd_kit_the_rule_says_what_to_install(
    dataset: Dataset, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    record(dataset.path, say(dataset.path, "a", C))
    whole = tree(dataset.path)
    monkeypatch.setitem(sys.modules, "crowdkit.aggregation", None)
    assert cli.run(["label", "resolve", str(dataset.path), "--rule", "dawid-skene"]) == 2
    assert "'crowd-kit', which is not installed; run `pip install 'alignbench[labels]'`" in capsys.readouterr().err
    assert tree(dataset.path) == whole


def test_one_by_one_or_together_comes_to_the_same(tmp_path: Path) -> None:
    together, single = (make_dataset(tmp_path / name / "d").path for name in ("together", "single"))
    labels = (W, C, W, U, None, W)
    votes = [
        say(together, "abc"[place % 3], label, time=NOON + dt.timedelta(minutes=place), spans=())
        for place, label in enumerate(labels)
    ]
    record(together, *votes)
    for vote in reversed(votes):
        record(single, vote)
    for file in ("sentences.parquet", "pairs.parquet"):
        assert (together / file).read_bytes() == (single / file).read_bytes()
    assert Dataset.open(together).digest == Dataset.open(single).digest


def test_events_of_other_sentences_are_listed_and_nothing_is_written(dataset: Dataset) -> None:
    whole = tree(dataset.path)
    events = [
        say(dataset.path, "a", C),
        make_event(sentence_id="elsewhere#0", text="x", annotator="ann", time=NOON, label=C),
        say(dataset.path, "bob", C, text="Another text."),
        dataclasses.replace(say(dataset.path, "c", C), event_id="0" * 16),
        dataclasses.replace(say(dataset.path, "d", C), spans=(Span(0, 99, ErrorType.TEXT),)),
    ]
    with pytest.raises(DatasetError) as raised:
        record(dataset.path, *events)
    told = str(raised.value).splitlines()
    assert told[0].startswith("the labels do not fit the dataset")
    assert "of 'ann': there is no sentence 'elsewhere#0'" in told[1]
    assert "of 'bob': it is of the text 'Another text.', but sentence" in told[2]
    assert "event_id is 0000000000000000, that of its content is" in told[3]
    assert any("a sentence with label correct carries no" in line for line in told)
    assert "nothing was recorded" in told[-1]
    assert tree(dataset.path) == whole
    many = [make_event(sentence_id=f"x{n}", text="x", annotator="a", time=NOON, label=C) for n in range(50)]
    with pytest.raises(DatasetError, match=r"\.\.\. and 30 more problems"):
        record(dataset.path, *many)


def test_rows_that_are_not_those_of_the_digest_are_not_covered_up(dataset: Dataset) -> None:
    rows = pq.read_table(dataset.path / "pairs.parquet").to_pylist()
    rows[0]["domain"] = "other"
    rewrite(dataset.path, "pairs.parquet", rows, schema.PAIRS, tell=False)
    whole = tree(dataset.path)
    with pytest.raises(DatasetError, match="does not hold the rows that its"):
        record(dataset.path, say(dataset.path, "a", C))
    assert tree(dataset.path) == whole


def test_events_that_were_taken_away_are_not_covered_up(dataset: Dataset, tmp_path: Path) -> None:
    record(dataset.path, *(say(dataset.path, who, C) for who in "ab"))
    rows = pq.read_table(dataset.path / "labels.parquet").to_pylist()
    rows[-1]["comment"] = "another"
    rewrite(dataset.path, "labels.parquet", rows, schema.LABELS, tell=False)
    whole = tree(dataset.path)
    with pytest.raises(DatasetError, match="does not hold the label events that its"):
        record(dataset.path, say(dataset.path, "c", C))
    with pytest.raises(DatasetError, match="does not hold the label events that its"):
        resolve_labels(dataset.path, rule="majority", out=tmp_path / "out")
    assert tree(dataset.path) == whole
    assert not (tmp_path / "out").exists()


def test_what_is_no_dataset_is_told_and_left_alone(tmp_path: Path, dataset: Dataset) -> None:
    with pytest.raises(DatasetError, match="there is no dataset folder"):
        record(tmp_path / "no" / "where")
    assert not (tmp_path / "no").exists()
    (dataset.path / "labels.parquet").write_bytes(b"notes of mine")
    with pytest.raises(DatasetError, match=r"is there, but dataset\.json does not know of it"):
        record(dataset.path, say(dataset.path, "a", C))
    assert (dataset.path / "labels.parquet").read_bytes() == b"notes of mine"


def test_all_else_in_the_folder_is_linked_not_copied(dataset: Dataset) -> None:
    (dataset.path / "notes").mkdir()
    (dataset.path / "notes" / "mine.txt").write_text("mine")
    (dataset.path / "link").symlink_to("pairs.parquet")
    names = ["images/part-00000.parquet", "pairs.parquet", "notes/mine.txt"]
    before = {name: (dataset.path / name).stat().st_ino for name in names}
    record(dataset.path, say(dataset.path, "a", C))
    assert {name: (dataset.path / name).stat().st_ino for name in names} == before
    assert (dataset.path / "link").readlink() == Path("pairs.parquet")
    assert [path.name for path in dataset.path.parent.iterdir()] == [dataset.path.name]


def test_where_the_disk_cannot_link_files_are_copied(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    other = Path(shutil.copytree(dataset.path, dataset.path.with_name("other")))

    def refuse(*args: Any, **more: Any) -> None:
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))

    record(other, say(other, "a", C))
    before = (dataset.path / "pairs.parquet").stat().st_ino
    monkeypatch.setattr(os, "link", refuse)
    record(dataset.path, say(dataset.path, "a", C))
    assert tree(dataset.path) == tree(other)
    assert (dataset.path / "pairs.parquet").stat().st_ino != before


def test_a_disk_that_refuses_leaves_the_dataset_as_it_was(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tree(dataset.path)

    def refuse(*args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("alignbench.atomic.os.fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        record(dataset.path, say(dataset.path, "a", C))
    assert tree(dataset.path) == whole
    assert [path.name for path in dataset.path.parent.iterdir()] == [dataset.path.name]


def test_who_reads_meanwhile_keeps_reading(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "d", images=70)
    images, sentences = dataset.images(), dataset.sentences()
    first = next(images), next(sentences)
    record(dataset.path, say(dataset.path, "a", C))
    assert len([first[0], *images]) == 70
    assert [first[1], *sentences][0].label is W
    assert label_now(dataset.path) is C


def test_one_process_at_a_time_writes(dataset: Dataset) -> None:
    event = say(dataset.path, "a", C)
    with partial_folder(dataset.path.resolve()), pytest.raises(DatasetError, match="another process is writing"):
        record(dataset.path, event)
    assert record(dataset.path, event).added == 1


def test_a_dataset_that_a_kill_left_aside_is_put_back_first(dataset: Dataset) -> None:
    event = say(dataset.path, "a", C)
    dataset.path.rename(dataset.path.with_name(f".{dataset.path.name}.old"))
    assert record(dataset.path, event).added == 1
    assert validate(dataset.path) == []


# resolving


def test_labels_as_they_were_at_a_moment(dataset: Dataset, tmp_path: Path) -> None:
    votes = [say(dataset.path, who, C, time=NOON + dt.timedelta(days=day)) for day, who in enumerate("abc")]
    record(dataset.path, *votes, say(dataset.path, "a", W, time=NOON + dt.timedelta(days=9)))
    then = resolve_labels(dataset.path, rule="majority", until=NOON + dt.timedelta(days=1), out=tmp_path / "then")
    assert sentence(tmp_path / "then").votes == Votes(2, 0, 0, 1.0, 1.0)
    assert (then.events, then.dataset) == (26, tmp_path / "then")
    assert validate(tmp_path / "then") == []
    before = resolve_labels(dataset.path, rule="majority", until=NOON - dt.timedelta(1), out=tmp_path / "before")
    assert (before.digest, before.shown_digest) == (dataset.digest, dataset.shown_digest)
    assert (tmp_path / "before" / "pairs.parquet").stat().st_ino == (dataset.path / "pairs.parquet").stat().st_ino
    assert sentence(dataset.path).votes == Votes(2, 1, 0, 2 / 3, 1 / 3)


def test_a_sentence_with_later_events_only_had_no_label(tmp_path: Path) -> None:
    path = make_dataset(tmp_path / "d", labelled=False).path
    record(path, say(path, "a", C))
    resolve_labels(path, rule="majority", until=NOON - dt.timedelta(1), out=tmp_path / "then")
    assert (label_now(tmp_path / "then"), Dataset.open(tmp_path / "then").labels["events"]) == (None, 0)  # type: ignore[index]
    assert validate(tmp_path / "then") == []


def test_what_cannot_be_resolved_is_told(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="has no label events"):
        resolve_labels(dataset.path, rule="majority")
    record(dataset.path, say(dataset.path, "a", C))
    with pytest.raises(UsageError, match="give --out"):
        resolve_labels(dataset.path, rule="majority", until=NOON)
    with pytest.raises(UsageError, match="needs a time zone"):
        resolve_labels(dataset.path, rule="majority", until=NOON.replace(tzinfo=None), out=tmp_path / "x")
    with pytest.raises(DatasetError, match="exists already"):
        resolve_labels(dataset.path, rule="majority", out=dataset.path)
    with pytest.raises(UnknownNameError):
        resolve_labels(dataset.path, rule="all")


# validate


def rewrite(folder: Path, file: str, rows: list[dict[str, Any]], columns: pa.Schema, *, tell: bool = True) -> None:
    """Write rows behind the writer's back; with `tell`, counts and digests of dataset.json then fit them again."""
    loose = pa.schema([pa.field(field.name, field.type) for field in columns])
    pq.write_table(pa.Table.from_pylist(rows, schema=loose), folder / file)
    if not tell:
        return
    header = json.loads((folder / "dataset.json").read_text())
    if file == "labels.parquet":
        lines = [canonical_json(row | {"time": row["time"].isoformat(timespec="microseconds")}) for row in rows]
        digest = hashlib.sha256("".join(line + "\n" for line in lines).encode()).hexdigest()
        header["labels"] |= {"events": len(rows), "digest": digest}
    else:
        (folder / "dataset.json").write_text(json.dumps(header))
        for violation in validate(folder):
            if violation.rule in ("counts", "digest", "shown_digest"):
                said = violation.message.split("the rows say ")[1]
                header[violation.rule] = json.loads(said.replace("'", '"')) if violation.rule == "counts" else said
    (folder / "dataset.json").write_text(json.dumps(header))


def put(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda row: row.update(values)


def renamed(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(row: dict[str, Any]) -> None:
        row.update(values)
        row["event_id"] = event_id_of(row)

    return change


SPAN = {"start": 0, "end": 3, "error_type": "object"}


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        (put(comment="never said"), ["event-id"]),
        pytest.param(put(event_id="f" * 16), ["event-id"], id="another id"),
        (put(annotator=None), ["null"]),
        (renamed(sentence_id="nowhere#0"), ["event-sentence"]),
        (renamed(text="Changed."), ["text"]),
        (renamed(role="boss"), ["role"]),
        (renamed(label="wrong"), ["label"]),
        (renamed(error_types=["object"]), ["label-span"]),
        (renamed(label="incorrect", error_types=["hue"]), ["error-type"]),
        (renamed(label="incorrect", spans=[SPAN]), ["span-type"]),
        (renamed(label="incorrect", error_types=["object"], spans=[SPAN | {"end": 999}]), ["span"]),
        (renamed(annotator=" "), ["annotator"]),
        (renamed(seconds=-1.0), ["seconds"]),
        (
            renamed(votes={"correct": 1, "incorrect": 0, "unknown": 0, "agreement_ratio": None, "fleiss_pi": None}),
            ["votes"],
        ),
    ],
)
def test_every_rule_of_events_is_checked(
    dataset: Dataset, change: Callable[[dict[str, Any]], None], rules: list[str]
) -> None:
    record(dataset.path, say(dataset.path, "a", C))
    rows = pq.read_table(dataset.path / "labels.parquet").to_pylist()
    change(rows[-1])
    rewrite(dataset.path, "labels.parquet", rows, schema.LABELS)
    found = validate(dataset.path)
    assert [(each.rule, each.table, each.row) for each in found] == [
        (rule, "labels", rows[-1]["event_id"]) for rule in rules
    ]


def test_events_that_come_twice_or_never_show(dataset: Dataset) -> None:
    record(dataset.path, say(dataset.path, "a", C))
    rows = pq.read_table(dataset.path / "labels.parquet").to_pylist()
    rewrite(dataset.path, "labels.parquet", [*rows, rows[-1]], schema.LABELS)
    assert [each.rule for each in validate(dataset.path)] == ["id-unique"]
    rewrite(dataset.path, "labels.parquet", rows[:-1], schema.LABELS)
    assert [(each.rule, each.row) for each in validate(dataset.path)] == [("label-history", FIRST)]
    rewrite(dataset.path, "labels.parquet", rows, schema.LABELS)
    rewrite(dataset.path, "labels.parquet", rows[::-1], schema.LABELS, tell=False)
    assert [each.rule for each in validate(dataset.path)] == ["labels-digest"]
    rewrite(dataset.path, "labels.parquet", rows[:-1], schema.LABELS, tell=False)
    assert [each.rule for each in validate(dataset.path)] == ["labels-events", "labels-digest", "label-history"]


@pytest.mark.parametrize(
    "change",
    [
        put(label="unknown"),
        put(label="incorrect"),
        put(label="incorrect", error_types=["object"]),
        put(votes=None),
        put(votes={"correct": 2, "incorrect": 0, "unknown": 0, "agreement_ratio": 1.0, "fleiss_pi": 1.0}),
    ],
    ids=["unknown", "incorrect", "of a type", "no votes", "more votes"],
)
def test_a_label_that_its_history_does_not_give_shows(dataset: Dataset, change: Callable[..., None]) -> None:
    record(dataset.path, say(dataset.path, "a", C))
    rows = pq.read_table(dataset.path / "sentences.parquet").to_pylist()
    change(rows[0])
    rewrite(dataset.path, "sentences.parquet", rows, schema.SENTENCES)
    found = validate(dataset.path)
    assert [(each.rule, each.table, each.row) for each in found] == [("label-history", "sentences", FIRST)]
    assert "by its events and the rule strict-majority, " in found[0].message


def test_files_of_events_that_are_damaged_show(dataset: Dataset) -> None:
    file, header = dataset.path / "labels.parquet", dataset.path / "dataset.json"
    file.write_bytes(b"what is this")
    assert [(each.rule, each.row) for each in validate(dataset.path)] == [("file-unknown", "labels.parquet")]
    file.unlink()
    record(dataset.path, say(dataset.path, "a", C))
    whole, said = file.read_bytes(), json.loads(header.read_text())
    for damage, rule in ((None, "file-missing"), (whole[: len(whole) // 2], "unreadable"), (b"", "unreadable")):
        file.unlink()
        if damage is not None:
            file.write_bytes(damage)
        assert [(each.rule, each.row) for each in validate(dataset.path)] == [(rule, "labels.parquet")]
        with pytest.raises(DatasetError, match=r"labels\.parquet|cannot be read"):
            Dataset.open(dataset.path)
        file.write_bytes(whole)
    pq.write_table(pa.table({"event_id": ["x"]}), file)
    assert validate(dataset.path)[0].rule == "columns"
    file.write_bytes(whole)
    wrong: list[tuple[Any, str]] = [
        ([], "labels is not a JSON object"),
        (said["labels"] | {"rule": "all"}, "labels.rule is 'all', not one of"),
        (said["labels"] | {"events": -1}, "labels.events is not"),
        (said["labels"] | {"digest": None}, "labels.digest is not"),
    ]
    for entry, message in wrong:
        header.write_text(json.dumps(said | {"labels": entry}))
        assert any(each.rule == "header" and message in each.message for each in validate(dataset.path))
        with pytest.raises(DatasetError, match="labels"):
            Dataset.open(dataset.path)
    header.write_text(json.dumps(said | {"labels": said["labels"] | {"events": 3}}))
    with pytest.raises(DatasetError, match=r"holds 25 labels, but its dataset\.json counts 3"):
        Dataset.open(dataset.path)


# what else happens to a dataset


def test_images_that_arrive_later_leave_the_history(tmp_path: Path) -> None:
    path = tmp_path / "d"
    import_halcap(PLAIN, None, path)
    (first, *_) = Dataset.open(path).sentences()
    record(path, say(path, "a", U, first.sentence_id))
    before = (path / "labels.parquet").read_bytes(), Dataset.open(path).labels
    with (path / "missing_images.csv").open(encoding="utf-8", newline="") as text:
        expected = [row["expected_path"] for row in csv.DictReader(text)]
    for name in expected:
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "pictures" / name).write_bytes(png())
    assert attach_images(path, tmp_path / "pictures").attached == len(expected)
    assert ((path / "labels.parquet").read_bytes(), Dataset.open(path).labels) == before
    assert validate(path) == []


def test_a_history_is_told(dataset: Dataset) -> None:
    first = say(dataset.path, "a", W, spans=[Span(0, 7, ErrorType.OBJECT)])
    record(
        dataset.path, first, say(dataset.path, "a", C, time=LATER, comment="I looked again", guideline=fingerprint())
    )
    found = history_of(Dataset.open(dataset.path), FIRST)
    assert [(event.role, found.stands(event)) for event in found.events] == [
        (Role.BASELINE, True),
        (Role.ANNOTATOR, False),
        (Role.ANNOTATOR, True),
    ]
    assert (found.decider, found.rule, found.sentence.label) == ("votes", "strict-majority", C)
    other = history_of(Dataset.open(dataset.path), SECOND)
    assert (other.decider, len(other.events)) == ("baseline", 1)


def test_the_command_line_tells_a_history(dataset: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    path = dataset.path
    record(
        path, say(path, "ann", W, spans=[Span(0, 7, ErrorType.OBJECT)]), say(path, "ann", C, time=LATER, comment="Oh.")
    )
    assert cli.run(["label", "history", str(path), FIRST]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"{FIRST}: Picture 0 is red 😀."
    assert (
        lines[1] == '* 2026-03-31 12:00:00 UTC  dataset (baseline): incorrect: attribute "Picture" [0, 7)  [by dataset]'
    )
    assert lines[2] == '  2026-03-01 12:00:00 UTC  ann (annotator): incorrect: object "Picture" [0, 7)'
    assert lines[3] == "* 2026-03-31 12:00:00 UTC  ann (annotator): correct  [comment: Oh.]"
    assert lines[4] == (
        "label: correct, decided by votes (rule strict-majority); votes: 1 correct, 0 incorrect, 0 unknown"
    )
    assert cli.run(["label", "history", str(path), FIRST, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["decided_by"], [event["stands"] for event in told["events"]]) == ("votes", [True, False, True])
    assert cli.run(["label", "history", str(path), "alpha-cap/tests:0#9"]) == 2
    assert "(nearest: alpha-cap/tests:0#" in capsys.readouterr().err


def test_the_command_line_resolves(dataset: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(dataset.path)
    assert cli.run(["label", "resolve", path, "--rule", "majority"]) == 2
    assert "has no label events" in capsys.readouterr().err
    record(dataset.path, *(say(dataset.path, who, said) for who, said in zip("abcd", (C, C, W, U), strict=True)))
    assert cli.run(["label", "resolve", path, "--rule", "majority", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == [
        {"sentence_id": FIRST, "before": "unknown", "after": "correct"}
    ]
    out = str(tmp_path / "then")
    assert cli.run(["label", "resolve", path, "--rule", "majority", "--until", "2026-02-01", "--out", out]) == 0
    assert "sentences with another label than before: 1" in capsys.readouterr().out
    assert Dataset.open(tmp_path / "then").digest == dataset.digest
    assert cli.run(["label", "resolve", path, "--rule", "majority", "--until", "yesterday", "--out", out]) == 2
    assert "'yesterday' is no moment; write it as 2026-01-31" in capsys.readouterr().err
    assert cli.run(["validate", path]) == 0


def test_guidelines_have_a_fingerprint() -> None:
    text = guideline_text()
    assert card_file("error_types.md").read_text(encoding="utf-8") in text
    assert len(fingerprint()) == 12 and int(fingerprint(), 16)
