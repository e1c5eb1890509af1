from __future__ import annotations

import dataclasses
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench.cells import Cells
from alignbench.clustered import standard_error
from alignbench.errors import AlignbenchError, DatasetChangedError, DatasetError, RunError, UsageError
from alignbench.evaluate import evaluate
from alignbench.intervals import Support, auroc_interval
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Direction, ErrorType, Image, Label, ModelRef, Origin, Sentence, Usage
from tests.oracles import FloatArray, draw_world, slow_auroc
from tests.planted_runs import Producer, pair_of, scores_for, write_dataset, write_run

PRODUCERS = [
    Producer("alpha"),
    Producer("beta", wrong=0.15),
    Producer("painter", wrong=0.4, direction=Direction.TEXT_TO_IMAGE, images=30),
    Producer("tiny", images=4),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return write_dataset(tmp_path_factory.mktemp("evaluate") / "planted", PRODUCERS)


@pytest.fixture(scope="module")
def runs(dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two judges of different skill, one that fails often, and two blind controls."""
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder, dataset, "strong", scores_for(dataset, 2.0, seed=1), usage=Usage(100, 2, 0.5, 0.001, 40))
    write_run(folder, dataset, "weak", scores_for(dataset, 0.5, seed=2))
    write_run(folder, dataset, "flaky", flaky_scores(dataset), options={"failing": "yes"})
    write_run(folder, dataset, "constant", np.full(scores_for(dataset, 0).size, 0.5), control="constant")
    write_run(folder, dataset, "strong", scores_for(dataset, 0.0, seed=3), control="blank")
    return folder


@pytest.fixture(scope="module")
def results(dataset: Dataset, runs: Path) -> dict[str, Any]:
    return evaluate(dataset, runs, replicates=300)


def flaky_scores(dataset: Dataset) -> FloatArray:
    scores = scores_for(dataset, 1.0, seed=4)
    scores[::20] = np.nan
    return scores


def judge(results: dict[str, Any], name: str) -> dict[str, Any]:
    return next(entry for entry in results["judges"] if entry["name"] == name)


class Row(NamedTuple):
    """A sentence with the name of its producer."""

    sentence: Sentence
    producer: str

    @property
    def is_correct(self) -> bool:
        return self.sentence.label is Label.CORRECT


def rows_of(dataset: Dataset) -> list[Row]:
    producers = {pair.pair_id: pair.producer.name for pair in dataset.pairs()}
    return [Row(sentence, producers[sentence.pair_id]) for sentence in dataset.sentences()]


def slow_cell(rows: list[Row], scores: FloatArray, keep: Callable[[Row], bool]) -> tuple[float, int]:
    """The AUROC of the rows to keep, and the size of their smaller class."""
    chosen = [place for place, row in enumerate(rows) if keep(row) and not np.isnan(scores[place])]
    is_correct = np.array([rows[place].is_correct for place in chosen], bool)
    smaller = int(min(is_correct.sum(), (~is_correct).sum()))
    return slow_auroc(is_correct, scores[chosen]), smaller


def made_by(name: str, kind: ErrorType | None = None) -> Callable[[Row], bool]:
    """Rows of a producer, all of them or its correct ones and those of an error type."""

    def keep(row: Row) -> bool:
        return row.producer == name and (kind is None or row.is_correct or kind in row.sentence.error_types)

    return keep


def slow_macro(rows: list[Row], scores: FloatArray, kind: ErrorType | None = None) -> float:
    """The mean over the producers with ten sentences of each class; not a number where there is none."""
    cells = [slow_cell(rows, scores, made_by(producer.name, kind)) for producer in PRODUCERS]
    values = [value for value, smaller in cells if smaller >= 10]
    return float(np.mean(values)) if values else float("nan")


# Numbers


def test_every_producer_has_its_auroc_and_the_macro_is_the_mean_of_the_large_ones(
    dataset: Dataset, results: dict[str, Any]
) -> None:
    rows, scores = rows_of(dataset), scores_for(dataset, 2.0, seed=1)
    entry = judge(results, "strong")
    for producer in PRODUCERS:
        value, _ = slow_cell(rows, scores, made_by(producer.name))
        assert entry["by_producer"][producer.name]["value"] == pytest.approx(value, abs=1e-12)
    assert entry["auroc"]["value"] == pytest.approx(slow_macro(rows, scores), abs=1e-12)
    counted = [name for name, size in results["dataset"]["producers"].items() if size["in_macro"]]
    assert counted == ["alpha", "beta", "painter"]


def test_an_error_type_stands_against_all_correct_sentences_of_its_producer(
    dataset: Dataset, results: dict[str, Any]
) -> None:
    rows, scores = rows_of(dataset), scores_for(dataset, 2.0, seed=1)
    undefined = 0
    for kind in ErrorType:
        expected = slow_macro(rows, scores, kind)
        figure = judge(results, "strong")["by_error_type"][str(kind)]
        if np.isnan(expected):
            undefined += 1
            assert figure["value"] is None
            assert figure["reason"] == "no producer has 10 correct and 10 incorrect sentences here"
        else:
            assert figure["value"] == pytest.approx(expected, abs=1e-12)
    assert 0 < undefined < len(ErrorType)


def test_indices_from_five_on_are_one(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "long", [Producer("alpha", wrong=0.4, images=50)], sentences=8)
    rows, scores = rows_of(dataset), scores_for(dataset, 1.0)
    write_run(tmp_path / "runs", dataset, "one", scores)
    by_index = evaluate(dataset, tmp_path / "runs", replicates=100)["judges"][0]["by_index"]
    assert list(by_index) == ["0", "1", "2", "3", "4", "5+"]
    for name, figure in by_index.items():
        here = [place for place, row in enumerate(rows) if min(row.sentence.index, 5) == int(name[0])]
        value, _ = slow_cell([rows[place] for place in here], scores[here], made_by("alpha"))
        assert figure["value"] == pytest.approx(value, abs=1e-12)
    assert by_index["5+"]["n_correct"] + by_index["5+"]["n_incorrect"] == 150


def test_a_sentence_of_several_types_counts_in_each(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "planted", name="planted") as writer:
        for number in range(30):
            writer.add_image(Image(f"image-{number}", None, None, None, None, Origin.REAL, "planted"))
            pair, sentences = pair_of(
                f"pair-{number}",
                f"image-{number}",
                ModelRef("alpha"),
                Direction.IMAGE_TO_TEXT,
                f"image-{number}",
                [Label.CORRECT, Label.INCORRECT],
                [ErrorType.TEXT] * 2,
            )
            wrong = dataclasses.replace(sentences[1], error_types=(ErrorType.TEXT, ErrorType.NUMBER))
            writer.add_pair(pair, [sentences[0], wrong])
    dataset = Dataset.open(tmp_path / "planted")
    write_run(tmp_path / "runs", dataset, "one", scores_for(dataset, 1.0))
    entry = evaluate(dataset, tmp_path / "runs", replicates=100)["judges"][0]
    assert entry["by_error_type"]["text"] == entry["by_error_type"]["number"]
    assert entry["by_error_type"]["text"]["n_incorrect"] == 30


def test_a_constant_control_is_exactly_one_half(results: dict[str, Any]) -> None:
    figure = judge(results, "constant")["auroc"]
    assert (figure["value"], figure["low"], figure["high"]) == (0.5, 0.5, 0.5)


def test_coverage_failures_and_bounds_are_of_the_labelled_sentences(dataset: Dataset, results: dict[str, Any]) -> None:
    entry, scores = judge(results, "flaky"), flaky_scores(dataset)
    missing = int(np.isnan(scores).sum())
    assert entry["coverage"] == pytest.approx(1 - missing / scores.size)
    assert entry["failures"] == {"failed": missing}
    assert entry["rank"] == {"low": None, "high": None, "reason": "coverage under 99%"}
    rows = rows_of(dataset)
    for end, good in (("low", -1e9), ("high", 1e9)):
        filled = np.where(np.isnan(scores), [good if row.is_correct else -good for row in rows], scores)
        assert entry["bounds"][end] == pytest.approx(slow_macro(rows, filled), abs=1e-12)
    full = judge(results, "strong")
    assert full["failures"] == {}
    assert full["bounds"] == {"low": full["auroc"]["value"], "high": full["auroc"]["value"]}


def test_usage_is_summed_and_null_where_nothing_was_measured(dataset: Dataset, results: dict[str, Any]) -> None:
    n = dataset.counts["sentences"]
    assert judge(results, "strong")["usage"]["input_tokens"] == 100 * n
    assert judge(results, "strong")["usage"]["cached_tokens"] == 40 * n
    assert judge(results, "strong")["usage"]["cost_usd"] == pytest.approx(0.001 * n)
    assert judge(results, "strong")["usage"]["cost_usd_per_1000"] == pytest.approx(1)
    assert judge(results, "strong")["usage"]["seconds_per_1000"] == pytest.approx(500)
    assert set(judge(results, "weak")["usage"].values()) == {None}


def test_rates_are_of_the_sentences_that_were_measured(dataset: Dataset, tmp_path: Path) -> None:
    write_run(tmp_path, dataset, "flaky", flaky_scores(dataset), usage=Usage(seconds=0.5, cost_usd=0.002))
    usage = evaluate(dataset, tmp_path, replicates=50)["judges"][0]["usage"]
    assert usage["seconds"] < 0.5 * dataset.counts["sentences"]
    assert (usage["seconds_per_1000"], usage["cost_usd_per_1000"]) == (pytest.approx(500), pytest.approx(2))


def test_a_run_of_an_earlier_version_has_no_cached_tokens(dataset: Dataset, tmp_path: Path) -> None:
    run = write_run(tmp_path, dataset, "early", scores_for(dataset, 1.0), usage=Usage(100, 2, 0.5, 0.001))
    path = run / "judgments.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["cached_tokens"]), path)
    usage = evaluate(dataset, tmp_path, replicates=50)["judges"][0]["usage"]
    assert (usage["cached_tokens"], usage["input_tokens"]) == (None, 100 * dataset.counts["sentences"])


def test_unknown_and_unlabelled_sentences_are_left_out_and_counted(tmp_path: Path) -> None:
    labels = [Label.CORRECT, Label.INCORRECT, Label.UNKNOWN, None]
    with DatasetWriter(tmp_path / "planted", name="planted") as writer:
        for number in range(25):
            key = f"image-{number}"
            writer.add_image(Image(key, None, None, None, None, Origin.REAL, "planted"))
            writer.add_pair(
                *pair_of(key, key, ModelRef("alpha"), Direction.IMAGE_TO_TEXT, key, labels, [ErrorType.TEXT] * 4)
            )
    dataset = Dataset.open(tmp_path / "planted")
    scores = np.tile([1.0, 0.0, np.nan, np.nan], 25)
    write_run(tmp_path / "runs", dataset, "perfect", scores)
    said = evaluate(dataset, tmp_path / "runs", replicates=100)
    assert (said["dataset"]["unknown"], said["dataset"]["unlabelled"]) == (25, 25)
    entry = said["judges"][0]
    assert (entry["coverage"], entry["failures"]) == (1.0, {})
    # A perfect judge: the bound of 25 successes in 25 trials.
    assert entry["auroc"]["value"] == 1.0
    assert (entry["auroc"]["low"], entry["auroc"]["high"]) == pytest.approx((0.025 ** (1 / 25), 1.0))


def test_a_judge_that_scored_nothing_has_reasons_instead_of_numbers(dataset: Dataset, tmp_path: Path) -> None:
    write_run(tmp_path, dataset, "mute", np.full(dataset.counts["sentences"], np.nan))
    write_run(tmp_path, dataset, "constant", np.zeros(dataset.counts["sentences"]), control="constant")
    said = evaluate(dataset, tmp_path, replicates=50)
    entry = judge(said, "mute")
    assert (entry["auroc"]["value"], entry["auroc"]["reason"]) == (None, "no sentence with a score")
    assert entry["bounds"] == {"low": 0.0, "high": 1.0}
    assert said["comparisons"][0]["delta"] is None
    assert entry["rank"]["low"] is None


# Comparisons


def test_judges_are_ranked_apart_from_blind_controls(results: dict[str, Any]) -> None:
    assert [entry["name"] for entry in results["judges"]] == ["strong", "flaky", "weak", "strong (blank)", "constant"]
    assert judge(results, "strong")["rank"] == {"low": 1, "high": 1, "reason": None}
    assert judge(results, "weak")["rank"] == {"low": 2, "high": 2, "reason": None}
    assert judge(results, "constant")["rank"] == {"low": None, "high": None, "reason": "a blind control"}


def test_every_judge_is_compared_with_every_judge_and_every_control(results: dict[str, Any]) -> None:
    pairs = {frozenset((said["a"], said["b"])) for said in results["comparisons"]}
    judges, controls = ["strong", "weak", "flaky"], ["constant", "strong (blank)"]
    expected = {frozenset((a, b)) for a in judges for b in [*judges, *controls] if a != b}
    assert pairs == expected
    assert len(results["comparisons"]) == len(expected)


def test_a_comparison_is_of_the_sentences_that_both_scored(dataset: Dataset, results: dict[str, Any]) -> None:
    said = next(one for one in results["comparisons"] if {one["a"], one["b"]} == {"flaky", "weak"})
    sign = 1 if said["a"] == "flaky" else -1
    flaky, weak, rows = flaky_scores(dataset), scores_for(dataset, 0.5, seed=2), rows_of(dataset)
    weak[np.isnan(flaky)] = np.nan
    expected = slow_macro(rows, flaky) - slow_macro(rows, weak)
    assert said["delta"] == pytest.approx(sign * expected, abs=1e-12)
    assert said["n"] == int((~np.isnan(flaky)).sum())
    assert said["low"] < said["delta"] < said["high"]
    assert said["p"] <= said["p_holm"]


def test_a_judge_is_no_better_than_itself(dataset: Dataset, tmp_path: Path) -> None:
    scores = scores_for(dataset, 1.0)
    write_run(tmp_path, dataset, "one", scores)
    write_run(tmp_path, dataset, "two", np.exp(scores))
    said = evaluate(dataset, tmp_path, replicates=100)
    (comparison,) = said["comparisons"]
    assert (comparison["delta"], comparison["low"], comparison["high"], comparison["p"]) == (0.0, 0.0, 0.0, 1.0)
    assert [entry["rank"]["low"] for entry in said["judges"]] == [1, 1]
    assert [entry["rank"]["high"] for entry in said["judges"]] == [2, 2]


def test_the_interval_of_a_difference_is_from_paired_replicates(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "wide", [Producer("alpha", wrong=0.4, images=150)])
    scores = scores_for(dataset, 1.0)
    write_run(tmp_path / "runs", dataset, "one", scores)
    write_run(tmp_path / "runs", dataset, "two", scores + 0.1 * scores_for(dataset, 0.0, seed=1))
    said = evaluate(dataset, tmp_path / "runs", replicates=400)
    (comparison,) = said["comparisons"]
    assert comparison["df"] >= 99  # so the interval is one of percentiles
    width = comparison["high"] - comparison["low"]
    assert 0 < width < 0.3 * (said["judges"][0]["auroc"]["high"] - said["judges"][0]["auroc"]["low"])
    assert width == pytest.approx(2 * 1.96 * comparison["se"], rel=0.15)


def scored_world(rng: np.random.Generator) -> tuple[Scored, list[int]]:
    """Five producers with errors in about seven of 60 images each, in 24 together; those with ten errors count."""
    drawn = [draw_world(rng, images=60, sentences=5, wrong=0.05, auroc=0.9) for _ in range(5)]
    is_correct, score, cluster = (np.concatenate(columns) for columns in zip(*drawn, strict=True))
    cells = Cells(is_correct, np.repeat(np.arange(5), 300), 5, ~is_correct[:, None])
    scored = Scored(cells, score, cluster, Draws(np.zeros(60, int), 0, 1))
    return scored, np.flatnonzero(cells.n_incorrect() >= 10).tolist()


def test_means_of_small_cells_cover_the_truth_by_their_typical_clusters_only() -> None:
    rng = np.random.default_rng(0)
    held: dict[str, list[bool]] = {"typical": [], "distinct": []}
    for scored, chosen in (scored_world(rng) for _ in range(600)):
        se, support = standard_error(scored.influence(chosen)), scored.support(chosen)
        value = float(scored.aurocs[chosen].mean())
        for kind, clusters in support._asdict().items():
            low, high, _ = auroc_interval(value, se, Support(clusters, clusters), np.ones(1))
            held[kind].append(low is not None and high is not None and low <= 0.9 <= high)
    assert 0.93 <= np.mean(held["typical"]) <= 0.98
    assert np.mean(held["distinct"]) < 0.92


# The same bytes


def test_the_same_seed_gives_the_same_bytes(dataset: Dataset, runs: Path, results: dict[str, Any]) -> None:
    again = evaluate(Dataset.open(dataset.path), runs, replicates=300)
    assert json.dumps(again) == json.dumps(results)
    other = evaluate(dataset, runs, replicates=300, seed=1)
    assert other["judges"][0]["auroc"]["value"] == results["judges"][0]["auroc"]["value"]
    assert other["signature"] != results["signature"]


def test_results_are_json_without_nan(results: dict[str, Any]) -> None:
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_the_order_of_judgments_does_not_matter(dataset: Dataset, tmp_path: Path) -> None:
    run = write_run(tmp_path, dataset, "one", scores_for(dataset, 1.0))
    straight = evaluate(dataset, tmp_path, replicates=50)
    table = pq.read_table(run / "judgments.parquet")
    pq.write_table(table.take(pa.array(range(len(table))[::-1])), run / "judgments.parquet")
    assert evaluate(dataset, tmp_path, replicates=50) == straight


def test_runs_with_one_name_are_told_apart(dataset: Dataset, tmp_path: Path) -> None:
    for prompt in ("a", "b"):
        write_run(tmp_path, dataset, "same", scores_for(dataset, 1.0), options={"prompt": prompt})
    names = [entry["name"] for entry in evaluate(dataset, tmp_path, replicates=50)["judges"]]
    assert len(set(names)) == 2
    assert all(re.fullmatch(r"same \([0-9a-f]{6}\)", name) for name in names)


def test_runs_of_a_judge_in_two_contexts_are_told_apart_by_what_was_shown(dataset: Dataset, tmp_path: Path) -> None:
    for context in ("sentence", "caption"):
        write_run(tmp_path, dataset, "same", scores_for(dataset, 1.0), context=context)
    names = [entry["name"] for entry in evaluate(dataset, tmp_path, replicates=50)["judges"]]
    assert sorted(names) == ["same", "same (in captions)"]


def test_producers_of_one_name_are_told_apart_by_revision(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "two", [Producer("alpha", revision="1"), Producer("alpha", revision="2")])
    write_run(tmp_path / "runs", dataset, "one", scores_for(dataset, 1.0))
    entry = evaluate(dataset, tmp_path / "runs", replicates=50)["judges"][0]
    assert list(entry["by_producer"]) == ["alpha@1", "alpha@2"]


def test_no_heavy_library_is_loaded() -> None:
    code = (
        "import sys, alignbench.evaluate, alignbench.report.tables;"
        "print([name for name in ('torch', 'sklearn', 'pandas', 'matplotlib', 'scipy.stats') if name in sys.modules])"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


# Wrong use


def test_a_dataset_without_labels_says_what_it_lacks(tmp_path: Path) -> None:
    with DatasetWriter(tmp_path / "planted", name="planted") as writer:
        writer.add_image(Image("image", None, None, None, None, Origin.REAL, "planted"))
        writer.add_pair(
            *pair_of(
                "p", "image", ModelRef("a"), Direction.IMAGE_TO_TEXT, "c", [None, Label.UNKNOWN], [ErrorType.TEXT] * 2
            )
        )
    with pytest.raises(
        DatasetError, match="no sentence labelled correct or incorrect: 1 have no label, 1 are `unknown`"
    ):
        evaluate(Dataset.open(tmp_path / "planted"), tmp_path)


@pytest.mark.parametrize("folder", ["missing", "empty"])
def test_no_run_says_how_to_make_one(dataset: Dataset, tmp_path: Path, folder: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match=rf"{folder}.* no run of 'planted'; run `alignbench judge .* --judge JUDGE"):
        evaluate(dataset, tmp_path / folder)


@pytest.mark.parametrize(("seed", "replicates"), [(-1, 100), (0, 0)])
def test_a_senseless_seed_or_number_of_replicates_is_refused(dataset: Dataset, seed: int, replicates: int) -> None:
    with pytest.raises(UsageError, match="at least"):
        evaluate(dataset, Path(), seed=seed, replicates=replicates)


def test_an_unfinished_run_is_named_and_left_out(dataset: Dataset, tmp_path: Path) -> None:
    write_run(tmp_path, dataset, "done", scores_for(dataset, 1.0))
    run = write_run(tmp_path, dataset, "half", scores_for(dataset, 1.0))
    (run / "judgments.parquet").unlink()
    said = evaluate(dataset, tmp_path, replicates=50)
    assert [entry["name"] for entry in said["judges"]] == ["done"]
    assert list(said["refused"]) == [run.name]
    assert re.search(r"half: it is not finished; run `alignbench judge .*--judge", said["refused"][run.name])


def test_only_unfinished_runs_are_an_error(dataset: Dataset, tmp_path: Path) -> None:
    run = write_run(tmp_path, dataset, "half", scores_for(dataset, 1.0))
    (run / "judgments.parquet").unlink()
    with pytest.raises(RunError, match="half: it is not finished"):
        evaluate(dataset, tmp_path)


def test_a_run_of_an_earlier_state_of_the_dataset_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    changed = write_dataset(tmp_path / "planted", PRODUCERS[:2])
    write_run(tmp_path / "runs", changed, "early", scores_for(changed, 1.0))
    with pytest.raises(DatasetChangedError, match="early: images, captions or sentences have changed"):
        evaluate(dataset, tmp_path / "runs")


def test_new_labels_keep_a_judge_and_refuse_one_that_was_told_the_old_ones(tmp_path: Path) -> None:
    before = write_dataset(tmp_path / "old" / "planted", PRODUCERS[:2], seed=0)
    after = write_dataset(tmp_path / "new" / "planted", PRODUCERS[:2], seed=1)
    assert (before.shown_digest, before.digest != after.digest) == (after.shown_digest, True)
    write_run(tmp_path / "runs", before, "judge", scores_for(before, 1.0))
    told = write_run(tmp_path / "runs", before, "n-gram", scores_for(before, 1.0), control="ngram", briefed=True)
    said = evaluate(after, tmp_path / "runs", replicates=50)
    assert [entry["name"] for entry in said["judges"]] == ["judge"]
    assert "labels" in said["refused"][told.name]


def test_runs_of_another_dataset_are_left_alone(dataset: Dataset, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "other", PRODUCERS[:1])
    write_run(tmp_path / "runs", other, "elsewhere", scores_for(other, 1.0))
    write_run(tmp_path / "runs", dataset, "here", scores_for(dataset, 1.0))
    said = evaluate(dataset, tmp_path / "runs", replicates=50)
    assert [entry["name"] for entry in said["judges"]] == ["here"]
    assert (said["refused"], said["runs_of_other_datasets"]) == ({}, 1)


def test_a_copied_run_is_refused(dataset: Dataset, tmp_path: Path) -> None:
    run = write_run(tmp_path, dataset, "one", scores_for(dataset, 1.0))
    run.rename(tmp_path / "copy")
    write_run(tmp_path, dataset, "one", scores_for(dataset, 1.0))
    with pytest.raises(RunError, match=r"copy are runs of one judge"):
        evaluate(dataset, tmp_path)


def drop_a_row(table: pa.Table) -> pa.Table:
    return table.slice(1)


def double_a_row(table: pa.Table) -> pa.Table:
    return pa.concat_tables([table, table.slice(0, 1)])


def rename_a_row(table: pa.Table) -> pa.Table:
    return set_first(table, "sentence_id", "nobody#0")


def lose_a_score(table: pa.Table) -> pa.Table:
    return set_first(table, "score", None)


def invent_a_status(table: pa.Table) -> pa.Table:
    return set_first(table, "status", "fine")


def fail_with_a_score(table: pa.Table) -> pa.Table:
    return set_first(table, "status", "failed")


def change_the_judge(table: pa.Table) -> pa.Table:
    return set_first(table, "judge_id", "somebody")


def lose_a_column(table: pa.Table) -> pa.Table:
    return table.drop_columns(["truncated"])


def set_first(table: pa.Table, column: str, value: object) -> pa.Table:
    place = table.schema.get_field_index(column)
    values = [value, *table[column].to_pylist()[1:]]
    return table.set_column(place, column, pa.array(values, table.schema.field(column).type))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (drop_a_row, "1 sentences of the dataset have no judgment"),
        (double_a_row, "1 sentences are judged more than once"),
        (rename_a_row, "1 judgments are of sentences that the dataset does not have"),
        (lose_a_score, "1 rows have no finite score though their status is ok"),
        (fail_with_a_score, "1 rows have a score though their status is not ok"),
        (invent_a_status, "1 rows have a status that is none"),
        (change_the_judge, "1 rows are of another judge"),
        (lose_a_column, "column 'truncated' is missing"),
    ],
)
def test_damaged_judgments_are_refused(
    dataset: Dataset, tmp_path: Path, damage: Callable[[pa.Table], pa.Table], said: str
) -> None:
    run = write_run(tmp_path, dataset, "one", scores_for(dataset, 1.0))
    pq.write_table(damage(pq.read_table(run / "judgments.parquet")), run / "judgments.parquet")
    with pytest.raises(RunError, match=said):
        evaluate(dataset, tmp_path)


@pytest.mark.parametrize("file", ["judgments.parquet", "run.json"])
def test_a_file_that_is_something_else_is_refused(dataset: Dataset, tmp_path: Path, file: str) -> None:
    run = write_run(tmp_path, dataset, "one", scores_for(dataset, 1.0))
    (run / file).write_text("nonsense", encoding="utf-8")
    with pytest.raises(AlignbenchError, match=f"{file} cannot be read"):
        evaluate(dataset, tmp_path)
