from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from alignbench.cells import Cells
from alignbench.clustered import Scores, influence, standard_error
from alignbench.intervals import MANY_CLUSTERS, NO_SPREAD, Interval, Support, auroc_interval, difference_interval
from alignbench.metrics import auroc
from alignbench.resample import BLOCK, Draws, Presorted, replicate
from alignbench.significance import detectable, holm, p_value, tied_ranks
from tests.oracles import FloatArray, IntArray, World, draw_world, slow_auroc, slow_obuchowski


def whole(world: World) -> Cells:
    """One cell with all sentences."""
    return Cells(world.is_correct, np.zeros(world.score.size, int), 1, ~world.is_correct[:, None])


def influences(world: World, cluster: IntArray) -> FloatArray:
    right, wrong = world.is_correct, ~world.is_correct
    return influence(
        Scores(world.score[right], cluster[right]), Scores(world.score[wrong], cluster[wrong]), int(cluster.max()) + 1
    )


def holding_rarer_class(world: World) -> int:
    return min(np.unique(world.cluster[world.is_correct == side]).size for side in (True, False))


def world_interval(world: World, cluster: IntArray, seed: int, replicates: int) -> Interval:
    """The interval that a results table would show, were `cluster` the clusters."""
    value = auroc(world.is_correct, world.score).value
    clusters = holding_rarer_class(World(world.is_correct, world.score, cluster))
    se = standard_error(influences(world, cluster))
    n_clusters = int(cluster.max()) + 1
    draws = Draws(np.zeros(n_clusters, int), seed, replicates if clusters >= MANY_CLUSTERS else 1)
    drawn = replicate(Presorted(whole(world), world.score, cluster, n_clusters), draws)[0]
    assert value is not None
    return auroc_interval(value, se, Support(clusters, clusters), drawn)


# Draws


def test_a_replicate_draws_as_many_clusters_of_each_stratum_as_there_are() -> None:
    stratum = np.repeat([3, 1, 2], [7, 40, 1])
    for counts in Draws(stratum, seed=0, replicates=100):
        for number, size in ((3, 7), (1, 40), (2, 1)):
            assert (counts[stratum == number].sum(axis=0) == size).all()


def test_clusters_are_drawn_with_equal_chances_and_independently() -> None:
    counts = np.concatenate(list(Draws(np.zeros(5, int), seed=1, replicates=20_000)), axis=1)
    # A multinomial count of n = m = 5: mean 1, variance 4/5, covariance -1/5.
    expected = np.full((5, 5), -0.2) + np.eye(5)
    assert counts.mean(axis=1) == pytest.approx(np.ones(5), abs=0.03)
    assert np.cov(counts) == pytest.approx(expected, abs=0.04)


def test_draws_depend_on_the_seed_alone() -> None:
    stratum = np.zeros(30, int)
    first = np.concatenate(list(Draws(stratum, 7, 3 * BLOCK)), axis=1)
    fewer = np.concatenate(list(Draws(stratum, 7, BLOCK + 5)), axis=1)
    assert (first[:, : BLOCK + 5] == fewer).all()
    assert (first == np.concatenate(list(Draws(stratum, 7, 3 * BLOCK)), axis=1)).all()
    assert (first != np.concatenate(list(Draws(stratum, 8, 3 * BLOCK)), axis=1)).any()
    assert (first[:, :BLOCK] != first[:, BLOCK : 2 * BLOCK]).any()


# Replicates


@st.composite
def grids(draw: st.DrawFn) -> tuple[Cells, FloatArray, IntArray, int]:
    size = draw(st.integers(0, 30))
    n_parts, width, n_clusters = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 6))

    def vector(low: int, high: int) -> IntArray:
        return np.array(draw(st.lists(st.integers(low, high), min_size=size, max_size=size)), int)

    is_correct = vector(0, 1) == 1
    opposes = np.column_stack([(vector(0, 1) == 1) & ~is_correct for _ in range(width)])
    cells = Cells(is_correct, vector(0, n_parts - 1), n_parts, opposes)
    return cells, vector(-2, 2).astype(float), vector(0, n_clusters - 1), n_clusters


