"""What one annotation of Label Studio answers, read from its `result`.

Results of choices, labels and text areas have the form of https://labelstud.io/guide/task_format and of the tags' own
pages (https://labelstud.io/tags/choices, /labels, /textarea).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeVar

from alignbench.exchange.label_studio.config import COMMENT, LABEL, SPANS, TYPES
from alignbench.exchange.label_studio.regions import Region, cut, region_of
from alignbench.types import ErrorType, Label

_HALF = re.compile("[\ud800-\udfff]")
_Legal = TypeVar("_Legal", bound=StrEnum)
Note = Callable[[str], None]


@dataclass(slots=True)
class Answers:
    """The answers of one annotation.

    Attributes:
        label: The label; null where none was chosen.
        regions: What was marked.
        error_types: The types chosen without words.
        comments: What was written, in order.
        taken_over: Whether a part of it came from a prediction.
    """

    label: Label | None = None
    regions: list[Region] = field(default_factory=list)
    error_types: list[ErrorType] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    taken_over: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing was answered."""
        return not (self.label or self.regions or self.error_types or self.comments)


def answers_of(results: Any, text: str, note: Note, problem: Note) -> Answers:
    """The answers in a `result`; what cannot be read goes to `problem`, what is mapped with doubt to `note`."""
    answers = Answers()
    if not isinstance(results, list):
        problem(f"`result` is no list: {cut(results)}")
        return answers
    for result in results:
        try:
            _read(answers, result, text, note)
        except ValueError as error:
            problem(str(error))
    return answers


def whole(text: str, note: Note) -> str:
    """A text in which half of a surrogate pair, which is no character, has become U+FFFD."""
    if not _HALF.search(text):
        return text
    note("halves of a surrogate pair replaced by U+FFFD")
    return _HALF.sub("\ufffd", text)


def _read(answers: Answers, result: Any, text: str, note: Note) -> None:
    if not isinstance(result, Mapping):
        raise ValueError(f"a result is no JSON object: {cut(result)}")  # noqa: TRY004 - said as the other problems are
    name, value = result.get("from_name"), result.get("value")
    if name not in (LABEL, SPANS, TYPES, COMMENT):
        note("answers to questions that are not ours, left out")
        return
    if not isinstance(value, Mapping):
        raise ValueError(f"the value of a result of `{name}` is no JSON object: {cut(value)}")  # noqa: TRY004 - as above
    answers.taken_over |= str(result.get("origin")).startswith("prediction")
    if name == LABEL:
        _read_label(answers, value)
    elif name == SPANS:
        answers.regions.append(region_of(text, value, _types_of_region(value, note)))
    elif name == TYPES:
        answers.error_types += _listed(value, "choices", ErrorType)
    else:
        answers.comments += [whole(line, note) for line in _texts(value, "text") if line.strip()]


def _read_label(answers: Answers, value: Mapping[str, Any]) -> None:
    labels = _listed(value, "choices", Label)
    if len(labels) > 1 or (labels and answers.label not in (None, *labels)):
        raise ValueError(f"more than one label is chosen: {', '.join([*filter(None, [answers.label]), *labels])}")
    answers.label = labels[0] if labels else answers.label


def _types_of_region(value: Mapping[str, Any], note: Note) -> tuple[ErrorType, ...]:
    kinds = _listed(value, "labels", ErrorType)
    if not kinds:
        note("marked words without a type, taken as `other`")
    return tuple(kinds) or (ErrorType.OTHER,)


def _listed(value: Mapping[str, Any], key: str, legal: type[_Legal]) -> list[_Legal]:
    """The legal values that a result lists, each once."""
    found = []
    for name in dict.fromkeys(_texts(value, key)):
        if name not in set(legal):
            raise ValueError(f"{cut(name)} is none of {', '.join(legal)}; was the labelling interface changed?")
        found.append(legal(name))
    return found


def _texts(value: Mapping[str, Any], key: str) -> list[str]:
    """The texts of a list, or the one text in its place; empty where there is none."""
    cell = value.get(key)
    texts = [cell] if isinstance(cell, str) else [] if cell is None else cell
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError(f"`{key}` of a result is no list of texts: {cut(cell)}")
    return texts
