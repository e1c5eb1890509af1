"""What is known of each annotator: figures by hand, honest crowds that are left alone, cheats that are named."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import cohens_kappa, to_table

from alignbench.analysis.copying import compare_pairs
from alignbench.analysis.crowd import Crowd, against_others, kappa_of_sums, low_agreement
from alignbench.analysis.long_runs import chance_of_run, longest_run
from alignbench.analysis.pace import burst, haste
from alignbench.cli import run
from alignbench.labelling.agreement.annotators import annotators_of, annotators_of_votes
from alignbench.labelling.agreement.suspicions import Evidence, evidence_of, suspicions_of
from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, LabelEvent, Sentence, Span
from tests.crowds import CORRECT, SECOND, TEXT, Answers, arrays_of, honest_crowd, with_cheat
from tests.datasets import make_dataset
from tests.oracles import BoolArray

SAME = 1e-12
MORNING = dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)


def crowd_of(answers: Answers, keep: BoolArray | None = None) -> Crowd:
    _, votes = arrays_of(answers, keep)
    cluster = np.unique(answers.cluster[votes.sentence], return_inverse=True)[1]
    return Crowd(votes.sentence, votes.annotator, votes.label, cluster, len(votes.annotators), 3)


def look_at(answers: Answers, keep: BoolArray | None = None) -> list[list[Evidence]]:
    return evidence_of(*arrays_of(answers, keep), crowd_of(answers, keep), 0)


def accused(answers: Answers, keep: BoolArray | None = None) -> list[set[str]]:
    """The kinds of the suspicions of each annotator."""
    return [{each["kind"] for each in found} for found in suspicions_of(look_at(answers, keep))]


# --- honest annotators


def ordered_by_producer(seed: int) -> Answers:
    """Sentences of a producer that seldom errs, then those of one that often does."""
    good, bad = honest_crowd(seed, wrong=0.05, images=30), honest_crowd(seed + 1000, wrong=0.6, images=30)
    parts = {
        name: np.concatenate([getattr(good, name), getattr(bad, name)], axis=1)
        for name in ("label", "seconds", "start", "end")
    }
    time = np.concatenate([good.time, bad.time + good.time.max()], axis=1)
    truth, cluster = np.concatenate([good.truth, bad.truth]), np.concatenate([good.cluster, bad.cluster + 30])
    return Answers(cluster=cluster, truth=truth, time=time, **parts)


def lenient(seed: int) -> Answers:
    """Two of six let half of what they find pass."""
    answers = honest_crowd(seed)
    label = answers.label.copy()
    passes = np.random.default_rng(seed + 999).random((2, label.shape[1])) < 0.5
    label[:2][(label[:2] == 1) & passes] = CORRECT
    return replace(answers, label=label)


HONEST = {
    "of like skill": honest_crowd,
    "few sentences": lambda seed: honest_crowd(seed, images=25, per_image=2),
    "one better than the rest": lambda seed: honest_crowd(seed, skills=(0.95, 0.65, 0.65, 0.65, 0.65)),
    "two who hardly err": lambda seed: honest_crowd(seed, skills=(0.99, 0.99, 0.7, 0.7, 0.7)),
    "images wholly right or wrong": lambda seed: honest_crowd(seed, icc=0.8, per_image=10, images=30),
    "producers in their order": ordered_by_producer,
    "some lenient": lenient,
}


@pytest.mark.parametrize("world", HONEST)
def test_honest_crowds_are_left_alone(world: str) -> None:
    """At most 5 % of crowds may have anyone accused of anything; in 100 to 200 of each there were 0 to 2 %, of 25 none
    but one."""
    crowds = 25
    assert sum(any(accused(HONEST[world](seed))) for seed in range(crowds)) <= 1


def test_each_test_rejects_an_honest_annotator_at_most_at_its_level() -> None:
    """Before Holm's correction too: 240 annotators, 5 %."""
    below: dict[str, list[bool]] = {}
    for seed in range(40, 80):
        for of_one in look_at(honest_crowd(seed)):
            for each in of_one:
                if each.p is not None:
                    below.setdefault(each.kind, []).append(each.p <= 0.05)
    assert {"low_agreement", "twin", "longest_run", "hasty", "burst", "same_marks"} == set(below)
    assert {kind: float(np.mean(found)) for kind, found in below.items() if np.mean(found) > 0.05} == {}