@settings(deadline=None)
@given(grids(), st.integers(0, 10))
def test_a_replicate_is_the_auroc_of_the_repeated_sentences(
    grid: tuple[Cells, FloatArray, IntArray, int], seed: int
) -> None:
    cells, score, cluster, n_clusters = grid
    counts = np.random.default_rng(seed).integers(0, 3, (n_clusters, 4)).astype(float)
    drawn = Presorted(cells, score, cluster, n_clusters).aurocs(counts)
    for cell in range(cells.size):
        rows = np.concatenate([cells.correct_in(cell), cells.incorrect_in(cell)])
        for column in range(4):
            repeated = np.repeat(rows, counts[cluster[rows], column].astype(int))
            expected = slow_auroc(cells.is_correct[repeated], score[repeated])
            assert drawn[cell, column] == pytest.approx(expected, abs=1e-15, nan_ok=True)


def test_counting_every_cluster_once_gives_the_auroc_to_the_last_bit() -> None:
    world = draw_world(np.random.default_rng(0), images=200)
    drawn = Presorted(whole(world), world.score, world.cluster, 200).aurocs(np.ones((200, 1)))
    assert drawn[0, 0] == auroc(world.is_correct, world.score).value


def test_the_order_of_sentences_changes_no_replicate() -> None:
    world = draw_world(np.random.default_rng(0), images=50)
    turned = World(world.is_correct[::-1], world.score[::-1], world.cluster[::-1])
    draws = Draws(np.zeros(50, int), 0, 50)
    one, other = (replicate(Presorted(whole(w), w.score, w.cluster, 50), draws) for w in (world, turned))
    assert (one == other).all()


def test_the_sizes_of_cells_are_those_of_their_sentences() -> None:
    rng = np.random.default_rng(0)
    is_correct, part = rng.random(100) < 0.5, rng.integers(0, 3, 100)
    cells = Cells(is_correct, part, 4, (rng.random((100, 2)) < 0.4) & ~is_correct[:, None])
    assert cells.n_correct().tolist() == [cells.correct_in(cell).size for cell in range(cells.size)]
    assert cells.n_incorrect().tolist() == [cells.incorrect_in(cell).size for cell in range(cells.size)]
    assert cells.only(is_correct).n_incorrect().sum() == 0


# The analytic variance


@pytest.mark.parametrize("seed", range(20))
def test_the_influences_give_obuchowskis_variance(seed: int) -> None:
    world = draw_world(np.random.default_rng(seed), images=12, sentences=5, wrong=0.4)
    world = world._replace(score=np.round(world.score, seed % 3))
    found = influences(world, world.cluster)
    assert found.sum() == pytest.approx(0, abs=1e-12)
    # The cross term alone has another factor: both lie between 1 and 12/11 times 1.1 here.
    assert np.square(found).sum() == pytest.approx(slow_obuchowski(*world), rel=0.06)


def test_the_influences_are_exactly_obuchowskis_where_every_cluster_holds_both_classes() -> None:
    rng = np.random.default_rng(0)
    world = World(np.tile([True, False, True], 15), rng.normal(size=45), np.repeat(np.arange(15), 3))
    assert np.square(influences(world, world.cluster)).sum() == pytest.approx(slow_obuchowski(*world), rel=1e-12)


def test_the_analytic_standard_error_agrees_with_the_bootstrap() -> None:
    world = draw_world(np.random.default_rng(5), images=400)
    drawn = replicate(Presorted(whole(world), world.score, world.cluster, 400), Draws(np.zeros(400, int), 0, 4000))
    assert standard_error(influences(world, world.cluster)) == pytest.approx(drawn.std(), rel=0.05)


def test_a_class_in_one_cluster_has_no_standard_error() -> None:
    world = World(np.array([True, True, False, True]), np.arange(4.0), np.array([0, 1, 2, 3]))
    assert standard_error(influences(world, world.cluster)) is None
    assert auroc_interval(0.7, None, Support(1, 1), np.array([np.nan])) == Interval(None, None, NO_SPREAD)


