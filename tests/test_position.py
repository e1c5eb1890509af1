"""Position bias within labels: against slow second opinions, planted effects, fair judges and empty data."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from alignbench.analysis import position_words
from alignbench.analysis.position import position_bias
from alignbench.effects import effect, no_effect
from alignbench.panel import INDICES, Panel, read_panel
from tests.oracles import FloatArray, slow_auroc, slow_obuchowski
from tests.planted_runs import Producer, write_dataset

PRODUCERS = [Producer("a-1", 0.4, images=60), Producer("b-1", 0.5, images=60), Producer("c-1", 0.6, images=3)]


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """Two producers with enough sentences and one with too few, seven sentences a caption."""
    return read_panel(write_dataset(tmp_path_factory.mktemp("position") / "planted", PRODUCERS, sentences=7))


def scores(panel: Panel, step: float = 0.0, *, seed: int = 0) -> FloatArray:
    """Scores that share something within an image and change with the index."""
    rng = np.random.default_rng(seed)
    shared = rng.normal(size=panel.stratum.size)[panel.cluster]
    alone = rng.normal(size=panel.row.size)
    return np.asarray(0.7 * shared + 0.7 * alone + panel.is_correct + step * panel.index, np.float64)


# Against slow second opinions


def test_the_mean_at_an_index_is_over_producers_with_enough_sentences(panel: Panel) -> None:
    score = np.where(np.random.default_rng(1).random(panel.row.size) < 0.1, np.nan, np.round(scores(panel, 0.2), 1))
    said = position_bias(panel, score)["by_index"]
    for label in ("correct", "incorrect"):
        assert list(said[label]) == list(INDICES)
        for place, name in enumerate(INDICES):
            here = (panel.is_correct == (label == "correct")) & (panel.index == place) & ~np.isnan(score)
            assert_mean(said[label][name], panel, score, here)


def assert_mean(figure: dict[str, Any], panel: Panel, score: FloatArray, here: np.ndarray) -> None:
    means, variance_of, holding, n = [], np.zeros(panel.stratum.size), [], 0
    for producer in range(3):
        mine = here & (panel.producer == producer)
        if mine.sum() < 10:
            continue
        clusters = np.unique(panel.cluster[mine])
        mean = score[mine].mean()
        for cluster in clusters:
            those = score[mine & (panel.cluster == cluster)]
            variance_of[cluster] += math.sqrt(clusters.size / (clusters.size - 1)) * (those - mean).sum() / mine.sum()
        means.append(mean)
        holding.append(clusters.size)
        n += int(mine.sum())
    se = math.sqrt(np.square(variance_of / len(means)).sum())
    df = int(len(holding) / sum(1 / each for each in holding)) - 1
    reach = stats.t.ppf(0.975, df) * se
    value = float(np.mean(means))
    assert [figure[key] for key in ("value", "se", "low", "high")] == pytest.approx(
        [value, se, value - reach, value + reach], abs=1e-12
    )
    assert figure["n"] == n


def test_the_mean_has_the_interval_of_a_t_test_where_clusters_are_single_sentences(panel: Panel) -> None:
    one = replace(panel, cluster=np.arange(panel.row.size), stratum=np.zeros(panel.row.size, np.int64))
    alone = replace(one, producer=np.zeros(panel.row.size, np.int64))
    score = scores(panel)
    figure = position_bias(alone, score)["by_index"]["correct"]["2"]
    test = stats.ttest_1samp(score[panel.is_correct & (panel.index == 2)], 0).confidence_interval()
    assert (figure["low"], figure["high"]) == pytest.approx((test.low, test.high), abs=1e-12)


@pytest.mark.parametrize("label", ["correct", "incorrect"])
def test_first_against_later_is_an_auroc_within_producers(panel: Panel, label: str) -> None:
    score = np.round(scores(panel, -0.3), 1)
    figure = position_bias(panel, score)[label]
    values, n_first, n_later = [], 0, 0
    for producer in (0, 1):
        mine = (panel.is_correct == (label == "correct")) & (panel.producer == producer)
        first = panel.index[mine] == 0
        values.append(slow_auroc(first, score[mine]))
        n_first, n_later = n_first + int(first.sum()), n_later + int((~first).sum())
    assert figure["value"] == pytest.approx(np.mean(values), abs=1e-12)
    assert (figure["n_first"], figure["n_later"]) == (n_first, n_later)
    assert figure["low"] < figure["value"] < figure["high"]


def test_first_against_later_of_one_producer_has_obuchowskis_variance(panel: Panel) -> None:
    score = np.where(panel.producer == 1, scores(panel, -0.2), np.nan)
    mine = ~panel.is_correct & (panel.producer == 1)
    # Obuchowski's cross term counts the clusters of either class, ours the geometric mean of those of both.
    variance = slow_obuchowski(panel.index[mine] == 0, score[mine], panel.cluster[mine])
    figure = position_bias(panel, score)["incorrect"]
    assert figure["se"] == pytest.approx(math.sqrt(variance), rel=0.01)
    holding = np.unique(panel.cluster[mine & (panel.index == 0)]).size
    reach = stats.t.ppf(0.975, holding - 1) * figure["se"] / (figure["value"] * (1 - figure["value"]))
    logit = math.log(figure["value"] / (1 - figure["value"]))
    assert figure["low"] == pytest.approx(1 / (1 + math.exp(reach - logit)), abs=1e-12)
    assert figure["clusters"] == holding


def test_the_slope_is_that_of_ranks_with_a_constant_a_label_of_a_producer(panel: Panel) -> None:
    score = np.where(np.random.default_rng(2).random(panel.row.size) < 0.1, np.nan, np.round(scores(panel, 0.2), 1))
    known = ~np.isnan(score)
    ranks = (stats.rankdata(score[known]) - 0.5) / known.sum()
    groups = [
        (panel.is_correct == label) & (panel.producer == producer) for label in (True, False) for producer in range(3)
    ]
    columns = np.column_stack([panel.index, *groups]).astype(np.float64)[known]
    fitted = sm.OLS(ranks, columns).fit(cov_type="cluster", cov_kwds={"groups": panel.cluster[known]}, use_t=True)
    slope = position_bias(panel, score)["slope"]
    assert slope["value"] == pytest.approx(fitted.params[0], abs=1e-12)
    assert slope["se"] == pytest.approx(fitted.bse[0], rel=0.1), "but for the spread of the ranks themselves"
    assert (slope["n"], slope["clusters"]) == (int(known.sum()), 60)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_nothing_but_the_order_of_the_scores_counts_off_the_judges_own_scale(panel: Panel, seed: int) -> None:
    score = scores(panel, 0.1, seed=seed)
    said, risen = position_bias(panel, score), position_bias(panel, np.exp(score) - 3)
    assert (said["correct"], said["incorrect"], said["slope"]) == (risen["correct"], risen["incorrect"], risen["slope"])
    turned = position_bias(panel, -score)
    assert turned["slope"]["value"] == pytest.approx(-said["slope"]["value"], abs=1e-12)
    assert turned["correct"]["value"] == pytest.approx(1 - said["correct"]["value"], abs=1e-12)


# Planted effects and fair judges


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Panel:
    """Two producers of which later sentences are wrong more often."""
    folder = tmp_path_factory.mktemp("position") / "large"
    panel = read_panel(write_dataset(folder, [Producer("a-1", 0.3, images=150), Producer("b-1", 0.5, images=150)]))
    wrong = np.random.default_rng(0).random(panel.row.size) < 0.2 + 0.1 * panel.index
    return replace(panel, is_correct=~wrong)


@pytest.mark.parametrize("step", [-0.2, 0.2])
def test_a_planted_effect_is_found(large: Panel, step: float) -> None:
    found = [position_bias(large, scores(large, step, seed=seed)) for seed in range(60)]
    assert np.mean([np.sign(step) * each["slope"]["value"] > 0 and each["slope"]["p"] < 0.05 for each in found]) > 0.95
    assert np.mean([not each["correct"]["low"] <= 0.5 <= each["correct"]["high"] for each in found]) > 0.9
    assert np.mean([(each["correct"]["value"] - 0.5) * step < 0 for each in found]) > 0.95


def test_a_fair_judge_is_not_accused_though_later_sentences_are_wrong_more_often(large: Panel) -> None:
    found = [position_bias(large, scores(large, seed=seed)) for seed in range(400)]
    accused = {
        "slope": np.mean([each["slope"]["p"] < 0.05 for each in found]),
        "correct": np.mean([not each["correct"]["low"] <= 0.5 <= each["correct"]["high"] for each in found]),
        "incorrect": np.mean([not each["incorrect"]["low"] <= 0.5 <= each["incorrect"]["high"] for each in found]),
    }
    assert all(0.02 < share < 0.08 for share in accused.values()), accused


# Where there is little or nothing to tell


def without_nan(said: object) -> None:
    json.dumps(said, allow_nan=False)


def test_no_score_at_all(panel: Panel) -> None:
    said = position_bias(panel, np.full(panel.row.size, np.nan))
    without_nan(said)
    figures = [*said["by_index"]["correct"].values(), *said["by_index"]["incorrect"].values()]
    for each in [*figures, said["correct"], said["incorrect"], said["slope"]]:
        assert (each["value"], each["low"], each["high"], each["se"]) == (None, None, None, None)
        assert each["reason"]
    assert "10 incorrect sentences at index 0, and as many later ones" in said["incorrect"]["reason"]


def test_one_class_one_producer_one_cluster_one_index(panel: Panel) -> None:
    score = scores(panel)
    right = position_bias(replace(panel, is_correct=np.ones(panel.row.size, np.bool_)), score)
    assert right["incorrect"]["value"] is None and right["correct"]["value"] is not None
    assert right["slope"]["value"] is not None
    together = np.zeros(panel.row.size, np.int64)
    one = position_bias(replace(panel, cluster=together, stratum=together[:1]), score)
    assert one["slope"]["value"] is not None and one["correct"]["value"] is not None
    for each in (one["slope"], one["correct"], one["by_index"]["correct"]["0"]):
        assert each["low"] is None and each["reason"]
    still = position_bias(replace(panel, index=together), score)
    assert still["slope"]["value"] is None and still["correct"]["value"] is None
    assert still["by_index"]["correct"]["0"]["value"] is not None
    assert still["by_index"]["correct"]["1"]["reason"] == "no producer has 10 correct sentences at index 1 with a score"
    for said in (right, one, still):
        without_nan(said)


def test_a_judge_that_says_the_same_of_all(panel: Panel) -> None:
    said = position_bias(panel, np.full(panel.row.size, 0.3))
    without_nan(said)
    assert (said["slope"]["value"], said["slope"]["p"]) == (0, 1)
    assert said["correct"]["value"] == 0.5
    mean = said["by_index"]["correct"]["1"]
    assert mean["value"] == pytest.approx(0.3)
    assert (mean["low"], mean["reason"]) == (None, "all of them score alike, so there is no spread to measure")


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_judge_that_goes_by_the_index_alone(panel: Panel, sign: int) -> None:
    said = position_bias(panel, sign * panel.index.astype(np.float64))
    without_nan(said)
    wanted = 0.0 if sign > 0 else 1.0
    assert said["correct"]["value"] == said["incorrect"]["value"] == wanted
    assert 0 <= said["correct"]["low"] < said["correct"]["high"] <= 1
    assert sign * said["slope"]["low"] > 0 and sign * said["slope"]["high"] > 0


# Words


def planted(value: float, se: float) -> dict[str, Any]:
    clusters = 30
    return effect(value, np.full(clusters, se / math.sqrt(clusters)), clusters=clusters, n=100)._asdict()


def test_content_is_said_as_content() -> None:
    assert position_words.content(planted(-0.021, 0.003)) == (
        "shown alone: later sentences score lower by 0.021 [0.015, 0.027] of the rank scale for each place later; "
        "the judge never saw the order, so this is what they say, not where they stand"
    )
    assert position_words.content(planted(-0.001, 0.003)) == (
        "shown alone: no effect shown, -0.001 [-0.007, +0.005] of the rank scale for each place later; "
        "the judge never saw the order"
    )
    assert position_words.content(no_effect("no run of it")._asdict()) == "shown alone: not known; no run of it"


def test_presentation_is_said_as_presentation() -> None:
    assert position_words.presentation(planted(0.03, 0.003)) == (
        "shown in shuffled captions: the same sentence, standing later, scores higher by 0.030 [0.024, 0.036] of the "
        "rank scale for each place later; this is the effect of the place itself, not of what sentences say"
    )
    assert "no effect of the place itself shown, +0.001" in position_words.presentation(planted(0.001, 0.003))


def test_a_slope_in_captions_is_said_to_be_both() -> None:
    assert "does not tell them apart" in position_words.as_written(planted(0.03, 0.003))
    assert "could make up for each other" in position_words.as_written(planted(0.001, 0.003))


def test_an_effect_without_an_interval_is_not_shown() -> None:
    bare = effect(0.2, np.full(1, np.nan), clusters=1, n=9)._asdict()
    for words in (position_words.content, position_words.presentation, position_words.as_written):
        said = words(bare)
        assert "shown, +0.200 of the rank scale for each place later without an interval: " in said
        assert "score" not in said


def test_the_caption_is_said_apart() -> None:
    said = position_words.in_caption(
        {"auroc": planted(-0.04, 0.01), "correct": planted(0.001, 0.003), "incorrect": no_effect("none")._asdict()}
    )
    assert said == (
        "shown in its caption rather than alone: its AUROC is lower by 0.040 [0.020, 0.060]; the mean score of correct "
        "sentences is not shown to change (+0.001 [-0.005, +0.007]); "
        "that of incorrect ones is not known to change (none)"
    )


def test_a_warning_is_said_too() -> None:
    few = effect(0.2, np.full(9, 0.01), clusters=9, n=9)._asdict()
    assert f"({few['reason']})" in position_words.content(few)
    none = effect(0.001, np.full(9, 0.01), clusters=9, n=9)._asdict()
    assert f"({none['reason']})" in position_words.presentation(none)
