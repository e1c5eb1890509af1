"""Reads P(yes) and P(no) from the list of likely tokens that comes with the first token of an answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from judges.words import WORDS, word_of

Token = tuple[str, float]
"""A token's text and its log-probability, a natural log."""

_SPACES = str.maketrans({"\u2581": " ", "\u0120": " ", "\u010a": "\n"})
"""What vocabularies write for a space or a new line; some servers hand it on."""

_ROUNDING = 1e-6
"""What the listed probabilities can be off by in all, because endpoints round them."""


@dataclass(frozen=True, slots=True)
class YesNo:
    """The mass of the spellings of yes and of no among the listed tokens.

    Where `absent` is null, both words are listed and `low == high == yes / (yes + no)`. Otherwise the mass of the
    absent word is not 0, and its counterpart is not 1 minus anything: all that is known is that it lies between 0 and
    `bound`, which puts the score between `low` and `high`.
    """

    yes: float
    no: float
    left_over: float
    absent: str | None = None
    bound: float = 0.0

    @property
    def low(self) -> float:
        """The least that the score can be."""
        return 0.0 if self.absent == "yes" else self.yes / (self.yes + self.no + self.bound)

    @property
    def high(self) -> float:
        """The most that the score can be."""
        return 1.0 if self.absent == "no" else (self.yes + self.bound) / (self.yes + self.bound + self.no)

    @property
    def score(self) -> float:
        """The midpoint: an absent word scores beyond the same word listed with the least listed probability."""
        return (self.low + self.high) / 2


def read_first_token(listed: Sequence[Token], drawn: Token | None = None) -> YesNo | None:
    """Sum the tokens by word; None where neither word is among them.

    A word that is not listed is at most as probable as the least listed token, and at most what the listed ones leave
    over of 1. So two answers whose lists end at the same probability keep their order, whether or not a word just made
    it into the list.

    Args:
        listed: The likeliest tokens with their log-probabilities, natural logs, in any order.
        drawn: The token that was drawn, where it is not among them: it is known, but bounds nothing.
    """
    masses = [(token, _mass(log_probability)) for token, log_probability in listed]
    known = [*masses, (drawn[0], _mass(drawn[1]))] if drawn else masses
    said = {
        word: math.fsum(mass for token, mass in known if word_of(token.translate(_SPACES)) == word) for word in WORDS
    }
    missing = [word for word in WORDS if said[word] <= 0]
    if len(missing) == len(WORDS):
        return None
    left_over = max(0.0, 1 - said["yes"] - said["no"])
    if not missing:
        return YesNo(said["yes"], said["no"], left_over)
    least = min((mass for _, mass in masses if mass > 0), default=1.0)
    unlisted = max(1 - math.fsum(mass for _, mass in known), _ROUNDING)
    return YesNo(said["yes"], said["no"], left_over, missing[0], min(least, unlisted))


def _mass(log_probability: float) -> float:
    """The probability; an API writes -9999 for `very unlikely`, which becomes 0."""
    return math.exp(log_probability)
