"""AUROCs over each judge's mean on the standard producers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from alignbench.analysis.normalisation import normalised


def test_each_auroc_is_over_the_mean_of_its_row() -> None:
    aurocs = np.array([[0.6, 0.8, 0.7], [0.5, 0.9, 0.4]])
    found = normalised(aurocs, np.array([True, True, True]))
    assert found == pytest.approx(np.array([[0.6 / 0.7, 0.8 / 0.7, 1.0], [0.5 / 0.6, 1.5, 0.4 / 0.6]]))


def test_other_producers_are_divided_but_do_not_count_in_the_mean() -> None:
    found = normalised(np.array([[0.6, 0.8, 0.35]]), np.array([True, True, False]))
    assert found == pytest.approx(np.array([[0.6 / 0.7, 0.8 / 0.7, 0.5]]))


def test_a_judge_without_one_standard_cell_has_no_ratio_at_all() -> None:
    aurocs = np.array([[0.6, np.nan, 0.7], [0.5, 0.9, np.nan]])
    found = normalised(aurocs, np.array([True, True, False]))
    assert np.isnan(found[0]).all()
    assert found[1, :2] == pytest.approx([0.5 / 0.7, 0.9 / 0.7])
    assert np.isnan(found[1, 2])


@pytest.mark.parametrize(
    ("aurocs", "standard"),
    [
        (np.full((2, 3), 0.7), np.zeros(3, bool)),
        (np.zeros((2, 3)), np.ones(3, bool)),
        (np.empty((2, 0)), np.ones(0, bool)),
    ],
    ids=["no standard producer", "a mean of 0", "no producer"],
)
def test_what_cannot_be_divided_is_nan(aurocs: np.ndarray, standard: np.ndarray) -> None:
    found = normalised(aurocs, standard)
    assert found.shape == aurocs.shape
    assert np.isnan(found).all()


@given(arrays(float, (4, 5), elements=st.floats(0.01, 1)))
def test_the_mean_over_the_standard_producers_is_one(aurocs: np.ndarray) -> None:
    standard = np.array([True, False, True, True, False])
    found = normalised(aurocs, standard)
    assert found[:, standard].mean(axis=1) == pytest.approx(np.ones(4))
    slow = [[value / np.mean([row[0], row[2], row[3]]) for value in row] for row in aurocs.tolist()]
    assert found == pytest.approx(np.array(slow))
