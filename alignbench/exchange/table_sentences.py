"""Finds the sentences of a table's caption, with their spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alignbench.exchange.notes import Notes, Problems
from alignbench.exchange.quotes import occurrences
from alignbench.exchange.table_rows import Given, Quoted
from alignbench.store import sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import Sentence, Span

JOINT = " "
Place = tuple[Given, int, int]
"""A given sentence and its half-open range in the caption, in code points."""


def split(line: int, caption: str) -> list[Place]:
    """The sentences of a caption of which nothing more is given than its text."""
    return [(Given(line, caption[start:end]), start, end) for start, end in split_sentences(caption)]


def join(given: Sequence[Given], notes: Notes) -> tuple[str, list[Place]]:
    """A caption of its sentences, joined by one space. A row that says the same as one before is left out, noted."""
    first: dict[Given, Given] = {}
    places: list[Place] = []
    for sentence in given:
        twin = first.setdefault(sentence, sentence)
        if twin.line != sentence.line:
            _note_repeated(sentence, twin, notes)
            continue
        start = places[-1][2] + len(JOINT) if places else 0
        places.append((sentence, start, start + len(sentence.text or "")))
    return JOINT.join(sentence.text or "" for sentence, _, _ in places), places


def find(caption: str, given: Sequence[Given], problems: Problems, notes: Notes) -> list[Place]:
    """The given sentences in a given caption: in order, each after the one before it.

    One that is not there is a problem, unless its row says the same as one before: then it is left out, noted.
    """
    places: list[Place] = []
    behind = 0
    for sentence in given:
        start, end, wrong = _range_of(caption, sentence, behind)
        if not wrong:
            places.append((sentence, start, end))
            behind = end
        elif twin := next((one for one, _, _ in places if one == sentence and one.line != sentence.line), None):
            _note_repeated(sentence, twin, notes)
        else:
            problems.add(sentence.line, wrong)
    return places


def _range_of(caption: str, sentence: Given, behind: int) -> tuple[int, int, str]:
    """Start, end, and what is wrong or nothing."""
    text, start, end = sentence.text, sentence.start, sentence.end
    if start is None or end is None:
        found = caption.find(text or "", behind)
        where = f"in the caption after its character {behind}" if behind else "in the caption"
        return found, found + len(text or ""), "" if found >= 0 else f"the sentence {text!r:.80} is not {where}"
    if not behind <= start < end <= len(caption):
        return 0, 0, f"the sentence [{start}, {end}) is not a range of the caption between {behind} and {len(caption)}"
    if text is not None and caption[start:end] != text:
        return 0, 0, f"caption[{start}:{end}] is {caption[start:end]!r:.80}, not {text!r:.80}"
    return start, end, ""


def _note_repeated(sentence: Given, twin: Given, notes: Notes) -> None:
    notes.add(
        "sentences that repeat another of their caption, left out", f"line {sentence.line} repeats line {twin.line}"
    )


def has_rest(caption: str, places: Sequence[Place]) -> bool:
    """Whether there is more in a caption than its sentences."""
    edges = [0, *(edge for _, start, end in places for edge in (start, end)), len(caption)]
    return any(caption[start:end].strip() for start, end in zip(edges[::2], edges[1::2], strict=True))


def sentences_of(pair_id: str, caption: str, places: Sequence[Place], problems: Problems) -> list[Sentence]:
    """The sentences at their places. A span that is not in its sentence is a problem."""
    return [
        Sentence(
            sentence_id=sentence_id_of(pair_id, index),
            pair_id=pair_id,
            index=index,
            start=start,
            end=end,
            text=caption[start:end],
            label=given.label,
            error_types=given.error_types,
            spans=tuple(_spans(caption[start:end], given, problems)),
        )
        for index, (given, start, end) in enumerate(places)
    ]


def _spans(text: str, given: Given, problems: Problems) -> Iterator[Span]:
    for quoted in given.spans:
        start, end, wrong = _span_range(text, quoted)
        if wrong:
            problems.add(given.line, wrong)
        elif quoted.error_type is not None:
            yield Span(start, end, quoted.error_type)


def _span_range(text: str, quoted: Quoted) -> tuple[int, int, str]:
    """Start, end, and what is wrong or nothing."""
    if quoted.start is not None and quoted.end is not None:
        inside = 0 <= quoted.start < quoted.end <= len(text)
        wrong = f"the span [{quoted.start}, {quoted.end}) is not a range of the sentence of {len(text)} characters"
        return quoted.start, quoted.end, "" if inside else wrong
    places = occurrences(text, quoted.text or "")
    said = f"the words {quoted.text!r:.80}"
    if not places:
        return 0, 0, f"{said} are not in the sentence {text!r:.80}"
    if quoted.occurrence is None and len(places) > 1:
        return 0, 0, f"{said} are in the sentence {len(places)} times; say which with `occurrence`, from 1"
    number = quoted.occurrence or 1
    if number > len(places):
        return 0, 0, f"{said}: occurrence {number} of {len(places)}"
    return *places[number - 1], ""
