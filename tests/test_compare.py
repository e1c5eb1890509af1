"""What changed between two reports, on planted changes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from alignbench import cli
from alignbench.compare import REJECTED, UNPAIRED, compare_reports
from alignbench.errors import UsageError
from alignbench.evaluate import evaluation_of
from alignbench.report.scores import write_scores
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Label
from tests.oracles import FloatArray
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

PRODUCERS = [Producer("alpha"), Producer("beta", wrong=0.5)]


def relabelled(dataset: Dataset, path: Path) -> Dataset:
    """The same dataset in which the first sentence has the other label, and the second none."""
    pairs = {pair.pair_id: pair for pair in dataset.pairs()}
    sentences = list(dataset.sentences())
    other = {Label.CORRECT: Label.INCORRECT, Label.INCORRECT: Label.CORRECT}
    first = sentences[0]
    assert first.label is not None
    sentences[0] = replace(first, label=other[first.label], error_types=(), spans=())
    sentences[1] = replace(sentences[1], label=None, error_types=(), spans=())
    with DatasetWriter(path, name=dataset.name) as writer:
        for image in dataset.images():
            writer.add_image(image)
        for pair_id, pair in pairs.items():
            writer.add_pair(pair, [one for one in sentences if one.pair_id == pair_id])
    return Dataset.open(path)


def report(folder: Path, dataset: Dataset, runs: Path, *, seed: int = 0, scores: bool = True) -> Path:
    evaluation = evaluation_of(dataset, runs, seed=seed, replicates=100)
    folder.mkdir()
    (folder / "results.json").write_text(json.dumps(evaluation.results), encoding="utf-8")
    if scores:
        write_scores(evaluation, folder / "scores.parquet")
    return folder


def changed_scores(dataset: Dataset) -> FloatArray:
    """The strong judge after a change: the ten worst are now the best, and the first has no score."""
    scores = scores_for(dataset, 1.5, seed=1)
    scores[np.argsort(scores)[:10]] += 100
    scores[20] = np.nan
    return scores


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Report `a`; `b` of the changed dataset, with the strong judge changed, one judge gone, one new, one twin."""
    folder = tmp_path_factory.mktemp("compare")
    dataset = write_dataset(folder / "a" / "planted", PRODUCERS)
    other = relabelled(dataset, folder / "b" / "planted")
    before = folder / "runs-a"
    write_run(before, dataset, "strong", scores_for(dataset, 1.5, seed=1))
    write_run(before, dataset, "gone", scores_for(dataset, 0.5, seed=2))
    write_run(before, dataset, "twin", scores_for(dataset, 0.7, seed=3))
    write_run(before, dataset, "blind", np.zeros(dataset.counts["sentences"]), control="constant")
    after = folder / "runs-b"
    write_run(after, other, "strong", changed_scores(dataset))
    write_run(after, other, "new", scores_for(dataset, 0.5, seed=4))
    write_run(after, other, "twin", scores_for(dataset, 0.7, seed=3), options={"another": "prompt"})
    write_run(after, other, "blind", np.zeros(dataset.counts["sentences"]), control="constant")
    return {
        "a": report(folder / "report-a", dataset, before),
        "b": report(folder / "report-b", other, after, seed=3),
        "without": report(folder / "report-without", dataset, before, scores=False),
        "dataset": dataset,
    }


def judge(said: dict[str, Any], name: str) -> dict[str, Any]:
    return next(one for one in said["judges"] if one["name"]["b"] == name)


def stored(folder: Path, name: str) -> dict[str, dict[str, Any]]:
    rows = pq.read_table(folder / "scores.parquet").to_pylist()
    return {row["sentence_id"]: row for row in rows if row["judge"] == name}


def test_nothing_changed_between_a_report_and_itself(world: dict[str, Any]) -> None:
    said = compare_reports(world["a"], world["a"])
    assert said["dataset"] == said["settings"] == {}
    assert said["only_in_a"] == said["only_in_b"] == []
    assert said["labels"]["shared"] == world["dataset"].counts["sentences"]
    assert sum(said["labels"][name] for name in ("correct_to_incorrect", "incorrect_to_correct")) == 0
    for one in said["judges"]:
        assert one["auroc"]["change"] == 0
        assert one["producers"] == {}
        assert one["flips"]["now_rejected"] == one["flips"]["now_accepted"] == {"correct": 0, "incorrect": 0}
        assert one["flips"]["first"] == []
    assert said["says"] == [UNPAIRED, REJECTED]