def test_holm_adjusts_over_all_annotators_and_kinds() -> None:
    evidence = [[Evidence("hasty", None, 0.02, "a"), Evidence("burst", None, None, "b")]] * 3
    assert suspicions_of(evidence) == [[], [], []]
    (said,) = suspicions_of([evidence[0]])
    assert said == [{"kind": "hasty", "says": "a (p 0.0200)", "p": 0.02, "p_holm": 0.02}]


# --- cheats


@pytest.mark.parametrize(
    ("cheat", "kind"),
    [
        ("constant", "low_agreement"),
        ("random", "low_agreement"),
        ("copy", "twin"),
        ("hasty", "hasty"),
        ("untimed", "burst"),
        ("same marks", "same_marks"),
        ("gives up", "longest_run"),
    ],
)
def test_a_cheat_is_named_and_nobody_else(cheat: str, kind: str) -> None:
    for seed in range(5):
        *honest, last = accused(with_cheat(honest_crowd(seed, images=80), cheat, seed))
        assert kind in last, (cheat, seed)
        assert not any(honest), (cheat, seed)


def test_several_cheats_in_a_crowd_are_all_named() -> None:
    answers = honest_crowd(3, skills=(0.8,) * 9, images=120)
    for number, cheat in enumerate(("copy", "constant", "random", "hasty")):
        turned = with_cheat(answers, cheat, number)
        order = np.roll(np.arange(9), 1)
        # The one just replaced goes to the front, so that the next cheat is another annotator.
        answers = replace(
            turned, **{name: getattr(turned, name)[order] for name in ("label", "time", "seconds", "start", "end")}
        )
    hasty, random, constant, copy, *honest = accused(answers)
    assert "hasty" in hasty and "low_agreement" in random and "low_agreement" in constant
    assert "twin" in copy
    assert not any(honest)


def test_who_always_answered_first_copied_nobody() -> None:
    answers = with_cheat(honest_crowd(0), "copy")
    first, *_, last = look_at(answers)
    twin = next(each for each in last if each.kind == "twin")
    assert twin.facts is not None and twin.facts["annotator"] == "annotator-0"
    assert (twin.facts["agreement"], twin.facts["later"]) == (1.0, 1.0)
    assert "gave the same label as annotator-0 on 100% of 300 sentences" in twin.says
    copied = next(each for each in first if each.kind == "twin")
    assert copied.facts is not None and copied.facts["annotator"] != "annotator-5"


def test_a_copy_of_nearly_all_answers_is_found() -> None:
    answers = with_cheat(honest_crowd(1, images=80), "copy")
    own = np.random.default_rng(0).random(answers.label.shape[1]) < 0.05
    answers.label[-1, own] = honest_crowd(1, images=80).label[-1, own]
    assert "twin" in accused(answers)[-1]


def test_three_annotators_do_not_tell_a_copy_from_skill() -> None:
    pairs = compare_pairs(crowd_of(with_cheat(honest_crowd(0, skills=(0.8,) * 3), "copy")), np.arange(900), 0)
    assert np.isnan(pairs.p).all()


def test_imports_of_one_moment_are_no_burst() -> None:
    answers = honest_crowd(0)
    together = replace(answers, time=np.zeros_like(answers.time), seconds=np.full(answers.seconds.shape, np.nan))
    assert not any(accused(together))
    # Nor are the microseconds by which a program stamps one row after the other.
    stamped = replace(together, time=np.tile(np.arange(answers.time.shape[1]), (6, 1)))
    assert not any(accused(stamped))


def test_who_marks_what_all_mark_is_honest() -> None:
    answers = honest_crowd(0)
    alike = np.zeros_like(answers.start)
    assert not any(accused(replace(answers, start=alike, end=alike + 9)))
    assert not any(accused(replace(answers, start=alike, end=alike + len(TEXT))))


def test_a_page_of_several_sentences_was_one_answer() -> None:
    # Five sentences of an image handed in together, half a second each by the tool's clock, on 4 of 40 pages.
    time = np.repeat(np.arange(40) * 60 * SECOND, 5)
    seconds = np.repeat(np.where(np.arange(40) < 4, 0.5, 8.0), 5)
    found = haste(time, seconds)
    assert found is not None and (found.answers, found.hasty, found.limit) == (40, 4, 8 / 5)
    assert found.p > 0.5


# --- numbers


