"""Self-preference where it is planted, where there is none, and where nothing can be said."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import statsmodels.api as sm
from scipy import special

from alignbench.analysis.self_preference import NOBODY, Contender, self_preference
from alignbench.cells import Cells
from alignbench.evaluate import evaluation_of
from alignbench.evaluate.preferences import _is_found, preference_entries
from alignbench.families import Families
from alignbench.metrics import FloatArray
from alignbench.panel import Panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.types import Direction, ModelRef
from tests.oracles import slow_auroc
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

FAMILIES = Families.read()
TO_TEXT, TO_IMAGE = Direction


def panel_of(
    rng: np.random.Generator, *, images: int = 150, producers: str = "abcd", sentences: int = 5, wrong: float = 0.3
) -> Panel:
    """Sentences whose labels cluster by image; a producer's family is its letter."""
    n = images * len(producers) * sentences
    cluster = np.repeat(np.arange(images), n // images)
    share = rng.beta(wrong, 1 - wrong, images)
    return Panel(
        all_ids=pa.array([], pa.string()),
        row=np.arange(n),
        is_correct=rng.random(n) >= share[cluster],
        producer=np.tile(np.repeat(np.arange(len(producers)), sentences), images),
        index=np.zeros(n, np.int64),
        pair=np.zeros(n, np.int64),
        agreement=np.full(n, np.nan),
        error_types=np.zeros((n, 9), np.bool_),
        cluster=cluster,
        stratum=np.ones(images, np.int64),
        producers=tuple(f"{letter}-cap" for letter in producers),
        models=tuple(ModelRef(f"{letter}-cap", family=letter) for letter in producers),
        directions=(TO_TEXT,) * len(producers),
    )


def scores_of(
    rng: np.random.Generator,
    panel: Panel,
    *,
    shift: float = 1.0,
    own: str = "",
    preference: float = 0.0,
    hard: str = "",
    generous: float = 0.0,
) -> FloatArray:
    """Normal scores, correct ones `shift` higher.

    Incorrect sentences of producer `own` get `preference` more, those of `hard` 0.4 more, and all of them `generous`.
    """
    image, sentence = rng.normal(size=panel.stratum.size)[panel.cluster], rng.normal(size=panel.is_correct.size)
    letter = np.array([name[0] for name in panel.producers])[panel.producer]
    easier = generous + preference * (letter == own) + 0.4 * (letter == hard)
    return np.asarray(math.sqrt(0.5) * (image + sentence) + np.where(panel.is_correct, shift, easier), np.float64)


def contender(panel: Panel, place: int, family: str | None, score: FloatArray) -> Contender:
    every = Cells(panel.is_correct, panel.producer, len(panel.producers), ~panel.is_correct[:, None])
    scored = Scored(every, score, panel.cluster, Draws(panel.stratum, 0, 1))
    return Contender(f"judge-{place}", ModelRef(f"judge-{place}", family=family), score, scored)


def found_in(
    panel: Panel, families: Sequence[str | None], scores: Sequence[FloatArray], **options: Any
) -> dict[str, Any]:
    judges = [contender(panel, place, *each) for place, each in enumerate(zip(families, scores, strict=True))]
    found = self_preference(judges, panel, FAMILIES, **options)
    json.dumps(found, allow_nan=False)
    return found


def planted(seed: int, *, images: int, preference: float, families: str = "abcd", **options: Any) -> dict[str, Any]:
    """Four judges, of which the first likes what is its own; the errors of producer c are hard for all."""
    rng = np.random.default_rng(seed)
    panel = panel_of(rng, images=images)
    likes = [preference, 0.0, 0.0, 0.0]
    generous = [0.0, 0.3, 0.0, 0.0]
    scores = [
        scores_of(rng, panel, own=family, preference=like, hard="c", generous=gift)
        for family, like, gift in zip(families, likes, generous, strict=True)
    ]
    return found_in(panel, list(families), scores, **options)


def truth_of(judge: int, preference: float) -> tuple[float, float]:
    """The effects that `planted` plants, in closed form: all scores are normal with a variance of 1."""
    wrong, n = 0.3, 4
    means = np.zeros((n, 2, n))  # judge, incorrect and correct, producer
    means[:, 1], means[:, 0, 2], means[1, 0] = 1.0, 0.4, [0.3, 0.3, 0.7, 0.3]
    means[0, 0, 0] += preference
    share = np.repeat([[wrong], [1 - wrong]], n, axis=1) / n
    outscores = special.ndtr((means[:, :, :, None, None] - means[:, None, None]) / math.sqrt(2))
    rank = (outscores * share).sum(axis=(-2, -1))
    aurocs = special.ndtr((means[:, 1] - means[:, 0]) / math.sqrt(2))
    return slow_effect(aurocs, np.eye(n), judge), slow_effect(rank[:, 0] - rank[:, 1], np.eye(n), judge)


def effects_of(found: dict[str, Any], direction: Direction = TO_TEXT) -> list[dict[str, Any]]:
    return list(found["directions"][direction]["effects"])


def slow_matrices(panel: Panel, scores: Sequence[FloatArray]) -> tuple[FloatArray, FloatArray]:
    """AUROC, and mean normalised rank of incorrect less that of correct sentences, of every judge and producer."""
    aurocs, leniences = np.empty((2, len(scores), len(panel.producers)))
    for judge, score in enumerate(scores):
        rank = np.array([(np.sum(score < one) + np.sum(score <= one)) / 2 / score.size for one in score])
        for producer in range(len(panel.producers)):
            of = panel.producer == producer
            aurocs[judge, producer] = slow_auroc(panel.is_correct[of], score[of])
            leniences[judge, producer] = rank[of & ~panel.is_correct].mean() - rank[of & panel.is_correct].mean()
    return aurocs, leniences


def slow_effect(cells: FloatArray, own: FloatArray, judge: int | None = None) -> float:
    """Own cells less what a regression on dummies of the others predicts; of one judge, or the mean over judges."""
    rows, columns = (places.ravel() for places in np.indices(cells.shape))
    design = np.hstack([np.eye(cells.shape[0])[rows], np.eye(cells.shape[1])[columns][:, 1:]])
    others = ~own.astype(bool).ravel()
    residuals = cells - sm.OLS(cells.ravel()[others], design[others]).fit().predict(design).reshape(cells.shape)
    judges = range(len(cells)) if judge is None else [judge]
    return float(np.mean([residuals[one, own[one].astype(bool)].mean() for one in judges if own[one].any()]))


@pytest.fixture(scope="module")
def small() -> tuple[Panel, list[FloatArray]]:
    rng = np.random.default_rng(7)
    panel = panel_of(rng, images=50)
    return panel, [scores_of(rng, panel, shift=shift) for shift in (0.6, 1.0, 1.4, 0.8, 1.2)]


def test_effects_and_permutations_are_those_of_regressions(small: tuple[Panel, list[FloatArray]]) -> None:
    panel, scores = small
    families = ["a", "a", "b", "x", "c"]
    found = found_in(panel, families, scores)
    own = np.array([[family == name[0] for name in panel.producers] for family in families])
    said = found["directions"][TO_TEXT]
    assert [one["judge"] for one in said["effects"]] == ["judge-0", "judge-1", "judge-2", "judge-4"]
    ways = {own[list(order)].tobytes(): own[list(order)] for order in permutations(range(5))}
    assert said["pooled"]["auroc"]["assignments"] == len(ways) == 60
    for name, cells in zip(("auroc", "leniency"), slow_matrices(panel, scores), strict=True):
        for one, judge in zip(said["effects"], (0, 1, 2, 4), strict=True):
            value = one["value"] if name == "auroc" else one["leniency"]["value"]
            assert value == pytest.approx(slow_effect(cells, own, judge), abs=1e-10)
        pooled = said["pooled"][name]
        assert pooled["value"] == pytest.approx(slow_effect(cells, own), abs=1e-10)
        drawn = np.abs([slow_effect(cells, way) for way in ways.values()])
        assert pooled["p"] == pytest.approx(np.mean(drawn >= abs(pooled["value"]) - 1e-12))
        assert pooled["p_min"] == 1 / 60


def test_matrices(small: tuple[Panel, list[FloatArray]]) -> None:
    panel, scores = small
    found = found_in(panel, ["a", "b", "x", "x", "x"], scores, permutations=False)
    aurocs, _ = slow_matrices(panel, scores)
    for place, judge in enumerate(found["matrix"]):
        values = list(found["matrix"][judge].values())
        np.testing.assert_allclose(values, aurocs[place])
        np.testing.assert_allclose(list(found["normalised"][judge].values()), aurocs[place] / aurocs[place].mean())
    wrong_a = ~panel.is_correct & (panel.producer == 0)
    ranks = [np.mean(scores[0] < one) + np.mean(scores[0] == one) / 2 for one in scores[0][wrong_a]]
    assert found["scores_on_incorrect"]["judge-0"]["a-cap"] == pytest.approx(np.mean(ranks))
    assert found["own"] == {"judge-0": {"a-cap": "family"}, "judge-1": {"b-cap": "family"}} | {
        f"judge-{place}": {} for place in (2, 3, 4)
    }
    pooled = found["directions"][TO_TEXT]["pooled"]["auroc"]
    assert pooled["value"] is not None and pooled["p"] is None and "no permutation test" in pooled["reason"]


def test_standard_errors_are_those_of_a_jackknife(small: tuple[Panel, list[FloatArray]]) -> None:
    """Leaving out one cluster after the other, ranks and all, though the analytic ones take the ranks as given."""
    panel, scores = small
    families = ["a", "b", "c", "x", "x"]
    whole = found_in(panel, families, scores, permutations=False)
    left: list[list[float]] = []
    for out in range(panel.stratum.size):
        keep = panel.cluster != out
        part = replace(
            panel,
            is_correct=panel.is_correct[keep],
            producer=panel.producer[keep],
            cluster=panel.cluster[keep] - (panel.cluster[keep] > out),
            stratum=panel.stratum[1:],
        )
        said = found_in(part, families, [score[keep] for score in scores], permutations=False)["directions"][TO_TEXT]
        ones = [*said["effects"], said["pooled"]["auroc"]]
        left.append([one["value"] for one in ones] + [one["leniency"]["value"] for one in said["effects"]])
    m = len(left)
    jackknifed = np.sqrt((m - 1) / m * np.square(np.array(left) - np.mean(left, axis=0)).sum(axis=0))
    said = whole["directions"][TO_TEXT]
    analytic = [one["se"] for one in [*said["effects"], said["pooled"]["auroc"]]]
    analytic += [one["leniency"]["se"] for one in said["effects"]]
    np.testing.assert_allclose(analytic, jackknifed, rtol=0.05)


def test_planted_self_preference_is_found_and_covered() -> None:
    rounds, truth = 60, truth_of(0, 0.3)
    assert truth[0] < -0.07 and truth[1] > 0.07
    found, covered, fair = np.zeros(2), np.zeros(2), 0
    for seed in range(rounds):
        first, *others = effects_of(planted(seed, images=500, preference=0.3, permutations=False))
        for scale, (one, true) in enumerate(zip((first, first["leniency"]), truth, strict=True)):
            found[scale] += one["p_holm"] < 0.05 and np.sign(one["value"]) == np.sign(true)
            covered[scale] += one["low"] < true < one["high"]
        fair += all(one["p_holm"] > 0.05 and one["leniency"]["p_holm"] > 0.05 for one in others)
    assert (found > 0.95 * rounds).all() and (covered > 0.88 * rounds).all() and fair > 0.88 * rounds


def test_fair_judges_are_accused_and_intervals_cover_at_the_nominal_rates() -> None:
    """Though producer c is hard for all of them, and one is generous to every error."""
    rounds, truths = 100, np.array([truth_of(judge, 0.0) for judge in range(4)]).T
    accused, covered = np.zeros((2, 2, 4))
    for seed in range(rounds):
        effects = effects_of(planted(seed, images=80, preference=0.0, permutations=False))
        for scale, ones in enumerate((effects, [one["leniency"] for one in effects])):
            accused[scale] += [one["p"] < 0.05 for one in ones]
            covered[scale] += [one["low"] < true < one["high"] for one, true in zip(ones, truths[scale], strict=True)]
    assert (accused.mean(axis=1) < 0.09 * rounds).all() and (accused < 0.13 * rounds).all()
    assert (covered.mean(axis=1) > 0.91 * rounds).all() and (covered > 0.87 * rounds).all()


def test_a_raised_scale_changes_nothing(small: tuple[Panel, list[FloatArray]]) -> None:
    panel, scores = small
    families = ["a", "b", "c", "x", "x"]
    raised = [np.exp(score) + place for place, score in enumerate(scores)]
    assert found_in(panel, families, scores) == found_in(panel, families, raised)


def test_good_judges_on_hard_producers_are_explained_by_an_interaction() -> None:
    rng = np.random.default_rng(3)
    panel = panel_of(rng, images=4000)
    ease = np.array([1.4, 1.0, 0.4, 0.9])[panel.producer]
    scores = [
        scores_of(rng, panel, shift=0.0) + panel.is_correct * ease * skill for skill in (0.2, 0.6, 1.0, 1.4, 1.8, 2.2)
    ]
    one = effects_of(found_in(panel, ["x", "x", "x", "x", "x", "c"], scores))[0]
    assert one["value"] < -0.03 and one["p"] < 1e-6
    assert abs(one["allowing_interaction"]["value"]) < 0.5 * abs(one["value"])
    assert abs(one["leniency"]["allowing_interaction"]["value"]) < 0.5 * one["leniency"]["value"]


def test_image_models_are_apart_from_captioners(small: tuple[Panel, list[FloatArray]]) -> None:
    panel, scores = small
    models = (*panel.models[:3], ModelRef("d-draw", family="a"))
    found = found_in(
        replace(panel, models=models, directions=(*panel.directions[:3], TO_IMAGE)), ["a", "b", "c", "x", "x"], scores
    )
    assert [one["producers"] for one in effects_of(found)] == [["a-cap"], ["b-cap"], ["c-cap"]]
    drawn = found["directions"][TO_IMAGE]
    assert [(one["judge"], one["producers"], one["value"]) for one in drawn["effects"]] == [
        ("judge-0", ["d-cap"], None)
    ]
    assert "3 producers" in drawn["reason"] == drawn["effects"][0]["reason"] == drawn["pooled"]["auroc"]["reason"]
    assert drawn["residual_sd"] is None
    alone = found_in(replace(panel, directions=(*panel.directions[:3], TO_IMAGE)), ["a", "b", "c", "x", "x"], scores)[
        "directions"
    ][TO_TEXT]
    assert alone == found["directions"][TO_TEXT]


def test_self_is_apart_from_family() -> None:
    rng = np.random.default_rng(5)
    panel = panel_of(rng)
    models = tuple(map(ModelRef, ("gpt-4o", "gpt-5", "llama-4", "cogvlm")))
    names = ("gpt-4o-2024-08-06", "gpt-5-mini", "meta-llama/Llama-4-Scout-17B-16E-Instruct", "ours", "theirs")
    panel = replace(panel, models=models, producers=tuple(model.name for model in models))
    judges = [
        contender(panel, place, None, scores_of(rng, panel))._replace(name=name, model=ModelRef(name))
        for place, name in enumerate(names)
    ]
    found = self_preference(judges, panel, FAMILIES)
    assert [(one["judge"], one["level"], one["producers"]) for one in effects_of(found)] == [
        (names[0], "self", ["gpt-4o"]),
        (names[0], "family", ["gpt-5"]),
        (names[1], "family", ["gpt-4o", "gpt-5"]),
        (names[2], "self", ["llama-4"]),
    ]
    assert found["own"][names[0]] == {"gpt-4o": "self", "gpt-5": "family"}


@pytest.mark.parametrize(
    ("producers", "families", "reason"),
    [
        ("abcd", [], NOBODY),
        ("abcd", ["a"], "here are 1 and 3"),
        ("abcd", ["a", "x"], "here are 2 and 4"),
        ("abcd", ["x", "y", "z", None], NOBODY),
        ("ab", ["a", "x", "y", "z"], "here are 4 and 2"),
        ("a", ["a", "x", "y"], "here are 2 and 1"),
        ("abcd", [None, None, None], NOBODY),
    ],
)
def test_no_fit_gives_nulls_with_a_reason(producers: str, families: list[str | None], reason: str) -> None:
    rng = np.random.default_rng(0)
    panel = panel_of(rng, producers=producers, images=40)
    said = found_in(panel, families, [scores_of(rng, panel) for _ in families])["directions"][TO_TEXT]
    assert reason in said["reason"]
    assert all(one["value"] is None and one["reason"] == said["reason"] for one in said["effects"])
    assert len(said["effects"]) == sum(family == "a" for family in families)
    for pooled in said["pooled"].values():
        assert pooled["value"] is pooled["p"] is pooled["p_min"] is None and pooled["reason"] == said["reason"]


def test_what_is_not_tied_together_is_not_predicted() -> None:
    rng = np.random.default_rng(1)
    panel = panel_of(rng, images=40)
    # All judges who scored producer d are of its family.
    panel = replace(panel, models=(*panel.models[:3], ModelRef("d-cap", family="d")))
    scores = [scores_of(rng, panel) for _ in range(4)]
    for score in scores[1:]:
        score[panel.producer == 3] = np.nan
    found = found_in(panel, ["d", "a", "x", "y"], scores)
    said = found["directions"][TO_TEXT]
    lost, kept = said["effects"]
    assert lost["value"] is None and "cannot be told" in lost["reason"] and kept["value"] is not None
    assert said["reason"] is None and "cannot be told" in said["pooled"]["auroc"]["reason"]
    assert set(found["left_out"]["judge-1"]) == {"d-cap"} and found["matrix"]["judge-1"]["d-cap"] is None


def test_cells_with_few_sentences_are_left_out_and_named() -> None:
    rng = np.random.default_rng(2)
    panel = panel_of(rng, images=60)
    wrong = np.flatnonzero(~panel.is_correct & (panel.producer == 0))
    scores = [scores_of(rng, panel) for _ in range(5)]
    scores[0][wrong[9:]] = np.nan
    found = found_in(panel, ["a", "a", "b", "x", "y"], scores)
    first, second, _ = effects_of(found)
    assert first["value"] is None and "enough sentences" in first["reason"] and second["value"] is not None
    assert "fewer than 10" in found["left_out"]["judge-0"]["a-cap"] and not found["left_out"]["judge-1"]
    assert found["matrix"]["judge-0"]["a-cap"] is not None


def test_one_cluster_gives_values_without_intervals() -> None:
    rng = np.random.default_rng(4)
    panel = panel_of(rng, images=1, sentences=60, wrong=0.5)
    panel = replace(panel, is_correct=rng.random(panel.is_correct.size) < 0.5)
    said = found_in(panel, list("abcd"), [scores_of(rng, panel) for _ in range(4)])["directions"][TO_TEXT]
    for one in [*said["effects"], *(one["leniency"] for one in said["effects"]), *said["pooled"].values()]:
        assert one["value"] is not None and one["low"] is one["se"] is None and "one cluster" in one["reason"]
    assert all(one["p"] is one["p_holm"] is None for one in said["effects"])


def test_failed_judges_take_no_part() -> None:
    rng = np.random.default_rng(4)
    panel = panel_of(rng, images=40)
    scores = [scores_of(rng, panel) for _ in range(4)]
    failed = np.full(panel.is_correct.size, np.nan)
    alone = found_in(panel, list("abcx"), scores)
    found = found_in(panel, [*"abcx", "a"], [*scores, failed])
    last = effects_of(found)[-1]
    assert last["judge"] == "judge-4" and last["value"] is None and last["reason"]
    for name in ("auroc", "leniency"):
        pooled, expected = (each["directions"][TO_TEXT]["pooled"][name] for each in (found, alone))
        for key in ("value", "low", "high", "p", "p_min", "assignments"):
            assert pooled[key] == pytest.approx(expected[key])
    assert set(found["matrix"]["judge-4"].values()) == {None} == set(found["scores_on_incorrect"]["judge-4"].values())
    nothing = found_in(panel, list("abcx"), [failed] * 4)["directions"][TO_TEXT]
    assert "here are 0 and 0" in nothing["reason"] and nothing["residual_sd"] is None


def test_judges_that_never_err_have_no_effect() -> None:
    rng = np.random.default_rng(4)
    panel = panel_of(rng, images=40)
    perfect = panel.is_correct.astype(np.float64)
    said = found_in(panel, list("abcd"), [perfect] * 4)["directions"][TO_TEXT]
    for one in said["effects"]:
        assert one["value"] == 0 and one["p"] == 1


def test_few_assignments_have_no_p() -> None:
    rng = np.random.default_rng(4)
    panel = panel_of(rng, images=40)
    said = found_in(panel, list("axyz"), [scores_of(rng, panel) for _ in range(4)])["directions"][TO_TEXT]["pooled"]
    assert said["auroc"]["p"] is None and said["auroc"]["p_min"] == 0.25 and "4 assignments" in said["auroc"]["reason"]
    assert said["auroc"]["low"] < said["auroc"]["value"] < said["auroc"]["high"]


def entries(tmp_path: Path, shift: float) -> dict[str, Any]:
    names = ("gpt-4o", "llama-4", "cogvlm", "qwen-2")
    dataset = write_dataset(tmp_path / "planted", [Producer(name, images=80) for name in names])
    producer = np.repeat(list(names), 400)
    label = np.array(dataset.sentences_table(["label"])["label"].to_pylist())
    runs = tmp_path / "runs"
    for seed, name in enumerate(("gpt-4o", "ours", "theirs", "its", "meta-llama/Llama-4-Maverick-17B-128E-Instruct")):
        liked = (producer == name) & (label == "incorrect")
        write_run(runs, dataset, name, scores_for(dataset, 1.5, seed=seed) + shift * liked)
    write_run(runs, dataset, "cogvlm", scores_for(dataset, 0.1), control="blank")
    evaluation = evaluation_of(dataset, runs, replicates=5)
    return preference_entries(evaluation.judged, evaluation.panel, FAMILIES)


def test_entries_leave_out_controls_and_say_what_is_found(tmp_path: Path) -> None:
    found = entries(tmp_path, 1.0)
    json.dumps(found, allow_nan=False)
    assert len(found["matrix"]) == 5 and "cogvlm" not in found["matrix"]
    own, lenient, family = (
        next(sentence for sentence in found["says"] if sentence.startswith(start))
        for start in ("gpt-4o on its own captions (gpt-4o): AUROC", "gpt-4o on its own captions (gpt-4o): le", "meta")
    )
    assert "AUROC lower than expected from the judges and producers that are not each other's own: -0." in own
    assert own.endswith("an association, not a cause.")
    assert "lenient: these errors rank higher" in lenient
    assert "on captions of its own family (llama-4): no AUROC found to be lost or won" in family
    assert any("looks the same as self-preference" in sentence for sentence in found["says"])


def test_entries_say_why_there_is_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "planted", [Producer("gpt-4o"), Producer("cogvlm")])
    write_run(tmp_path / "runs", dataset, "gpt-4o", scores_for(dataset, 1.0))
    evaluation = evaluation_of(dataset, tmp_path / "runs", replicates=5)
    found = preference_entries(evaluation.judged, evaluation.panel, FAMILIES)
    (sentence,) = found["says"]
    assert sentence.startswith(
        "Self-preference on captions cannot be told: an additive fit needs 3 judges and 3 producers"
    )
    assert sentence.endswith("here are 1 and 1.")


