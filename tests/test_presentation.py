"""Content, presentation and the caption, told apart: planted in judges that run on shuffled captions, end to end."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist
from typing import Any, cast

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from alignbench.analysis.presentation import context_effects, presentation
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.positions import SHUFFLED_ONLY, position_entries
from alignbench.evaluate.runs import Run, find_runs
from alignbench.panel import Panel, read_panel
from alignbench.plan import SHUFFLED_CAPTION
from alignbench.run import run_judge
from alignbench.shuffling import displayed_index
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Direction, Label, ModelRef, Query, Status, Verdict
from tests.datasets import make_image
from tests.fake_judges import FakeJudge, score_of
from tests.oracles import FloatArray, slow_auroc
from tests.planted_runs import KINDS, pair_of

IMAGES, SENTENCES = 60, 6


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Two producers, each with images of its own; a third of the sentences wrong, later ones more often."""
    rng = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("presentation") / "planted"
    with DatasetWriter(path, name="planted") as writer:
        for number in range(IMAGES):
            image = make_image(number)
            writer.add_image(image)
            wrong = rng.random(SENTENCES) < 0.2 + 0.07 * np.arange(SENTENCES)
            labels = [Label.INCORRECT if each else Label.CORRECT for each in wrong]
            model = ModelRef(("a-1", "b-1")[number % 2])
            made = (image.image_key, model, Direction.IMAGE_TO_TEXT, image.image_key)
            writer.add_pair(*pair_of(f"{model.name}/{number}", *made, labels, KINDS[:SENTENCES]))
    return Dataset.open(path)


@pytest.fixture(scope="module")
def panel(dataset: Dataset) -> Panel:
    return read_panel(dataset)


def judge(
    name: str,
    context: str,
    *,
    content: float = 0.0,
    place: float = 0.0,
    caption: float = 0.0,
    prompt: str | None = None,
    fail: Callable[[Query, int], bool] = lambda query, place: False,
) -> FakeJudge:
    """A judge that reads the index in the words, and the place in the caption where it is shown one."""

    def meddle(query: Query, at: int) -> Verdict:
        text = query.sentences[at]
        found = re.match(r"Sentence (\d+) of", text)
        assert found is not None
        score = NormalDist().inv_cdf(score_of(query.image, text) * 0.999 + 0.0005) + content * int(found[1])
        if query.context is not None:
            restless = score_of(query.image, f"{text} {query.context.caption}") - 0.5
            score += place * query.context.places[at] + caption + 0.3 * restless
        return Verdict.failed(Status.REFUSED, "planted") if fail(query, at) else Verdict(score)

    made = FakeJudge(meddle, name=name, context=context)
    made.spec = replace(made.spec, prompt=prompt)
    return made


def judge_all(dataset: Dataset, out: Path, name: str, **planted: Any) -> None:
    """Alone, in captions, and in two shuffles."""
    run_judge(dataset, judge(name, "sentence", **planted), out)
    for shuffle in (None, 0, 1):
        run_judge(dataset, judge(name, "caption", **planted), out, shuffle=shuffle)


def entries_of(dataset: Dataset, panel: Panel, out: Path) -> dict[str, dict[str, Any]]:
    """What the results would say of all finished runs, by `context` where judges have the same name."""
    runs = find_runs(out, dataset, panel.all_ids).runs
    judged = [as_judged(run, panel) for run in runs if run.spec.context != SHUFFLED_CAPTION]
    entries = position_entries(dataset, panel, judged, [run for run in runs if run.spec.context == SHUFFLED_CAPTION])
    json.dumps(entries, allow_nan=False)
    context_of = {one.run.name: one.run.spec.context for one in judged}
    return {context_of.get(name, name) if len(judged) == 2 else name: entry for name, entry in entries.items()}


def as_judged(run: Run, panel: Panel) -> Judged:
    return Judged(run, run.scores()[panel.row], cast("Any", None), {})


def shown(effect: dict[str, Any]) -> bool:
    return effect["low"] is not None and not effect["low"] <= 0 <= effect["high"]


# The estimators