@given(st.lists(st.integers(0, 2), max_size=12))
def test_the_longest_run(outcomes: list[int]) -> None:
    runs = [
        (end - begin, -begin)
        for begin in range(len(outcomes))
        for end in range(begin + 1, len(outcomes) + 1)
        if len(set(outcomes[begin:end])) == 1
    ]
    length, begin = max(runs, default=(0, 0))
    assert longest_run(np.array(outcomes, int)) == (-begin, length)


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any), min_size=1, max_size=7),
    st.integers(1, 8),
    st.booleans(),
)
def test_the_chance_of_a_run_is_that_of_all_outcomes(weights: list[list[int]], length: int, third: bool) -> None:
    probability = np.array([np.array(row) / sum(row) for row in weights])
    if not third:
        probability = probability[:, :2]  # the rest makes no run
    expected = 0.0
    for outcome in product(range(3), repeat=len(weights)):
        likely = np.prod([np.array(row)[place] / sum(row) for row, place in zip(weights, outcome, strict=True)])
        counted = [place if third or place < 2 else 3 + trial for trial, place in enumerate(outcome)]
        begin, found = longest_run(np.array(counted))
        is_long = found >= length and (third or outcome[begin] < 2 or _other_run(counted, length))
        expected += float(likely) * is_long
    assert chance_of_run(probability, length) == pytest.approx(expected, abs=1e-12)


def _other_run(outcomes: list[int], length: int) -> bool:
    # Where the first longest run is of what does not count, there may be another one.
    return any(
        outcomes[begin] < 2 and len(set(outcomes[begin : begin + length])) == 1
        for begin in range(len(outcomes) - length + 1)
    )


def test_small_chances_of_runs_are_exact() -> None:
    # 100 trials of probability 1/1000: 81 places for a run of 20 to begin, less the overlap of two, which is nothing.
    assert chance_of_run(np.full((100, 1), 1e-3), 20) == pytest.approx(1e-60 + 80 * 1e-60 * (1 - 1e-3), rel=1e-9)


def test_kappa_against_one_other_is_cohens() -> None:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 3, 80)
    other = np.where(rng.random(80) < 0.6, one, rng.integers(0, 3, 80))
    crowd = Crowd(
        np.tile(np.arange(80), 2), np.repeat([0, 1], 80), np.concatenate([one, other]), np.zeros(160, int), 2, 3
    )
    columns = against_others(crowd)
    expected = cohens_kappa(to_table(np.column_stack([one, other]))[0], return_results=False)
    for who in (0, 1):
        assert kappa_of_sums(columns[crowd.annotator == who].sum(axis=0)).kappa == pytest.approx(expected, abs=SAME)


def test_bursts_by_hand() -> None:
    time = np.array([0, 10, 10.4, 10.9, 11.5, 30, 30.2, 60]) * SECOND
    found = burst(time.astype(int))
    assert found is not None and (found.answers, found.first) == (4, 10 * SECOND)
    # Three of seven gaps in a row, each with a chance of one in ten: from the first on, or after a gap that is none;
    # less the one way to have two such rows.
    assert found.p == pytest.approx(0.1**3 * (1 + 4 * 0.9) - 0.9 * 0.1**6, abs=SAME)
    assert burst(np.array([5, 5, 6])) is None


def test_too_little_is_not_tested() -> None:
    crowd = crowd_of(honest_crowd(0, images=19, per_image=5))
    assert np.isnan(low_agreement(crowd, 0)).all()
    assert np.isnan(compare_pairs(crowd, np.arange(crowd.label.size), 0).p).all()


def test_annotators_who_share_no_sentence_are_described_but_not_compared() -> None:
    answers = honest_crowd(0, skills=(0.8, 0.8), images=30)
    keep = np.zeros(answers.label.shape, bool)
    keep[0, :75], keep[1, 75:] = True, True
    found = annotators_of_votes(*arrays_of(answers, keep), seed=0, replicates=100)
    for each in found:
        assert each["votes"] == 75 and each["agreement"]["value"] is None and each["kappa"]["value"] is None
        assert each["agreement"]["reason"] and each["twin"] is None and each["suspicions"] == []


# --- from datasets


def events_of(dataset: Dataset, plan: dict[str, Any]) -> list[LabelEvent]:
    """What each annotator of a plan says of every sentence, in order: (label, end of the mark)."""
    events = []
    for number, sentence in enumerate(dataset.sentences()):
        for name, answer in plan.items():
            label, end = answer(number, sentence)
            spans = [Span(0, end, ErrorType.OBJECT)] if label is Label.INCORRECT and end else []
            time = MORNING + dt.timedelta(seconds=30 * number)
            events.append(
                make_event(
                    sentence_id=sentence.sentence_id,
                    text=sentence.text,
                    annotator=name,
                    time=time,
                    label=label,
                    spans=spans,
                    seconds=10.0 + number % 3,
                )
            )
    return events


