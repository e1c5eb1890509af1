"""Scores as probabilities: reliability diagram, expected calibration error, Brier score, and their intervals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from numpy.typing import NDArray
from scipy import special
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from alignbench.analysis import calibration as module
from alignbench.analysis.alike import Alike, Fraction, alike, share
from alignbench.analysis.calibration import N_BINS, NO_PROBABILITIES, calibration
from alignbench.cells import NOT_COMPARABLE
from alignbench.clustered import standard_error
from alignbench.intervals import NO_SPREAD
from alignbench.panel import Panel
from alignbench.resample import Draws
from tests.oracles import BoolArray, FloatArray, IntArray
from tests.panels import draw_panel, panel_of


def calibrated(
    rng: np.random.Generator, images: int, *, producers: int = 3, sentences: int = 5, bias: float = 0.0
) -> tuple[Panel, FloatArray]:
    """Sentences whose scores are the probability of being correct, or off by `bias` on the logit scale."""
    cluster = np.tile(np.repeat(np.arange(images), sentences), producers)
    producer = np.repeat(np.arange(producers), images * sentences)
    shared, own = rng.normal(size=(2, images))[:, cluster], rng.normal(size=(2, cluster.size))
    about = np.sqrt(0.5) * (shared + own)
    logit = special.logit(np.linspace(0.9, 0.5, producers))[producer] + 2 * about[0]
    is_correct = special.ndtr(about[1]) < special.expit(logit)
    return panel_of(is_correct, producer, cluster), special.expit(logit + bias)


def draws_of(panel: Panel, replicates: int = 199, seed: int = 0) -> Draws:
    return Draws(panel.stratum, seed, replicates)


def slow_gaps(is_correct: BoolArray, score: FloatArray, producer: IntArray, times: NDArray[Any]) -> list[float]:
    """Sentence by sentence: each bin's share of correct sentences minus its mean score, times the share in the bin."""
    gaps = [0.0] * N_BINS
    producers = np.unique(producer).size
    for correct, value, whose, count in zip(is_correct, score, producer, times, strict=True):
        size = sum(times[producer == whose])
        gaps[min(int(value * N_BINS), N_BINS - 1)] += count * (correct - value) / (producers * size)
    return gaps


# The numbers


def test_by_hand() -> None:
    is_correct = np.repeat([True, False], 10)
    panel = panel_of(is_correct, np.zeros(20, int), np.arange(20))
    said = calibration(panel, np.where(is_correct, 0.9, 0.2), draws_of(panel))
    assert said["ece"]["value"] == pytest.approx(0.5 * 0.1 + 0.5 * 0.2)
    assert said["brier"]["value"] == pytest.approx((0.1**2 + 0.2**2) / 2)
    assert [place for place, each in enumerate(said["bins"]) if each["n"]] == [2, 9]
    assert said["bins"][9]["mean_score"] == pytest.approx(0.9)
    assert (said["bins"][2]["share_correct"], said["bins"][9]["share_correct"]) == (0, 1)


def test_numbers_are_those_of_a_slow_loop() -> None:
    panel, score = calibrated(np.random.default_rng(0), 30, bias=0.5)
    score[::17] = np.nan
    score[1], score[2] = 0.0, 1.0
    said = calibration(panel, score, draws_of(panel))
    known = ~np.isnan(score)
    y, s, p = panel.is_correct[known], score[known], panel.producer[known]
    assert said["ece"]["value"] == pytest.approx(sum(map(abs, slow_gaps(y, s, p, np.ones(y.size, int)))), abs=1e-12)
    brier = np.mean([np.mean((s - y)[p == whose] ** 2) for whose in range(3)])
    assert said["brier"]["value"] == pytest.approx(brier, abs=1e-12)
    assert sum(each["n"] for each in said["bins"]) == y.size


def test_one_producer_agrees_with_scikit_learn() -> None:
    panel, score = calibrated(np.random.default_rng(1), 60, producers=1)
    said = calibration(panel, score, draws_of(panel))
    filled = [each for each in said["bins"] if each["n"]]
    shares, means = calibration_curve(panel.is_correct, score, n_bins=N_BINS)
    assert [each["share_correct"] for each in filled] == pytest.approx(shares.tolist())
    assert [each["mean_score"] for each in filled] == pytest.approx(means.tolist())
    sizes = np.array([each["n"] for each in filled]) / score.size
    assert said["ece"]["value"] == pytest.approx(float(sizes @ np.abs(shares - means)))
    assert said["brier"]["value"] == pytest.approx(brier_score_loss(panel.is_correct, score))


