"""Slopes within groups against statsmodels, and against what perturbing each cluster does."""

from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from alignbench.analysis.regression import NO_VARIATION, Observations, slope
from alignbench.effects import Effect
from alignbench.metrics import normalised_ranks
from tests.oracles import FloatArray, IntArray


def draw(seed: int, clusters: int = 12, n: int = 150, groups: int = 5) -> Observations:
    """Outcomes that share something within clusters, in groups of unequal size that reach over clusters."""
    rng = np.random.default_rng(seed)
    cluster = rng.integers(clusters, size=n)
    step = rng.integers(6, size=n).astype(np.float64)
    group = np.minimum(rng.integers(groups, size=n), rng.integers(groups, size=n))
    score = rng.normal(size=clusters)[cluster] + rng.normal(size=n) - 0.2 * step + 0.7 * group
    return Observations(normalised_ranks(score), step, group, cluster)


def with_columns(seen: Observations) -> sm.regression.linear_model.RegressionResults:
    """The same by a column for each group."""
    dummies = (seen.group[:, None] == np.unique(seen.group)).astype(np.float64)
    model = sm.OLS(seen.outcome, np.column_stack([seen.step, dummies]))
    return model.fit(cov_type="cluster", cov_kwds={"groups": seen.cluster}, use_t=True)


def same(found: Effect, fitted: sm.regression.linear_model.RegressionResults) -> None:
    said = [found.value, found.se, found.p, found.low, found.high]
    low, high = fitted.conf_int()[0]
    assert said == pytest.approx([fitted.params[0], fitted.bse[0], fitted.pvalues[0], low, high], abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 30), st.integers(1, 8))
def test_it_is_statsmodels_with_a_column_for_each_group(seed: int, clusters: int, groups: int) -> None:
    seen = draw(seed, clusters, groups=groups)
    found = slope(seen, 40)
    same(found, with_columns(seen))
    assert (found.clusters, found.n) == (np.unique(seen.cluster).size, 150)


def test_empty_groups_and_clusters_change_nothing() -> None:
    seen = draw(0)
    apart = seen._replace(group=seen.group * 3 + 2, cluster=seen.cluster * 2)
    assert slope(apart, 40) == pytest.approx(slope(seen, 12), nan_ok=False)


def test_groups_of_two_within_clusters_are_their_differences() -> None:
    rng = np.random.default_rng(1)
    n = 80
    cluster = np.repeat(np.arange(20), 4)
    place = rng.permuted(np.tile(np.arange(5.0), (n, 1)), axis=1)[:, :2].T  # (2, n)
    outcome = rng.random(n) - 0.03 * place + rng.normal(size=20)[cluster] / 9 + rng.normal(size=(2, n)) / 5
    seen = Observations(outcome.ravel(), place.ravel(), np.tile(np.arange(n), 2), np.tile(cluster, 2))
    found = slope(seen, 20, nested=True)
    differences = sm.OLS(outcome[1] - outcome[0], place[1] - place[0])
    fitted = differences.fit(cov_type="cluster", cov_kwds={"groups": cluster}, use_t=True)
    # The same but for the few sentences that n - k counts: (2n - 1)/(2n - 2) for the pairs, 1 for their differences.
    assert found.value == pytest.approx(fitted.params[0], abs=1e-12)
    assert found.se == pytest.approx(fitted.bse[0] * math.sqrt((2 * n - 1) / (2 * n - 2)), rel=1e-9)
    assert with_columns(seen).bse[0] > 1.35 * fitted.bse[0], "counting every constant doubles the variance"


def weighted_slope(score: FloatArray, seen: Observations, weight: FloatArray) -> float:
    """The slope of ranks where observations count `weight` times, in the ranks as in the regression."""
    outscored = (score[None, :] < score[:, None]) + 0.5 * (score[None, :] == score[:, None])
    rank = outscored @ weight / weight.sum()
    dummies = (seen.group[:, None] == np.unique(seen.group)).astype(np.float64)
    root = np.sqrt(weight)[:, None]
    columns = np.column_stack([seen.step, dummies])
    return float(np.linalg.lstsq(columns * root, rank * root[:, 0])[0][0])


