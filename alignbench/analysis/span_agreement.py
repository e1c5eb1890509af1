"""How far annotators mark the same characters of a sentence that both call incorrect."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from alignbench.analysis.characters import Ranges, Text
from alignbench.metrics import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, slots=True)
class MarkedVotes:
    """The votes that call a sentence incorrect, and what they mark.

    Attributes:
        text: The characters of s sentences.
        sentence: (v,) the sentence of each vote.
        ranges: (r,) what is marked.
        vote: (r,) whose mark each is.
        kind: (r,) its error type, from 0.
    """

    text: Text
    sentence: IntArray
    ranges: Ranges
    vote: IntArray
    kind: IntArray

    def only(self, keep: BoolArray) -> MarkedVotes:
        """All votes, with the marks where `keep`, (r,), is true."""
        return MarkedVotes(self.text, self.sentence, self.ranges.only(keep), self.vote[keep], self.kind[keep])


class Overlap(NamedTuple):
    """Of each vote, over the pairs with every other vote of its sentence.

    Attributes:
        shared: (v,) characters that both marked.
        marked: (v,) characters that one marked plus those that the other did.
        counts: (v,) whether any of its pairs has a mark.
    """

    shared: FloatArray
    marked: FloatArray
    counts: BoolArray


def overlap(votes: MarkedVotes) -> Overlap:
    """What the votes share with the others of their sentences, white space left out.

    The F1 of two sets of characters is twice those that both hold by the sum of their sizes, so that the micro F1 over
    any pairs is `2 * shared.sum() / marked.sum()`. Where all votes of a sentence are summed each pair counts twice,
    above and below the line. A pair without a mark adds nothing.
    """
    size = votes.text.is_space.size
    place = votes.ranges.characters()
    who = np.repeat(votes.vote, votes.ranges.end - votes.ranges.start)
    solid = ~votes.text.is_space[place]
    key = np.unique(who[solid] * size + place[solid])  # nobody marks a character twice
    who, place = key // max(size, 1), key % max(size, 1)
    holders = np.bincount(place, minlength=size)[place]
    own = np.bincount(who, minlength=votes.sentence.size)
    in_sentence = np.bincount(votes.sentence, minlength=votes.text.first.size - 1)
    of_all = np.bincount(votes.sentence, own, in_sentence.size)
    others = in_sentence[votes.sentence] - 1
    shared = np.bincount(who, holders - 1.0, votes.sentence.size).astype(np.float64)
    marked = np.where(others > 0, (others - 1.0) * own + of_all[votes.sentence], 0.0)
    return Overlap(shared, marked, (others > 0) & (of_all[votes.sentence] > 0))


def f1_of_sums(sums: FloatArray) -> FloatArray:
    """(...) the F1, NaN where nothing is marked, from (..., 2) sums of `shared` and `marked`."""
    shared, marked = sums[..., 0], sums[..., 1]
    f1: FloatArray = np.divide(2 * shared, marked, out=np.full(shared.shape, np.nan), where=marked > 0)
    return f1
