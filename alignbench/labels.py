"""From votes to the one label of a sentence."""

from __future__ import annotations

from alignbench.types import Label, Votes

RULE = "strict-majority"
"""The name of the rule of `label_of_votes`, for provenance."""


def label_of_votes(votes: Votes) -> Label | None:
    """The label that more than half of all annotators chose, else `unknown`; null where nobody voted.

    Those who voted `unknown` count among all: two of four is no majority.
    """
    chosen = {Label.CORRECT: votes.correct, Label.INCORRECT: votes.incorrect, Label.UNKNOWN: votes.unknown}
    total = sum(chosen.values())
    if not total:
        return None
    return next((label for label, count in chosen.items() if 2 * count > total), Label.UNKNOWN)