def test_the_spread_of_ranks_is_what_perturbing_clusters_says() -> None:
    seen = draw(2, clusters=15, n=90, groups=3)
    score = np.round(np.random.default_rng(3).normal(size=90) - 0.8 * seen.step, 1)  # with ties
    seen = seen._replace(outcome=normalised_ranks(score))
    moved = np.array([nudged(score, seen, seen.cluster == each) for each in range(15)])
    correction = 15 / 14 * 89 / (90 - 4)
    found = slope(seen, 15, ranked=True)
    assert found.se == pytest.approx(math.sqrt(correction * np.square(moved).sum()), rel=1e-5)
    assert found.se != pytest.approx(slope(seen, 15).se, rel=0.01)


def nudged(score: FloatArray, seen: Observations, those: np.ndarray) -> float:
    """How fast the slope moves with the weight of those observations."""
    more, less = (weighted_slope(score, seen, 1 + nudge * those) for nudge in (1e-4, -1e-4))
    return (more - less) / 2e-4


@pytest.mark.parametrize("shift", [0.0, 0.5])
@pytest.mark.parametrize("nested", [False, True])
def test_intervals_of_ranks_cover(shift: float, nested: bool) -> None:
    def simulate(seed: int, clusters: int) -> Effect:
        rng = np.random.default_rng(seed)
        cluster = np.repeat(np.arange(clusters), 6)
        sentence = rng.normal(size=clusters)[cluster] + rng.normal(size=cluster.size)
        shown = np.stack([np.tile(np.arange(6), clusters), np.tile(np.arange(6), clusters)[::-1]])
        group = np.tile(np.arange(cluster.size), 2) if nested else np.tile(cluster % 2, 2)
        score = (sentence + shift * shown + 0.5 * rng.normal(size=shown.shape)).ravel()
        seen = Observations(normalised_ranks(score), shown.ravel().astype(np.float64), group, np.tile(cluster, 2))
        return slope(seen, clusters, nested=nested, ranked=True)

    truth = simulate(0, 40_000).value
    found = [simulate(seed, 60) for seed in range(1, 401)]
    covered = np.mean([each.low <= truth <= each.high for each in found])  # type: ignore[operator]
    assert 0.92 < covered < 0.98


# Where there is nothing to tell


def test_no_observation() -> None:
    none: IntArray = np.empty(0, np.int64)
    found = slope(Observations(np.empty(0), np.empty(0), none, none), 5)
    assert (found.value, found.n, found.reason) == (None, 0, "there is no sentence with a score to compare")


def test_no_step_within_a_group() -> None:
    seen = draw(4)
    found = slope(seen._replace(step=seen.group / 3), 12)
    assert (found.value, found.low, found.reason) == (None, None, NO_VARIATION)


def test_one_cluster_has_a_slope_and_no_interval() -> None:
    seen = draw(5)
    found = slope(seen._replace(cluster=np.zeros(150, np.int64)), 1)
    assert found.value == pytest.approx(slope(seen, 12).value)
    assert (found.se, found.low, found.p) == (None, None, None)
    assert found.reason


def test_as_many_groups_as_leave_nothing_over() -> None:
    found = slope(Observations(np.array([0.2, 0.4]), np.array([0.0, 1.0]), np.zeros(2, np.int64), np.arange(2)), 2)
    assert found.value == pytest.approx(0.2)
    assert (found.se, found.low) == (None, None)
    assert found.reason


@pytest.mark.parametrize("ranked", [False, True])
def test_outcomes_that_are_all_alike_have_no_slope(ranked: bool) -> None:
    seen = draw(6)
    found = slope(seen._replace(outcome=np.full(150, 1 / 3)), 12, ranked=ranked)
    assert (found.value, found.se, found.p) == (0, 0, 1)


def test_a_line_without_residuals_has_no_interval() -> None:
    seen = draw(7)
    found = slope(seen._replace(outcome=0.1 * seen.step + 0.05 * seen.group), 12)
    assert found.value == pytest.approx(0.1)
    assert (found.se, found.low) == (None, None)
