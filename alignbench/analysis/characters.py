"""Sentences as characters laid end to end, and what ranges of them amount to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from alignbench.metrics import BoolArray, FloatArray, IntArray

THRESHOLD = 0.5
"""From this suspicion on, a character that a judge rates counts as marked."""


@dataclass(frozen=True, slots=True)
class Text:
    """The c characters of s sentences, one sentence after the other.

    Attributes:
        first: (s + 1,) where each sentence begins, and where the last one ends.
        is_space: (c,) which characters are white space.
    """

    first: IntArray
    is_space: BoolArray

    def sentence_at(self, place: IntArray) -> IntArray:
        """The sentence of each of some characters, given their places."""
        return np.searchsorted(self.first[1:], place, side="right")


@dataclass(frozen=True, slots=True)
class Ranges:
    """Ranges of the characters of a `Text`, none of them empty or in two sentences.

    Attributes:
        sentence: (r,) rising, though not strictly.
        start: (r,) the place of the first character among all.
        end: (r,) the place behind the last.
    """

    sentence: IntArray
    start: IntArray
    end: IntArray

    def only(self, keep: BoolArray) -> Ranges:
        """Those where `keep`, (r,), is true."""
        return Ranges(self.sentence[keep], self.start[keep], self.end[keep])

    def characters(self) -> IntArray:
        """The places of the characters of one range after the other."""
        length = self.end - self.start
        begin = np.cumsum(length) - length
        places: IntArray = np.arange(length.sum()) + np.repeat(self.start - begin, length)
        return places

    def covered(self, size: int) -> BoolArray:
        """(size,) which of so many characters lie in a range."""
        found = np.zeros(size, np.bool_)
        found[self.characters()] = True
        return found

    def highest(self, value: FloatArray, size: int) -> FloatArray:
        """(size,) the highest of the values, (r,), of the ranges over each character; minus infinity where none is."""
        found = np.full(size, -np.inf)
        np.maximum.at(found, self.characters(), np.repeat(value, self.end - self.start))
        return found


def tiles(text: Text, ranges: Ranges) -> bool:
    """Whether the ranges lie over every character that is no white space, and no two over the same."""
    marked = int((ranges.end - ranges.start).sum())
    if marked < np.count_nonzero(~text.is_space):
        return False
    covered = ranges.covered(text.is_space.size)
    return bool(np.count_nonzero(covered) == marked and (covered | text.is_space).all())


def runs(text: Text, suspicion: FloatArray) -> Ranges:
    """The longest ranges whose characters all have a suspicion, (c,), of at least `THRESHOLD`.

    White space neither makes nor breaks a range, and is at no end of one.
    """
    solid = np.flatnonzero(~text.is_space)
    sentence, high = text.sentence_at(solid), suspicion[solid] >= THRESHOLD
    goes_on = high[1:] & high[:-1] & (sentence[1:] == sentence[:-1])
    begins, ends = high.copy(), high.copy()
    begins[1:] &= ~goes_on
    ends[:-1] &= ~goes_on
    return Ranges(sentence[begins], solid[begins], solid[ends] + 1)


def matched(wanted: Ranges, found: Ranges) -> BoolArray:
    """Which of the wanted ranges have a found one for a partner.

    Two ranges may be partners where the characters that both cover are at least half of those that either covers: an
    intersection over union of 0.5. The pair with the highest comes first, then those of what is left; of equal pairs
    the one that begins first.

    Args:
        wanted: w ranges.
        found: Ranges of the same text.

    Returns:
        (w,) as many of them true as there are found ranges with a partner.
    """
    low, high = (np.searchsorted(wanted.sentence, found.sentence, side=side) for side in ("left", "right"))
    number = high - low
    those = np.repeat(np.arange(number.size), number)
    these = np.arange(number.sum()) + np.repeat(low - (np.cumsum(number) - number), number)
    both = np.minimum(wanted.end[these], found.end[those]) - np.maximum(wanted.start[these], found.start[those])
    either = wanted.end[these] - wanted.start[these] + found.end[those] - found.start[those] - both
    close = np.flatnonzero(2 * both >= either)
    order = close[np.lexsort((found.start[those[close]], wanted.start[these[close]], -both[close] / either[close]))]
    has_partner = np.zeros(wanted.start.size, np.bool_)
    taken = np.zeros(found.start.size, np.bool_)
    for this, that in zip(these[order].tolist(), those[order].tolist(), strict=True):
        if not has_partner[this] and not taken[that]:
            has_partner[this] = taken[that] = True
    return has_partner
