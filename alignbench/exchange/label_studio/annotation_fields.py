"""Reads one annotation of Label Studio: who made it, when, how long it took, and what it was shown."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from alignbench.exchange.label_studio.answers import Answers, Note, answers_of, whole
from alignbench.exchange.label_studio.regions import cut
from alignbench.types import Role

PREFIX = "label-studio:"
_LONGEST = 1e9  # seconds: 30 years
_NOBODY = f"{PREFIX}unknown"


@dataclass(frozen=True, slots=True)
class AnnotationFields:
    """Who, when, what for; `seconds` and `suggested_by` are as in `LabelEvent`."""

    annotator: str
    role: Role
    time: dt.datetime
    seconds: float | None
    suggested_by: str | None


@dataclass(slots=True)
class AnnotationReader:
    """Reads the annotations of a file, which pass by once.

    Attributes:
        role: What an annotation counts for that is no ground truth.
        annotators: Names to use, by ID, `label-studio:ID` or e-mail address.
    """

    role: Role
    annotators: Mapping[str, str]
    _seen: dict[str, str] = field(default_factory=dict)

    def read(
        self, annotation: Any, predictions: Any, text: str, note: Note, problem: Note
    ) -> tuple[AnnotationFields, Answers] | None:
        """An annotation of a sentence; null where it says nothing, or where it cannot be read.

        Args:
            annotation: The annotation.
            predictions: Those of its task.
            text: The sentence.
            note: Called with what is left out or mapped with doubt.
            problem: Called with what cannot be read.
        """
        if not isinstance(annotation, Mapping):
            problem(f"an annotation is no JSON object: {cut(annotation)}")
            return None
        if self._is_repeated(annotation, note, problem):
            return None
        if _flag(annotation, "was_cancelled", problem):
            note("annotations cancelled or skipped, left out")
            return None
        answers = answers_of(annotation.get("result"), text, note, problem)
        if not answers.is_empty:
            fields = self._fields(annotation, predictions, answers, note, problem)
            return None if fields is None else (fields, answers)
        note("annotations without an answer, left out")
        return None

    def _fields(
        self, annotation: Mapping[str, Any], predictions: Any, answers: Answers, note: Note, problem: Note
    ) -> AnnotationFields | None:
        annotator = self._annotator(annotation.get("completed_by"), note, problem)
        time = _time(annotation, note, problem)
        role = self.role
        if _flag(annotation, "ground_truth", problem):
            note("ground truth, taken as adjudications")
            role = Role.ADJUDICATOR
        suggested_by = _suggested_by(annotation, predictions, answers, note)
        if annotator is None or time is None:
            return None
        return AnnotationFields(annotator, role, time, _seconds(annotation, note), suggested_by)

    def _is_repeated(self, annotation: Mapping[str, Any], note: Note, problem: Note) -> bool:
        """Whether an annotation of this id was there before."""
        if annotation.get("id") is None:
            return False
        known = cut(annotation["id"])
        content = hashlib.sha256(json.dumps(annotation, sort_keys=True).encode()).hexdigest()
        if known not in self._seen:
            self._seen[known] = content
            return False
        if self._seen[known] == content:
            note("annotations that come twice, taken once")
        else:
            problem(f"two annotations have the id {known} and differ; export the project anew")
        return True

    def _annotator(self, completed_by: Any, note: Note, problem: Note) -> str | None:
        """Whose it is: `label-studio:ID`, or the name to use for it."""
        known = completed_by if isinstance(completed_by, Mapping) else {"id": completed_by}
        given, address = known.get("id"), known.get("email")
        keys = [one for one in (given, address) if isinstance(one, str)]
        numbered = isinstance(given, int) and not isinstance(given, bool)
        if numbered or (isinstance(given, str) and re.fullmatch(r"[0-9]{1,18}", given)):
            keys = [f"{PREFIX}{given}", str(given), *keys]
        for key in keys:
            if key in self.annotators:
                return self.annotators[key]
        if keys and keys[0].startswith(PREFIX):
            return keys[0]
        if completed_by is None:
            note(f"annotations without an annotator, all taken as of {_NOBODY}")
            return _NOBODY
        problem(f"`completed_by` is no ID: {cut(given)}; give a name to use, as --rename ADDRESS=NAME")
        return None


def _flag(annotation: Mapping[str, Any], key: str, problem: Note) -> bool:
    value = annotation.get(key)
    if value not in (None, False, True):
        problem(f"`{key}` is neither true nor false: {cut(value)}")
    return value is True or value == 1


def _time(annotation: Mapping[str, Any], note: Note, problem: Note) -> dt.datetime | None:
    value = annotation.get("updated_at") or annotation.get("created_at")
    try:
        time = dt.datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.utcoffset() is None:
            note("times without a zone, taken as UTC")
            time = time.replace(tzinfo=dt.UTC)
        if time is not None:
            return time.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        pass
    problem(f"`updated_at` is no time: {cut(value)}")
    return None


def _seconds(annotation: Mapping[str, Any], note: Note) -> float | None:
    value = annotation.get("lead_time")
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= _LONGEST:
        return float(value)
    note("`lead_time` that is no time, left out")
    return None


def _suggested_by(annotation: Mapping[str, Any], predictions: Any, answers: Answers, note: Note) -> str | None:
    """The model of the prediction that the annotation began with; null where it began with none."""
    began = annotation.get("prediction")
    listed = [one for one in predictions if isinstance(one, Mapping)] if isinstance(predictions, list) else []
    parent = annotation.get("parent_prediction")
    if isinstance(began, Mapping) and _model(began):
        found = {_model(began)}
    elif parent is not None:
        found = {_model(one) for one in listed if one.get("id") == parent}
    elif answers.taken_over:
        found = {_model(one) for one in listed}
    else:
        return None
    if len(found) == 1 and (model := found.pop()):
        return whole(model, note)
    note("predictions taken over whose model the file does not tell")
    return None


def _model(prediction: Mapping[str, Any]) -> str | None:
    model = prediction.get("model_version")
    return model if isinstance(model, str) and model else None
