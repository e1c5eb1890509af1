"""Cuts texts where marks begin and end, so that no offset is computed in a browser, whose strings count otherwise."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

MOST_AROUND = 1500
MOST_INSIDE = 4000
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
# What a browser obeys or drops instead of showing it: controls, lone surrogates, and what turns the reading direction.
_UNSEEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


class Mark(NamedTuple):
    """A range of a text, in code points, half-open, and what is said of it."""

    start: int
    end: int
    name: str


class Piece(NamedTuple):
    """A part of a text that the same marks cover.

    Attributes:
        text: The part.
        names: Those of the marks, each once; none where no mark covers it.
        ends: The names of those that end with it.
    """

    text: str
    names: tuple[str, ...]
    ends: tuple[str, ...]


class Excerpt(NamedTuple):
    """A caption around one of its sentences.

    Attributes:
        before: What comes before the sentence; its far end where it is very long.
        pieces: The sentence.
        after: What comes after it.
    """

    before: str
    pieces: Sequence[Piece]
    after: str


def pieces(text: str, marks: Iterable[Mark]) -> list[Piece]:
    """The text cut at every end of a mark; joined they are the text.

    Marks may overlap. What lies outside of the text is cut off, empty marks are left out. Of a text of more than
    `MOST_INSIDE` code points the first ones are kept.
    """
    if len(text) > MOST_INSIDE:
        text = text[:MOST_INSIDE] + _ELLIPSIS
    kept = [Mark(max(0, mark.start), min(len(text), mark.end), mark.name) for mark in marks]
    kept = [mark for mark in kept if mark.start < mark.end]
    ends = sorted({0, len(text), *(mark.start for mark in kept), *(mark.end for mark in kept)})
    return [
        Piece(
            text[start:end],
            _names(mark for mark in kept if mark.start <= start and end <= mark.end),
            _names(mark for mark in kept if end == mark.end),
        )
        for start, end in pairwise(ends)
    ]


def _names(marks: Iterable[Mark]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(mark.name for mark in marks))


def excerpt(caption: str, start: int, end: int, marks: Iterable[Mark]) -> Excerpt:
    """The caption with its sentence `caption[start:end]` in pieces; `marks` count from the start of the sentence."""
    before, after = caption[:start], caption[end:]
    if len(before) > MOST_AROUND:
        before = _ELLIPSIS + before[-MOST_AROUND:]
    if len(after) > MOST_AROUND:
        after = after[:MOST_AROUND] + _ELLIPSIS
    return Excerpt(before, pieces(caption[start:end], marks), after)


def visible(text: str) -> str:
    """The text with every character that a browser would obey, and not show, spelled out as in `⟨U+202E⟩`."""
    return _UNSEEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
