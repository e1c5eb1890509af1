"""Reads which words of a sentence a model quotes as wrong, strictly: what is not exactly an answer is none."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import NamedTuple

_GAP = r"[ \t\n\r]*+"
_STRING = r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+"'
_FIELD = rf'"quote"{_GAP}:{_GAP}{_STRING}|"occurrence"{_GAP}:{_GAP}[1-9][0-9]{{0,3}}'
_ENTRY = rf"\{{{_GAP}(?:{_FIELD})(?:{_GAP},{_GAP}(?:{_FIELD}))?{_GAP}\}}"
_LIST = rf"\[{_GAP}(?:{_ENTRY}(?:{_GAP},{_GAP}{_ENTRY})*+)?{_GAP}\]"
_ANSWER = re.compile(rf'\{{{_GAP}"wrong"{_GAP}:{_GAP}(?P<list>{_LIST}){_GAP}\}}')
_FIELDS = re.compile(rf'"quote"{_GAP}:{_GAP}(?P<quote>{_STRING})|"occurrence"{_GAP}:{_GAP}(?P<occurrence>[0-9]+)')
_ENTRIES = re.compile(_ENTRY)
_JOINER = "\u200d"


class Quote(NamedTuple):
    """Words that a model quotes.

    Attributes:
        start: Where they begin in the sentence.
        end: Where they end.
        spelt: Where they stand in the answer, without the quotation marks around them.
    """

    start: int
    end: int
    spelt: tuple[int, int]


class Quotes(NamedTuple):
    """What an answer says.

    Attributes:
        quotes: Of the words that are wrong, in the order of the answer.
        listed: Where their list stands in the answer, its brackets included.
    """

    quotes: tuple[Quote, ...]
    listed: tuple[int, int]


def read_quotes(answer: str, sentence: str) -> Quotes:
    """The quotes that the answer is, such as `{"wrong": [{"quote": "red", "occurrence": 2}]}`; none in an empty list.

    The answer is this one JSON object with these fields and no others; text around it, a code fence included, makes it
    none, because what the model then meant to be its answer is a guess. A quote stands in the sentence as it is
    written: nothing is lower-cased, normalised or trimmed. `occurrence` counts from 1 the places where it stands, also
    overlapping ones, and may be left out where there is one. Where it stands as whole words, the places where it would
    cut a word are not counted: `red` stands once in "a bored red dog".

    Raises:
        ValueError: The answer is none; the message says why.
    """
    found = _ANSWER.fullmatch(answer)
    if not found:
        raise ValueError("the answer is not one JSON object of the form that was asked for and nothing else")
    begin, end = found.span("list")
    quotes = tuple(_quote(entry, sentence) for entry in _ENTRIES.finditer(answer, begin, end))
    return Quotes(quotes, (begin, end))


def _quote(entry: re.Match[str], sentence: str) -> Quote:
    words: list[re.Match[str]] = []
    times: list[re.Match[str]] = []
    for field in _FIELDS.finditer(entry.string, *entry.span()):
        (words if field["quote"] else times).append(field)
    if len(words) != 1 or len(times) > 1:
        raise ValueError("an entry of the answer has not exactly one quote and at most one occurrence")
    said = json.loads(words[0]["quote"])
    begin, end = words[0].span("quote")
    start = _place(said, int(times[0]["occurrence"]) if times else None, sentence)
    return Quote(start, start + len(said), (begin + 1, end - 1))


def _place(quote: str, occurrence: int | None, sentence: str) -> int:
    """Where a quote begins in its sentence."""
    if not quote.strip():
        raise ValueError("a quote is empty")
    places = [at for at in range(len(sentence)) if sentence.startswith(quote, at)]
    places = [at for at in places if not _cuts_a_word(sentence, at, at + len(quote))] or places
    if not places:
        raise ValueError(f"{quote!r} does not stand in the sentence")
    if occurrence is None and len(places) > 1:
        raise ValueError(f"{quote!r} stands {len(places)} times in the sentence, and none of them is named")
    if (occurrence or 1) > len(places):
        raise ValueError(f"{quote!r} stands {len(places)} times in the sentence, not {occurrence}")
    return places[(occurrence or 1) - 1]


def _cuts_a_word(sentence: str, start: int, end: int) -> bool:
    return any(0 < cut < len(sentence) and _holds(sentence[cut - 1], sentence[cut]) for cut in (start, end))


def _holds(before: str, after: str) -> bool:
    """Whether a word goes on from one character to the next; a combining mark belongs to what it stands on."""
    if before.isspace() or after.isspace():
        return False
    if unicodedata.category(after).startswith("M") or _JOINER in {before, after}:
        return True
    return after.isalnum() and (before.isalnum() or unicodedata.category(before).startswith("M"))
