"""Reads the records that Argilla's `Dataset.to_disk` or `records.to_json` writes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignbench.errors import ImportFileError
from alignbench.exchange.argilla.export import COMMENT, LABEL, SPANS
from alignbench.exchange.arriving_labels import ArrivingLabels, SaidBefore
from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.offsets import code_point_offset
from alignbench.exchange.rows import check_format
from alignbench.exchange.values import error_type_of, label_of
from alignbench.labelling.events import make_event
from alignbench.store import Dataset
from alignbench.types import Label, LabelEvent, Role, Span

TOOL = "argilla"
_EXPECTED = "give records.json of a folder that Argilla's `Dataset.to_disk` wrote"


def read_responses(
    dataset: Dataset, file: Path, *, role: Role = Role.ANNOTATOR, now: dt.datetime | None = None
) -> ArrivingLabels:
    """The labels of a records.json: a list of records, each a sentence, with the responses of its annotators.

    Argilla writes neither when an answer was given nor how long it took: events bear the time of the import. Annotators
    are `argilla:USER_ID`. What an annotator said before already is passed over. Spans count UTF-16 code units, as
    Argilla's page does.

    Args:
        dataset: What was labelled.
        file: The records.
        role: Whether these are votes or the last word.
        now: The time of the events; by default the present.

    Raises:
        UsageError: There is no such file.
        ImportFileError: Lists every record that cannot be read.
    """
    check_format(file, (".json",))
    problems, notes = Problems(file, unit="record"), Notes()
    table = dataset.sentences_table(["sentence_id", "text"])
    texts = dict(zip(table["sentence_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    time = now or dt.datetime.now(dt.UTC)
    events: list[LabelEvent] = []
    for place, record in enumerate(_records(file), start=1):
        try:
            events += _events(record, texts, role, time, notes)
        except ValueError as wrong:
            problems.add(place, str(wrong))
    problems.raise_any("mend these records and import the file again")
    said_before = SaidBefore(dataset)
    news = [event for event in events if event not in said_before]
    for event in (event for event in events if event in said_before):
        notes.add("answers that say what their annotator said before, passed over", event.sentence_id)
    if not events:
        raise ImportFileError(f"{file} has no response to the question `{LABEL}`; label in Argilla, then export again")
    return ArrivingLabels(news, notes)


def _records(file: Path) -> list[Any]:
    try:
        records = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise ImportFileError(f"{file} is not JSON: {error}; {_EXPECTED}") from error
    if not isinstance(records, list):
        raise ImportFileError(f"{file} is not a list of records; {_EXPECTED}")
    return records


def _events(record: Any, texts: Mapping[str, str], role: Role, time: dt.datetime, notes: Notes) -> Iterator[LabelEvent]:
    sentence_id, text = _sentence(record, texts)
    agent = _object(_object(record, "suggestions"), LABEL).get("agent")
    for user, answer in _by_user(_object(record, "responses")).items():
        if answer.get(LABEL) is None:
            notes.add("answers without a label, passed over", f"{sentence_id} by {user}")
            continue
        label = label_of(answer[LABEL])
        if label is None:
            raise ValueError(f"label {answer[LABEL]!r:.40} of {sentence_id} is not one of {', '.join(Label)}")
        spans = tuple(_span(text, span) for span in answer.get(SPANS) or [])
        if spans and label is not Label.INCORRECT:
            raise ValueError(f"{sentence_id} is labelled {label} by {user}, but has spans; only an incorrect one has")
        if spans and max(text) > "\uffff":
            notes.add("spans beside characters that Argilla counts twice; look at them", f"{sentence_id} by {user}")
        yield make_event(
            sentence_id=sentence_id,
            text=text,
            annotator=f"{TOOL}:{user}",
            time=time,
            label=label,
            role=role,
            spans=spans,
            comment=answer.get(COMMENT) or None,
            guideline=_object(record, "metadata").get("guideline"),
            tool=TOOL,
            suggested_by=agent,
        )


def _sentence(record: Any, texts: Mapping[str, str]) -> tuple[str, str]:
    """The id and the text of the sentence that a record is of."""
    sentence_id = _object({"record": record}, "record").get("id")
    if not isinstance(sentence_id, str) or sentence_id not in texts:
        raise ValueError(f"the dataset has no sentence {sentence_id!r:.60}")
    text = texts[sentence_id]
    shown = _object(record, "fields").get("sentence", text)
    if shown != text:
        raise ValueError(f"the sentence {sentence_id} is {text!r:.80} in the dataset, not {shown!r:.80}")
    return sentence_id, text


def _object(value: Mapping[str, Any], key: str) -> dict[str, Any]:
    inner = value.get(key)
    if inner is not None and not isinstance(inner, dict):
        raise ValueError(f"`{key}` is {inner!r:.60}, not an object")
    return inner or {}


def _by_user(responses: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    answers: dict[str, dict[str, Any]] = {}
    for question, given in responses.items():
        if not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
            raise ValueError(f"responses.{question} is not a list of answers")
        for one in given:
            answers.setdefault(str(one.get("user_id")), {})[question] = one.get("value")
    return answers


def _span(text: str, span: Any) -> Span:
    if not isinstance(span, dict) or type(span.get("start")) is not int or type(span.get("end")) is not int:
        raise ValueError(f"the span {span!r:.60} has no start and end")
    kind = error_type_of(span.get("label"))
    if kind is None:
        raise ValueError(f"the span {span!r:.60} is of no known type")
    return Span(code_point_offset(text, span["start"]), code_point_offset(text, span["end"]), kind)
