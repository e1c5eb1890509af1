"""Turns error words, given as text, into spans."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignbench.exchange.quotes import occurrences
from alignbench.exchange.values import entries, error_type_of, is_null, written
from alignbench.types import ErrorType, Span

_WORDS_KEYS = ("words", "word", "text", "phrase", "span", "error_words")
_TYPE_KEYS = ("type", "error_type", "category", "label")


@dataclass(frozen=True, slots=True)
class Located:
    """The spans of a sentence, with the words for which there is none and why, as one phrase each."""

    spans: tuple[Span, ...]
    not_found: tuple[str, ...]
    ambiguous: tuple[str, ...]
    untyped: tuple[str, ...]


def locate(text: str, cell: Any, error_types: Sequence[ErrorType]) -> Located:
    """The spans of the words that `cell` quotes from `text`.

    A cell holds words, a list of words, an object with the words of each type, or one of these written as text. Words
    that are not found as a whole are sought in parts, divided at `;`, `|`, `/` or a comma. They are of the one error
    type of the sentence, of the type at the same place where there are as many, or of no known type. Words that occur
    several times have a span each if they are quoted as often, and none otherwise.

    Args:
        text: The sentence.
        cell: Its error words.
        error_types: Its error types, in order with repeats.
    """
    quotes = [(words, kind) for words, kind in _typed(_groups(text, written(cell)), error_types)]
    times = Counter(words for words, _ in quotes)
    used: Counter[str] = Counter()
    spans, not_found, ambiguous, untyped = set(), [], [], []
    for words, kind in quotes:
        places = occurrences(text, words)
        if not places:
            not_found.append(words)
        elif len(places) not in (1, times[words]):
            ambiguous.append(f"{words} ({len(places)} places)")
        elif kind is None:
            untyped.append(words)
        else:
            start, end = places[used[words] % len(places)]
            spans.add(Span(start, end, kind))
        used[words] += 1
    ordered = sorted(spans, key=lambda span: (span.start, span.end, span.error_type))
    return Located(tuple(ordered), tuple(not_found), tuple(ambiguous), tuple(untyped))


_Group = tuple[ErrorType | None, list[str]]


def _typed(groups: list[_Group], error_types: Sequence[ErrorType]) -> Iterator[tuple[str, ErrorType | None]]:
    only = error_types[0] if len(set(error_types)) == 1 else None
    paired = len(groups) == len(error_types)
    for place, (kind, quoted) in enumerate(groups):
        for words in quoted:
            yield words, kind or only or (error_types[place] if paired else None)


def _groups(text: str, value: Any) -> list[_Group]:
    if isinstance(value, Mapping) and _is_quote(value):
        return [_grouped(text, value)]
    if isinstance(value, Mapping):
        return [(error_type_of(kind), _parts_of(text, words)) for kind, words in value.items() if not is_null(words)]
    if isinstance(value, list | tuple):
        return [
            _grouped(text, inner) if isinstance(inner, Mapping) else (None, _parts_of(text, inner))
            for inner in entries(value)
        ]
    return [(None, [part]) for part in _parts_of(text, value)]


def _is_quote(value: Mapping[Any, Any]) -> bool:
    # `text` is the name of an error type too: an object that has others beside it holds words by type.
    return any(key in value for key in _WORDS_KEYS) and all(key in (*_WORDS_KEYS, *_TYPE_KEYS) for key in value)


def _grouped(text: str, value: Mapping[Any, Any]) -> _Group:
    words = next((value[key] for key in _WORDS_KEYS if key in value), None)
    kind = next((value[key] for key in _TYPE_KEYS if key in value), None)
    return error_type_of(kind), _parts_of(text, words)


def _parts_of(text: str, value: Any) -> list[str]:
    """The quotes in a value: each as it is where it occurs in `text`, else its parts where one of them does."""
    quotes: list[str] = []
    for words in (str(entry).strip() for entry in entries(value)):
        parts = [part.strip() for part in re.split(r"[;|/\n,]", words) if not is_null(part)]
        divided = len(parts) > 1 and not occurrences(text, words) and any(occurrences(text, part) for part in parts)
        quotes += parts if divided else [words]
    return quotes
