"""From label events to labels: against a slow second reading, and on cases that can be read."""

from __future__ import annotations

import datetime as dt
import math
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.labelling.dawid_skene import dawid_skene
from alignbench.labelling.events import make_event
from alignbench.labelling.resolution import Decider, Resolution, most_chosen, resolve, standing
from alignbench.types import ErrorType, Label, LabelEvent, Role, Span, Votes
from tests.label_oracle import slow_resolution

C, W, U = Label.CORRECT, Label.INCORRECT, Label.UNKNOWN
TEXT = "A red dog sits left."
NOON = dt.datetime(2026, 3, 1, 12, tzinfo=dt.UTC)


def at(minutes: int) -> dt.datetime:
    return NOON + dt.timedelta(minutes=minutes)


def said(
    annotator: str, label: Label | None, *spans: tuple[int, int, str], minutes: int = 0, **more: Any
) -> LabelEvent:
    marks = tuple(Span(start, end, ErrorType(kind)) for start, end, kind in spans)
    return make_event(
        sentence_id="s", text=TEXT, annotator=annotator, time=at(minutes), label=label, spans=marks, **more
    )


def of(*events: LabelEvent, rule: str = "strict-majority") -> Resolution:
    return resolve(standing(events), rule)


@st.composite
def events(draw: st.DrawFn) -> LabelEvent:
    label = draw(st.sampled_from([C, W, W, W, U, None]))
    role = draw(st.sampled_from([Role.ANNOTATOR] * 6 + [Role.ADJUDICATOR, Role.BASELINE]))
    spans = []
    if label is W:
        for _ in range(draw(st.integers(0, 3))):
            start = draw(st.integers(0, len(TEXT) - 1))
            spans.append((start, draw(st.integers(start + 1, len(TEXT))), draw(st.sampled_from(["object", "number"]))))
    return said(
        draw(st.sampled_from("abcdef")),
        label,
        *spans,
        minutes=draw(st.integers(0, 3)),
        role=role,
        error_types=draw(st.lists(st.sampled_from(ErrorType), max_size=2)) if label is W else (),
        votes=Votes(draw(st.integers(0, 3)), 1, 0) if role is Role.BASELINE else None,
    )


@given(st.lists(events(), max_size=14), st.sampled_from(["strict-majority", "majority"]))
def test_every_history_comes_to_what_a_slow_reading_says(history: list[LabelEvent], rule: str) -> None:
    found, slow = of(*history, rule=rule), slow_resolution(history, rule)
    assert found[:4] == (slow.label, slow.error_types, slow.spans, slow.votes)


@given(st.lists(events(), max_size=10, unique_by=lambda event: event.time), st.randoms())
def test_the_order_of_recording_counts_for_nothing_where_times_differ(history: list[LabelEvent], rng: Any) -> None:
    shuffled = history.copy()
    rng.shuffle(shuffled)
    assert of(*shuffled) == of(*history)


def test_the_newest_vote_of_each_annotator_counts() -> None:
    history = [said("a", C), said("b", W, minutes=1), said("a", W, minutes=2), said("c", C)]
    assert of(*history)[:4] == (W, (), (), Votes(1, 2, 0, 2 / 3, 1 / 3))
    assert of(*history, said("b", None, minutes=3), said("a", C, minutes=3)).votes == Votes(2, 0, 0, 1.0, 1.0)


def test_of_equal_times_the_one_recorded_later_counts() -> None:
    assert of(said("a", C), said("a", W)).label is W
    assert of(said("a", W), said("a", C)).label is C


@pytest.mark.parametrize(
    ("labels", "strict", "plain"),
    [
        ([C, C, W], C, C),
        ([C, W], U, U),
        ([C, C, W, U], U, C),
        ([C, U], U, U),
        ([C, C, W, W, U], U, U),
        ([C, C, U, U, U], U, U),
        ([W], W, W),
        ([U, U, C], U, U),
    ],
)
def test_majorities(labels: list[Label], strict: Label, plain: Label) -> None:
    votes = [said(f"a{place}", label) for place, label in enumerate(labels)]
    assert (of(*votes).label, of(*votes, rule="majority").label) == (strict, plain)


