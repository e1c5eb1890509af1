"""scores.parquet: what every judge said of every labelled sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from alignbench.analysis.detection import FPR, operating_point
from alignbench.evaluate import Evaluation, evaluation_of
from alignbench.report.scores import SCORES, write_scores
from alignbench.types import Label
from tests.planted_runs import Producer, scores_for, write_dataset, write_run

PRODUCERS = [Producer("alpha"), Producer("beta", wrong=0.5), Producer("tiny", images=1)]


@pytest.fixture(scope="module")
def evaluation(tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    folder = tmp_path_factory.mktemp("scores")
    dataset = write_dataset(folder / "planted", PRODUCERS, sentences=7)
    strong = scores_for(dataset, 1.5, seed=1)
    strong[::9] = np.nan
    write_run(folder / "runs", dataset, "strong", strong)
    write_run(folder / "runs", dataset, "silent", np.full(strong.size, np.nan))
    write_run(folder / "runs", dataset, "blind", np.zeros(strong.size), control="constant")
    return evaluation_of(dataset, folder / "runs", replicates=100)


@pytest.fixture(scope="module")
def path(evaluation: Evaluation, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "scores.parquet"
    write_scores(evaluation, path)
    return path


def rows(path: Path, judge: str) -> list[dict[str, Any]]:
    return [row for row in pq.read_table(path).to_pylist() if row["judge"] == judge]


def test_there_is_a_row_group_a_judge_and_a_row_a_labelled_sentence(evaluation: Evaluation, path: Path) -> None:
    file = pq.ParquetFile(path)
    assert file.schema_arrow.remove_metadata() == SCORES
    assert file.num_row_groups == len(evaluation.judged) == 3
    for group, one in enumerate(evaluation.judged):
        judges = set(file.read_row_group(group)["judge_id"].to_pylist())
        assert judges == {one.run.judge_id}
        assert file.metadata.row_group(group).num_rows == evaluation.panel.row.size


def test_the_rows_say_what_the_dataset_and_the_judge_say(evaluation: Evaluation, path: Path) -> None:
    found = rows(path, "strong")
    sentences = [one for one in evaluation.dataset.sentences() if one.label in {Label.CORRECT, Label.INCORRECT}]
    scores = next(one.score for one in evaluation.judged if one.run.name == "strong")
    for row, sentence, score in zip(found, sentences, scores.tolist(), strict=True):
        assert row["sentence_id"] == sentence.sentence_id
        assert row["producer"] == sentence.pair_id.partition("@")[0]
        assert (row["index"], row["label"]) == (sentence.index, sentence.label)
        assert row["error_types"] == list(sentence.error_types)
        assert row["score"] == (None if np.isnan(score) else score)
    assert max(row["index"] for row in found) == 6


def test_rejected_are_those_below_the_threshold(evaluation: Evaluation, path: Path) -> None:
    found = rows(path, "strong")
    (threshold,) = {row["threshold"] for row in found}
    score = next(one.score for one in evaluation.judged if one.run.name == "strong")
    assert threshold == operating_point(evaluation.panel, score)
    for row in found:
        assert row["rejected"] == (None if row["score"] is None else row["score"] < threshold)
    shares = [
        np.mean(
            [row["rejected"] for row in found if row["producer"] == name and row["label"] == "correct" and row["score"]]
        )
        for name in ("alpha", "beta")
    ]
    assert FPR - 0.02 < np.mean(shares) <= FPR


def test_a_constant_judge_rejects_nothing_and_a_silent_one_decides_nothing(path: Path) -> None:
    assert {(row["rejected"], row["threshold"]) for row in rows(path, "blind")} == {(False, 0.0)}
    silent = {(row["score"], row["rejected"], row["threshold"]) for row in rows(path, "silent")}
    assert silent == {(None, None, None)}


def test_the_file_is_signed_and_the_same_every_time(evaluation: Evaluation, path: Path, tmp_path: Path) -> None:
    metadata = pq.read_schema(path).metadata
    assert metadata[b"alignbench"].decode() == evaluation.results["signature"]
    write_scores(evaluation, tmp_path / "again.parquet")
    assert (tmp_path / "again.parquet").read_bytes() == path.read_bytes()
    assert [each.name for each in tmp_path.iterdir()] == ["again.parquet"]
