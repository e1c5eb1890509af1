"""What is planted is found, in what was planted and nowhere else; what cannot be known is null with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from alignbench.analysis.calibration import calibration
from alignbench.analysis.detection import detection
from alignbench.analysis.filtering import filters
from alignbench.analysis.position import position_bias
from alignbench.analysis.presentation import context_effects, presentation
from alignbench.analysis.self_preference import Contender, self_preference
from alignbench.evaluate import evaluate
from alignbench.evaluate.grids import grids_of
from alignbench.evaluate.judges import judge_numbers
from alignbench.evaluate.positions import position_entries
from alignbench.evaluate.runs import find_runs
from alignbench.families import Families
from alignbench.panel import read_panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.simulation import (
    Simulated,
    SimulatedJudge,
    SimulatedProducer,
    World,
    simulate,
    write_dataset,
    write_run,
)
from alignbench.types import Direction, ModelRef

PRODUCERS = tuple(
    SimulatedProducer(name, wrong, f"family-{name}")
    for name, wrong in {"alpha": 0.15, "beta": 0.2, "gamma": 0.3, "delta": 0.4}.items()
)
FAIR = tuple(
    SimulatedJudge(f"judge-{each.name}", auroc=0.8 - 0.03 * place, shared=0.3, own=each.family)
    for place, each in enumerate(PRODUCERS)
)
FAMILIES = Families.read()
DATASETS = 60


def preferences(simulated: Simulated) -> dict[str, Any]:
    panel, draws = simulated.panel, Draws(simulated.panel.stratum, 0, 1)
    cells = grids_of(panel).by_producer
    contenders = [
        Contender(judge.name, ModelRef(judge.name, family=judge.own), score, Scored(cells, score, panel.cluster, draws))
        for judge, score in zip(simulated.judges, simulated.score, strict=True)
    ]
    return self_preference(contenders, panel, FAMILIES)


def place_effect(simulated: Simulated, judge: int = 0, shuffles: int = 2) -> dict[str, Any]:
    """What the estimator of presentation says of a judge that was shown shuffled captions."""
    panel = simulated.panel
    scores = np.stack([simulated.in_caption(judge, shuffle)[panel.row] for shuffle in range(shuffles)])
    places = np.stack([simulated.places(shuffle)[panel.row] for shuffle in range(shuffles)])
    return presentation(scores, places, panel.cluster, panel.stratum.size)._asdict()


def is_found(effect: Mapping[str, Any], sign: int) -> bool:
    return bool(effect["p"] < 0.05 and effect["value"] * sign > 0 and effect["low"] * effect["high"] > 0)


def worlds(judges: tuple[SimulatedJudge, ...], *, images: int, datasets: int) -> Iterator[Simulated]:
    world = World(PRODUCERS, images, 5, icc=0.5, first=0.5)
    return (simulate(world, judges, seed) for seed in range(datasets))


def test_a_preference_for_first_sentences_is_found() -> None:
    likes_first = replace(FAIR[0], position=-0.2)
    found = [position_bias(each.panel, each.score[0]) for each in worlds((likes_first,), images=500, datasets=DATASETS)]
    assert np.mean([is_found(each["slope"], -1) for each in found]) > 0.9
    for label in ("correct", "incorrect"):
        assert np.mean([each[label]["low"] > 0.5 for each in found]) > 0.9


def test_self_preference_is_found_in_the_judge_that_has_it_and_in_no_other() -> None:
    judges = (replace(FAIR[0], preference=0.3), *FAIR[1:])
    said = [preferences(each)["directions"]["image_to_text"] for each in worlds(judges, images=500, datasets=DATASETS)]
    effects = [{one["judge"]: one for one in each["effects"]} for each in said]
    assert np.mean([is_found(each["judge-alpha"], -1) for each in effects]) > 0.9
    assert np.mean([is_found(each["judge-alpha"]["leniency"], 1) for each in effects]) > 0.9
    # A single judge's preference touches no cell that the others' are compared with.
    accused = [each[f"judge-{name}"]["p"] < 0.05 for each in effects for name in ("beta", "gamma", "delta")]
    assert np.mean(accused) < 0.1


def test_self_preference_of_all_judges_is_found_in_the_pool() -> None:
    judges = tuple(replace(judge, preference=0.3) for judge in FAIR)
    pooled = [
        preferences(each)["directions"]["image_to_text"]["pooled"] for each in worlds(judges, images=500, datasets=20)
    ]
    assert np.mean([each["auroc"]["p"] < 0.05 and each["auroc"]["value"] < 0 for each in pooled]) > 0.9
    assert np.mean([each["leniency"]["p"] < 0.05 and each["leniency"]["value"] > 0 for each in pooled]) > 0.9


def test_liking_all_of_ones_own_is_no_loss_of_auroc() -> None:
    judges = (replace(FAIR[0], favour=0.3), *FAIR[1:])
    effects = [
        preferences(each)["directions"]["image_to_text"]["effects"][0]
        for each in worlds(judges, images=500, datasets=20)
    ]
    assert np.mean([each["p"] < 0.05 for each in effects]) < 0.2


@pytest.mark.parametrize("restless", [0.0, 0.3])
def test_content_is_not_taken_for_presentation(restless: float) -> None:
    """Scores follow the sentence's own index, not the place where it is shown."""
    content = replace(FAIR[0], position=-0.2, restless=restless)
    for simulated in worlds((content,), images=100, datasets=1):
        assert is_found(position_bias(simulated.panel, simulated.score[0])["slope"], -1)
    datasets = 200 if restless else 5
    effects = [place_effect(each) for each in worlds((content,), images=60, datasets=datasets)]
    if not restless:
        assert all(each["value"] == 0 and each["p"] == 1 for each in effects)
        return
    accused = sum(each["p"] < 0.05 for each in effects)
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, 0.05)
    assert low <= accused <= high


