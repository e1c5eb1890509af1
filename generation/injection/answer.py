"""What a text model is asked for, and what of its answers can be used.

Whether the planted words are wrong is for the model to know; that nothing else changed is checked here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from enum import StrEnum

from alignbench.types import ErrorType
from generation.injection.edit import Edit
from generation.injection.plant import Caption, Planted, plant

METHOD = "text-model"
PLANTED_BY = "planted-"
"""What stands before a text model's name in that of the producer of its errors."""

_WRONG_ABOUT: Mapping[ErrorType, str] = {
    ErrorType.ATTRIBUTE: "the colour, size, shape, material, state, pose or action of a thing that is there",
    ErrorType.OBJECT: "what a thing is: name a thing of a clearly different kind in its place",
    ErrorType.ILLUSION: "what is there at all: add a thing that the caption does not mention and that cannot be there",
    ErrorType.DIRECTION: "where something points, faces, looks or moves",
    ErrorType.NUMBER: "how many of something there are",
    ErrorType.TEXT: "what is written in the image, as the caption quotes it",
    ErrorType.LOCATION: "where in the image a thing is",
    ErrorType.RELATION: "how two things lie to each other",
}
_PROMPT = """\
Here is a true caption of an image:

{caption}

Change its sentence
{sentence}
so that it becomes false by exactly one error of the type "{error_type}": it shall be wrong about {wrong_about}. \
Replace as few words as possible, keep the grammar right, and do not use words such as "not". The changed sentence \
must be false for certain, not merely less likely.

Answer with one JSON object and nothing else: {{"error_type": "{error_type}", "before": the words of the sentence that \
you replace, exactly as they stand there, "after": the words that take their place}}
"""
_FENCE = re.compile(r"^```(?:json)?\s*\n(.*)\n```$", re.DOTALL)
_KEYS = frozenset({"error_type", "before", "after"})
_MOST_WORDS = 25
_WORD = re.compile(r"\S+")


class Useless(StrEnum):
    """Why an answer cannot be used."""

    NO_JSON = "no_json"
    OTHER_KEYS = "other_keys"
    OTHER_TYPE = "other_type"
    BEFORE_NOT_ONCE = "before_not_once"
    UNCHANGED = "unchanged"
    TOO_LONG = "too_long"
    SPLITS_OTHERWISE = "splits_otherwise"


class UselessError(ValueError):
    """An answer that cannot be used; `why` says why."""

    def __init__(self, why: Useless, said: str) -> None:
        super().__init__(f"the answer cannot be used ({why}): {said[:200]!r}")
        self.why = why


def prompt_for(caption: Caption, index: int, error_type: ErrorType) -> str:
    """What to ask for an error of that type in the sentence `index`."""
    start, end = caption.ranges[index]
    return _PROMPT.format(
        caption=caption.text,
        sentence=caption.text[start:end],
        error_type=error_type.value,
        wrong_about=_WRONG_ABOUT[error_type],
    )


def planted_by(answer: str, caption: Caption, index: int, error_type: ErrorType) -> Planted:
    """The caption changed as an answer says.

    Raises:
        UselessError: It is no answer to the question, or changes more or less than one place of the sentence.
    """
    before, after = _read(answer, error_type)
    start, end = caption.ranges[index]
    sentence = caption.text[start:end]
    places = [found.span() for found in re.finditer(rf"(?<!\w){re.escape(before)}(?!\w)", sentence)]
    if len(places) != 1:
        raise UselessError(Useless.BEFORE_NOT_ONCE, answer)
    if _bare(before) == _bare(after) or not _bare(after):
        raise UselessError(Useless.UNCHANGED, answer)
    if len(after.split()) > _MOST_WORDS or "\n" in after:
        raise UselessError(Useless.TOO_LONG, answer)
    planted = plant(caption, index, Edit(METHOD, error_type, *places[0], after, _new_words(before, after)))
    if planted is None:
        raise UselessError(Useless.SPLITS_OTHERWISE, answer)
    return planted


def _read(answer: str, error_type: ErrorType) -> tuple[str, str]:
    """The words of a strict answer; a code fence around it is forgiven."""
    text = answer.strip()
    fenced = _FENCE.match(text)
    try:
        said = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError) as error:
        raise UselessError(Useless.NO_JSON, answer) from error
    if not isinstance(said, dict) or said.keys() != _KEYS or not all(isinstance(each, str) for each in said.values()):
        raise UselessError(Useless.OTHER_KEYS, answer)
    if said["error_type"] != error_type:
        raise UselessError(Useless.OTHER_TYPE, answer)
    before, after = said["before"].strip(), said["after"].strip()
    if not before:
        raise UselessError(Useless.BEFORE_NOT_ONCE, answer)
    return before, after


def _bare(text: str) -> str:
    """The letters and digits of a text, which is all that a change has to change."""
    return re.sub(r"[\W_]+", " ", text).strip().casefold()


def _new_words(before: str, after: str) -> tuple[int, int]:
    """The range of `after` without the words that both ends share with `before`; all of it if words only went."""
    old, new = before.split(), [(found[0], found.span()) for found in _WORD.finditer(after)]
    first, last = 0, len(new)
    while first < min(len(old), last) and old[first] == new[first][0]:
        first += 1
    while (
        last > first
        and len(old) - (len(new) - last) > first
        and old[len(old) - (len(new) - last) - 1] == new[last - 1][0]
    ):
        last -= 1
    if first == last:
        return 0, len(after)
    start, end = new[first][1][0], new[last - 1][1][1]
    return start, len(after[:end].rstrip(".,;:!"))
