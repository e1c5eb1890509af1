"""What a caption says of how many things of a kind there are.

"The X is P" is taken for "some X is P", as the labellers of this project take it. So a sentence about a circle can be
made false for certain only where there is no second circle that the changed sentence could be true of.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from generation.injection.english import plural, singular
from generation.injection.reading import Reading
from generation.injection.vocabulary import KINDS, NUMBERS, PICTURES, SOLE

_PICTURE = rf"(?:the|this) (?:{'|'.join(PICTURES)})"
_END = rf"(?: (?:in|on) {_PICTURE})?[.!]?$"
_COUNT = re.compile(
    rf"(?:there (?:is|are)|{_PICTURE} (?:shows|contains|has|depicts|features)|(?:we|you|one) can (?:see|count)) "
    rf"(?:exactly |only |just )?(?P<number>{'|'.join(NUMBERS)}|\d{{1,2}}|an?(?= single)) (?:single )?(?P<noun>[a-z]+)"
    rf"{_END}"
)
_ANYTHING = frozenset("object objects thing things item items".split())
_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*")
_SECOND = frozenset("another other others second two three four five six several many multiple both each pair".split())
_AFTER_SECOND = re.compile(rf"\b(?:{'|'.join(sorted(_SECOND))})((?: [a-z-]+){{1,3}})")


@dataclass(frozen=True, slots=True)
class Known:
    """What a caption says for certain.

    Attributes:
        alone: Nouns of which there is one, in the singular.
        absent: Of `KINDS`, those of which there is none; empty unless the caption names everything there is.
        definite: Whether "the X" of a caption that hints at no second X is taken for the only one.
        doubled: Nouns of which the caption says, or hints at, more than one.
        words: All words of the caption.
    """

    alone: frozenset[str]
    absent: frozenset[str]
    definite: bool
    doubled: frozenset[str]
    words: frozenset[str]

    def is_alone(self, noun: str) -> bool:
        """Whether there is one thing only that the noun, in the singular, could be said of."""
        return noun in self.alone or noun in SOLE

    def is_the_only(self, noun: str) -> bool:
        """The same of "the noun", which may be taken at its word."""
        return self.is_alone(noun) or (self.definite and noun not in self.doubled)


def known_of(readings: Iterable[tuple[Reading, bool]], *, definite: bool) -> Known:
    """What a caption says; of its sentences, each with whether it is true, the others prove nothing."""
    every = list(readings)
    true = [reading.plain for reading, is_true in every if is_true and reading.is_safe]
    words = [word for reading, _ in every for word in _WORD.findall(reading.plain)]
    counts, total = _counts(true)
    absent: frozenset[str] = frozenset()
    if total is not None and not any(" with a" in plain for plain in true):
        there = _at_least(true, counts)
        if sum(there.values()) == total:
            counts, absent = {**counts, **there}, frozenset(KINDS) - there.keys()
    alone = frozenset(noun for noun, number in counts.items() if number == 1)
    return Known(alone, absent, definite, _doubled([reading.plain for reading, _ in every], words), frozenset(words))


def _counts(sentences: Iterable[str]) -> tuple[dict[str, int], int | None]:
    """How many there are of each noun that is counted over the whole picture, and of all things."""
    counts: dict[str, int] = {}
    total = None
    for found in filter(None, map(_COUNT.match, sentences)):
        number, noun = _value(found["number"]), found["noun"]
        if noun in _ANYTHING:
            total = number
        else:
            counts[noun if number == 1 else singular(noun) or noun] = number
    return counts, total


def _value(number: str) -> int:
    if number.isdecimal():
        return int(number)
    return NUMBERS.index(number) + 1 if number in NUMBERS else 1


def _at_least(sentences: Iterable[str], counts: Mapping[str, int]) -> dict[str, int]:
    """How many of each kind there are at least: as many as are counted, else one where the kind is named."""
    named = {word for plain in sentences for word in _WORD.findall(plain)}
    return {kind: counts.get(kind, 1) for kind in KINDS if kind in named or plural(kind) in named}


def _doubled(sentences: Iterable[str], words: Iterable[str]) -> frozenset[str]:
    """Nouns of which there may be several: in the plural, after "another", or brought in twice."""
    found = {noun for noun in map(singular, set(words)) if noun}
    brought_in: list[str] = []
    for plain in sentences:
        for after in _AFTER_SECOND.findall(plain):
            found |= set(after.split())
        brought_in += re.findall(
            r"\ban? (?:[a-z-]+ ){0,3}?([a-z]+)(?=[.,;]| (?:is|are|on|in|at|with|that|and)\b|$)", plain
        )
    return frozenset(found | {noun for noun, times in Counter(brought_in).items() if times > 1})