def truth(number: int, sentence: Sentence) -> tuple[Label | None, int]:
    return sentence.label, 3 + number % 4


def test_figures_of_a_dataset_by_hand(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=10)
    labels = [each.label for each in dataset.sentences()]
    plan = {"ann": truth, "bob": truth, "eve": lambda number, sentence: (Label.CORRECT, 0)}
    record_events(dataset.path, events_of(dataset, plan))
    ann, bob, eve = annotators_of(Dataset.open(dataset.path), replicates=200)
    n, correct = len(labels), labels.count(Label.CORRECT)
    assert (ann["annotator"], ann["votes"], ann["seconds"]) == ("ann", n, 11.0)
    assert ann["labels"]["correct"] == pytest.approx(correct / n) and eve["labels"]["correct"] == 1.0
    # Bob and Eve agree on the correct ones alone; there Ann agrees with both. Eve's others always agree.
    assert (ann["agreement"]["value"], ann["agreement"]["votes"]) == (1.0, correct)
    assert (eve["agreement"]["value"], eve["agreement"]["votes"]) == (pytest.approx(correct / n), n)
    assert eve["agreement"]["low"] < correct / n < eve["agreement"]["high"]
    assert eve["kappa"]["value"] == pytest.approx(0, abs=SAME)
    # Half of Ann's others are Bob, the other half Eve.
    observed = (1 + correct / n) / 2
    shares = np.array([labels.count(label) / n for label in Label])
    chance = float(shares @ ((shares + np.array([1, 0, 0])) / 2))
    assert ann["kappa"]["value"] == pytest.approx((observed - chance) / (1 - chance), abs=SAME)
    assert ann["span_f1"]["value"] == bob["span_f1"]["value"] == 1.0 and eve["span_f1"]["value"] is None
    assert ann["span_f1"]["votes"] == labels.count(Label.INCORRECT)
    assert (eve["longest_run"]["length"], eve["longest_run"]["label"], eve["longest_run"]["p"]) == (n, "correct", 1.0)
    assert eve["longest_run"]["from"] == "2026-03-02T09:00:00Z"
    assert ann["hasty"]["share"] == 0 and ann["hasty"]["limit"] == pytest.approx(11 / 5)


def test_a_cheat_in_a_dataset_is_told_in_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    dataset = make_dataset(tmp_path / "dataset", images=40)
    rng = np.random.default_rng(0)

    def reads(number: int, sentence: Sentence) -> tuple[Label | None, int]:
        label = sentence.label if rng.random() < 0.9 else Label.UNKNOWN
        return label, int(rng.integers(3, 9))

    plan = dict.fromkeys(("ann", "bob", "cy", "dee"), reads) | {"eve": lambda *_: (Label.CORRECT, 0)}
    record_events(dataset.path, events_of(dataset, plan))
    found = annotators_of(Dataset.open(dataset.path), replicates=100)
    assert [each["annotator"] for each in found if each["suspicions"]] == ["eve"]
    (suspicion,) = found[-1]["suspicions"]
    assert suspicion["kind"] == "low_agreement" and suspicion["p_holm"] <= 0.05
    assert "said `correct` of 100% of them, the others of 59%" in suspicion["says"]
    assert run(["label", "agreement", str(dataset.path), "--replicates", "100"]) == 0
    assert f"eve {suspicion['says']}" in capsys.readouterr().out


def test_without_events_there_are_no_annotators(tmp_path: Path) -> None:
    assert annotators_of(make_dataset(tmp_path / "dataset")) == []


def test_the_report_is_json_and_the_same_each_time() -> None:
    arrays = arrays_of(with_cheat(honest_crowd(0, images=30), "same marks"))
    first, again = (json.dumps(annotators_of_votes(*arrays, seed=1, replicates=100), allow_nan=False) for _ in range(2))
    assert first == again


@pytest.mark.parametrize("annotators", [1, 2, 3])
def test_one_sentence_is_enough_to_say_something(annotators: int) -> None:
    answers = honest_crowd(0, skills=(0.8,) * annotators, images=1, per_image=1)
    found = annotators_of_votes(*arrays_of(answers), seed=0, replicates=100)
    assert [each["votes"] for each in found] == [1] * annotators
    assert not any(each["suspicions"] for each in found)
