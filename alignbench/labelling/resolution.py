"""From the events of a sentence to its label, by a rule; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from alignbench.labelling.spans import common_marks
from alignbench.labels import RULE, label_of_votes
from alignbench.types import ErrorType, Label, LabelEvent, Role, Span, Votes

DAWID_SKENE = "dawid-skene"
RULES = (RULE, "majority", DAWID_SKENE)
"""How a label derives from votes: more than half of all, else unknown; the most, a tie being unknown; Dawid-Skene."""


class Decider(StrEnum):
    """What decided the label of a sentence."""

    ADJUDICATION = "adjudication"
    VOTES = "votes"
    BASELINE = "baseline"
    NOTHING = "nothing"


class Resolution(NamedTuple):
    """What the events of a sentence came to: the fields of `Sentence` that derive from them, and what decided."""

    label: Label | None
    error_types: tuple[ErrorType, ...]
    spans: tuple[Span, ...]
    votes: Votes | None
    decider: Decider


class Standing(NamedTuple):
    """The events of a sentence that count.

    Attributes:
        votes: The newest event of each annotator, where it has a label; by annotator.
        adjudication: The newest of those that adjudicators last said, if any has a label.
        baseline: The newest label that the sentence came with.
    """

    votes: tuple[LabelEvent, ...]
    adjudication: LabelEvent | None
    baseline: LabelEvent | None


def standing(events: Iterable[LabelEvent]) -> Standing:
    """The events that count among all events of one sentence, which come in file order.

    The newest of two is that of the later time; of equal times, the one that comes later.
    """
    newest: dict[tuple[Role, str], LabelEvent] = {}
    for event in sorted(events, key=lambda event: event.time):
        key = (event.role, event.annotator)
        newest.pop(key, None)  # so that the order is that of the newest ones
        newest[key] = event
    votes = [event for (role, _), event in newest.items() if role is Role.ANNOTATOR and event.label is not None]
    adjudications = [event for (role, _), event in newest.items() if role is Role.ADJUDICATOR]
    decisive = [event for event in adjudications if event.label is not None]
    baselines = [event for (role, _), event in newest.items() if role is Role.BASELINE]
    return Standing(
        tuple(sorted(votes, key=lambda event: event.annotator)),
        decisive[-1] if decisive else None,
        baselines[-1] if baselines else None,
    )


def resolve(now: Standing, rule: str, estimate: Label | None = None) -> Resolution:
    """What a sentence with these events is: the adjudication, else the rule over the votes, else the baseline.

    Args:
        now: The events of the sentence that count.
        rule: One of `RULES`.
        estimate: The label that Dawid-Skene gives the sentence (`alignbench.labelling.dawid_skene`); for that rule.

    Raises:
        ValueError: There is no such rule, or Dawid-Skene says nothing of a sentence with votes.
    """
    votes = votes_of(now.votes)
    if votes is None and now.baseline is not None:
        votes = now.baseline.votes
    if now.adjudication is not None:
        return _said_by(now.adjudication, votes, Decider.ADJUDICATION)
    if now.votes:
        label = label_by(rule, now.votes, estimate)
        wrong = [event for event in now.votes if event.label is Label.INCORRECT]
        types, spans = common_marks(wrong) if label is Label.INCORRECT else ((), ())
        return Resolution(label, types, spans, votes, Decider.VOTES)
    if now.baseline is not None:
        return _said_by(now.baseline, votes, Decider.BASELINE)
    return Resolution(None, (), (), None, Decider.NOTHING)


def label_by(rule: str, votes: Sequence[LabelEvent], estimate: Label | None = None) -> Label:
    """The label that some votes, at least one, come to; for the arguments see `resolve`."""
    counted = votes_of(votes)
    if rule not in RULES or counted is None:
        raise ValueError(f"there is no rule {rule!r} (known: {', '.join(RULES)}), or there are no votes")
    if rule == DAWID_SKENE:
        if estimate is None:
            raise ValueError("Dawid-Skene says nothing of a sentence that has votes")
        return estimate
    if rule == RULE:
        return label_of_votes(counted) or Label.UNKNOWN
    return most_chosen({label: getattr(counted, label) for label in Label})


def most_chosen(weights: Mapping[Label, float], *, tolerance: float = 0.0) -> Label:
    """The label with the most weight; `unknown` where another one has as much, within `tolerance`."""
    most = max(weights.values())
    chosen = [label for label, weight in weights.items() if weight >= most - tolerance]
    return chosen[0] if len(chosen) == 1 else Label.UNKNOWN


def votes_of(votes: Sequence[LabelEvent]) -> Votes | None:
    """The counts of some votes and their agreement; null where there are none.

    `agreement_ratio` is the share of the most chosen label. `fleiss_pi` is the share of the pairs of annotators who
    agree (Fleiss 1971, P_i), null where fewer than two voted.
    """
    total = len(votes)
    if not total:
        return None
    correct, incorrect, unknown = (sum(event.label is label for event in votes) for label in Label)
    counts = (correct, incorrect, unknown)
    alike = sum(count * (count - 1) for count in counts)
    pi = alike / (total * (total - 1)) if total > 1 else None
    return Votes(correct, incorrect, unknown, max(counts) / total, pi)


def _said_by(event: LabelEvent, votes: Votes | None, decider: Decider) -> Resolution:
    return Resolution(event.label, event.error_types, event.spans, votes, decider)