def test_presentation_is_found_and_not_taken_for_content() -> None:
    """A judge that is shown sentences alone cannot know where they stand."""
    shown = replace(FAIR[0], presentation=-0.2, restless=0.3)
    drawn = list(worlds((shown,), images=60, datasets=200))
    assert np.mean([is_found(place_effect(each), -1) for each in drawn[:40]]) > 0.9
    accused = sum(position_bias(each.panel, each.score[0])["slope"]["p"] < 0.05 for each in drawn)
    low, high = stats.binom.ppf([0.0005, 0.9995], 200, 0.05)
    assert low <= accused <= high


def test_runs_of_one_judge_tell_content_and_presentation_apart(tmp_path: Path) -> None:
    judges = (replace(FAIR[0], position=-0.3), replace(FAIR[1], presentation=-0.3))
    simulated = simulate(World(PRODUCERS, 60, 5), judges, 1)
    dataset = write_dataset(simulated, tmp_path / "planted")
    for place in range(2):
        for context, shuffle in (("sentence", None), ("caption", None), ("caption", 0), ("caption", 1)):
            write_run(simulated, place, dataset, tmp_path / "runs", context=context, shuffle=shuffle)
    panel = read_panel(dataset)
    runs = find_runs(tmp_path / "runs", dataset, panel.all_ids).runs
    shuffled = [run for run in runs if run.spec.context == "shuffled-caption"]
    grids, draws = grids_of(panel), Draws(panel.stratum, 0, 20)
    judged = [judge_numbers(run, panel, grids, draws) for run in runs if run not in shuffled]
    entries = position_entries(dataset, panel, judged, shuffled)
    for name in ("judge-alpha", "judge-alpha in captions"):
        assert is_found(entries[name]["content"], -1)
        assert entries[name]["presentation"]["value"] == 0
    for name in ("judge-beta", "judge-beta in captions"):
        assert not is_found(entries[name]["content"], -1)
        assert is_found(entries[name]["presentation"], -1)
    # As captions are written, place and index are the same: the slope in captions holds both.
    assert is_found(entries["judge-beta in captions"]["slope"], -1)


