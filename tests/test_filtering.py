"""Thresholds for filtering: which one is chosen, and that the precision told for it is honest."""

from __future__ import annotations

import json

import numpy as np
import pytest

from alignbench.analysis import filtering as module
from alignbench.analysis.alike import Alike, alike
from alignbench.analysis.filtering import MIN_KEPT, PRECISIONS, filters
from alignbench.cells import NOT_COMPARABLE
from alignbench.intervals import NO_SPREAD
from alignbench.panel import Panel
from tests.oracles import FloatArray
from tests.panels import draw_panel, panel_of


def slow_precision(sentences: Alike, threshold: float) -> tuple[float, float, int]:
    """The precision of keeping what scores at least as high, the share kept, and how many are, producer by producer."""
    correct, kept, count = [], [], 0
    for producer in range(sentences.n_producers):
        mine = [
            (bool(right), float(score))
            for right, score, whose in zip(sentences.is_correct, sentences.score, sentences.producer, strict=True)
            if whose == producer
        ]
        over = [right for right, score in mine if score >= threshold]
        correct.append(sum(over) / len(mine))
        kept.append(len(over) / len(mine))
        count += len(over)
    return sum(correct) / sum(kept) if count else float("nan"), float(np.mean(kept)), count


def slow_choice(sentences: Alike, wanted: float) -> float | None:
    """The lowest threshold that keeps enough at the wanted precision."""
    for threshold in sorted(set(sentences.score.tolist())):
        precision, _, count = slow_precision(sentences, threshold)
        if count >= MIN_KEPT and precision >= wanted - 1e-9:
            return float(threshold)
    return None


def halves_of(panel: Panel, sentences: Alike, seed: int) -> tuple[Alike, Alike]:
    first = module._first_half(panel.stratum, seed)[sentences.cluster]
    return sentences.only(first), sentences.only(~first)


def sentences_of(panel: Panel, score: FloatArray) -> Alike:
    found = alike(panel, score)
    assert found is not None
    return found


@pytest.mark.parametrize("step", [0.0, 0.4], ids=["all different", "tied"])
def test_numbers_are_those_of_a_slow_loop(step: float) -> None:
    panel, score = draw_panel(40, aurocs=(0.8, 0.9), wrong=0.3, seed=1)
    score = np.round(score / step) * step if step else score
    score[::13] = np.nan
    sentences = sentences_of(panel, score)
    halves = halves_of(panel, sentences, 5)
    for said in filters(panel, score, 5)[:2]:
        assert said["threshold"] == slow_choice(sentences, said["precision"])
        crossed = [
            slow_precision(there, slow_choice(here, said["precision"]) or np.nan)
            for here, there in (halves, halves[::-1])
        ]
        assert said["achieved"]["value"] == pytest.approx(np.mean([each[0] for each in crossed]))
        assert said["kept"]["value"] == pytest.approx(np.mean([each[1] for each in crossed]))


def test_the_entry_says_what_was_asked() -> None:
    panel, score = draw_panel(60, aurocs=(0.95,), seed=2)
    said = filters(panel, score, 0)
    assert [each["precision"] for each in said] == list(PRECISIONS)
    assert all(
        list(each) == ["precision", "threshold", "achieved", "kept", "base_rate", "reason"]
        and list(each["achieved"]) == list(each["kept"]) == ["value", "low", "high", "reason"]
        for each in said
    )
    rates = [panel.is_correct[panel.producer == place].mean() for place in range(1)]
    assert said[0]["base_rate"] == pytest.approx(np.mean(rates))
    json.dumps(said, allow_nan=False)


def test_a_higher_precision_keeps_less() -> None:
    panel, score = draw_panel(300, aurocs=(0.93, 0.95), seed=3)
    said = filters(panel, score, 0)
    thresholds = [each["threshold"] for each in said if each["threshold"] is not None]
    kept = [each["kept"]["value"] for each in said if each["kept"]["value"] is not None]
    assert len(thresholds) >= 2
    assert thresholds == sorted(thresholds) and kept == sorted(kept, reverse=True)


def test_where_nearly_all_are_correct_everything_is_kept() -> None:
    panel, score = draw_panel(200, aurocs=(0.7,), wrong=0.05, seed=4)
    said = filters(panel, score, 0)[0]
    assert said["base_rate"] > 0.9
    assert said["threshold"] == score.min()
    assert said["kept"]["value"] == pytest.approx(1, abs=0.01)
    assert said["achieved"]["value"] == pytest.approx(said["base_rate"], abs=0.01)


def test_no_rising_function_of_the_scores_changes_more_than_the_threshold() -> None:
    panel, score = draw_panel(80, aurocs=(0.85, 0.9), seed=5)
    for one, other in zip(filters(panel, score, 0), filters(panel, np.exp(score) * 1e6, 0), strict=True):
        assert {**one, "threshold": None} == {**other, "threshold": None}
        assert (one["threshold"] is None) == (other["threshold"] is None)
        if one["threshold"] is not None:
            assert other["threshold"] == np.exp(one["threshold"]) * 1e6


