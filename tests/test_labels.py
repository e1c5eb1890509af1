from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.labels import RULE, label_of_votes
from alignbench.types import Label, Votes


@pytest.mark.parametrize(
    ("votes", "label"),
    [
        ((2, 1, 0), Label.CORRECT),
        ((1, 2, 0), Label.INCORRECT),
        ((1, 1, 3), Label.UNKNOWN),
        ((1, 1, 0), Label.UNKNOWN),
        ((2, 1, 1), Label.UNKNOWN),
        ((1, 0, 0), Label.CORRECT),
        ((0, 0, 0), None),
    ],
)
def test_only_a_strict_majority_decides(votes: tuple[int, int, int], label: Label | None) -> None:
    assert label_of_votes(Votes(*votes)) == label


@given(st.lists(st.sampled_from(list(Label)), min_size=1, max_size=12))
def test_the_label_is_that_of_a_count_by_hand(ballots: list[Label]) -> None:
    votes = Votes(*(ballots.count(label) for label in (Label.CORRECT, Label.INCORRECT, Label.UNKNOWN)))
    majorities = [label for label in Label if ballots.count(label) > len(ballots) - ballots.count(label)]
    assert label_of_votes(votes) == (majorities[0] if majorities else Label.UNKNOWN)


def test_the_rule_has_a_name() -> None:
    assert RULE == "strict-majority"