# Intervals


def test_many_clusters_get_percentiles() -> None:
    replicates = np.linspace(0.6, 0.8, 2001)
    assert auroc_interval(0.7, 0.05, Support(MANY_CLUSTERS, MANY_CLUSTERS), replicates)[:2] == pytest.approx(
        (0.605, 0.795)
    )
    assert difference_interval(0.7, 0.05, Support(MANY_CLUSTERS, MANY_CLUSTERS), replicates)[:2] == pytest.approx(
        (0.605, 0.795)
    )


def test_more_than_one_percent_of_undefined_replicates_leave_no_interval() -> None:
    replicates = np.full(1000, 0.7)
    replicates[:10] = np.nan
    assert auroc_interval(0.7, 0.05, Support(MANY_CLUSTERS, MANY_CLUSTERS), replicates) == Interval(0.7, 0.7)
    replicates[10] = np.nan
    assert auroc_interval(0.7, 0.05, Support(MANY_CLUSTERS, MANY_CLUSTERS), replicates) == Interval(
        None, None, "undefined in 1.1% of the replicates"
    )


def test_few_clusters_get_a_t_interval_on_the_logit_scale() -> None:
    # t(24 df) = 2.0639; logit(.8) = 1.38629; reach = 2.0639 * .05 / .16 = .64497; expit(.74132), expit(2.03126)
    low, high, reason = auroc_interval(0.8, 0.05, Support(25, 25), np.array([np.nan]))
    assert (low, high) == pytest.approx((0.67728, 0.88404), abs=1e-4)
    assert reason is None


def test_under_twenty_clusters_come_with_a_warning() -> None:
    low, high, reason = auroc_interval(0.8, 0.05, Support(19, 19), np.array([np.nan]))
    assert low is not None
    assert high is not None
    assert reason == "too few: the rarer class lies in 19 clusters"
    assert difference_interval(0.1, 0.05, Support(19, 19), np.array([np.nan])).reason == reason


@pytest.mark.parametrize("clusters", [5, 50, 500])
def test_a_perfect_judge_gets_the_bound_of_as_many_successes(clusters: int) -> None:
    low, high, _ = auroc_interval(1.0, 0.0, Support(clusters, clusters), np.ones(100))
    assert low == pytest.approx(0.025 ** (1 / clusters))
    assert high == 1.0
    assert auroc_interval(0.0, 0.0, Support(clusters, clusters), np.zeros(100))[:2] == pytest.approx(
        (0.0, 1 - 0.025 ** (1 / clusters))
    )


def test_a_constant_judge_has_an_interval_of_no_width() -> None:
    assert auroc_interval(0.5, 0.0, Support(30, 30), np.full(10, 0.5))[:2] == (0.5, 0.5)
    assert difference_interval(0.0, 0.0, Support(30, 30), np.zeros(10))[:2] == (0.0, 0.0)
    assert difference_interval(0.2, 0.0, Support(300, 300), np.zeros(10)) == Interval(None, None, NO_SPREAD)


def covered(worlds: int, truth: float, *, seed: int, replicates: int, images: int) -> tuple[float, float]:
    """How often the interval by image, and the one by sentence, hold the truth."""
    rng = np.random.default_rng(seed)
    by_image, by_sentence = 0, 0
    for number in range(worlds):
        world = draw_world(rng, images=images, auroc=truth)
        low, high, _ = world_interval(world, world.cluster, number, replicates)
        by_image += low is not None and high is not None and low <= truth <= high
        value = auroc(world.is_correct, world.score).value
        se = standard_error(influences(world, np.arange(world.score.size)))
        by_sentence += value is not None and se is not None and abs(value - truth) <= 1.96 * se
    return by_image / worlds, by_sentence / worlds


def test_the_interval_by_image_covers_the_truth_and_that_by_sentence_does_not() -> None:
    """2,000 data sets of 300 images x 6 sentences; label and score ICC .5; 20 % incorrect."""
    by_image, by_sentence = covered(2000, 0.75, seed=0, replicates=400, images=300)
    assert 0.93 <= by_image <= 0.97
    assert by_sentence < 0.90