def test_the_halves_are_whole_clusters_alike_for_all_judges_and_strata() -> None:
    stratum = np.repeat([1, 2, 3], [40, 21, 2])
    first = module._first_half(stratum, 3)
    assert [int(first[stratum == number].sum()) for number in (1, 2, 3)] in ([20, 11, 1], [20, 10, 1])
    assert np.array_equal(first, module._first_half(stratum, 3))
    assert not np.array_equal(first, module._first_half(stratum, 4))


def test_the_precision_told_is_honest_where_the_naive_one_is_too_good() -> None:
    wanted = 0.95
    truth, crowd = draw_panel(20_000, aurocs=(0.85, 0.9), seed=999)
    whole = sentences_of(truth, crowd)
    order = np.argsort(-whole.score)
    kept = np.cumsum(whole.weight[order])
    precision = np.cumsum((whole.weight * whole.is_correct)[order]) / kept
    ladder = -whole.score[order]

    told, naive, true, covered = [], [], [], []
    for seed in range(150):
        panel, score = draw_panel(30, aurocs=(0.85, 0.9), seed=seed)
        said = filters(panel, score, seed)[PRECISIONS.index(wanted)]
        if said["achieved"]["value"] is None:
            continue
        sentences = sentences_of(panel, score)
        chosen = [(half, slow_choice(half, wanted) or np.nan) for half in halves_of(panel, sentences, seed)]
        real = [precision[np.searchsorted(ladder, -threshold, side="right") - 1] for _, threshold in chosen]
        naive.append(np.mean([slow_precision(half, threshold)[0] for half, threshold in chosen]))
        told.append(said["achieved"]["value"])
        true.append(np.mean(real))
        covered.append(said["achieved"]["low"] <= np.mean(real) <= said["achieved"]["high"])
    error = np.std(np.array(told) - true) / np.sqrt(len(told))
    assert len(told) > 100
    assert np.mean(naive) > wanted
    assert np.mean(true) < wanted - 0.01  # what one would get
    assert abs(np.mean(told) - np.mean(true)) < 3 * error
    assert np.mean(naive) - np.mean(true) > 5 * error
    assert np.mean(covered) > 0.88


# Where there is nothing to say


def test_a_precision_out_of_reach_is_null_with_a_reason() -> None:
    panel, score = draw_panel(60, aurocs=(0.5, 0.5), wrong=0.5, seed=6)
    for said in filters(panel, score, 0):
        assert said["threshold"] is None
        assert said["reason"] == f"no threshold that keeps at least {MIN_KEPT} sentences reaches this precision"
        for name in ("achieved", "kept"):
            assert said[name] == {"value": None, "low": None, "high": None, "reason": said["reason"]}
        assert 0.4 < said["base_rate"] < 0.6


def test_a_precision_that_one_half_does_not_reach_keeps_its_threshold() -> None:
    # Thirty correct sentences score highest, all of one half.
    clusters = np.repeat(np.arange(40), 4)
    first = module._first_half(np.zeros(40, int), 0)[clusters]
    is_correct = np.zeros(160, bool)
    is_correct[np.flatnonzero(first)[:30]] = True
    is_correct[np.flatnonzero(~first)[:30]] = True
    score = np.random.default_rng(0).normal(size=160)
    score[np.flatnonzero(first)[:30]] = 10
    panel = panel_of(is_correct, np.zeros(160, int), clusters)
    said = filters(panel, score, 0)[0]
    assert said["threshold"] is not None and said["reason"] is None
    assert said["achieved"]["value"] is None
    assert said["achieved"]["reason"] == "no threshold reaches this precision on one half of the clusters"


def test_no_comparable_producer_is_null_with_a_reason() -> None:
    panel, score = draw_panel(30)
    one_class = panel_of(np.ones(score.size, bool), panel.producer, panel.cluster)
    for said in [*filters(panel, np.full(score.size, np.nan), 0), *filters(one_class, score, 0)]:
        assert (said["threshold"], said["base_rate"], said["reason"]) == (None, None, NOT_COMPARABLE)


def test_one_cluster_has_a_threshold_and_no_precision() -> None:
    panel, score = draw_panel(60, aurocs=(0.95,), wrong=0.2, seed=7)
    one = panel_of(panel.is_correct, panel.producer, np.zeros(score.size, int))
    said = filters(one, score, 0)[0]
    assert said["threshold"] is not None
    assert said["achieved"]["reason"] == "a producer has no sentence in one half of the clusters"
    json.dumps(said, allow_nan=False)


def test_two_clusters_have_a_precision_and_no_interval() -> None:
    panel, score = draw_panel(60, aurocs=(0.9,), wrong=0.2, seed=8)
    two = panel_of(panel.is_correct, panel.producer, panel.cluster % 2)
    said = filters(two, score, 0)[0]
    assert said["achieved"]["value"] is not None
    assert (said["achieved"]["low"], said["achieved"]["reason"]) == (None, NO_SPREAD)


def test_a_perfect_judge_keeps_all_that_is_correct_with_a_bound() -> None:
    panel, _ = draw_panel(100, aurocs=(0.9,), seed=9)
    said = filters(panel, panel.is_correct.astype(float), 0)[-1]
    assert (said["threshold"], said["achieved"]["value"], said["achieved"]["high"]) == (1, 1, 1)
    assert 0.9 < said["achieved"]["low"] < 1
    assert said["kept"]["value"] == pytest.approx(said["base_rate"], abs=0.05)
