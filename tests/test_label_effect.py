"""What corrections change: the numbers of evaluate, before and after, and how sure their difference is."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from alignbench.analysis.correction import NO_MOVE, NOTHING_CHANGED, ONE_CLUSTER, change
from alignbench.cells import Cells
from alignbench.cli import alignbench, run
from alignbench.errors import DatasetError, RunError, UsageError
from alignbench.evaluate.results import evaluate
from alignbench.labelling.assisted.corrections import TOLD, effect_of
from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events, resolve_labels
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.significance import holm
from alignbench.simulation import SimulatedJudge, simulate
from alignbench.store import Dataset
from alignbench.types import Label, LabelEvent, Role, Sentence
from tests.datasets import make_dataset
from tests.noisy_worlds import Noisy, world_of, write_noisy
from tests.oracles import BoolArray
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

Json = dict[str, Any]


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Noisy:
    return write_noisy(tmp_path_factory.mktemp("world"), world_of(60))


def by_name(said: Json) -> dict[str, Json]:
    """The judges of a result."""
    return {judge["name"]: judge for judge in said["judges"]}


def test_before_and_after_are_what_evaluate_says(noisy: Noisy) -> None:
    said = effect_of(noisy.true, noisy.runs, against=noisy.noisy)
    before, after = (by_name(evaluate(each, noisy.runs, replicates=50)) for each in (noisy.noisy, noisy.true))
    assert said["producers"] == ["alpha", "beta", "delta", "gamma"]
    for name, judge in by_name(said).items():
        assert judge["before"] == pytest.approx(before[name]["auroc"]["value"], abs=1e-12)
        assert judge["after"] == pytest.approx(after[name]["auroc"]["value"], abs=1e-12)
        assert judge["delta"] == judge["after"] - judge["before"] > 0.02
        assert judge["low"] < judge["delta"] < judge["high"]
        assert judge["low"] > 0
        assert judge["p"] < 0.01
        assert judge["rank"] == {"before": before[name]["rank"], "after": after[name]["rank"]}
    assert [judge["name"] for judge in said["judges"]] == ["strong", "good", "weak"]
    assert said["changed"] == noisy.flipped.sum() == sum(each["sentences"] for each in said["labels"])
    assert {(each["from"], each["to"]) for each in said["labels"]} == {
        ("correct", "incorrect"),
        ("incorrect", "correct"),
    }


def test_the_way_back_is_the_same_with_the_other_sign(noisy: Noisy) -> None:
    there = by_name(effect_of(noisy.true, noisy.runs, against=noisy.noisy))
    back = by_name(effect_of(noisy.noisy, noisy.runs, against=noisy.true))
    for name, judge in there.items():
        assert judge["delta"] == -back[name]["delta"]
        assert judge["se"] == pytest.approx(back[name]["se"], rel=1e-12)
        assert (judge["low"], judge["high"]) == pytest.approx((-back[name]["high"], -back[name]["low"]))


def test_p_values_are_adjusted_over_judges_and_over_controls(noisy: Noisy, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number, shift in enumerate((0.0, 0.1, 1.0)):
        write_run(runs, noisy.true, f"judge-{number}", scores_for(noisy.true, shift, seed=number))
        write_run(runs, noisy.true, f"control-{number}", scores_for(noisy.true, shift, seed=9), control=f"c{number}")
    said = effect_of(noisy.true, runs, against=noisy.noisy)["judges"]
    assert [judge["control"] is None for judge in said] == [True] * 3 + [False] * 3
    for family in (said[:3], said[3:]):
        assert [judge["p_holm"] for judge in family] == holm([judge["p"] for judge in family])
        assert [judge["after"] for judge in family] == sorted((judge["after"] for judge in family), reverse=True)
    assert said[3]["rank"]["after"]["reason"] == "a blind control"


class Contests:
    """The macro AUROC of a judge, every correct sentence against every incorrect one, where clusters count anew."""

    def __init__(self, world: Noisy, is_correct: BoolArray) -> None:
        panel, score = world.simulated.panel, world.simulated.scores[0]
        self.parts = []
        for place in range(len(panel.producers)):
            right, wrong = (np.flatnonzero((panel.producer == place) & (is_correct == kind)) for kind in (True, False))
            above = score[right][:, None] - score[wrong][None, :]
            self.parts.append((panel.cluster[right], (above > 0) + 0.5 * (above == 0), panel.cluster[wrong]))

    def auroc(self, counts: np.typing.NDArray[np.int64]) -> float:
        """Where each cluster counts so often."""
        aurocs = [
            counts[right] @ won @ counts[wrong] / (counts[right].sum() * counts[wrong].sum())
            for right, won, wrong in self.parts
        ]
        return float(np.mean(aurocs))


def test_the_standard_error_is_that_of_a_bootstrap(tmp_path: Path) -> None:
    world = write_noisy(tmp_path, world_of(150, {"alpha": 0.2, "beta": 0.4}), (SimulatedJudge("one", 0.85),))
    truth = world.simulated.panel.is_correct
    after, before = Contests(world, truth), Contests(world, np.where(world.flipped, ~truth, truth))
    n = int(world.simulated.panel.cluster.max()) + 1
    rng = np.random.default_rng(3)
    draws = [rng.multinomial(n, np.full(n, 1 / n)) for _ in range(3000)]
    deltas = [after.auroc(counts) - before.auroc(counts) for counts in draws]
    judge = effect_of(world.true, world.runs, against=world.noisy)["judges"][0]
    once = np.ones(n, np.int64)
    assert judge["delta"] == pytest.approx(after.auroc(once) - before.auroc(once), abs=1e-12)
    assert judge["se"] == pytest.approx(np.std(deltas), rel=0.05)
    low, high = np.quantile(deltas, [0.025, 0.975])
    assert (judge["low"], judge["high"]) == pytest.approx((low, high), abs=0.1 * (high - low))


def test_the_standard_error_is_far_below_that_of_unpaired_reports(noisy: Noisy) -> None:
    judge = effect_of(noisy.true, noisy.runs, against=noisy.noisy)["judges"][0]
    ses = [
        by_name(evaluate(each, noisy.runs, replicates=50))["strong"]["auroc"]["se"]
        for each in (noisy.noisy, noisy.true)
    ]
    assert judge["se"] < np.hypot(*ses)


def adjudicated(dataset: Dataset, rows: Iterable[int], label: Label | None, day: int, role: Role) -> list[LabelEvent]:
    """What somebody says of some sentences on a day."""
    sentences = list(dataset.sentences())
    return [said_of(sentences[row], label, day, role) for row in rows]


def said_of(sentence: Sentence, label: Label | None, day: int, role: Role = Role.ADJUDICATOR) -> LabelEvent:
    """What somebody says of a sentence on a day."""
    return make_event(
        sentence_id=sentence.sentence_id,
        text=sentence.text,
        annotator="referee",
        time=dt.datetime(2026, 1, day, tzinfo=dt.UTC),
        label=label,
        role=role,
    )


@pytest.fixture
def corrected(tmp_path: Path) -> tuple[Dataset, Path]:
    """A dataset with events of two days, and a run."""
    dataset = write_dataset(tmp_path / "data", [Producer("one"), Producer("two")])
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.5))
    incorrect = [row for row, each in enumerate(dataset.sentences()) if each.label is Label.INCORRECT]
    record_events(dataset.path, adjudicated(dataset, incorrect[:20], Label.CORRECT, 1, Role.ADJUDICATOR))
    record_events(dataset.path, adjudicated(dataset, incorrect[30:60], Label.UNKNOWN, 3, Role.ANNOTATOR))
    record_events(dataset.path, adjudicated(dataset, incorrect[5:10], None, 4, Role.ADJUDICATOR))
    return Dataset.open(dataset.path), tmp_path / "runs"


def test_by_default_before_is_what_the_sentences_came_with(corrected: tuple[Dataset, Path], tmp_path: Path) -> None:
    dataset, runs = corrected
    said = effect_of(dataset, runs)
    original = write_dataset(tmp_path / "again" / "data", [Producer("one"), Producer("two")])
    assert said | {"before": None} == effect_of(dataset, runs, against=original) | {"before": None}
    assert said["changed"] == 45
    assert sum(each["sentences"] for each in said["labels"] if each["to"] == "unknown") == 30
    assert said["before"] == "the labels that sentences came with"
    assert said["rule"] == "strict-majority"


@pytest.mark.parametrize("day", [1, 2, 3, 5])
def test_labels_of_a_moment_are_those_that_resolve_writes(
    corrected: tuple[Dataset, Path], tmp_path: Path, day: int
) -> None:
    dataset, runs = corrected
    until = dt.datetime(2026, 1, day, tzinfo=dt.UTC)
    resolve_labels(dataset.path, rule="strict-majority", until=until, out=tmp_path / "then")
    then = Dataset.open(tmp_path / "then")
    said = effect_of(dataset, runs, until=until)
    assert said | {"before": None} == effect_of(dataset, runs, against=then) | {"before": None}
    assert said["changed"] == {1: 35, 2: 35, 3: 5, 5: 0}[day]


def test_labels_that_came_later_are_no_labels_before(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=30, labelled=False)
    write_run(tmp_path / "runs", dataset, "judge", np.random.default_rng(0).normal(size=180))
    labels = [Label.CORRECT, Label.INCORRECT]
    events = [said_of(each, labels[row % 2], 1 + row % 3) for row, each in enumerate(dataset.sentences())]
    record_events(dataset.path, events)
    now = Dataset.open(dataset.path)
    said = effect_of(now, tmp_path / "runs", until=dt.datetime(2026, 1, 2, tzinfo=dt.UTC))
    assert {(each["from"], each["to"]) for each in said["labels"]} == {(None, "correct"), (None, "incorrect")}
    assert said["changed"] == 60
    assert said["judges"][0]["delta"] != 0
    with pytest.raises(DatasetError, match="both before and after"):
        effect_of(now, tmp_path / "runs")


def test_only_producers_that_count_before_and_after_are_in_the_means(tmp_path: Path) -> None:
    producers = [Producer("one"), Producer("few", 0.12)]
    dataset = write_dataset(tmp_path / "data", producers)
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.5))
    sentences = enumerate(dataset.sentences())
    wrong = [row for row, each in sentences if each.pair_id.startswith("few") and each.label is Label.INCORRECT]
    assert len(wrong) >= 10
    record_events(dataset.path, adjudicated(dataset, wrong[9:], Label.CORRECT, 1, Role.ADJUDICATOR))
    said = effect_of(Dataset.open(dataset.path), tmp_path / "runs")
    assert (said["producers"], said["producers_left_out"]) == (["one"], ["few"])
    judge = said["judges"][0]
    assert (judge["delta"], judge["p"], judge["reason"], judge["clusters"]) == (0, 1, NOTHING_CHANGED, 0)
    assert said["changed"] > 0


def test_judges_that_were_told_labels_are_left_out_by_name(corrected: tuple[Dataset, Path]) -> None:
    dataset, runs = corrected
    write_run(runs, dataset, "told", scores_for(dataset, 2.0), briefed=True)
    write_run(runs, dataset, "order", scores_for(dataset, 1.0), context="shuffled-caption")
    said = effect_of(dataset, runs)
    assert [judge["name"] for judge in said["judges"]] == ["judge"]
    assert said["left_out"]["told"] == TOLD
    assert set(said["left_out"]) == {"told", "order"}


def test_runs_told_of_labels_before_are_refused_by_name(corrected: tuple[Dataset, Path], tmp_path: Path) -> None:
    dataset, runs = corrected
    old = write_dataset(tmp_path / "again" / "data", [Producer("one"), Producer("two")])
    write_run(runs, old, "told", scores_for(dataset, 2.0), briefed=True)
    said = effect_of(dataset, runs)
    assert [judge["name"] for judge in said["judges"]] == ["judge"]
    assert [reason.split(":")[0] for reason in said["refused"].values()] == ["told"]
    printed = CliRunner().invoke(alignbench, ["label", "effect", str(dataset.path), str(runs)]).output
    assert "left out: told: labels, which this judge was told, have changed" in printed


def test_where_all_were_told_there_is_nothing_to_say(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one")])
    write_run(tmp_path / "runs", dataset, "told", scores_for(dataset, 2.0), briefed=True)
    with pytest.raises(RunError, match="not told the labels:\n  told: it was told"):
        effect_of(dataset, tmp_path / "runs", against=dataset)


def test_what_cannot_be_compared_is_refused(corrected: tuple[Dataset, Path], tmp_path: Path) -> None:
    dataset, runs = corrected
    other = write_dataset(tmp_path / "other", [Producer("one"), Producer("three")])
    moment = dt.datetime(2026, 1, 2, tzinfo=dt.UTC)
    with pytest.raises(UsageError, match="not the images, captions and sentences"):
        effect_of(dataset, runs, against=other)
    with pytest.raises(UsageError, match="not both"):
        effect_of(dataset, runs, until=moment, against=dataset)
    with pytest.raises(UsageError, match="needs a time zone"):
        effect_of(dataset, runs, until=moment.replace(tzinfo=None))
    write_run(tmp_path / "more", other, "judge", scores_for(other, 1.0))
    with pytest.raises(UsageError, match=r"no label events.*--against"):
        effect_of(other, tmp_path / "more")


def scored_twice(
    world: Noisy, flipped: Iterable[int], score: np.typing.NDArray[np.float64] | None = None
) -> tuple[Scored, Scored]:
    """A judge on the true labels, and with some turned round."""
    panel = world.simulated.panel
    given = panel.is_correct.copy()
    given[list(flipped)] ^= True
    draws = Draws(panel.stratum, 0, 1)
    labelings = (given, panel.is_correct)
    cells = [Cells(each, panel.producer, len(panel.producers), ~each[:, None]) for each in labelings]
    scores = world.simulated.scores[0] if score is None else score
    before, after = (Scored(each, scores, panel.cluster, draws) for each in cells)
    return before, after


def test_changes_in_few_clusters_say_so(noisy: Noisy) -> None:
    everything = range(4)
    one = change(*scored_twice(noisy, [0]), everything, 1)
    assert (one.low, one.p, one.reason) == (None, None, ONE_CLUSTER)
    assert one.delta is not None and one.delta != 0
    few = change(*scored_twice(noisy, [0, 10, 20]), everything, 3)
    assert few.df == 2
    assert few.reason == "too few: labels changed in 3 clusters"
    assert few.low is not None and few.high is not None and few.delta is not None
    assert few.low < few.delta < few.high


def test_a_judge_that_says_nothing_moves_by_nothing(noisy: Noisy) -> None:
    constant = np.ones(noisy.simulated.scores[0].size)
    found = change(*scored_twice(noisy, range(0, 500, 5), constant), range(4), 60)
    assert (found.before, found.after, found.delta, found.p) == (0.5, 0.5, 0.0, 1.0)
    assert (found.low, found.reason) == (None, NO_MOVE)


def test_a_judge_without_scores_of_a_class_has_a_reason(corrected: tuple[Dataset, Path]) -> None:
    dataset, runs = corrected
    labels = dataset.sentences_table(["label"])["label"].to_pylist()
    half = np.where(np.array(labels, object) == "incorrect", np.nan, 1.0)
    write_run(runs, dataset, "half", half)
    write_run(runs, dataset, "nothing", half * np.nan)
    said = by_name(effect_of(dataset, runs))
    assert said["half"]["after"] is None
    assert said["half"]["reason"] == "no incorrect sentence with a score"
    assert said["half"]["p_holm"] is None
    assert said["half"]["rank"]["after"] == {"low": None, "high": None, "reason": "coverage under 99%"}
    assert said["nothing"]["reason"] == "no sentence with a score"
    assert said["judge"]["delta"] is not None


def test_intervals_hold_the_true_change(tmp_path: Path) -> None:
    world = world_of(60, {"alpha": 0.2, "beta": 0.4})
    judge = [SimulatedJudge("one", 0.8)]

    def measured(seed: int, images: int) -> tuple[float, float, float]:
        simulated = simulate(world_of(images, {"alpha": 0.2, "beta": 0.4}), judge, seed)
        panel = simulated.panel
        flipped = np.random.default_rng([seed, 1]).random(panel.is_correct.size) < 0.05
        fake = Noisy(None, None, tmp_path, flipped, simulated)  # type: ignore[arg-type]
        before, after = scored_twice(fake, np.flatnonzero(flipped).tolist())
        found = change(before, after, range(2), np.unique(panel.cluster[flipped]).size)
        assert found.delta is not None and found.low is not None and found.high is not None
        return found.delta, found.low, found.high

    truth = measured(1, 40_000)[0]
    held = [low <= truth <= high for _, low, high in (measured(seed, world.images) for seed in range(2, 202))]
    assert 0.90 <= np.mean(held) <= 0.99


def test_the_command_prints_and_writes(noisy: Noisy, tmp_path: Path) -> None:
    out = tmp_path / "new" / "effect.json"
    arguments = ["label", "effect", str(noisy.true.path), str(noisy.runs), "--against", str(noisy.noisy.path)]
    done = CliRunner().invoke(alignbench, [*arguments, "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert f"labels that are others now: {noisy.flipped.sum()}" in done.output
    assert "AUROC: mean over alpha, beta, delta, gamma" in done.output
    assert done.output.count(" → ") == 3
    assert "a rise flatters them" in done.output
    machine = CliRunner().invoke(alignbench, [*arguments, "--json"])
    assert json.loads(machine.output) == json.loads(out.read_text(encoding="utf-8"))
    assert json.loads(machine.output) == effect_of(noisy.true, noisy.runs, against=noisy.noisy)


def test_the_command_takes_a_day_as_its_midnight_in_utc(corrected: tuple[Dataset, Path]) -> None:
    dataset, runs = corrected
    said = []
    for moment in ("2026-01-02", "2026-01-02T00:00:00+00:00", "2026-01-02T05:30:00+05:30"):
        arguments = ["label", "effect", str(dataset.path), str(runs), "--before", moment, "--json"]
        said.append(json.loads(CliRunner().invoke(alignbench, arguments).output))
        said[-1].pop("before")
    assert said[0] == said[1] == said[2]
    assert said[0]["changed"] == 35
    assert run(["label", "effect", str(dataset.path), str(runs), "--before", "yesterday"]) == 2