def test_runs_of_one_model_count_once(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "planted", [Producer(name, images=60) for name in ("alpha", "beta", "gamma")])
    folders = [
        write_run(tmp_path / "runs", dataset, name, scores_for(dataset, 1.0, seed=seed), options=options)
        for seed, (name, options) in enumerate(
            [("alpha", {}), ("alpha", {"prompt": "other"}), ("beta", {}), ("gamma", {})]
        )
    ]
    evaluation = evaluation_of(dataset, tmp_path / "runs", replicates=5)
    found = preference_entries(evaluation.judged, evaluation.panel, FAMILIES)
    assert len(folders) == 4 and len(found["matrix"]) == 3
    ((other, counted),) = found["passed_over"].items()
    assert other.startswith("alpha (") and counted.startswith("alpha (") and other != counted
    assert f"{other} takes no part: it is another run of the model of {counted}, which does." in found["says"]


def test_an_effect_that_an_interaction_explains_is_not_said_to_be_found(tmp_path: Path) -> None:
    found = entries(tmp_path, 1.0)
    own = next(one for one in effects_of(found) if one["judge"] == "gpt-4o")
    assert _is_found(own, own["p_holm"])
    explained = own | {"allowing_interaction": own["allowing_interaction"] | {"low": -0.1, "high": 0.1}}
    assert not _is_found(explained, own["p_holm"])
    turned = {"value": 0.2, "low": 0.1, "high": 0.3}
    assert not _is_found(own | {"allowing_interaction": own["allowing_interaction"] | turned}, own["p_holm"])
    untold = {"value": None, "low": None, "high": None}
    assert _is_found(own | {"allowing_interaction": own["allowing_interaction"] | untold}, own["p_holm"])
