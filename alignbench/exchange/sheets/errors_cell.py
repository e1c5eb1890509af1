"""The cell in which people write what is wrong: `red = attribute; three cups = number`."""

from __future__ import annotations

import re
from collections.abc import Sequence

from alignbench.exchange.quotes import occurrences
from alignbench.exchange.values import error_type_of, is_null
from alignbench.types import ErrorType, Span

# Words in double quotes, in which a quote is doubled, or plain ones; perhaps which of their places; the type.
_ENTRY = re.compile(
    r'\s*(?:(?:"(?P<quoted>(?:[^"]|"")*)"|(?P<plain>[^";\n]*?))\s*(?:#(?P<place>\d+))?\s*=)?\s*(?P<type>[^\s=";#][^=";#\n]*?)\s*(?:;|\n|$)'
)
_NEEDS_QUOTES = re.compile(r'[";=#\n]|^\s|\s$')


def errors_cell(text: str, error_types: Sequence[ErrorType], spans: Sequence[Span]) -> str:
    """What is wrong with the sentence `text`, as `read_errors` reads it.

    Raises:
        ValueError: A span is not a range of whole words, which this cell cannot say.
    """
    said = [f"{_quoted(text, span)} = {span.error_type}" for span in spans]
    marked = {span.error_type for span in spans}
    return "; ".join([*said, *(str(kind) for kind in error_types if kind not in marked)])


def read_errors(text: str, cell: str) -> tuple[tuple[ErrorType, ...], tuple[Span, ...]]:
    """The error types and spans of a cell: entries `WORDS = TYPE`, or `TYPE` alone, parted by `;` or line breaks.

    `WORDS` are whole words of the sentence, in any case of letters; `"WORDS" #2 = TYPE` means the second place where
    they stand. The types of the spans come first.

    Raises:
        ValueError: Says what is wrong with which entry.
    """
    if is_null(cell):
        return (), ()
    types: list[ErrorType] = []
    spans: list[Span] = []
    place = 0
    while cell[place:].strip(" ;\n\t\r"):
        entry = _ENTRY.match(cell, place)
        if entry is None:
            raise ValueError(f"{cell[place:].strip()!r:.60} is not of the form WORDS = TYPE")
        place = entry.end()
        kind = error_type_of(entry["type"])
        if kind is None:
            raise ValueError(f"{entry['type']!r:.40} is not one of {', '.join(ErrorType)}; write WORDS = TYPE")
        types.append(kind)
        words = entry["quoted"].replace('""', '"') if entry["quoted"] is not None else entry["plain"]
        if words:
            spans.append(_found(text, words, entry["place"], kind))
    return tuple(dict.fromkeys(types)), tuple(sorted(set(spans), key=lambda span: (span.start, span.end)))


def _found(text: str, words: str, place: str | None, kind: ErrorType) -> Span:
    places = occurrences(text, words)
    if not places:
        raise ValueError(f"the words {words!r:.60} are not in the sentence {text!r:.80}")
    if place is None and len(places) > 1:
        raise ValueError(f'{words!r:.60} is in the sentence {len(places)} times; write "{words}" #1 = {kind}')
    number = int(place or 1)
    if not 1 <= number <= len(places):
        raise ValueError(f"{words!r:.60} #{number}: the sentence has {len(places)} of them")
    return Span(*places[number - 1], kind)


def _quoted(text: str, span: Span) -> str:
    words = text[span.start : span.end]
    places = occurrences(text, words)
    if (span.start, span.end) not in places:
        raise ValueError(f"{words!r} at {span.start} of {text!r} are not whole words")
    many = len(places) > 1
    said = '"' + words.replace('"', '""') + '"' if many or _NEEDS_QUOTES.search(words) else words
    return f"{said} #{places.index((span.start, span.end)) + 1}" if many else said
