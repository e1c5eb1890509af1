"""AUROCs under other rules for doubtful labels, against panels made by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.analysis.sensitivity import Variant, sensitivity, variants
from alignbench.cells import NOT_COMPARABLE, Cells
from alignbench.intervals import NO_SPREAD
from alignbench.panel import read_panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Votes
from tests.oracles import FloatArray, slow_auroc
from tests.planted_runs import pair_of, scores_for

PRODUCERS = ("alpha", "beta")
LABELS = (Label.CORRECT, Label.INCORRECT, Label.UNKNOWN)


def doubtful(
    path: Path, *, shares: Sequence[float] = (0.6, 0.3, 0.1), votes: bool = True, images: int = 60, clusters: int = 60
) -> Dataset:
    """Two producers' captions of three sentences whose labels have these shares; three or four vote on each."""
    rng = np.random.default_rng(0)
    with DatasetWriter(path, name="doubtful") as writer:
        for number in range(images):
            writer.add_image(Image(f"image-{number}", None, None, None, None, Origin.REAL, "planted"))
            for name in PRODUCERS:
                labels = [LABELS[place] for place in rng.choice(3, 3, p=shares)]
                pair, sentences = pair_of(
                    f"{name}/{number}",
                    f"image-{number}",
                    ModelRef(name),
                    Direction.IMAGE_TO_TEXT,
                    f"cluster-{number % clusters}",
                    labels,
                    [ErrorType.TEXT] * 3,
                )
                voted = [replace(one, votes=voted_for(one.label, rng) if votes else None) for one in sentences]
                writer.add_pair(pair, voted)
    return Dataset.open(path)


