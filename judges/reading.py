"""Reads the answers that models write, strictly: a text that is not exactly an answer has none."""

from __future__ import annotations

import re

from judges.words import WORDS

_QUOTED = re.compile(r"(?P<mark>\*\*|[*\"'`]|)(?P<said>.+?)(?P=mark)", re.DOTALL)
_WORD = re.compile(r"(?P<word>[A-Za-z]+)[.!]?")
_NUMBER = re.compile(r"(?P<number>(?:100|[1-9]?[0-9])(?:\.[0-9]+)?)(?: ?%| ?/ ?100)?\.?")


def read_yes_no(text: str) -> bool | None:
    """True for yes, False for no, in any of the usual cases, with or without a full stop, quotes or asterisks."""
    found = _WORD.fullmatch(_bare(text))
    cases = {case: word == "yes" for word in WORDS for case in (word, word.capitalize(), word.upper())}
    return cases.get(found["word"]) if found else None


def read_score(text: str) -> float | None:
    """The number from 0 to 100 that the text is, also written as `87 %` or `87/100`.

    A fraction of one, such as 0.87, is no answer: the model may have meant another scale.
    """
    found = _NUMBER.fullmatch(_bare(text))
    if not found:
        return None
    score = float(found["number"])
    fraction_of_one = "." in found["number"] and 0 < score <= 1
    return None if score > 100 or fraction_of_one else score


def _bare(text: str) -> str:
    """The text without space around it and without the quotes or asterisks that enclose the whole of it."""
    enclosed = _QUOTED.fullmatch(text.strip())
    return enclosed["said"].strip() if enclosed else ""