def test_datasets_and_settings_say_what_is_different(world: dict[str, Any]) -> None:
    said = compare_reports(world["a"], world["b"])
    assert set(said["dataset"]) >= {"digest", "correct", "unlabelled"}
    assert "shown_digest" not in said["dataset"]
    assert said["dataset"]["unlabelled"] == {"a": 0, "b": 1}
    assert said["settings"] == {"seed": {"a": 0, "b": 3}}
    assert said["says"][0] == "the same images, captions and sentences with other labels, or other facts about them"


def test_labels_that_changed_are_counted_and_named(world: dict[str, Any]) -> None:
    said = compare_reports(world["a"], world["b"])["labels"]
    first = next(iter(world["dataset"].sentences()))
    assert (said["shared"], said["only_in_a"], said["only_in_b"]) == (world["dataset"].counts["sentences"] - 1, 1, 0)
    assert said["correct_to_incorrect"] + said["incorrect_to_correct"] == 1
    (changed,) = said["first"]
    assert (changed["sentence_id"], changed["a"]) == (first.sentence_id, str(first.label))
    assert changed["b"] != changed["a"]


def test_judges_are_told_apart_by_id(world: dict[str, Any]) -> None:
    said = compare_reports(world["a"], world["b"])
    assert {one["name"]["b"] for one in said["judges"]} == {"strong", "blind"}
    gone, twin = sorted(said["only_in_a"], key=lambda one: one["name"])
    assert (gone["name"], gone["same_name"]) == ("gone", None)
    new, other = sorted(said["only_in_b"], key=lambda one: one["name"])
    assert (new["name"], new["same_name"]) == ("new", None)
    assert twin["same_name"] == other["judge_id"] != twin["judge_id"] == other["same_name"]


def test_a_judge_that_changed_shows_what(world: dict[str, Any]) -> None:
    said = judge(compare_reports(world["a"], world["b"]), "strong")
    auroc = said["auroc"]
    assert auroc["change"] == pytest.approx(auroc["b"]["value"] - auroc["a"]["value"])
    assert auroc["change"] < 0
    assert set(auroc["a"]) == {"value", "low", "high", "reason"}
    assert said["coverage"]["a"] == 1 > said["coverage"]["b"]
    assert said["failures"] == {"a": {}, "b": {"failed": 1}}
    assert set(said["producers"]) <= {"alpha", "beta"}
    for each in said["producers"].values():
        assert each["change"] == pytest.approx(each["b"]["value"] - each["a"]["value"])


def test_flips_are_found_sentence_by_sentence(world: dict[str, Any]) -> None:
    said = judge(compare_reports(world["a"], world["b"], limit=10_000), "strong")["flips"]
    tables = [
        {
            row["sentence_id"]: row
            for row in pq.read_table(world[side] / "scores.parquet").to_pylist()
            if row["judge"] == "strong"
        }
        for side in "ab"
    ]
    old, new = tables
    both = [key for key in new if key in old and None not in {old[key]["rejected"], new[key]["rejected"]}]
    flipped = [key for key in both if old[key]["rejected"] != new[key]["rejected"]]
    assert said["shared"] == len(both)
    assert [each["sentence_id"] for each in said["first"]] == flipped
    assert len(flipped) >= 10
    for each in said["first"]:
        key = each["sentence_id"]
        assert each["rejected"] == {"a": old[key]["rejected"], "b": new[key]["rejected"]}
        assert each["score"] == {"a": old[key]["score"], "b": new[key]["score"]}
        assert each["label"] == new[key]["label"]
    for kind, state in (("now_rejected", True), ("now_accepted", False)):
        for label in ("correct", "incorrect"):
            counted = sum(new[key]["rejected"] is state and new[key]["label"] == label for key in flipped)
            assert said[kind][label] == counted
    limited = judge(compare_reports(world["a"], world["b"], limit=3), "strong")["flips"]
    assert limited["first"] == said["first"][:3]
    assert limited["now_accepted"] == said["now_accepted"]


def test_texts_come_from_the_dataset_where_it_is_given(world: dict[str, Any]) -> None:
    said = compare_reports(world["a"], world["b"], limit=2, dataset=world["dataset"])
    texts = {one.sentence_id: one.text for one in world["dataset"].sentences()}
    named = [*judge(said, "strong")["flips"]["first"], *said["labels"]["first"]]
    assert named
    assert all(each["text"] == texts[each["sentence_id"]] for each in named)


