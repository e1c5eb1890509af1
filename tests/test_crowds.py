"""Simulated annotators do what is planted, and what their votes come to is worth what it should be."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.labelling.agreement.annotators import annotators_of
from alignbench.labelling.record import record_events, resolve_labels
from alignbench.simulation.crowd import START, SimulatedAnnotator, simulate_labels, simulated_crowd
from alignbench.store import Dataset
from alignbench.types import Label
from alignbench.validate import validate
from generation.pipeline import generate

C, W, U = Label.CORRECT, Label.INCORRECT, Label.UNKNOWN
RECIPE = """
name: crowds
seed: 3
images: {source: scenes, count: 550}
captioners: [scenes-template]
labeller: scenes
"""
EVEN = simulated_crowd(0.75, 0.775, 0.8, 0.825, 0.85)
UNEVEN = simulated_crowd(0.95, 0.65, 0.65, 0.65, 0.65)
SEEDS = range(3)


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """The offline benchmark in small: 3,020 sentences, labelled by what the world holds."""
    folder = tmp_path_factory.mktemp("scenes")
    (folder / "recipe.yaml").write_text(RECIPE)
    generate(folder / "recipe.yaml", folder / "scenes")
    return Dataset.open(folder / "scenes")


def labels(dataset: Path) -> dict[str, Label | None]:
    return {sentence.sentence_id: sentence.label for sentence in Dataset.open(dataset).sentences()}


def share(said: dict[str, Label | None], truth: dict[str, Label | None]) -> float:
    return sum(said[sentence] is label for sentence, label in truth.items()) / len(truth)


def labelled(
    scenes: Dataset, crowd: tuple[SimulatedAnnotator, ...], seed: int, folder: Path
) -> tuple[Path, list[float]]:
    """A copy of the dataset with the crowd's labels, and how often each annotator is right."""
    path, truth = Path(shutil.copytree(scenes.path, folder / "copy")), labels(scenes.path)
    events = simulate_labels(scenes, crowd, seed=seed)
    record_events(path, events)
    said = {one.name: {e.sentence_id: e.label for e in events if e.annotator == one.name} for one in crowd}
    return path, [share(each, truth) for each in said.values()]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_majority_of_an_even_crowd_beats_each_of_them(scenes: Dataset, seed: int, tmp_path: Path) -> None:
    path, alone = labelled(scenes, EVEN, seed, tmp_path)
    majority = share(labels(path), labels(scenes.path))
    assert majority > max(alone) + 0.03
    assert [round(each, 1) for each in alone] == pytest.approx([0.75, 0.775, 0.8, 0.825, 0.85], abs=0.1)
    assert Dataset.open(path).shown_digest == scenes.shown_digest


@pytest.mark.parametrize("seed", SEEDS)
def test_dawid_skene_finds_the_good_annotator_among_poor_ones(scenes: Dataset, seed: int, tmp_path: Path) -> None:
    path, alone = labelled(scenes, UNEVEN, seed, tmp_path)
    truth = labels(scenes.path)
    majority = share(labels(path), truth)
    resolve_labels(path, rule="dawid-skene")
    assert share(labels(path), truth) >= max(alone) - 0.01
    assert majority < max(alone) - 0.05
    assert validate(path) == []


def test_a_crowd_is_as_right_as_was_planted(scenes: Dataset) -> None:
    confusion = ((0.8, 0.2, 0.0), (0.1, 0.6, 0.3), (0.0, 0.0, 1.0))
    crowd = (SimulatedAnnotator("plain", 0.7), SimulatedAnnotator("odd", confusion=confusion))
    truth = labels(scenes.path)
    events = [event for seed in range(2) for event in simulate_labels(scenes, crowd, seed=seed)]
    for one in crowd:
        counted = Counter((truth[e.sentence_id], e.label) for e in events if e.annotator == one.name)
        for row, right in enumerate((C, W)):
            total = sum(counted[right, label] for label in Label)
            found = [counted[right, label] / total for label in Label]
            assert found == pytest.approx(one.matrix()[row], abs=4 * np.sqrt(0.25 / total))


