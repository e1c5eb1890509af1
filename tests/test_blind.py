"""The blind controls: each scores by what it says it does, and looks at no image."""

from __future__ import annotations

import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from sklearn.metrics import roc_auc_score

from alignbench.errors import UnknownNameError, UsageError
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import Briefed, Direction, Label, ModelRef, Pair, Query, Sentence
from judges.blind import BlindJudge
from tests.datasets import make_dataset

NUMBERS = ("one", "two", "three", "four", "five", "six")


def scores(dataset: Dataset, control: str, out: Path) -> dict[str, float]:
    summary = run_judge(dataset, BlindJudge.from_reference(control), out)
    table = pq.read_table(summary.folder / "judgments.parquet")
    return dict(zip(table["sentence_id"].to_pylist(), table["score"].to_pylist(), strict=True))


def rows(tell: float, clusters: int = 200, seed: int = 0) -> dict[tuple[int, int], tuple[Pair, Sentence]]:
    """Sentences of which a share `tell` gives its label away by a word; each cluster has a word of its own."""
    rng = random.Random(seed)
    made = {}
    for cluster in range(clusters):
        pair = Pair(f"p{cluster}", "i", "", ModelRef("m"), Direction.IMAGE_TO_TEXT, None, f"c{cluster}")
        # All sentences of a cluster share their label as well, so that a leak between folds would show.
        label = rng.choice([Label.CORRECT, Label.INCORRECT])
        for index in range(3):
            word = ("grass" if label is Label.CORRECT else "sky") if rng.random() < tell else "sea"
            text = f"There are {rng.choice(NUMBERS)} birds over the {word} near place{cluster}."
            made[cluster, index] = (pair, Sentence(f"p{cluster}#{index}", pair.pair_id, index, 0, 1, text, label))
    return made


def auroc(made: dict[tuple[int, int], tuple[Pair, Sentence]]) -> float:
    control = BlindJudge.from_reference("ngram")
    assert isinstance(control, Briefed)
    control.brief(made)
    places = sorted(made)
    queries = [Query(cluster, b"", ("",) * 3) for cluster in sorted({cluster for cluster, _ in places})]
    found = {answer[:2]: answer.verdict.score for answer in control.judge(queries)}
    return float(roc_auc_score([made[p][1].label is Label.CORRECT for p in places], [found[p] for p in places]))


def test_constant(dataset: Dataset, tmp_path: Path) -> None:
    assert set(scores(dataset, "constant", tmp_path).values()) == {0.5}


def test_length(dataset: Dataset, tmp_path: Path) -> None:
    assert scores(dataset, "length", tmp_path) == {each.sentence_id: -len(each.text) for each in dataset.sentences()}


def test_index(dataset: Dataset, tmp_path: Path) -> None:
    assert scores(dataset, "index", tmp_path) == {each.sentence_id: -each.index for each in dataset.sentences()}


def test_ngrams_find_words_that_tell() -> None:
    assert auroc(rows(tell=0.0)) == pytest.approx(0.5, abs=0.08)
    assert auroc(rows(tell=1.0)) == 1.0
    # Of a correct and an incorrect sentence, one in four times neither tells, which is a coin flip.
    assert auroc(rows(tell=0.5)) == pytest.approx(0.875, abs=0.03)


def test_ngrams_do_not_lean_on_the_base_rates_of_folds() -> None:
    null = [auroc(rows(tell=0.0, clusters=60, seed=seed)) for seed in range(12)]
    assert sum(null) / len(null) == pytest.approx(0.5, abs=0.06)


def test_ngrams_depend_on_labels_and_nothing_else(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=12)
    first = scores(dataset, "ngram", tmp_path / "a")
    assert first == scores(dataset, "ngram", tmp_path / "b")
    with pytest.raises(UsageError, match="learns from labels"):
        scores(make_dataset(tmp_path / "bare", images=12, labelled=False), "ngram", tmp_path / "c")
    with pytest.raises(UsageError, match="as many clusters"):
        scores(make_dataset(tmp_path / "few", images=4), "ngram", tmp_path / "d")


def test_a_resumed_ngram_run_learns_from_all_rows(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=12)
    whole = scores(dataset, "ngram", tmp_path / "a")
    run_judge(dataset, BlindJudge.from_reference("ngram"), tmp_path / "b", limit=31)
    assert scores(dataset, "ngram", tmp_path / "b") == whole


def test_only_those_that_need_it_are_briefed() -> None:
    told = {
        name: isinstance(BlindJudge.from_reference(name), Briefed) for name in ("constant", "length", "index", "ngram")
    }
    assert told == {"constant": False, "length": False, "index": True, "ngram": True}


def test_each_is_a_control_of_its_own() -> None:
    specs = [BlindJudge.from_reference(name).spec for name in ("constant", "length", "index", "ngram")]
    assert [spec.control for spec in specs] == ["constant", "length", "index", "ngram"]
    assert len({spec.judge_id for spec in specs}) == 4


def test_an_unknown_control() -> None:
    with pytest.raises(UnknownNameError, match="nearest: length"):
        BlindJudge.from_reference("lenght")
