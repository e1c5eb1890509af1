"""Finding incorrect sentences, against scikit-learn, producer by producer and replicate by replicate."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_curve

from alignbench.analysis.detection import (
    FPR,
    GRID,
    LEVELS,
    _counted_once,
    _found,
    _levelled,
    _Part,
    detection,
    operating_point,
)
from alignbench.analysis.resampled import percentile_interval, resampled_interval
from alignbench.cells import NOT_COMPARABLE
from alignbench.intervals import MANY_CLUSTERS, NO_SPREAD, Interval, Support, support_of
from alignbench.panel import Panel
from alignbench.resample import Draws
from tests.oracles import BoolArray, FloatArray
from tests.panels import draw_panel, panel_of

NUMBERS = ("average_precision", "tpr_at_fpr")


def by_sklearn(is_correct: BoolArray, score: FloatArray) -> tuple[float, float]:
    fpr, tpr, _ = roc_curve(~is_correct, -score, drop_intermediate=False)
    return float(average_precision_score(~is_correct, -score)), float(np.interp(FPR, fpr, tpr))


def macro_by_sklearn(panel: Panel, score: FloatArray) -> FloatArray:
    rows = [np.flatnonzero(panel.producer == place) for place in np.unique(panel.producer)]
    return np.mean([by_sklearn(panel.is_correct[those], score[those]) for those in rows], axis=0)


# Values


@pytest.mark.parametrize("decimals", [9, 1, 0])
def test_values_are_the_means_of_what_scikit_learn_says_of_each_producer(decimals: int) -> None:
    panel, score = draw_panel(200)
    score = np.round(score, decimals)
    found = detection(panel, score, Draws(panel.stratum, 0, 40))
    assert [found[name]["value"] for name in NUMBERS] == pytest.approx(macro_by_sklearn(panel, score), abs=1e-12)
    n_incorrect = int((~panel.is_correct).sum())
    for name in NUMBERS:
        assert (found[name]["n_correct"], found[name]["n_incorrect"]) == (panel.is_correct.sum(), n_incorrect)
        assert found[name]["low"] < found[name]["value"] < found[name]["high"]
    assert found["tpr_at_fpr"]["fpr"] == 0.05


def test_chance_is_what_a_judge_that_knows_nothing_gets() -> None:
    panel, _ = draw_panel(100)
    found = detection(panel, np.zeros(panel.is_correct.size), Draws(panel.stratum, 0, 40))
    assert found["average_precision"]["value"] == pytest.approx(found["average_precision"]["chance"], abs=1e-12)
    caught = found["tpr_at_fpr"]
    assert [caught[end] for end in ("value", "low", "high")] == pytest.approx([0.05, 0.05, 0.05], abs=1e-12)


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=2, max_size=40))
def test_any_ties_are_one_threshold(rows: list[tuple[int, bool]]) -> None:
    score, is_correct = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows])
    found = _found(*_counted_once(_Part(score, is_correct, np.zeros(score.size, int))))[:, 0]
    if is_correct.all() or not is_correct.any():
        assert np.isnan(found).all()
    else:
        assert found == pytest.approx(by_sklearn(is_correct, score), abs=1e-12)


def test_the_curve_is_the_vertical_mean_of_the_producers_curves() -> None:
    panel, score = draw_panel(100)
    score = np.round(score, 1)
    curves = []
    for place in range(3):
        rows = panel.producer == place
        fpr, tpr, _ = roc_curve(~panel.is_correct[rows], -score[rows], drop_intermediate=False)
        curves.append(np.interp(np.linspace(0, 1, 101), fpr, tpr))
    found = detection(panel, score, Draws(panel.stratum, 0, 1))["roc"]
    assert found["fpr"] == GRID.tolist()
    assert found["tpr"] == pytest.approx(np.mean(curves, axis=0), abs=1e-12)
    assert found["tpr"][-1] == 1


def test_the_curve_begins_at_the_upper_end_of_its_jump() -> None:
    # Ten of forty incorrect sentences score below all correct ones.
    is_correct = np.repeat([False, True, False], [10, 20, 30])
    panel = panel_of(is_correct, np.zeros(60, int), np.arange(60))
    assert detection(panel, np.arange(60.0), Draws(panel.stratum, 0, 1))["roc"]["tpr"][0] == 0.25


# Replicates


@pytest.mark.parametrize("decimals", [9, 1])
def test_a_replicate_is_what_scikit_learn_says_of_the_repeated_sentences(decimals: int) -> None:
    panel, score = draw_panel(40, aurocs=(0.75,))
    score = np.round(score, decimals)
    assert np.unique(score).size < LEVELS
    counts = np.random.default_rng(0).integers(0, 4, (40, 5)).astype(float)
    part = _Part(score, panel.is_correct, panel.cluster)
    found = _found(*(side @ counts for side in _levelled(part, 40)))
    for column in range(5):
        rows = np.repeat(np.arange(score.size), counts[panel.cluster, column].astype(int))
        assert found[:, column] == pytest.approx(by_sklearn(panel.is_correct[rows], score[rows]), abs=1e-12)


def test_levels_keep_ties_together_and_are_few() -> None:
    score = np.round(np.random.default_rng(0).normal(size=20_000), 3)
    part = _Part(score, np.arange(score.size) % 3 > 0, np.arange(score.size))
    incorrect, correct = _levelled(part, score.size)
    level = np.asarray((incorrect + correct).argmax(axis=0)).ravel()
    assert level.max() < LEVELS
    order = np.argsort(score, kind="stable")
    assert (np.diff(level[order]) >= 0).all()
    assert np.unique(np.column_stack([score, level]), axis=0).shape[0] == np.unique(score).size


def test_the_interval_on_levels_is_that_on_all_scores(monkeypatch: pytest.MonkeyPatch) -> None:
    panel, score = draw_panel(500)
    draws = Draws(panel.stratum, 0, 500)
    on_levels = detection(panel, score, draws)
    monkeypatch.setattr("alignbench.analysis.detection.LEVELS", score.size)
    exact = detection(panel, score, draws)
    for name in NUMBERS:
        width = exact[name]["high"] - exact[name]["low"]
        assert on_levels[name]["value"] == exact[name]["value"]
        for end in ("low", "high"):
            assert on_levels[name][end] == pytest.approx(exact[name][end], abs=0.05 * width)


def test_few_clusters_get_a_t_interval_on_the_logit_scale() -> None:
    panel, score = draw_panel(60)
    held = [
        (panel.cluster[rows & panel.is_correct], panel.cluster[rows & ~panel.is_correct])
        for rows in (panel.producer == place for place in range(3))
    ]
    assert support_of(held).typical < MANY_CLUSTERS
    found = detection(panel, score, Draws(panel.stratum, 0, 400))
    for name in NUMBERS:
        low, value, high = (np.log(x / (1 - x)) for x in (found[name][key] for key in ("low", "value", "high")))
        assert value - low == pytest.approx(high - value)


def test_the_same_draws_give_the_same_numbers_whatever_follows() -> None:
    panel, score = draw_panel(150)
    assert detection(panel, score, Draws(panel.stratum, 3, 70)) == detection(panel, score, Draws(panel.stratum, 3, 70))


def test_intervals_cover_the_truth() -> None:
    """200 data sets of 150 images x 3 producers x 6 sentences; label and score ICC .5."""
    panel, score = draw_panel(40_000, seed=99)
    truth = detection(panel, score, Draws(panel.stratum, 0, 1))
    held = dict.fromkeys(NUMBERS, 0)
    for number in range(200):
        panel, score = draw_panel(150, seed=number)
        found = detection(panel, score, Draws(panel.stratum, number, 200))
        for name in NUMBERS:
            held[name] += found[name]["low"] <= truth[name]["value"] <= found[name]["high"]
    # Three standard errors of a share of 200 around 95 %.
    assert all(0.90 <= count / 200 <= 0.997 for count in held.values()), held


# What cannot be told


@pytest.mark.parametrize("kind", ["one class", "no sentence", "no score"])
def test_nothing_comparable_gives_nulls_with_a_reason(kind: str) -> None:
    panel, score = draw_panel(30)
    if kind == "one class":
        panel = replace(panel, is_correct=np.ones(score.size, bool))
    elif kind == "no sentence":
        empty = np.zeros(0, int)
        panel, score = panel_of(empty > 0, empty, empty), np.zeros(0)
    else:
        score = np.full(score.size, np.nan)
    found = detection(panel, score, Draws(panel.stratum, 0, 40))
    assert found["roc"] is None
    assert operating_point(panel, score) is None
    for name in NUMBERS:
        assert [found[name][key] for key in ("value", "low", "high", "reason")] == [None, None, None, NOT_COMPARABLE]
        assert (found[name]["n_correct"], found[name]["n_incorrect"]) == (0, 0)


def test_one_cluster_has_values_and_no_interval() -> None:
    panel, score = draw_panel(30)
    panel = replace(panel, cluster=np.zeros(score.size, int), stratum=np.zeros(1, int))
    found = detection(panel, score, Draws(panel.stratum, 0, 40))
    for name in NUMBERS:
        assert found[name]["value"] is not None
        assert [found[name][key] for key in ("low", "high", "reason")] == [None, None, NO_SPREAD]


def test_one_producer_is_its_own_mean_and_missing_scores_are_left_out() -> None:
    panel, score = draw_panel(100, aurocs=(0.8,))
    score[::7] = np.nan
    known = ~np.isnan(score)
    found = detection(panel, score, Draws(panel.stratum, 0, 40))
    expected = by_sklearn(panel.is_correct[known], score[known])
    assert [found[name]["value"] for name in NUMBERS] == pytest.approx(expected, abs=1e-12)
    assert found["tpr_at_fpr"]["n_correct"] == (known & panel.is_correct).sum()


def test_a_producer_with_too_few_scores_does_not_count() -> None:
    panel, score = draw_panel(100)
    found = detection(
        panel, np.where((panel.producer == 1) & ~panel.is_correct, np.nan, score), Draws(panel.stratum, 0, 40)
    )
    rows = panel.producer != 1
    kept = replace(panel, is_correct=panel.is_correct[rows], producer=panel.producer[rows])
    expected = macro_by_sklearn(kept, score[rows])
    assert [found[name]["value"] for name in NUMBERS] == pytest.approx(expected, abs=1e-12)


def test_a_perfect_judge_gets_the_bound_of_as_many_successes() -> None:
    panel, _ = draw_panel(100)
    found = detection(panel, panel.is_correct.astype(float), Draws(panel.stratum, 0, 40))
    for name in NUMBERS:
        assert found[name]["value"] == found[name]["high"] == 1
        assert 0.9 < found[name]["low"] < 1


def test_a_rare_class_leaves_replicates_undefined() -> None:
    # All incorrect sentences lie in three of thirty clusters: a replicate misses all three in one of 23 cases.
    cluster = np.repeat(np.arange(30), 4)
    panel = panel_of(cluster > 2, np.zeros(120, int), cluster)
    score = np.random.default_rng(0).normal(size=120) + panel.is_correct
    found = detection(panel, score, Draws(panel.stratum, 0, 400))
    for name in NUMBERS:
        assert found[name]["value"] is not None
        assert found[name]["low"] is None
        assert "of the replicates" in found[name]["reason"]


def test_intervals_from_replicates_alone() -> None:
    many, few = Support(MANY_CLUSTERS, MANY_CLUSTERS), Support(19, 19)
    replicates = np.linspace(0.6, 1.2, 2001)
    assert resampled_interval(0.9, replicates, many)[:2] == pytest.approx((0.615, 1.0))
    assert percentile_interval(replicates, few) == Interval(
        pytest.approx(0.615), pytest.approx(1.185), "too few: the rarer class lies in 19 clusters"
    )
    replicates[:30] = np.nan
    reason = "undefined in 1.5% of the replicates"
    for support in (many, few):
        assert resampled_interval(0.9, replicates, support) == Interval(None, None, reason)
        assert percentile_interval(replicates, support) == Interval(None, None, reason)
    assert percentile_interval(np.ones(5), Support(1, 1)) == Interval(None, None, NO_SPREAD)


def test_support_is_exact_where_floating_point_is_not() -> None:
    assert int(1 / (1 / 93)) == 92
    for size in (93, 99, 100, 105):
        clusters = np.arange(size)
        assert support_of([(clusters, clusters)] * 7) == Support(size, size)


# The operating point


@pytest.mark.parametrize("decimals", [9, 1, 0])
def test_the_operating_point_flags_at_most_a_twentieth_of_the_correct_and_no_lower_one_would_flag_more(
    decimals: int,
) -> None:
    panel, score = draw_panel(300)
    score = np.round(score, decimals)
    threshold = operating_point(panel, score)
    assert threshold is not None

    def share_below(limit: float) -> float:
        rows = [panel.is_correct & (panel.producer == place) for place in range(3)]
        return float(np.mean([(score[those] < limit).mean() for those in rows]))

    above = np.unique(score[score > threshold])[0]
    assert share_below(threshold) <= FPR < share_below(above)


def test_an_exact_twentieth_may_be_flagged() -> None:
    # 100 correct sentences of each of three producers: five of each lie below the sixth score.
    is_correct = np.tile(np.repeat([True, False], [100, 10]), 3)
    score = np.tile(np.append(np.arange(100.0), np.full(10, 50.0)), 3)
    panel = panel_of(is_correct, np.repeat([0, 1, 2], 110), np.arange(330))
    assert operating_point(panel, score) == 5.0


def test_a_constant_judge_flags_nothing() -> None:
    panel, score = draw_panel(50)
    assert operating_point(panel, np.full(score.size, 0.3)) == 0.3