def test_what_one_annotator_says_does_not_depend_on_the_others(scenes: Dataset) -> None:
    alone, among = (simulate_labels(scenes, crowd, seed=1) for crowd in (EVEN[:1], EVEN))
    assert alone == [event for event in among if event.annotator == "annotator-1"]
    assert alone != simulate_labels(scenes, EVEN[:1], seed=2)
    second = [event.label for event in among if event.annotator == "annotator-2"]
    assert [event.label for event in alone] != second


def test_spans_are_moved_as_far_as_planted(scenes: Dataset) -> None:
    truth = {sentence.sentence_id: sentence for sentence in scenes.sentences()}
    exact = [e for e in simulate_labels(scenes, (SimulatedAnnotator("a", 1.0),)) if e.label is W]
    assert len(exact) == scenes.counts["incorrect"]
    assert all(e.spans == truth[e.sentence_id].spans for e in exact)
    moved = [e for e in simulate_labels(scenes, (SimulatedAnnotator("a", 1.0, jitter=3),)) if e.label is W]
    off = [
        (span.start - right.start, span.end - right.end)
        for e in moved
        for span, right in zip(e.spans, truth[e.sentence_id].spans, strict=True)
    ]
    assert {abs(each) for pair in off for each in pair} == {0, 1, 2, 3}
    mistyped = [e for e in simulate_labels(scenes, (SimulatedAnnotator("a", 1.0, mistyped=1.0),)) if e.label is W]
    assert all(
        span.error_type is not right.error_type
        for e in mistyped
        for span, right in zip(e.spans, truth[e.sentence_id].spans, strict=True)
    )


def test_a_wrong_alarm_marks_a_word(scenes: Dataset) -> None:
    always = SimulatedAnnotator("a", confusion=((0, 1, 0),) * 3)
    alarms = simulate_labels(scenes, (always,))
    assert {event.label for event in alarms} == {W}
    truth = labels(scenes.path)
    for event in alarms:
        if truth[event.sentence_id] is C:
            (span,) = event.spans
            assert event.text[span.start : span.end] in event.text.split()


def test_pace_and_share_of_what_is_answered(scenes: Dataset) -> None:
    events = simulate_labels(scenes, (SimulatedAnnotator("a", 0.9, answered=0.5, seconds=8),))
    assert len(events) == pytest.approx(1510, abs=120)
    seconds = [event.seconds or 0.0 for event in events]
    assert np.mean(seconds) == pytest.approx(8, rel=0.2)
    assert events[-1].time == START + sum((dt.timedelta(seconds=each) for each in seconds), dt.timedelta())
    assert [event.time for event in events] == sorted(event.time for event in events)


def test_nobody_of_an_even_crowd_is_suspected(scenes: Dataset, tmp_path: Path) -> None:
    shutil.copytree(scenes.path, tmp_path / "labelled")
    record_events(tmp_path / "labelled", simulate_labels(scenes, EVEN, seed=1))
    annotators = annotators_of(Dataset.open(tmp_path / "labelled"), replicates=200)
    assert [(each["annotator"], each["suspicions"]) for each in annotators if each["suspicions"]] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"accuracy": 0.8, "confusion": ((1, 0, 0),) * 3},
        {"accuracy": 1.2},
        {"confusion": ((0.5, 0, 0),) * 3},
        {"confusion": ((1, 0, 0),) * 2},
        {"accuracy": 0.8, "answered": 2},
        {"accuracy": 0.8, "jitter": -1},
        {"accuracy": 0.8, "seconds": 0},
    ],
    ids=["nothing", "both", "too sure", "no shares", "two rows", "answered", "jitter", "seconds"],
)
def test_what_is_no_annotator_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="annotator 'a'"):
        SimulatedAnnotator("a", **wrong)  # type: ignore[arg-type]


def test_annotators_have_names_of_their_own(scenes: Dataset) -> None:
    with pytest.raises(UsageError, match="a name of their own"):
        simulate_labels(scenes, (EVEN[0], EVEN[0]))
