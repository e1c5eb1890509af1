from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from alignbench.metrics import Estimate, auroc, macro, placements
from tests.oracles import BoolArray, FloatArray, slow_auroc

LABELLED = st.lists(
    st.tuples(st.booleans(), st.one_of(st.integers(-3, 3).map(float), st.floats(-1e300, 1e300))), max_size=40
).map(lambda rows: (np.array([row[0] for row in rows], bool), np.array([row[1] for row in rows], float)))


def random_case(rng: np.random.Generator) -> tuple[BoolArray, FloatArray]:
    size = int(rng.integers(1, 200))
    is_correct = rng.random(size) < rng.choice([0.02, 0.3, 0.5, 0.9, 1.0])
    grain = rng.choice([0, 1, 2, 10])
    score = rng.normal(size=size) * 10.0 ** rng.integers(-9, 9)
    return is_correct, np.round(rng.normal(size=size), int(grain)) if grain < 10 else score


def test_auroc_is_that_of_scikit_learn_in_1000_random_cases() -> None:
    rng = np.random.default_rng(1)
    one_class, tied = 0, 0
    for _ in range(1000):
        is_correct, score = random_case(rng)
        if is_correct.all() or not is_correct.any():
            one_class += 1
            assert auroc(is_correct, score).value is None
            continue
        tied += np.unique(score).size < score.size
        assert auroc(is_correct, score).value == pytest.approx(roc_auc_score(is_correct, score), abs=1e-12)
    assert one_class > 100
    assert tied > 300


@given(LABELLED)
def test_auroc_counts_pairs(case: tuple[BoolArray, FloatArray]) -> None:
    is_correct, score = case
    value, reason = auroc(is_correct, score)
    if value is None:
        assert reason
        assert np.isnan(slow_auroc(is_correct, score))
    else:
        assert reason is None
        assert value == pytest.approx(slow_auroc(is_correct, score), abs=1e-12)


@given(LABELLED)
def test_auroc_does_not_depend_on_order_scale_or_repetition(case: tuple[BoolArray, FloatArray]) -> None:
    is_correct, score = case
    rank = np.unique(score, return_inverse=True)[1].astype(float)
    backwards = slice(None, None, -1)
    assert auroc(is_correct[backwards], score[backwards]) == auroc(is_correct, score)
    assert auroc(is_correct, rank) == auroc(is_correct, score)
    assert auroc(np.tile(is_correct, 3), np.tile(score, 3)) == auroc(is_correct, score)


@given(LABELLED)
def test_turning_scores_or_labels_around_turns_auroc_around(case: tuple[BoolArray, FloatArray]) -> None:
    is_correct, score = case
    value = auroc(is_correct, score).value
    if value is not None:
        assert auroc(is_correct, -score).value == pytest.approx(1 - value, abs=1e-15)
        assert auroc(~is_correct, score).value == pytest.approx(1 - value, abs=1e-15)


@pytest.mark.parametrize(
    ("is_correct", "reason"),
    [([], "no sentence"), ([True, True], "no incorrect sentence"), ([False], "no correct sentence")],
)
def test_one_class_has_a_reason_and_no_number(is_correct: list[bool], reason: str) -> None:
    assert auroc(np.array(is_correct, bool), np.zeros(len(is_correct))) == Estimate(None, reason)


def test_a_constant_score_is_exactly_one_half() -> None:
    assert auroc(np.arange(999) % 7 > 0, np.full(999, 0.1)).value == 0.5


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        auroc(np.array([True, False]), np.array([0.5, bad]))


def test_labels_and_scores_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="equally long"):
        auroc(np.array([True, False]), np.array([0.5]))


def test_placements_count_what_is_outscored() -> None:
    assert placements(np.array([1.0, 2.0, 3.0]), np.array([2.0, 0.0])).tolist() == [1.0, 1.5, 2.0]


def test_macro_weighs_small_and_large_producers_alike() -> None:
    assert macro([Estimate(0.5, None), Estimate(1.0, None)]) == Estimate(0.75, None)


def test_macro_passes_on_why_a_part_is_undefined() -> None:
    assert macro([Estimate(0.5, None), Estimate(None, "no correct sentence")]) == Estimate(None, "no correct sentence")
    assert macro([]).value is None
