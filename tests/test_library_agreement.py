"""Where scikit-learn, scipy or statsmodels, or a published formula, compute the same thing, the numbers are the same.

Tolerances: 1e-12 for what is the same formula; 5 % for the analytic standard error against the bootstrap's.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import roc_auc_score
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import normal_sample_size_one_tail

from alignbench.cells import Cells
from alignbench.clustered import Scores, influence, mean_influence, standard_error
from alignbench.intervals import Support, t_interval
from alignbench.metrics import auroc, normalised_ranks
from alignbench.power import clusters_needed
from alignbench.resample import Draws, Presorted, replicate
from alignbench.significance import detectable, holm, p_value
from tests.oracles import BoolArray, FloatArray, World, draw_world

SAME = 1e-12


def influences(world: World) -> FloatArray:
    right, wrong = (Scores(world.score[side], world.cluster[side]) for side in (world.is_correct, ~world.is_correct))
    return influence(right, wrong, int(world.cluster.max()) + 1)


def placements_by_pairs(is_correct: BoolArray, score: FloatArray) -> tuple[FloatArray, FloatArray]:
    """DeLong's V10 and V01: of each correct sentence, and of each incorrect one, the share of contests it wins."""
    right, wrong = score[is_correct][:, None], score[~is_correct][None, :]
    won = (right > wrong) + 0.5 * (right == wrong)
    return won.mean(axis=1), won.mean(axis=0)


def delong_covariance(is_correct: BoolArray, scores: list[FloatArray]) -> FloatArray:
    """S10 / m + S01 / n of DeLong, DeLong and Clarke-Pearson (1988, Biometrics 44:837-845), with their m - 1, n - 1."""
    v10, v01 = zip(*(placements_by_pairs(is_correct, score) for score in scores), strict=True)
    m, n = int(is_correct.sum()), int((~is_correct).sum())
    covariance: FloatArray = np.atleast_2d(np.cov(np.array(v10)) / m + np.cov(np.array(v01)) / n)
    return covariance


@pytest.mark.parametrize("decimals", [9, 1, 0])
@pytest.mark.parametrize("seed", range(5))
def test_with_one_sentence_a_cluster_the_influences_give_delongs_variance(seed: int, decimals: int) -> None:
    # I / (I - 1) for the I clusters of a class is then m / (m - 1), and no cluster holds both classes.
    rng = np.random.default_rng(seed)
    is_correct = rng.random(300) < 0.7
    scores = [np.round(rng.normal(size=300) + shift * is_correct, decimals) for shift in (0.5, 1.0)]
    moves = [influences(World(is_correct, score, np.arange(300))) for score in scores]
    expected = delong_covariance(is_correct, scores)
    assert np.array(moves) @ np.array(moves).T == pytest.approx(expected, rel=SAME)
    # So is the variance of a difference of two judges of the same sentences.
    difference = expected[0, 0] + expected[1, 1] - 2 * expected[0, 1]
    assert standard_error(moves[0] - moves[1]) == pytest.approx(math.sqrt(difference), rel=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_obuchowskis_standard_error_is_within_five_percent_of_the_bootstraps_at_300_images(seed: int) -> None:
    """300 images x 6 sentences, score and label ICC .5; 4,000 replicates, whose own error is 1.1 %."""
    world = draw_world(np.random.default_rng(seed), images=300)
    cells = Cells(world.is_correct, np.zeros(world.score.size, int), 1, ~world.is_correct[:, None])
    drawn = replicate(Presorted(cells, world.score, world.cluster, 300), Draws(np.zeros(300, int), seed, 4000))
    assert standard_error(influences(world)) == pytest.approx(drawn.std(), rel=0.05)


@pytest.mark.parametrize("size", [1, 2, 7, 45])
def test_holm_is_that_of_statsmodels(size: int) -> None:
    # Rounded, so that some are equal and some are 0.
    p = np.round(np.random.default_rng(size).random(size) ** 3, 2).tolist()
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], abs=SAME)


@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=40))
def test_the_auroc_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    score, is_correct = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    found = auroc(is_correct, score).value
    if is_correct.all() or not is_correct.any():
        assert found is None
    else:
        assert found == pytest.approx(roc_auc_score(is_correct, score), abs=SAME)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_ranks_are_those_of_scipy(values: list[int]) -> None:
    score = np.array(values, float)
    expected = (stats.rankdata(score) - 0.5) / score.size
    assert normalised_ranks(score) == pytest.approx(expected, abs=SAME)


def test_the_variance_of_a_mean_is_that_of_a_regression_on_a_constant() -> None:
    # statsmodels' small-sample factor G / (G - 1) (N - 1) / (N - K) is G / (G - 1) for K = 1.
    rng = np.random.default_rng(0)
    cluster = rng.integers(0, 40, 300)
    value = rng.normal(size=40)[cluster] + rng.normal(size=300)
    fitted = OLS(value, np.ones(300)).fit(cov_type="cluster", cov_kwds={"groups": cluster})
    assert standard_error(mean_influence(value, cluster, 45)) == pytest.approx(float(fitted.bse[0]), rel=SAME)


@pytest.mark.parametrize("df", [1, 5, 30, 1000])
def test_p_values_and_t_intervals_are_those_of_scipy(df: int) -> None:
    assert p_value(-0.05, 0.02, df) == pytest.approx(2 * stats.t.sf(2.5, df), rel=1e-9)
    low, high, _ = t_interval(0.05, 0.02, Support(df + 1, df + 1))
    assert (low, high) == pytest.approx(stats.t.interval(0.95, df, loc=0.05, scale=0.02), rel=1e-9)


@pytest.mark.parametrize(("power", "tests"), [(0.8, 1), (0.9, 10)])
def test_planned_clusters_and_detectable_differences_are_those_of_statsmodels(power: float, tests: int) -> None:
    clusters, se, wanted = 500, 0.02, 0.013
    said = {"a": "x", "b": "y", "delta": 0.1, "low": 0.06, "high": 0.14, "reason": None, "se": se}
    judges = [{"name": name, "judge_id": name * 3, "control": None} for name in "xy"]
    results = {"dataset": {"clusters": clusters}, "judges": judges, "comparisons": [said]}
    (pair,) = clusters_needed(results, difference=wanted, power=power, tests=tests)["pairs"]
    spread = se * math.sqrt(clusters)
    expected = normal_sample_size_one_tail(wanted, power, 0.05 / tests / 2, std_null=spread)
    assert pair["needed"]["difference"]["clusters"] == math.ceil(expected)
    # That of results.json has a t quantile, which is normal for many clusters.
    assert detectable(se, 10**7, 1) == pytest.approx(clusters_needed(results)["pairs"][0]["detectable"], rel=1e-5)