def test_one_vote_has_no_pair_to_agree() -> None:
    assert of(said("a", C)).votes == Votes(1, 0, 0, 1.0, None)


def test_an_adjudication_decides_with_its_own_marks_and_the_votes_stay() -> None:
    votes = [said("a", C), said("b", C), said("c", C)]
    last = said("judge", W, (2, 5, "attribute"), role=Role.ADJUDICATOR, error_types=[ErrorType.OTHER])
    found = of(last, *votes)
    assert found == (
        W,
        (ErrorType.OTHER, ErrorType.ATTRIBUTE),
        last.spans,
        Votes(3, 0, 0, 1.0, 1.0),
        Decider.ADJUDICATION,
    )
    assert of(last, *votes, said("judge", None, minutes=1, role=Role.ADJUDICATOR)).label is C
    assert of(last, *votes, said("second", U, minutes=1, role=Role.ADJUDICATOR)).label is U


def test_a_baseline_holds_until_people_vote_and_again_when_all_take_back() -> None:
    counts = Votes(1, 4, 0, 0.8, 0.6)
    first = said("dataset", W, (2, 5, "attribute"), role=Role.BASELINE, votes=counts)
    assert of(first) == (W, (ErrorType.ATTRIBUTE,), first.spans, counts, Decider.BASELINE)
    assert of(first, said("a", C, minutes=-9)).label is C
    assert of(first, said("a", C), said("a", None, minutes=1)) == of(first)
    assert of(first, said("judge", C, role=Role.ADJUDICATOR)) == (C, (), (), counts, Decider.ADJUDICATION)


def test_nothing_said_is_no_label() -> None:
    assert of() == of(said("a", None)) == Resolution(None, (), (), None, Decider.NOTHING)


def test_a_character_is_wrong_where_half_of_those_who_say_incorrect_marked_it() -> None:
    votes = [
        said("a", W, (2, 5, "attribute"), (6, 9, "object")),
        said("b", W, (2, 9, "attribute")),
        said("c", W, (6, 9, "object"), (15, 19, "direction")),
        said("d", W),
        said("e", C),
    ]
    found = of(*votes)
    assert found.spans == (Span(2, 5, ErrorType.ATTRIBUTE), Span(6, 9, ErrorType.OBJECT))
    assert found.error_types == (ErrorType.ATTRIBUTE, ErrorType.OBJECT)


def test_of_equally_frequent_types_the_first_in_order() -> None:
    found = of(said("a", W, (2, 5, "relation")), said("b", W, (2, 5, "number")))
    assert found.spans == (Span(2, 5, ErrorType.NUMBER),)
    assert found.error_types == (ErrorType.NUMBER, ErrorType.RELATION)  # half of them chose each


def test_where_no_type_has_half_the_most_frequent_ones_stay() -> None:
    kinds = [["object"], ["number"], ["text"], ["object", "relation"], ["number"]]
    votes = [said(f"a{n}", W, error_types=[ErrorType(kind) for kind in each]) for n, each in enumerate(kinds)]
    assert of(*votes).error_types == (ErrorType.OBJECT, ErrorType.NUMBER)


def test_marks_of_one_type_that_touch_are_one_span() -> None:
    votes = [said("a", W, (2, 5, "attribute"), (5, 9, "attribute")), said("b", W, (4, 7, "attribute"))]
    assert of(*votes).spans == (Span(2, 9, ErrorType.ATTRIBUTE),)


def test_rules_that_do_not_exist_and_estimates_that_lack_are_refused() -> None:
    with pytest.raises(ValueError, match="there is no rule 'plurality'"):
        of(said("a", C), rule="plurality")
    with pytest.raises(ValueError, match="says nothing of a sentence"):
        of(said("a", C), rule="dawid-skene")
    assert resolve(standing([said("a", C)]), "dawid-skene", W).label is W


def crowd(seed: int, accuracies: list[float], sentences: int) -> tuple[list[Label], list[tuple[str, str, Label]]]:
    rng = random.Random(seed)
    truth = [C if rng.random() < 0.7 else W for _ in range(sentences)]
    votes = []
    for place, right in enumerate(truth):
        for name, accuracy in enumerate(accuracies):
            label = right if rng.random() < accuracy else rng.choice([each for each in Label if each is not right])
            votes.append((f"s{place}", f"a{name}", label))
    return truth, votes