@pytest.mark.parametrize(("a", "b"), [("without", "b"), ("a", "without"), ("without", "without")])
def test_a_report_without_scores_is_compared_without_flips(world: dict[str, Any], a: str, b: str) -> None:
    said = compare_reports(world[a], world[b])
    assert said["labels"] is None
    assert all(one["flips"] is None for one in said["judges"])
    assert judge(said, "strong")["auroc"]["change"] is not None
    assert "report-without has no scores.parquet; run `alignbench evaluate` again" in said["says"][-1]


def test_scores_of_another_evaluation_are_not_used(world: dict[str, Any], tmp_path: Path) -> None:
    for name, origin in (("results.json", "a"), ("scores.parquet", "b")):
        (tmp_path / name).write_bytes((world[origin] / name).read_bytes())
    said = compare_reports(world["a"], tmp_path)
    assert said["labels"] is None
    assert "is of another evaluation than the results beside it" in said["says"][-1]


def test_damaged_scores_are_wrong_use(world: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "results.json").write_bytes((world["a"] / "results.json").read_bytes())
    whole = (world["a"] / "scores.parquet").read_bytes()
    (tmp_path / "scores.parquet").write_bytes(whole[:-20])
    with pytest.raises(UsageError, match="cannot be read"):
        compare_reports(world["a"], tmp_path)
    pq.write_table(pq.read_table(world["a"] / "scores.parquet").drop_columns(["rejected"]), tmp_path / "scores.parquet")
    with pytest.raises(UsageError, match="column 'rejected' is missing"):
        compare_reports(world["a"], tmp_path)
    # The middle of the file, under a whole footer.
    place = len(whole) // 3
    (tmp_path / "scores.parquet").write_bytes(whole[:place] + b"\0" * 2000 + whole[place + 2000 :])
    with pytest.raises(UsageError, match="cannot be read"):
        compare_reports(world["a"], tmp_path)


def test_wrong_use_says_so(world: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is no folder, so it is no report"):
        compare_reports(world["a"], tmp_path / "nowhere")
    with pytest.raises(UsageError, match="the limit -1 must be at least 0"):
        compare_reports(world["a"], world["b"], limit=-1)


def test_datasets_of_other_names_share_no_sentence(world: dict[str, Any], tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "elsewhere", [Producer("gamma", wrong=0.5)])
    write_run(tmp_path / "runs", dataset, "strong", scores_for(dataset, 1.5))
    said = compare_reports(world["a"], report(tmp_path / "report", dataset, tmp_path / "runs"))
    assert said["says"][0] == "the reports are of different datasets: planted and elsewhere"
    assert said["labels"]["shared"] == 0
    found = judge(said, "strong")
    assert found["flips"]["shared"] == 0
    assert found["flips"]["threshold"] == {"a": None, "b": None}
    assert found["producers"]["alpha"]["b"] == {
        "value": None,
        "low": None,
        "high": None,
        "reason": "not in this report",
    }
    assert found["producers"]["alpha"]["change"] is None


def test_the_command_prints_blocks_or_json(world: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    a, b = str(world["a"]), str(world["b"])
    assert cli.run(["compare", a, b, "--limit", "2", "--dataset", str(world["dataset"].path)]) == 0
    said = capsys.readouterr().out
    for title in ("DATASET AND SETTINGS", "JUDGES", "AUROC BY PRODUCER, WHERE IT CHANGED", "LABELS", "FLIPPED: strong"):
        assert title in said
    assert "only before: gone" in said
    assert "another judge by its id" in said
    assert "without a score: strong: none -> 1 failed" in said
    assert "more: --limit N names N" in said
    assert "Sentence 0 of photo-0." in said
    assert UNPAIRED in said
    assert cli.run(["compare", a, b, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == compare_reports(world["a"], world["b"])


def test_the_command_says_little_where_nothing_changed(
    world: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["compare", str(world["a"]), str(world["a"])]) == 0
    said = capsys.readouterr().out
    assert "FLIPPED" not in said
    assert "LABELS" not in said
    assert "SETTINGS" not in said
    assert cli.run(["compare", str(world["without"]), str(world["a"])]) == 0
    assert "labels and flipped sentences are not compared" in capsys.readouterr().out