def test_presentation_is_the_regression_with_a_column_for_each_sentence() -> None:
    rng = np.random.default_rng(1)
    n = 60
    cluster = np.repeat(np.arange(20), 3)
    places = np.stack([rng.integers(9, size=n) for _ in range(3)])
    scores = np.round(rng.normal(size=n) + 0.3 * rng.normal(size=(3, n)) - 0.05 * np.minimum(places, 5), 2)
    scores[1, :7] = np.nan
    found = presentation(scores, places, cluster, 25)
    kept = np.arange(7, n)
    ranks = (stats.rankdata(scores[:, kept].ravel()) - 0.5) / (3 * kept.size)
    columns = [np.minimum(places[:, kept], 5).ravel(), *np.tile(np.eye(kept.size), (3, 1)).T]
    fitted = sm.OLS(ranks, np.column_stack(columns)).fit()
    assert found.value == pytest.approx(fitted.params[0], abs=1e-12)
    assert (found.n, found.clusters) == (53, 18)
    assert found.low is not None and found.high is not None
    assert found.low < found.value < found.high


def test_presentation_covers_and_accuses_no_fair_judge() -> None:
    def simulate(seed: int, captions: int, step: float) -> Any:
        rng = np.random.default_rng(seed)
        first = rng.permuted(np.tile(np.arange(5), (captions, 1)), axis=1).ravel()
        places, cluster = np.stack([first, 4 - first]), np.repeat(np.arange(captions), 5) // 2
        sentence = 0.7 * rng.normal(size=captions)[cluster] + rng.normal(size=cluster.size)
        scores = sentence + step * places + 0.4 * rng.normal(size=places.shape)
        return presentation(scores, places, cluster, captions)

    for step in (0.0, 0.2):
        truth = simulate(0, 30_000, step).value if step else 0.0
        found = [simulate(seed, 80, step) for seed in range(1, 1001)]
        assert 0.92 <= np.mean([each.low <= truth <= each.high for each in found]) <= 0.98
        assert step == 0 or np.mean([each.p < 0.05 for each in found]) > 0.95


def test_the_context_effect_is_on_what_both_scored(panel: Panel) -> None:
    rng = np.random.default_rng(2)
    alone = rng.normal(size=panel.row.size) + 0.5 * panel.is_correct
    in_caption = alone + 0.5 + 0.3 * panel.is_correct + 0.5 * rng.normal(size=panel.row.size)
    alone[:9], in_caption[20:26] = np.nan, np.nan
    both = ~np.isnan(alone) & ~np.isnan(in_caption)
    said = context_effects(panel, alone, in_caption)
    parts = [both & (panel.producer == producer) for producer in (0, 1)]
    gain = [difference(panel, score, parts) for score in (alone, in_caption)]
    assert said["auroc"]["value"] == pytest.approx(gain[1] - gain[0], abs=1e-12)
    for label in ("correct", "incorrect"):
        mine = [part & (panel.is_correct == (label == "correct")) for part in parts]
        shift = np.mean([(in_caption - alone)[part].mean() for part in mine])
        assert said[label]["value"] == pytest.approx(shift, abs=1e-12)
        assert said[label]["n"] == sum(int(part.sum()) for part in mine)
        assert shown(said[label])
    assert said["auroc"]["n"] == both.sum()


def difference(panel: Panel, score: FloatArray, parts: list[np.ndarray]) -> float:
    return float(np.mean([slow_auroc(panel.is_correct[part], score[part]) for part in parts]))


def test_the_error_of_the_context_effect_is_that_of_a_jackknife(panel: Panel) -> None:
    rng = np.random.default_rng(3)
    alone = rng.normal(size=panel.row.size) + panel.is_correct
    in_caption = alone + 0.6 * rng.normal(size=panel.row.size)
    found = context_effects(panel, alone, in_caption)["auroc"]
    left = []
    for cluster in range(IMAGES):
        parts = [(panel.cluster != cluster) & (panel.producer == producer) for producer in (0, 1)]
        left.append(difference(panel, in_caption, parts) - difference(panel, alone, parts))
    jackknife = math.sqrt((IMAGES - 1) / IMAGES * np.square(left - np.mean(left)).sum())
    assert found["se"] == pytest.approx(jackknife, rel=0.1)


# Planted, end to end