def slow_dawid_skene(votes: list[tuple[str, str, Label]]) -> dict[str, dict[Label, float]]:
    """The posterior of every sentence, by loops that end where crowd-kit does: its bound gains under 1e-5 a vote."""
    tasks = sorted({vote[0] for vote in votes})
    said_of = {task: [(who, label) for one, who, label in votes if one == task] for task in tasks}
    belief = {t: {k: sum(label is k for _, label in said_of[t]) / len(said_of[t]) for k in Label} for t in tasks}
    prior, confusion = maximised(votes, belief)
    bound = -math.inf
    for _ in range(100):
        for task in tasks:
            weight = {k: prior[k] * math.prod(confusion[who, k, said] for who, said in said_of[task]) for k in Label}
            belief[task] = {k: weight[k] / sum(weight.values()) for k in Label}
        prior, confusion = maximised(votes, belief)
        expected = sum(
            belief[task][k] * (math.log(confusion[who, k, label]) + math.log(prior[k]))
            for task, who, label in votes
            for k in Label
        )
        entropy = -sum(p * math.log(max(p, 1e-10)) for each in belief.values() for p in each.values())
        last, bound = bound, (expected + entropy) / len(votes)
        if bound - last < 1e-5:
            break
    return belief


Confusion = dict[tuple[str, Label, Label], float]


def maximised(
    votes: list[tuple[str, str, Label]], belief: dict[str, dict[Label, float]]
) -> tuple[dict[Label, float], Confusion]:
    prior = {k: max(sum(each[k] for each in belief.values()) / len(belief), 1e-10) for k in Label}
    counts: Confusion = {}
    for task, who, label in votes:
        for k in Label:
            counts[who, k, label] = counts.get((who, k, label), 0.0) + belief[task][k]
    counts = {key: max(count, 1e-10) for key, count in counts.items()}
    totals = {(who, k): sum(counts.get((who, k, s), 0.0) for s in Label) for who, k, _ in counts}
    return prior, {(who, k, s): count / totals[who, k] for (who, k, s), count in counts.items()}


@pytest.mark.parametrize("seed", range(3))
def test_dawid_skene_is_what_loops_say(seed: int) -> None:
    _, votes = crowd(seed, [0.95, 0.7, 0.7, 0.7], 150)
    found, slow = dawid_skene(votes), slow_dawid_skene(votes)
    clear = {task: belief for task, belief in slow.items() if max(belief.values()) > 0.51}
    assert len(clear) > 140
    assert {task: found[task] for task in clear} == {t: max(b, key=b.__getitem__) for t, b in clear.items()}


def test_dawid_skene_depends_neither_on_order_nor_on_names() -> None:
    _, votes = crowd(5, [0.9, 0.6, 0.6], 80)
    first = dawid_skene(votes)
    for seed in range(3):
        shuffled = votes.copy()
        random.Random(seed).shuffle(shuffled)
        assert dawid_skene(shuffled) == first


def test_dawid_skene_trusts_the_one_who_is_right() -> None:
    truth, votes = crowd(7, [0.97, 0.55, 0.55, 0.55, 0.55], 2000)
    found = dawid_skene(votes)
    right = sum(found[f"s{place}"] is label for place, label in enumerate(truth)) / len(truth)
    assert right > 0.95


@pytest.mark.parametrize(
    ("votes", "expected"),
    [
        ([], {}),
        ([("s", "a", C), ("t", "a", W), ("u", "a", U)], {"s": C, "t": W, "u": U}),
        ([("s", "a", C), ("t", "b", C)], {"s": C, "t": C}),
        ([("s", "a", C), ("s", "b", W)], {"s": U}),
    ],
    ids=["none", "one annotator", "one label", "a tie"],
)
def test_dawid_skene_of_little(votes: list[tuple[str, str, Label]], expected: dict[str, Label]) -> None:
    assert dawid_skene(votes) == expected


def test_ties_are_unknown() -> None:
    assert most_chosen({C: 0.5, W: 0.5 - 1e-12, U: 0.0}, tolerance=1e-9) is U
    assert most_chosen({C: 0.5, W: 0.4, U: 0.1}, tolerance=1e-9) is C