@pytest.mark.parametrize(("images", "truth"), [(60, 0.6), (60, 0.9), (200, 0.75)])
def test_small_cells_cover_the_truth_too(images: int, truth: float) -> None:
    """About 25 and 80 clusters hold the rarer class: the t interval on the logit scale."""
    by_image, by_sentence = covered(1000, truth, seed=1, replicates=1, images=images)
    assert 0.92 <= by_image <= 0.98
    assert by_sentence < 0.86


# Differences


def paired_p(rng: np.random.Generator, *, images: int, lead: float) -> float | None:
    """The p of two judges with an AUROC of .75 and `lead` more, whose noise is partly the same."""
    world = draw_world(rng, images=images)
    shift, more = (np.sqrt(2) * special.ndtri(auroc) for auroc in (0.75, 0.75 + lead))
    own = np.sqrt(0.5) * (rng.normal(size=images)[world.cluster] + rng.normal(size=world.cluster.size))
    noise = 0.6 * (world.score - shift * world.is_correct) + 0.8 * own
    other = world._replace(score=noise + more * world.is_correct)
    delta = (auroc(*other[:2]).value or 0.0) - (auroc(*world[:2]).value or 0.0)
    se = standard_error(influences(other, world.cluster) - influences(world, world.cluster))
    return p_value(delta, se, holding_rarer_class(world) - 1)


def test_the_paired_p_is_uniform_when_two_judges_are_equally_good() -> None:
    rng = np.random.default_rng(2)
    p = np.array([paired_p(rng, images=150, lead=0.0) for _ in range(2000)], float)
    for level in (0.01, 0.05, 0.2, 0.5):
        # Three standard errors of a share of 2,000.
        assert np.mean(p < level) == pytest.approx(level, abs=3 * np.sqrt(level * (1 - level) / p.size))


def test_the_paired_p_finds_a_better_judge() -> None:
    rng = np.random.default_rng(3)
    p = np.array([paired_p(rng, images=300, lead=0.08) for _ in range(200)], float)
    assert np.mean(p < 0.05) > 0.9


def test_holm_by_hand() -> None:
    # Sorted .005 .01 .03 .04 -> times 4, 3, 2, 1 -> .02 .03 .06 .04, and none below the one before it.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.01, None, 0.04]) == [0.02, None, 0.04]
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


def test_p_is_two_sided_and_knows_the_clusters() -> None:
    assert p_value(0.1, 0.05, 10**6) == pytest.approx(0.0455, abs=1e-4)
    assert p_value(-0.1, 0.05, 10) == pytest.approx(0.0734, abs=1e-4)
    assert p_value(0.0, 0.0, 50) == 1.0
    assert p_value(0.1, 0.0, 50) is None
    assert p_value(0.1, None, 50) is None


def test_the_detectable_difference_is_detected_in_four_of_five_cases() -> None:
    least = detectable(0.02, 10**6, 1)
    assert least == pytest.approx((1.95996 + 0.84162) * 0.02, rel=1e-4)
    found = np.random.default_rng(0).normal(least or 0.0, 0.02, 20_000)
    p = [p_value(float(one), 0.02, 10**6) for one in found]
    assert np.mean([one is not None and one < 0.05 for one in p]) == pytest.approx(0.8, abs=0.01)
    assert (detectable(0.02, 10**6, 10) or 0.0) > (least or 1.0)
    assert detectable(None, 50, 1) is None


def test_ranks_are_tied_where_nobody_beats_anybody() -> None:
    beats = np.zeros((4, 4), bool)
    assert tied_ranks(beats) == [(1, 4)] * 4
    beats[0, [2, 3]] = beats[1, 3] = True
    assert tied_ranks(beats) == [(1, 2), (1, 3), (2, 4), (3, 4)]
    assert math.isclose(sum(low for low, _ in tied_ranks(beats)), 7)
