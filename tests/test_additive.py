"""The two-way fit against dummies and statsmodels, the permutation test against going through all permutations."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench.analysis import permutation
from alignbench.analysis.additive import additive_weights, interaction_weights, residual_spread
from alignbench.analysis.permutation import assignments, permutation_test
from alignbench.metrics import BoolArray, FloatArray


def dummies(shape: tuple[int, ...]) -> FloatArray:
    """A row for every cell: which row and which column it is of."""
    rows, columns = (places.ravel() for places in np.indices(shape))
    return np.hstack([np.eye(shape[0])[rows], np.eye(shape[1])[columns]])


def table(seed: int, shape: tuple[int, int] = (5, 4), share: float = 0.75) -> tuple[FloatArray, BoolArray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape), rng.random(shape) < share


def masks() -> st.SearchStrategy[BoolArray]:
    return st.lists(st.booleans(), min_size=16, max_size=16).map(lambda cells: np.array(cells).reshape(4, 4))


@pytest.mark.parametrize("seed", range(6))
def test_contrasts_are_those_of_residuals_from_a_regression_on_dummies(seed: int) -> None:
    cells, fitted = table(seed)
    contrast = np.where(fitted, 0.0, np.random.default_rng(seed).random(cells.shape))
    design, known = dummies(cells.shape), fitted.ravel()
    coefficients = np.linalg.lstsq(design[known], cells.ravel()[known], rcond=None)[0]
    slow = contrast.ravel() @ (cells.ravel() - design @ coefficients)
    full_rank = design[:, 1:]
    ols = sm.OLS(cells.ravel()[known], full_rank[known]).fit()
    other = contrast.ravel() @ (cells.ravel() - ols.predict(full_rank))
    found = additive_weights(contrast, fitted)
    assert found.identified
    assert np.sum(found.weights * cells) == pytest.approx(slow, abs=1e-10) == pytest.approx(other, abs=1e-10)


@given(fitted=masks(), place=st.integers(0, 15))
def test_a_cell_is_identified_where_its_dummies_are_a_sum_of_fitted_ones(fitted: BoolArray, place: int) -> None:
    contrast = np.zeros((4, 4))
    contrast.flat[place] = 1
    design = dummies((4, 4))
    known = design[fitted.ravel()]
    rank = np.linalg.matrix_rank(known) if len(known) else 0
    within = np.linalg.matrix_rank(np.vstack([known, design[place]])) == rank
    assert additive_weights(contrast, fitted).identified == within


@settings(deadline=None)
@given(fitted=masks(), place=st.integers(0, 15), seed=st.integers(0, 99))
def test_rows_and_columns_change_nothing_and_cells_outside_have_no_part(
    fitted: BoolArray, place: int, seed: int
) -> None:
    contrast = np.zeros((4, 4))
    contrast.flat[place] = 1
    weights, identified = additive_weights(contrast, fitted)
    if identified:
        shifts = np.random.default_rng(seed).normal(size=(2, 4))
        assert np.sum(weights * (shifts[0][:, None] + shifts[1])) == pytest.approx(0, abs=1e-9)
        assert not weights[~fitted & (contrast == 0)].any()


def test_many_at_once_are_as_one_by_one() -> None:
    fitted = np.array([table(seed)[1] for seed in range(8)])
    contrasts = np.where(fitted, 0.0, 1.0)
    together = additive_weights(contrasts, fitted)
    for place in range(8):
        alone = additive_weights(contrasts[place], fitted[place])
        assert together.identified[place] == alone.identified
        np.testing.assert_allclose(together.weights[place], alone.weights, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_spread_is_the_residual_standard_deviation_of_the_regression(seed: int) -> None:
    cells, fitted = table(seed)
    design, known = dummies(cells.shape), fitted.ravel()
    ols = sm.OLS(cells.ravel()[known], design[known, 1:]).fit()
    assert residual_spread(np.where(fitted, cells, np.nan), fitted) == pytest.approx(np.sqrt(ols.mse_resid))


def test_no_spread_without_cells_to_spare() -> None:
    assert residual_spread(np.ones((1, 4)), np.ones((1, 4), np.bool_)) is None
    assert residual_spread(np.ones((3, 3)), np.zeros((3, 3), np.bool_)) is None
    assert residual_spread(np.ones((0, 3)), np.zeros((0, 3), np.bool_)) is None


@pytest.mark.parametrize("seed", range(4))
def test_a_bend_is_a_regression_on_the_product_of_the_fitted_effects(seed: int) -> None:
    cells, fitted = table(seed, (6, 5))
    contrast = np.where(fitted, 0.0, 1.0)
    design, known = dummies(cells.shape), fitted.ravel()
    coefficients = np.linalg.lstsq(design[known], cells.ravel()[known], rcond=None)[0]
    product = np.outer(coefficients[:6], coefficients[6:]).ravel()
    bent = np.column_stack([design, product])
    coefficients = np.linalg.lstsq(bent[known], cells.ravel()[known], rcond=None)[0]
    slow = contrast.ravel() @ (cells.ravel() - bent @ coefficients)
    weights = interaction_weights(additive_weights(contrast, fitted).weights, cells, fitted)
    assert np.sum(weights * cells) == pytest.approx(slow, abs=1e-9)


def test_a_bend_takes_out_a_multiplicative_interaction() -> None:
    skill, ease = np.array([0.0, 0.1, 0.2, 0.3, 0.4]), np.array([0.2, 0.7, 1.0, 1.3])
    cells, fitted = 0.5 + np.outer(skill, ease), np.ones((5, 4), np.bool_)
    fitted[4, 0] = False
    weights = additive_weights((~fitted).astype(float), fitted).weights
    # Away from balance the product of fitted effects is only nearly that of the true ones.
    assert np.sum(weights * cells) < -0.05
    assert np.sum(interaction_weights(weights, cells, fitted) * cells) == pytest.approx(0, abs=0.01)


def test_no_bend_without_cells_to_spare_or_where_rows_are_alike() -> None:
    fitted = ~np.eye(3, dtype=np.bool_)
    cells = np.random.default_rng(0).normal(size=(3, 3))
    weights = additive_weights(np.eye(3), fitted).weights
    assert interaction_weights(weights, cells, fitted) is None
    alike = np.ones((5, 4))
    assert interaction_weights(np.zeros((5, 4)), alike, np.ones((5, 4), np.bool_)) is None


def test_assignments_are_the_distinct_permutations_of_rows() -> None:
    marks = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.bool_)
    every = {marks[list(order)].tobytes() for order in permutations(range(4))}
    found = assignments(marks, seed=0)
    assert len(found) == len(every) == 12 and {one.tobytes() for one in found} == every
    np.testing.assert_array_equal(found[0], marks)


def test_many_assignments_are_drawn_by_the_seed() -> None:
    marks = np.eye(8, dtype=np.bool_)
    first, again, other = (assignments(marks, seed) for seed in (1, 1, 2))
    assert len(first) == permutation.LIMIT
    np.testing.assert_array_equal(first[0], marks)
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    assert (first.sum(axis=2) == 1).all() and (first.sum(axis=1) == 1).all()


def test_p_is_the_share_of_those_at_least_as_extreme() -> None:
    statistic = np.array([2.0, -2.0 - 1e-12, 1.0, 3.0, *np.zeros(16), 9.0])
    known = np.append(np.ones(20, np.bool_), False)
    found = permutation_test(statistic, known)
    assert (found.p, found.p_min, found.assignments, found.left_out) == (3 / 20, 1 / 20, 20, 1)
    assert found.reason is None


def test_no_p_where_it_could_not_be_small() -> None:
    found = permutation_test(np.arange(19.0)[::-1], np.ones(19, np.bool_))
    assert found.p is None and found.p_min == 1 / 19 and "19 assignments" in found.reason
