"""Sentences as exact code-point ranges of a caption."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Mapping
from importlib.metadata import version
from types import MappingProxyType

import sentencex

SPLITTER: Mapping[str, str] = MappingProxyType({"name": "sentencex", "version": f"{version('sentencex')}+lines.1"})
"""What split the captions, stored in dataset.json; `+lines.N` counts the revisions of the rules in this file."""

_SPACE_OR_SURROGATE = re.compile(r"[\s\ud800-\udfff]")
_JOINER = "\u200d"
# Before a number these end no sentence; sentencex 1.0.32 says they do.
_BEFORE_NUMBER = re.compile(r"\b(approx|circa|est|figs|max|min|vol)\.\s*$", re.IGNORECASE)


def split_sentences(text: str) -> list[tuple[int, int]]:
    """The sentences of `text`, in order, as half-open ranges of Unicode code points without surrounding white space.

    Every character that is no white space is in exactly one of them. A line break always separates. A piece without
    a letter, such as the number of a list entry or an emoji, belongs to the next sentence of its line, or else to the
    one before.
    """
    ranges: list[tuple[int, int]] = []
    line_start = 0
    for line in text.splitlines(keepends=True):
        cuts = [*_cuts(line), len(line)]
        for start, end in zip([0, *cuts], cuts, strict=False):
            piece = line[start:end]
            if stripped := piece.strip():
                first = line_start + start + len(piece) - len(piece.lstrip())
                ranges.append((first, first + len(stripped)))
        line_start += len(line)
    return ranges


def _cuts(line: str) -> list[int]:
    """Where a sentence of `line` ends before another one begins."""
    letters = [place for place, character in enumerate(line) if character.isalpha()]
    kept: list[int] = []
    for cut in _proposed(line):
        before = bisect_left(letters, cut)
        has_words = bisect_left(letters, kept[-1] if kept else 0) < before < len(letters)
        if has_words and not _is_inside(line, cut):
            kept.append(cut)
    return kept


def _proposed(line: str) -> list[int]:
    """The ends of sentences according to sentencex."""
    # sentencex 1.0.32 panics on white space of several bytes and cannot take lone surrogates; lengths stay the same.
    plain = _SPACE_OR_SURROGATE.sub(lambda found: " " if found[0].isspace() else "\ufffd", line)
    return [boundary["end_index"] for boundary in sentencex.get_sentence_boundaries("en", plain)]


def _is_inside(line: str, cut: int) -> bool:
    """Whether `cut` splits a user-perceived character, or an abbreviation from its number."""
    if unicodedata.category(line[cut]).startswith("M") or _JOINER in line[cut - 1 : cut + 1]:
        return True
    return line[cut].isdigit() and _BEFORE_NUMBER.search(line, max(0, cut - 16), cut) is not None