ONE = PRODUCERS[:1]
STRANGE: Mapping[str, tuple[World, SimulatedJudge]] = {
    "no incorrect sentence": (World(tuple(replace(each, wrong=0.0) for each in PRODUCERS), 30), FAIR[0]),
    "no correct sentence": (World(tuple(replace(each, wrong=1.0) for each in PRODUCERS), 30), FAIR[0]),
    "one image": (World(PRODUCERS, 1, 40, icc=0.0), FAIR[0]),
    "one image of one producer": (World(ONE, 1, 3, icc=0.0), FAIR[0]),
    "one producer": (World(ONE, 60), FAIR[0]),
    "one sentence a caption": (World(PRODUCERS, 60, 1), FAIR[0]),
    "hardly a sentence": (World(ONE, 1, 1, icc=0.0), FAIR[0]),
    "one judge": (World(PRODUCERS, 60), FAIR[0]),
    "all failed": (World(PRODUCERS, 30), replace(FAIR[0], failures=1.0)),
    "half failed": (World(PRODUCERS, 30), replace(FAIR[0], failures=0.5)),
    "all ties": (World(PRODUCERS, 30), replace(FAIR[0], step=1e6)),
    "many ties": (World(PRODUCERS, 30), replace(FAIR[0], step=2.0)),
    "mostly unknown": (World(PRODUCERS, 30, unknown=0.97), FAIR[0]),
    "images and prompts": (World((*ONE, SimulatedProducer("p", 0.3, "p", Direction.TEXT_TO_IMAGE)), 40), FAIR[0]),
}
ESTIMATORS: Mapping[str, Callable[[Simulated], Any]] = {
    "auroc": lambda it: _scored(it).figure(range(len(it.panel.producers)))._asdict(),
    "position_bias": lambda it: position_bias(it.panel, it.score[0]),
    "presentation": place_effect,
    "context": lambda it: context_effects(it.panel, it.score[0], it.in_caption(0)[it.panel.row]),
    "self_preference": preferences,
    "detection": lambda it: detection(it.panel, it.score[0], Draws(it.panel.stratum, 0, 20)),
    "calibration": lambda it: calibration(it.panel, it.score[0], Draws(it.panel.stratum, 0, 20)),
    "filters": lambda it: filters(it.panel, it.score[0], 0),
}


def _scored(simulated: Simulated) -> Scored:
    panel = simulated.panel
    return Scored(grids_of(panel).by_producer, simulated.score[0], panel.cluster, Draws(panel.stratum, 0, 20))


def figures_in(said: Any) -> Iterator[Mapping[str, Any]]:
    """Every object with a value and a reason, however deep."""
    if isinstance(said, Mapping):
        if {"value", "reason"} <= said.keys():
            yield said
        said = list(said.values())
    if isinstance(said, list):
        for each in said:
            yield from figures_in(each)


def check(said: Any) -> None:
    """No NaN, and whatever is null has a reason."""
    json.dumps(said, allow_nan=False)
    for figure in figures_in(said):
        for name in ("value", "low", "high"):
            assert figure.get(name, 0) is not None or figure["reason"], figure


@pytest.mark.parametrize("estimator", ESTIMATORS)
@pytest.mark.parametrize("strange", STRANGE)
def test_what_cannot_be_known_is_null_with_a_reason(strange: str, estimator: str) -> None:
    world, judge = STRANGE[strange]
    check(ESTIMATORS[estimator](simulate(world, [judge], 3)))


@pytest.mark.parametrize("strange", STRANGE)
def test_the_whole_evaluation_of_a_strange_world_has_reasons(strange: str, tmp_path: Path) -> None:
    world, judge = STRANGE[strange]
    simulated = simulate(world, [judge, replace(judge, name="other", own=None)], 3)
    dataset = write_dataset(simulated, tmp_path / "planted")
    for place in range(2):
        write_run(simulated, place, dataset, tmp_path / "runs")
    check(evaluate(dataset, tmp_path / "runs", replicates=20))


def test_what_must_be_null_is() -> None:
    """The reasons above are not all warnings."""
    wholly_null = {
        "no incorrect sentence": ("auroc",),
        "one image": (),
        "all failed": ("auroc", "presentation"),
        "hardly a sentence": ("auroc", "presentation"),
    }
    for strange, estimators in wholly_null.items():
        simulated = simulate(STRANGE[strange][0], [STRANGE[strange][1]], 3)
        assert position_bias(simulated.panel, simulated.score[0])["incorrect"]["low"] is None
        assert all(one["value"] is None for one in preferences(simulated)["directions"]["image_to_text"]["effects"])
        for estimator in estimators:
            assert all(each["value"] is None for each in figures_in(ESTIMATORS[estimator](simulated))), strange
