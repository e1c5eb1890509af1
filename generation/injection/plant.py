"""Puts an edit into a caption, and makes sure that it still falls into the same sentences but for the changed one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from alignbench.store import sentence_id_of
from alignbench.text import split_sentences
from alignbench.types import ErrorType, Label, Pair, Sentence, Span
from generation.injection.edit import Edit


@dataclass(frozen=True, slots=True)
class Caption:
    """A caption with the ranges of its sentences, and which of them are labelled correct."""

    text: str
    ranges: tuple[tuple[int, int], ...]
    true: tuple[bool, ...]

    @classmethod
    def of(cls, pair: Pair, sentences: Sequence[Sentence]) -> Caption:
        """The caption of a pair."""
        ranges = tuple((sentence.start, sentence.end) for sentence in sentences)
        return cls(pair.caption, ranges, tuple(sentence.label is Label.CORRECT for sentence in sentences))


@dataclass(frozen=True, slots=True)
class Planted:
    """A caption with one planted error.

    Attributes:
        text: The changed caption.
        ranges: Its sentences.
        index: Which of them is wrong.
        added: Whether that one is new, rather than a changed one.
        span: Its wrong words, with their type.
        rule: What changed it.
        before: The words that were replaced; empty where a sentence was added.
        after: What stands there now.
    """

    text: str
    ranges: tuple[tuple[int, int], ...]
    index: int
    added: bool
    span: Span
    rule: str
    before: str
    after: str

    @property
    def error_type(self) -> ErrorType:
        """The type of the error."""
        return self.span.error_type


def plant(caption: Caption, index: int, edit: Edit) -> Planted | None:
    """The caption with an edit of its sentence `index`; null where it would fall into other sentences than before."""
    start, end = caption.ranges[index]
    lead = " " if edit.adds else ""
    at, until = start + edit.start, start + edit.end
    text = caption.text[:at] + lead + edit.after + caption.text[until:]
    longer = len(text) - len(caption.text)
    later = tuple((a + longer, b + longer) for a, b in caption.ranges[index + 1 :])
    changed = ((start, end), (end + 1, end + longer)) if edit.adds else ((start, end + longer),)
    ranges = (*caption.ranges[:index], *changed, *later)
    if not _splits_so(caption, text, ranges, index, edit):
        return None
    offset = 0 if edit.adds else edit.start
    span = Span(offset + edit.wrong[0], offset + edit.wrong[1], edit.error_type)
    before = caption.text[at:until]
    return Planted(text, ranges, index + edit.adds, edit.adds, span, edit.rule, before, edit.after)


def _splits_so(caption: Caption, text: str, ranges: tuple[tuple[int, int], ...], index: int, edit: Edit) -> bool:
    """Whether our splitter finds these sentences; where it never found the dataset's, whether the new one is one."""
    if tuple(split_sentences(caption.text)) == caption.ranges:
        return tuple(split_sentences(text)) == ranges
    start, end = ranges[index + edit.adds]
    was_whole = edit.adds or len(split_sentences(caption.text[slice(*caption.ranges[index])])) == 1
    return was_whole and len(split_sentences(text[start:end])) == 1


def sentences_of(pair: Pair, planted: Planted, before: Sequence[Sentence]) -> list[Sentence]:
    """The sentences of the changed caption: the wrong one incorrect by its span, the others as they were labelled."""
    labelled = list(before)
    if planted.added:
        labelled.insert(planted.index, before[0])
    wrong = {"label": Label.INCORRECT, "error_types": (planted.error_type,), "spans": (planted.span,), "votes": None}
    made = []
    for index, (start, end) in enumerate(planted.ranges):
        said: dict[str, Any] = wrong if index == planted.index else {}
        moved = replace(labelled[index], sentence_id=sentence_id_of(pair.pair_id, index), pair_id=pair.pair_id, **said)
        made.append(replace(moved, index=index, start=start, end=end, text=planted.text[start:end]))
    return made