def test_every_producer_counts_alike_however_many_sentences_it_has() -> None:
    panel, score = calibrated(np.random.default_rng(2), 40, producers=2)
    more = np.concatenate([np.arange(score.size), *[np.flatnonzero(panel.producer == 0)] * 4])
    larger = panel_of(panel.is_correct[more], panel.producer[more], panel.cluster[more])
    one, other = (calibration(each, s, draws_of(each)) for each, s in ((panel, score), (larger, score[more])))
    assert other["ece"]["value"] == pytest.approx(one["ece"]["value"])
    assert other["brier"]["value"] == pytest.approx(one["brier"]["value"])
    assert [each["share_correct"] for each in other["bins"]] == pytest.approx(
        [each["share_correct"] for each in one["bins"]]
    )


def test_producers_with_too_few_sentences_of_a_class_are_left_out() -> None:
    panel, score = calibrated(np.random.default_rng(3), 40, producers=2)
    is_correct = panel.is_correct | (panel.producer == 1)
    kept = panel.producer == 0
    alone = panel_of(is_correct[kept], panel.producer[kept], panel.cluster[kept])
    whole = panel_of(is_correct, panel.producer, panel.cluster)
    assert calibration(whole, score, draws_of(whole)) == calibration(alone, score[kept], draws_of(alone))


# The intervals


def test_replicates_are_those_of_a_slow_loop() -> None:
    panel, score = calibrated(np.random.default_rng(4), 12, sentences=8)
    sentences = alike(panel, score)
    assert sentences is not None
    place = np.minimum((score * N_BINS).astype(int), N_BINS - 1)
    gaps = module._gaps(sentences, place, draws_of(panel, 40))
    counts = np.concatenate(list(draws_of(panel, 40)), axis=1).astype(int)
    slow = [slow_gaps(panel.is_correct, score, panel.producer, one[panel.cluster]) for one in counts.T]
    assert gaps.drawn == pytest.approx(np.array(slow).T, abs=1e-12)


def test_brier_has_the_clustered_standard_error_of_statsmodels() -> None:
    panel, score = calibrated(np.random.default_rng(5), 50, producers=1)
    loss = (score - panel.is_correct) ** 2
    fit = sm.OLS(loss, np.ones(loss.size)).fit(cov_type="cluster", cov_kwds={"groups": panel.cluster}, use_t=True)
    said = calibration(panel, score, draws_of(panel))["brier"]
    # Theirs has (n - 1) / (n - k), which is 1 here, and the same I / (I - 1).
    assert [said["low"], said["high"]] == pytest.approx(fit.conf_int()[0].tolist(), rel=1e-9)


def test_a_share_has_the_standard_error_that_resampling_finds() -> None:
    panel, score = calibrated(np.random.default_rng(6), 500)
    sentences = alike(panel, score)
    assert sentences is not None
    whole = score > 0.8
    fraction = Fraction(sentences, whole & panel.is_correct, whole)
    drawn = []
    for counts in draws_of(panel, 800):
        for times in counts.T:
            n = np.bincount(panel.producer, weights=times[panel.cluster])
            weight = times[panel.cluster] / n[panel.producer]
            drawn.append(weight[fraction.part].sum() / weight[whole].sum())
    assert standard_error(fraction.influence()) == pytest.approx(np.std(drawn), rel=0.06)


def test_chance_alone_gives_an_interval_from_zero_and_percentiles_never_do() -> None:
    covered, by_percentiles = [], []
    for seed in range(120):
        panel, score = calibrated(np.random.default_rng(seed), 80)
        sentences = alike(panel, score)
        assert sentences is not None
        gaps = module._gaps(sentences, np.minimum((score * N_BINS).astype(int), N_BINS - 1), draws_of(panel, 199, seed))
        covered.append(module._ece(gaps, 80).low == 0)
        by_percentiles.append(np.quantile(np.abs(gaps.drawn).sum(axis=0), 0.025) <= 0)
    assert np.mean(covered) > 0.88
    assert not any(by_percentiles)


def test_a_planted_error_is_found_and_covered() -> None:
    def error_of(images: int, seed: int, replicates: int) -> Any:
        panel, score = calibrated(np.random.default_rng(seed), images, bias=1.0)
        return calibration(panel, score, draws_of(panel, replicates))["ece"]

    truth = error_of(20_000, 999, 1)["value"]
    found = [error_of(150, seed, 199) for seed in range(60)]
    assert truth > 0.08
    assert np.mean([each["low"] > 0 for each in found]) > 0.9
    assert np.mean([each["low"] <= truth <= each["high"] for each in found]) > 0.85


