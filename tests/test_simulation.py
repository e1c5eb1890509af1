"""Simulated worlds have what was planted, no more and no less, and the estimators read them like any other."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from sklearn.metrics import roc_auc_score

from alignbench.cli import alignbench as program
from alignbench.errors import AlignbenchError, DatasetError, UnknownNameError, UsageError
from alignbench.evaluate import evaluate
from alignbench.panel import read_panel
from alignbench.shuffling import SHUFFLED_CAPTION, displayed_index
from alignbench.simulation import (
    Simulated,
    SimulatedJudge,
    SimulatedProducer,
    World,
    simulate,
    write_dataset,
    write_run,
)
from alignbench.simulation.parse import parse_judge, parse_producer
from alignbench.simulation.sentences import UNKNOWN
from alignbench.store import Dataset
from alignbench.types import Direction
from alignbench.validate import validate

IMAGES = 20_000
PRODUCERS = (
    SimulatedProducer("zebra", 0.1, "z"),
    SimulatedProducer("alpha", 0.3, "a"),
    SimulatedProducer("painter", 0.4, "p", Direction.TEXT_TO_IMAGE),
)


def large(*judges: SimulatedJudge, icc: float = 0.5, **properties: Any) -> Simulated:
    """60,000 captions of 3 sentences."""
    return simulate(World(PRODUCERS, IMAGES, 3, icc, **properties), judges, seed=3)


def within(simulated: Simulated, values: Any, producer: int = 0) -> Any:
    """(images, sentences) what all sentences of one producer have."""
    world = simulated.world
    return values.reshape(len(world.producers), world.images, world.sentences)[producer]


def residual(simulated: Simulated, judge: int = 0) -> Any:
    """(N,) scores less their mean among the sentences with that label."""
    score, label = simulated.scores[judge], simulated.sentences.label
    return score - np.array([score[label == each].mean() if (label == each).any() else 0 for each in range(3)])[label]


@pytest.mark.parametrize("icc", [0.0, 0.2, 0.5, 1.0])
def test_labels_correlate_within_a_caption_as_planted(icc: float) -> None:
    drawn = large(icc=icc)
    for place, producer in enumerate(PRODUCERS):
        wrong = within(drawn, drawn.sentences.label == 0, place).astype(float)
        assert wrong.mean() == pytest.approx(producer.wrong, abs=0.01)
        assert np.corrcoef(wrong.T)[0, 1:] == pytest.approx(np.full(2, icc), abs=0.03)


def test_a_hard_image_is_hard_for_all_captioners_and_prompts_are_others() -> None:
    drawn = large()
    wrong = [within(drawn, drawn.sentences.label == 0, place).mean(axis=1) for place in range(3)]
    together = np.corrcoef(wrong)
    assert together[0, 1] > 0.3
    assert abs(together[0, 2]) < 0.03
    assert set(drawn.panel.stratum[np.unique(drawn.panel.cluster[drawn.panel.producer == 1])]) == {1}
    assert drawn.panel.stratum.size == 2 * IMAGES


def test_first_sentences_are_truer_where_planted_and_the_share_over_all_stays() -> None:
    drawn = large(first=0.25)
    for place, producer in enumerate(PRODUCERS):
        by_index = within(drawn, drawn.sentences.label == 0, place).mean(axis=0)
        assert by_index.mean() == pytest.approx(producer.wrong, abs=0.01)
        assert by_index[0] / by_index[1:] == pytest.approx(np.full(2, 0.25), abs=0.03)


def test_unknown_labels_are_left_out_of_the_panel() -> None:
    drawn = large(SimulatedJudge("one"), unknown=0.3)
    assert np.mean(drawn.sentences.label == UNKNOWN) == pytest.approx(0.3, abs=0.01)
    assert np.array_equal(drawn.panel.row, np.flatnonzero(drawn.sentences.label != UNKNOWN))
    assert drawn.score.shape == (1, drawn.panel.row.size)


@pytest.mark.parametrize("auroc", [0.3, 0.5, 0.8, 0.99])
def test_the_auroc_is_the_planted_one(auroc: float) -> None:
    drawn = large(SimulatedJudge("one", auroc=auroc))
    assert roc_auc_score(drawn.panel.is_correct, drawn.score[0]) == pytest.approx(auroc, abs=0.01)


def test_single_producers_may_have_another_auroc() -> None:
    drawn = large(SimulatedJudge("one", auroc=0.6, auroc_of={"alpha": 0.9}))
    for name, expected in (("alpha", 0.9), ("zebra", 0.6), ("painter", 0.6)):
        its = drawn.panel.producer == drawn.panel.producers.index(name)
        found = roc_auc_score(drawn.panel.is_correct[its], drawn.score[0, its])
        assert found == pytest.approx(expected, abs=0.012)


@pytest.mark.parametrize("icc", [0.0, 0.5, 1.0])
def test_scores_have_unit_variance_and_the_planted_correlation_within_an_image(icc: float) -> None:
    drawn = large(SimulatedJudge("one", icc=icc, shared=0.5))
    left = residual(drawn)
    assert left.std() == pytest.approx(1, abs=0.01)
    for pair in (
        (within(drawn, left)[:, 0], within(drawn, left)[:, 2]),
        (within(drawn, left)[:, 0], within(drawn, left, 1)[:, 0]),
    ):
        assert np.corrcoef(*pair)[0, 1] == pytest.approx(icc, abs=0.03)
    assert abs(np.corrcoef(within(drawn, left)[:, 0], within(drawn, left, 2)[:, 0])[0, 1]) < 0.03


def test_judges_share_as_much_as_planted() -> None:
    drawn = large(SimulatedJudge("a", shared=0.4), SimulatedJudge("b", shared=0.4), SimulatedJudge("c"))
    together = np.corrcoef([residual(drawn, place) for place in range(3)])
    assert together[0, 1] == pytest.approx(0.4, abs=0.02)
    assert together[[0, 1], 2] == pytest.approx(np.zeros(2), abs=0.02)


def test_each_effect_moves_the_sentences_it_is_planted_on_and_no_others() -> None:
    fair = SimulatedJudge("one", own="a")
    plain = large(fair)
    owned, wrong = plain.sentences.producer == 1, plain.sentences.label == 0
    expected = {
        "position": plain.sentences.index * 0.3,
        "preference": 0.3 * (owned & wrong),
        "favour": 0.3 * owned,
    }
    for name, moved in expected.items():
        found = large(replace(fair, **{name: 0.3})).scores - plain.scores
        assert found[0] == pytest.approx(moved), name


def test_ties_and_failures() -> None:
    drawn = large(SimulatedJudge("one", step=0.5, failures=0.1))
    score = drawn.scores[0]
    assert np.isnan(score).mean() == pytest.approx(0.1, abs=0.01)
    assert np.array_equal(np.unique(score[~np.isnan(score)] * 2 % 1), [0.0])


def test_presentation_follows_the_displayed_place_and_content_the_own_one() -> None:
    drawn = simulate(
        World(PRODUCERS, 500), [SimulatedJudge("content", position=0.5), SimulatedJudge("shown", presentation=0.5)]
    )
    places = drawn.places(0)
    assert np.array_equal(np.sort(within(drawn, places), axis=1), np.tile(np.arange(5), (500, 1)))
    assert np.array_equal(drawn.places(1), 4 - places)
    assert abs(np.corrcoef(places, drawn.sentences.index)[0, 1]) < 0.05
    for shuffle in (None, 0):
        content, shown = (drawn.in_caption(judge, shuffle) - drawn.scores[judge] for judge in (0, 1))
        assert not content.any()
        assert shown == pytest.approx(0.5 * drawn.places(shuffle))


def test_a_restless_judge_draws_that_part_of_its_noise_anew() -> None:
    drawn = large(SimulatedJudge("one", restless=0.3, icc=0.2))
    change = drawn.in_caption(0) - drawn.scores[0]
    assert change.var() == pytest.approx(2 * 0.3 * 0.8, rel=0.03)
    assert residual(drawn).std() == pytest.approx(1, abs=0.01)


def test_the_same_seed_gives_the_same_arrays_and_judges_do_not_depend_on_each_other() -> None:
    one, two = SimulatedJudge("one", shared=0.3), SimulatedJudge("two", failures=0.2)
    world = World(PRODUCERS, 50)
    drawn, again, alone = simulate(world, [one, two], 1), simulate(world, [one, two], 1), simulate(world, [one], 1)
    assert np.array_equal(drawn.scores, again.scores, equal_nan=True)
    assert np.array_equal(drawn.scores[0], alone.scores[0])
    assert np.array_equal(drawn.sentences.label, alone.sentences.label)
    assert not np.array_equal(drawn.sentences.label, simulate(world, [], 2).sentences.label)


def test_a_million_sentences_in_arrays_as_wanted() -> None:
    drawn = simulate(World(PRODUCERS[:2], 100_000, 5), [SimulatedJudge("one")])
    assert drawn.score.shape == (1, 1_000_000)
    assert drawn.panel.cluster.max() == 99_999


@pytest.mark.parametrize("producers", [PRODUCERS, PRODUCERS[:1], PRODUCERS[2:]])
def test_the_panel_is_the_one_read_from_the_written_dataset(
    producers: Sequence[SimulatedProducer], tmp_path: Path
) -> None:
    drawn = simulate(World(tuple(producers), 12, 8, unknown=0.6, first=0.5), [SimulatedJudge("one", failures=0.1)], 5)
    dataset = write_dataset(drawn, tmp_path / "planted")
    assert validate(dataset.path) == []
    found = read_panel(dataset)
    for field in fields(found):
        ours, read = getattr(drawn.panel, field.name), getattr(found, field.name)
        if isinstance(read, np.ndarray):
            assert np.array_equal(ours, read, equal_nan=read.dtype == np.float64), field.name
        else:
            assert ours == read, field.name


def test_what_is_written_is_evaluated_to_the_same_numbers(tmp_path: Path) -> None:
    judges = [SimulatedJudge("good", auroc=0.9), SimulatedJudge("poor", auroc=0.6, failures=0.05, own="a")]
    drawn = simulate(World(PRODUCERS[:2], 40), judges)
    dataset = write_dataset(drawn, tmp_path / "planted")
    for place in range(2):
        write_run(drawn, place, dataset, tmp_path / "runs")
    said = {one["name"]: one for one in evaluate(dataset, tmp_path / "runs", replicates=50)["judges"]}
    assert said["poor"]["failures"] == {"failed": int(np.isnan(drawn.score[1]).sum())}
    assert said["poor"]["family"] == "a"
    for judge, score in zip(judges, drawn.score, strict=True):
        for place, name in enumerate(drawn.panel.producers):
            its = (drawn.panel.producer == place) & ~np.isnan(score)
            expected = roc_auc_score(drawn.panel.is_correct[its], score[its])
            assert said[judge.name]["by_producer"][name]["value"] == pytest.approx(expected)


def test_judges_that_differ_in_what_is_planted_have_runs_of_their_own(tmp_path: Path) -> None:
    judges = [SimulatedJudge("one", position=0.1), SimulatedJudge("two", position=0.2)]
    drawn = simulate(World(PRODUCERS[:1], 3), judges)
    dataset = write_dataset(drawn, tmp_path / "planted")
    assert len({write_run(drawn, place, dataset, tmp_path / "runs") for place in (0, 1, 0)}) == 2


def test_shuffled_captions_are_shown_in_the_order_that_evaluate_takes_them_to_be(tmp_path: Path) -> None:
    drawn = simulate(World(PRODUCERS, 5, 7), [SimulatedJudge("one", presentation=-0.2)])
    dataset = write_dataset(drawn, tmp_path / "planted")
    for shuffle in (0, 1, 2):
        assert np.array_equal(displayed_index(dataset, shuffle), drawn.places(shuffle))
        folder = write_run(drawn, 0, dataset, tmp_path / "runs", context="caption", shuffle=shuffle)
        spec = json.loads((folder / "run.json").read_text())["spec"]
        assert (spec["context"], spec["options"]["shuffle"]) == (SHUFFLED_CAPTION, shuffle)
        scores = pq.read_table(folder / "judgments.parquet")["score"].to_numpy()
        assert np.array_equal(scores, drawn.in_caption(0, shuffle))
    with pytest.raises(UsageError):
        write_run(drawn, 0, dataset, tmp_path / "runs", shuffle=0)


def invoke(tmp_path: Path, *arguments: str) -> Any:
    return CliRunner().invoke(
        program, ["simulate", "--out", str(tmp_path / "d"), "--runs", str(tmp_path / "r"), *arguments]
    )


def test_the_command_writes_what_evaluate_reads(tmp_path: Path) -> None:
    done = invoke(
        tmp_path, "--images", "20", "--producer", "a=0.2,family=x", "--producer", "p=0.5,direction=text_to_image",
        "--judge", "j:auroc@a=.9,own=x,preference=.3,position=-0.1,step=.01", "--seed", "4", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.output)
    assert said["counts"]["sentences"] == 200
    results = evaluate(Dataset.open(tmp_path / "d"), tmp_path / "r", replicates=20)
    assert [one["name"] for one in results["judges"]] == ["j"]
    run = json.loads((Path(said["runs"][0]) / "run.json").read_text())
    assert run["spec"]["options"] | {"preference": 0.3, "auroc_of": {"a": 0.9}} == run["spec"]["options"]


def test_the_command_says_what_to_run_next(tmp_path: Path) -> None:
    done = invoke(tmp_path, "--images", "2")
    assert "next: alignbench evaluate" in done.output
    again = invoke(tmp_path)
    assert isinstance(again.exception, DatasetError)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--judge", "j:aurok=.8"], "nearest: auroc"),
        (["--judge", "j:auroc=1"], "above 0 and below 1"),
        (["--judge", "j:auroc=many"], "needs a number where it has 'many'"),
        (["--judge", "j:preference=.3"], "add own=FAMILY"),
        (["--shuffles", "-1"], "no -1 shuffles"),
        (["--judge", "j:failures=2"], "from 0 to 1"),
        (["--judge", "j:step=inf"], "step of j"),
        (["--judge", "j:position=nan"], "finite"),
        (["--judge", "j:auroc@nobody=.7"], "an auroc of nobody"),
        (["--judge", "j", "--judge", "j"], "its own name"),
        (["--judge", ":auroc=.7"], "needs a name"),
        (["--producer", "a"], "needs a number"),
        (["--producer", "a=1.5"], "from 0 to 1"),
        (["--producer", "=0.5"], "needs a name"),
        (["--producer", "a=.5", "--producer", "a=.4"], "twice: a"),
        (["--producer", "a=.5,direction=images"], "no direction 'images'"),
        (["--producer", "a=.5,kin=b"], "no property of a producer 'kin'"),
        (["--producer", "a=.9", "--first", "0.1"], "more than all would be incorrect"),
        (["--images", "0"], "at least 1"),
        (["--sentences", "0"], "at least 1"),
        (["--icc", "1.1"], "from 0 to 1"),
        (["--unknown", "-1"], "from 0 to 1"),
        (["--seed", "-1"], "at least 0"),
    ],
)
def test_bad_values_are_refused_with_what_is_allowed(arguments: list[str], words: str, tmp_path: Path) -> None:
    done = invoke(tmp_path, *arguments)
    assert isinstance(done.exception, AlignbenchError), done.output
    assert words in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_parsing() -> None:
    assert parse_producer("a=.25") == SimulatedProducer("a", 0.25, "a")
    assert parse_judge("j:own=x, favour=.5,presentation=-1") == SimulatedJudge(
        "j", own="x", favour=0.5, presentation=-1, auroc_of={}
    )
    with pytest.raises(UnknownNameError):
        parse_judge("j:name=k")
    with pytest.raises(UsageError):
        World(())