def test_content_is_found_as_content_alone(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    judge_all(dataset, tmp_path, "m", content=-0.3)
    said = entries_of(dataset, panel, tmp_path)
    for context in ("sentence", "caption"):
        entry = said[context]
        assert shown(entry["content"]) and entry["content"]["value"] < 0
        assert not shown(entry["presentation"])
        assert entry["content"] == said["sentence"]["slope"]
        assert any("this is what they say, not where they stand" in line for line in entry["says"])
        assert any("no effect of the place itself shown" in line for line in entry["says"])
    assert shown(said["caption"]["slope"])
    assert said["caption"]["says"][0].startswith("shown in captions as they are: later sentences score lower by")
    assert said["sentence"]["presentation"] == said["caption"]["presentation"]
    assert said[SHUFFLED_ONLY] == {}


def test_presentation_is_found_as_presentation_alone(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    judge_all(dataset, tmp_path, "m", place=-0.2)
    said = entries_of(dataset, panel, tmp_path)
    for context in ("sentence", "caption"):
        entry = said[context]
        assert not shown(entry["content"])
        assert shown(entry["presentation"]) and entry["presentation"]["value"] < 0
        assert any("the effect of the place itself, not of what sentences say" in line for line in entry["says"])
        assert any("shown alone: no effect shown" in line for line in entry["says"])
    assert shown(said["caption"]["slope"]) and not shown(said["sentence"]["slope"])
    assert said["caption"]["slope"]["value"] == pytest.approx(said["caption"]["presentation"]["value"], abs=0.03)


def test_opposite_effects_are_told_apart(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    judge_all(dataset, tmp_path, "m", content=0.25, place=-0.25)
    entry = entries_of(dataset, panel, tmp_path)["caption"]
    assert entry["content"]["low"] > 0 > entry["presentation"]["high"]
    assert not shown(entry["slope"])
    assert "could make up for each other" in entry["says"][0]


def test_a_fair_judge_shows_nothing(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    judge_all(dataset, tmp_path, "m", caption=0.4)
    for entry in (said := entries_of(dataset, panel, tmp_path)).values():
        assert not any(shown(entry[effect]) for effect in ("content", "presentation") if effect in entry)
    assert said["sentence"]["context"] == said["caption"]["context"]
    shifts = said["sentence"]["context"]
    assert shifts["correct"]["value"] == pytest.approx(0.4, abs=0.1)
    assert shifts["incorrect"]["value"] == pytest.approx(0.4, abs=0.1)
    assert not shown(shifts["auroc"])
    assert "the mean score of correct sentences is higher by 0." in said["sentence"]["says"][-1]


# Which runs are of the same judge


def test_what_is_missing_is_said_with_the_command(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    run_judge(dataset, judge("m", "sentence"), tmp_path)
    run_judge(dataset, judge("n", "caption"), tmp_path, control="blank")
    run_judge(dataset, judge("n", "caption"), tmp_path, control="blank", shuffle=3)
    said = entries_of(dataset, panel, tmp_path)
    alone, captions = said["sentence"], said["caption"]
    assert alone["content"]["value"] is not None
    assert alone["presentation"]["reason"].startswith(
        "no run shows this judge shuffled captions; run `alignbench judge"
    )
    assert alone["presentation"]["reason"].endswith("--context shuffled-caption`")
    (reason,) = {each["reason"] for each in alone["context"].values()}
    command = "run `alignbench judge DATASET --judge JUDGE --out RUNS --context caption`"
    assert reason == f"no run shows this judge captions as they are; {command}"
    assert captions["content"]["reason"].endswith("--context sentence --control blank`")
    assert "of which only shuffle 3 is here; run" in captions["presentation"]["reason"]
    assert captions["content"]["value"] is captions["presentation"]["value"] is None
    assert all("not known" in line for line in captions["says"][1:])


def test_controls_and_other_models_are_other_judges(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    run_judge(dataset, judge("m", "sentence"), tmp_path)
    for shuffle in range(2):
        run_judge(dataset, judge("m", "caption"), tmp_path, shuffle=shuffle, control="blank")
        run_judge(dataset, judge("n", "caption"), tmp_path, shuffle=shuffle)
    said = entries_of(dataset, panel, tmp_path)
    assert said["m"]["presentation"]["value"] is None
    assert sorted(said[SHUFFLED_ONLY]) == ["m (blank)", "n"]


def test_shuffles_without_a_judge_are_not_lost(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    for shuffle in range(3):
        run_judge(dataset, judge("m", "caption", place=-0.3), tmp_path, shuffle=shuffle)
    (only,) = entries_of(dataset, panel, tmp_path)[SHUFFLED_ONLY].items()
    assert only[0] == "m"
    assert only[1]["runs"] == ["m (shuffle 0)", "m (shuffle 1)", "m (shuffle 2)"]
    assert shown(only[1]["presentation"])
    assert "the place itself" in only[1]["says"][0]


def test_prompts_of_captions_are_not_mixed(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    run_judge(dataset, judge("m", "sentence", prompt="p"), tmp_path)
    for prompt, place in (("q", 0.3), ("r", -0.3)):
        for shuffle in (None, 0, 1):
            run_judge(dataset, judge("m", "caption", prompt=prompt, place=place), tmp_path, shuffle=shuffle)
    said = entries_of(dataset, panel, tmp_path)
    runs = [run for run in find_runs(tmp_path, dataset, panel.all_ids).runs if run.spec.context != SHUFFLED_CAPTION]
    name_of = {run.spec.prompt: run.name for run in runs}
    assert said[name_of["q"]]["presentation"]["value"] > 0.02
    assert said[name_of["r"]]["presentation"]["value"] < -0.02
    reason = said[name_of["p"]]["presentation"]["reason"]
    assert reason.startswith("several runs fit, and which of them is meant cannot be told: 'm (shuffle 0)")
    assert said[name_of["p"]]["presentation"]["value"] is None
    reason = said[name_of["p"]]["context"]["auroc"]["reason"]
    assert name_of["q"] in reason and name_of["r"] in reason
    for prompt in ("q", "r"):
        assert said[name_of[prompt]]["content"] == said[name_of["p"]]["slope"]
    assert said[SHUFFLED_ONLY] == {}


def test_shuffles_that_fit_no_one_judge_are_kept_apart(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    run_judge(dataset, judge("m", "sentence"), tmp_path)
    for prompt, place in (("q", 0.3), ("r", -0.3)):
        for shuffle in range(2):
            run_judge(dataset, judge("m", "caption", prompt=prompt, place=place), tmp_path, shuffle=shuffle)
    said = entries_of(dataset, panel, tmp_path)
    assert said["m"]["presentation"]["value"] is None
    values = sorted(entry["presentation"]["value"] for entry in said[SHUFFLED_ONLY].values())
    assert values[0] < 0 < values[1]


def test_blind_controls_and_ensembles_are_told_nothing_of_causes(
    panel: Panel, dataset: Dataset, tmp_path: Path
) -> None:
    run_judge(dataset, judge("m", "sentence"), tmp_path)
    (run,) = find_runs(tmp_path, dataset, panel.all_ids).runs
    blind = replace(run, name="index", spec=replace(run.spec, control="index"), control="index")
    ensemble = replace(run, name="both", spec=replace(run.spec, kind="ensemble"))
    said = position_entries(dataset, panel, [as_judged(each, panel) for each in (blind, ensemble)], [])
    for name, words in (("index", "a blind control"), ("both", "an ensemble")):
        assert said[name]["slope"]["value"] is not None
        for each in (said[name]["content"], said[name]["presentation"], *said[name]["context"].values()):
            assert each["value"] is None and each["reason"].startswith(words)
        (line,) = said[name]["says"]
        assert line.startswith(words)


# Little or nothing to go by


def test_failures_leave_the_sentences_that_every_shuffle_scored(dataset: Dataset, panel: Panel, tmp_path: Path) -> None:
    for shuffle in range(2):
        made = judge("m", "caption", fail=lambda query, at, odd=shuffle: (query.number + at) % 10 == odd)
        run_judge(dataset, made, tmp_path, shuffle=shuffle)
    scored = [run.scores()[panel.row] for run in find_runs(tmp_path, dataset, panel.all_ids).runs]
    found = entries_of(dataset, panel, tmp_path)[SHUFFLED_ONLY]["m"]["presentation"]
    assert found["n"] == int((~np.isnan(scored)).all(axis=0).sum()) < panel.row.size
    assert found["value"] is not None


def test_all_failed_one_cluster_and_single_sentences(panel: Panel) -> None:
    nothing = presentation(np.full((2, 9), np.nan), np.zeros((2, 9), np.int64), np.arange(9), 9)
    assert (nothing.value, nothing.reason) == (None, "no sentence has a score in every shuffle")
    scores = np.random.default_rng(0).random((2, 9))
    still = presentation(scores, np.zeros((2, 9), np.int64), np.arange(9), 9)
    assert still.value is None and still.reason
    places = np.stack([np.arange(9) % 3, 2 - np.arange(9) % 3])
    one = presentation(scores, places, np.zeros(9, np.int64), 1)
    assert one.value is not None and one.low is None and one.reason
    none = np.full(panel.row.size, np.nan)
    for each in context_effects(panel, none, none).values():
        assert each["value"] is None and each["reason"]


def test_the_displayed_places_are_those_of_the_labelled_sentences(dataset: Dataset, panel: Panel) -> None:
    first, second = (displayed_index(dataset, shuffle)[panel.row] for shuffle in (0, 1))
    assert (first + second == SENTENCES - 1).all()