def test_intervals_hold_their_value_and_stay_in_the_unit_interval() -> None:
    for seed in range(20):
        panel, score = calibrated(np.random.default_rng(seed), 25, bias=float(seed % 5 - 2))
        said = calibration(panel, score, draws_of(panel, 99))
        triples = [(each["low"], each["value"], each["high"]) for each in (said["ece"], said["brier"])]
        triples += [
            (each["share_low"], each["share_correct"], each["share_high"])
            for each in said["bins"]
            if each["share_low"] is not None
        ]
        assert all(0 <= low <= value <= high <= 1 for low, value, high in triples)


def test_a_share_of_one_keeps_a_bound() -> None:
    sentences = Alike.of(np.ones(30, bool), np.linspace(0, 1, 30), np.zeros(30, int), np.arange(30), 30)
    every = np.ones(30, bool)
    found = share(Fraction(sentences, every, every))
    assert (found.value, found.high) == (1, 1)
    assert found.low == pytest.approx(0.025 ** (1 / 30))
    assert found.reason == "too few: the rarer outcome lies in 0 clusters"


def test_the_same_seed_gives_the_same_bytes() -> None:
    panel, score = calibrated(np.random.default_rng(7), 40)
    one, other = (json.dumps(calibration(panel, score, draws_of(panel))) for _ in range(2))
    assert one == other


# Where there is nothing to say


def assert_nothing(said: dict[str, Any], reason: str) -> None:
    nothing = {"value": None, "low": None, "high": None, "reason": reason}
    assert said == {"ece": nothing, "brier": nothing, "bins": [], "reason": reason}


def test_scores_outside_the_unit_interval_are_not_taken_for_probabilities() -> None:
    panel, score = draw_panel(30)
    assert_nothing(calibration(panel, score, draws_of(panel)), NO_PROBABILITIES)
    score = np.full(score.size, 0.5)
    score[3] = 100
    assert_nothing(calibration(panel, score, draws_of(panel)), NO_PROBABILITIES)


def test_no_score_and_one_class_are_null_with_a_reason() -> None:
    panel, score = calibrated(np.random.default_rng(8), 20)
    assert_nothing(calibration(panel, np.full(score.size, np.nan), draws_of(panel)), NOT_COMPARABLE)
    one_class = panel_of(np.ones(score.size, bool), panel.producer, panel.cluster)
    assert_nothing(calibration(one_class, score, draws_of(panel)), NOT_COMPARABLE)


def test_one_cluster_has_values_and_no_intervals() -> None:
    panel, score = calibrated(np.random.default_rng(9), 1, sentences=60)
    said = calibration(panel, score, draws_of(panel))
    for name in ("ece", "brier"):
        assert said[name]["value"] is not None
        assert (said[name]["low"], said[name]["high"], said[name]["reason"]) == (None, None, NO_SPREAD)
    spread = [each for each in said["bins"] if each["n"] and 0 < each["share_correct"] < 1]
    assert spread and all(each["share_low"] is None and each["reason"] == NO_SPREAD for each in spread)
    json.dumps(said, allow_nan=False)


def test_a_producer_that_replicates_often_miss_leaves_no_interval() -> None:
    panel, score = calibrated(np.random.default_rng(10), 40, producers=2, sentences=20)
    moved = panel_of(panel.is_correct, panel.producer, np.where(panel.producer == 1, 0, panel.cluster))
    said = calibration(moved, score, draws_of(moved))
    assert said["ece"]["value"] is not None and said["ece"]["low"] is None
    assert "of the replicates" in said["ece"]["reason"]
    assert said["brier"]["reason"] == NO_SPREAD


def test_an_empty_bin_is_null_and_few_clusters_are_told() -> None:
    panel, _ = calibrated(np.random.default_rng(11), 10, sentences=20)
    said = calibration(panel, np.where(panel.is_correct, 0.75, 0.25), draws_of(panel))
    assert said["ece"]["reason"] == "too few: 10 clusters"
    empty = said["bins"][0]
    assert empty == {
        "low": 0.0,
        "high": 0.1,
        "mean_score": None,
        "share_correct": None,
        "share_low": None,
        "share_high": None,
        "reason": "no score lies here",
        "n": 0,
    }
