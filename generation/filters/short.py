"""Finds captions of too few words or sentences, or of too many."""

from __future__ import annotations

from typing import NamedTuple, Self

from alignbench.errors import UsageError
from alignbench.text import split_sentences
from generation.filters.options import whole
from generation.protocols import Candidate, Finding, Site


class _Bound(NamedTuple):
    unit: str
    fewest: int
    most: int | None


class ShortFilter:
    """Finds captions outside of what is asked for; words stand between white space, sentences as everywhere.

    What is measured is the number of sentences where that alone is out of bounds, else that of words.

    Args:
        words: The fewest words.
        sentences: The fewest sentences.
        most_words: The most words; by default any number.
        most_sentences: The most sentences; by default any number.

    Raises:
        UsageError: An option that is no whole number from 1, or bounds that nothing can meet.
    """

    def __init__(self, words: int, sentences: int, most_words: int | None, most_sentences: int | None) -> None:
        self._words = _bound("words", words, most_words)
        self._sentences = _bound("sentences", sentences, most_sentences)

    @classmethod
    def from_options(
        cls,
        site: Site,  # noqa: ARG003 - the protocol
        *,
        words: int = 5,
        sentences: int = 1,
        most_words: int | None = None,
        most_sentences: int | None = None,
    ) -> Self:
        """The filter; the options are those of the class."""
        return cls(words, sentences, most_words, most_sentences)

    def look(self, candidate: Candidate) -> Finding | None:
        """How long the caption is; null for a picture."""
        if candidate.caption is None:
            return None
        words, sentences = len(candidate.caption.split()), len(split_sentences(candidate.caption))
        for found, bound in ((words, self._words), (sentences, self._sentences)):
            if reason := _against(found, bound):
                return Finding(passed=False, value=found, reason=reason)
        return Finding(passed=True, value=words)


def _bound(unit: str, fewest: int, most: int | None) -> _Bound:
    fewest = whole("short", unit, fewest, 1)
    if most is not None and whole("short", f"most_{unit}", most, 1) < fewest:
        raise UsageError(
            f"the filter short asks for {fewest} {unit} or more and for {most} or fewer; "
            f"raise most_{unit} or lower {unit}"
        )
    return _Bound(unit, fewest, most)


def _against(found: int, bound: _Bound) -> str | None:
    counted = f"it has {found} {bound.unit if found != 1 else bound.unit.removesuffix('s')}"
    if found < bound.fewest:
        return f"{counted} where {bound.fewest} are the fewest"
    if bound.most is not None and found > bound.most:
        return f"{counted} where {bound.most} are the most"
    return None