def voted_for(label: Label | None, rng: np.random.Generator) -> Votes:
    """Two of three, three of three, or three of four."""
    most, rest = ((2, 1), (3, 0), (3, 1))[int(rng.integers(3))]
    if label is Label.UNKNOWN:
        return Votes(1, 1, 1)
    return Votes(most, rest, 0) if label is Label.CORRECT else Votes(rest, most, 0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return doubtful(tmp_path_factory.mktemp("sensitivity") / "doubtful")


def rules(found: Sequence[Variant]) -> list[str]:
    return [variant.rule for variant in found]


def slow_macro(dataset: Dataset, score: FloatArray, rule: str) -> float:
    aurocs = []
    for name in PRODUCERS:
        is_correct, kept = [], []
        for place, sentence in enumerate(dataset.sentences()):
            label = sentence.label
            if rule.startswith("unknown as") and label is Label.UNKNOWN:
                label = Label(rule.removeprefix("unknown as "))
            votes = sentence.votes
            share = max(votes.correct, votes.incorrect) / (votes.correct + votes.incorrect) if votes else 0
            least = {"agreement at least 0.75": 0.75, "full agreement": 1.0}.get(rule, 0)
            if sentence.pair_id.startswith(name) and label is not Label.UNKNOWN and share >= least:
                is_correct.append(label is Label.CORRECT)
                kept.append(score[place])
        aurocs.append(slow_auroc(np.array(is_correct), np.array(kept)))
    return float(np.mean(aurocs))


def test_every_rule_gives_the_auroc_of_the_sentences_that_count_under_it(dataset: Dataset) -> None:
    score = scores_for(dataset, 1.0)
    found = variants(dataset, read_panel(dataset))
    expected = ["unknown as incorrect", "unknown as correct", "agreement at least 0.75", "full agreement"]
    assert rules(found) == expected
    said = sensitivity(score, found)
    assert [each["rule"] for each in said] == expected
    for each in said:
        assert each["value"] == pytest.approx(slow_macro(dataset, score, each["rule"]), abs=1e-12)
        assert 0 < each["low"] < each["value"] < each["high"] < 1
        assert each["reason"] is None
    counted = dataset.counts
    assert said[0]["n_incorrect"] == counted["incorrect"] + counted["unknown"]
    assert said[0]["n_correct"] == counted["correct"]
    assert said[1]["n_correct"] == counted["correct"] + counted["unknown"]


def test_the_interval_is_the_analytic_one_of_the_headline(dataset: Dataset) -> None:
    # Few clusters: the headline's own interval is the t interval on the logit scale.
    score, panel = scores_for(dataset, 1.0), read_panel(dataset, unknown_as=Label.INCORRECT)
    cells = Cells(panel.is_correct, panel.producer, 2, ~panel.is_correct[:, None])
    headline = Scored(cells, score[panel.row], panel.cluster, Draws(panel.stratum, 0, 1)).figure([0, 1])
    said = sensitivity(score, variants(dataset, read_panel(dataset)))[0]
    assert (said["value"], said["low"], said["high"]) == pytest.approx(headline[:3], abs=1e-12)


def test_rules_that_change_nothing_are_left_out(tmp_path: Path) -> None:
    sure = doubtful(tmp_path / "sure", shares=(0.7, 0.3, 0.0), votes=False)
    assert variants(sure, read_panel(sure)) == []
    assert sensitivity(scores_for(sure, 1.0), []) == []
    unvoted = doubtful(tmp_path / "unvoted", votes=False)
    assert rules(variants(unvoted, read_panel(unvoted))) == ["unknown as incorrect", "unknown as correct"]


def test_equal_rules_are_said_once_by_the_stricter_name(dataset: Dataset) -> None:
    panel = read_panel(dataset)
    of_three = replace(panel, agreement=np.where(panel.agreement < 1, 2 / 3, 1.0))
    assert rules(variants(dataset, of_three))[2:] == ["full agreement"]
    unanimous = replace(panel, agreement=np.ones(panel.agreement.size))
    assert rules(variants(dataset, unanimous))[2:] == []
    partly = replace(panel, agreement=np.where(np.arange(panel.agreement.size) % 2, np.nan, 1.0))
    (rule,) = variants(dataset, partly)[2:]
    assert sum(cell.correct.row.size + cell.incorrect.row.size for cell in rule.cells) == np.sum(partly.agreement == 1)


def test_undefined_rules_are_null_with_a_reason(dataset: Dataset) -> None:
    panel, score = read_panel(dataset), scores_for(dataset, 1.0)
    split = replace(panel, agreement=np.where(panel.is_correct, 1.0, 0.6))
    nothing = {"value": None, "low": None, "high": None}
    assert sensitivity(score, variants(dataset, split))[2] == nothing | {
        "rule": "full agreement",
        "reason": NOT_COMPARABLE,
        "n_correct": 0,
        "n_incorrect": 0,
    }
    found = variants(dataset, panel)
    for said in sensitivity(np.full(score.size, np.nan), found):
        assert said | nothing | {"reason": "no sentence with a score", "n_correct": 0, "n_incorrect": 0} == said
    one_sided = score.copy()
    one_sided[panel.row[~panel.is_correct]] = np.nan
    said = sensitivity(one_sided, found)[-1]
    assert (said["value"], said["reason"]) == (None, "no incorrect sentence with a score")
    assert said["n_correct"] > 0


def test_one_cluster_has_a_value_and_no_interval(tmp_path: Path) -> None:
    alone = doubtful(tmp_path / "alone", clusters=1)
    for said in sensitivity(scores_for(alone, 1.0), variants(alone, read_panel(alone))):
        assert said["value"] is not None
        assert [said[key] for key in ("low", "high", "reason")] == [None, None, NO_SPREAD]


def test_a_perfect_judge_gets_the_bound_of_as_many_successes(dataset: Dataset) -> None:
    panel = read_panel(dataset)
    score = np.zeros(dataset.counts["sentences"])
    score[panel.row] = panel.is_correct
    said = sensitivity(score, variants(dataset, panel))[-1]
    assert said["value"] == said["high"] == 1
    assert said["low"] < 1
