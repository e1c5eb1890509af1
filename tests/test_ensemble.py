"""Ensembles over stored judgments: what each rule computes, that stacking sees no label it should not, and the gain."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import roc_auc_score

from alignbench.analysis.ensemble import EDGE, Known, Rule, digest_of, mean_logit, mean_rank, stacking
from alignbench.cells import Cells
from alignbench.cli import run
from alignbench.cli.ensemble import RULES
from alignbench.errors import DatasetChangedError, UnknownNameError, UsageError
from alignbench.evaluate import evaluate
from alignbench.evaluate.comparisons import compare
from alignbench.evaluate.ensembles import ensemble_entries
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.runs import Run
from alignbench.registry import build_judge
from alignbench.report.leaderboard import leaderboard
from alignbench.resample import Draws
from alignbench.run import run_judge
from alignbench.scored import Scored
from alignbench.store import Dataset
from alignbench.types import JudgeSpec, ModelRef, Query, Status, Usage
from judges.ensemble import EnsembleJudge
from tests.datasets import make_dataset
from tests.planted_runs import write_run

FloatArray = NDArray[np.float64]


# What each rule computes


def test_mean_rank_is_the_mean_of_ranks_among_the_sentences_that_all_scored() -> None:
    rng = np.random.default_rng(0)
    scores = np.stack([rng.normal(size=40), rng.integers(5, size=40).astype(float)])
    scores[0, 3] = scores[1, 7] = np.nan
    whole = np.setdiff1d(np.arange(40), [3, 7])
    expected = np.mean([(rankdata(score[whole]) - 0.5) / whole.size for score in scores], axis=0)
    combined = mean_rank(scores)
    assert combined[whole] == pytest.approx(expected, abs=1e-12)
    assert np.isnan(combined[[3, 7]]).all()


def test_mean_rank_knows_no_scale_and_no_sentence_that_one_member_lacks() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 30))
    scores[0, :3] = np.nan
    other = np.stack([np.exp(scores[0]), scores[1] * 7 - 2])
    other[1, :3] = 1e6
    assert np.array_equal(mean_rank(scores), mean_rank(other), equal_nan=True)


def test_mean_logit_averages_log_odds_and_clips_certainty() -> None:
    combined = mean_logit(np.array([[0.5, 0.9, 1.0, np.nan], [0.5, 0.1, 1.0, 0.3]]), ["a", "b"])
    assert combined[:3] == pytest.approx([0.0, 0.0, np.log((1 - EDGE) / EDGE)])
    assert np.isnan(combined[3])


def test_mean_logit_of_another_scale_advises_mean_rank() -> None:
    with pytest.raises(UsageError, match=r"'cosine' lie from -0.2 to 0.4.*--rule mean-rank"):
        mean_logit(np.array([[0.5, 0.9], [-0.2, 0.4]]), ["p_yes", "cosine"])


def test_a_digest_changes_with_a_score_and_with_a_missing_one() -> None:
    scores = np.array([0.0, 0.5, np.nan])
    assert digest_of(scores) == digest_of(np.array([-0.0, 0.5, -np.nan]))
    assert len({digest_of(each) for each in (scores, scores + 1e-12, np.array([0.0, np.nan, np.nan]))}) == 3


# Planted worlds


def world(seed: int, clusters: int = 80, size: int = 5) -> tuple[np.random.Generator, Known]:
    """Labels that go together within a cluster, as those of one image do."""
    rng = np.random.default_rng(seed)
    cluster = np.repeat(np.arange(clusters), size)
    wrong = np.clip(0.3 + rng.normal(0, 0.2, clusters), 0.02, 0.98)
    return rng, Known(rng.random(cluster.size) > wrong[cluster], np.ones(cluster.size, bool), cluster)


def noisy(rng: np.random.Generator, known: Known, *shifts: float) -> FloatArray:
    """(members, n) scores with noise of their own; correct sentences are a member's shift higher."""
    return np.stack([rng.normal(size=known.is_correct.size) + shift * known.is_correct for shift in shifts])


def combined(rule: Rule, scores: FloatArray, known: Known) -> FloatArray:
    if rule is Rule.STACKING:
        return stacking(scores, known)
    shares = 1 / (1 + np.exp(-scores))
    return mean_rank(scores) if rule is Rule.MEAN_RANK else mean_logit(shares, ["a", "b"])


@pytest.mark.parametrize("rule", list(Rule))
def test_judges_with_noise_of_their_own_are_better_together(rule: Rule) -> None:
    for seed in range(3):
        rng, known = world(seed, clusters=300)
        scores = noisy(rng, known, 1.0, 0.8)
        alone = [roc_auc_score(known.is_correct, score) for score in scores]
        assert roc_auc_score(known.is_correct, combined(rule, scores, known)) > max(alone) + 0.01


def test_stacking_learns_which_member_to_believe() -> None:
    rng, known = world(0, clusters=300)
    scores = noisy(rng, known, 1.2, 0.0, 0.0, 0.0)
    best = roc_auc_score(known.is_correct, scores[0])
    assert roc_auc_score(known.is_correct, mean_rank(scores)) < best - 0.05
    assert roc_auc_score(known.is_correct, stacking(scores, known)) == pytest.approx(best, abs=0.01)
    # It turns round a judge that is wrong more often than not.
    turned = stacking(-scores, known)
    assert roc_auc_score(known.is_correct, turned) == pytest.approx(best, abs=0.01)


def test_stacking_of_members_that_know_nothing_is_a_coin_flip() -> None:
    null = []
    for seed in range(25):
        rng, known = world(seed)
        null.append(roc_auc_score(known.is_correct, stacking(noisy(rng, known, 0.0, 0.0), known)))
    # Leaked labels would lift it; what is known of it is a mean of 0.494 and a spread of 0.04.
    assert 0.47 < np.mean(null) < 0.51


def test_stacking_on_shuffled_labels_finds_nothing() -> None:
    values, held = [], []
    for seed in range(25):
        rng, known = world(seed)
        scores = noisy(rng, known, 1.0, 0.8)
        shuffled = known._replace(is_correct=rng.permutation(known.is_correct))
        figure = scored(stacking(scores, shuffled), shuffled).figure([0])
        assert figure.value is not None and figure.low is not None and figure.high is not None
        values.append(figure.value)
        held.append(figure.low < 0.5 < figure.high)
    assert 0.47 < np.mean(values) < 0.51
    # The interval takes the fits, which are noise here, as given: it is known to hold 0.5 six times in seven.
    assert np.mean(held) > 0.7


def test_a_sentence_never_sees_a_label_of_its_own_cluster() -> None:
    rng, known = world(2, clusters=40)
    scores = noisy(rng, known, 0.8, 0.5)
    before = stacking(scores, known)
    mine = known.cluster == 7
    # Which fold a cluster falls into depends on labels: keep the cluster's counts, and give them to other sentences.
    is_correct = known.is_correct.copy()
    is_correct[mine] = np.roll(is_correct[mine], 1)
    assert not np.array_equal(is_correct, known.is_correct)
    after = stacking(scores, known._replace(is_correct=is_correct))
    assert np.array_equal(before[mine], after[mine])
    assert not np.array_equal(before, after)


def test_stacking_scores_what_has_no_label_and_learns_nothing_from_it() -> None:
    rng, known = world(3)
    scores = noisy(rng, known, 1.0, 0.8)
    bare = known.is_labelled.copy()
    bare[::7] = False
    first = stacking(scores, known._replace(is_labelled=bare))
    flipped = np.where(bare, known.is_correct, ~known.is_correct)
    assert not np.isnan(first).any()
    assert np.array_equal(first, stacking(scores, Known(flipped, bare, known.cluster)))


@pytest.mark.parametrize("few", ["correct", "incorrect", "clusters"])
def test_stacking_says_what_it_lacks(few: str) -> None:
    rng, known = world(4)
    scores = noisy(rng, known, 1.0, 0.8)
    lacking = {
        "correct": known._replace(is_labelled=~known.is_correct),
        "incorrect": known._replace(is_labelled=known.is_correct),
        "clusters": known._replace(cluster=known.cluster % 4),
    }
    with pytest.raises(UsageError, match=r"at least 5 correct sentences.*--rule mean-rank"):
        stacking(scores, lacking[few])


# Gain


def scored(score: FloatArray, known: Known, replicates: int = 1) -> Scored:
    cells = Cells(known.is_correct, np.zeros(score.size, int), 1, ~known.is_correct[:, None])
    return Scored(cells, score, known.cluster, Draws(np.zeros(known.cluster.max() + 1, int), 0, replicates))


def judged(name: str, score: FloatArray, known: Known, options: dict[str, Any] | None = None) -> Judged:
    spec = JudgeSpec(name, "ensemble" if options else "planted", ModelRef(name), options=options or {})
    table = pa.table({"score": score})
    return Judged(Run(name, name, None, None, spec, table), score, scored(score, known), {})


def gain_of(scores: FloatArray, known: Known) -> dict[str, Any]:
    members = [judged(name, score, known) for name, score in zip("ab", scores, strict=True)]
    options = {"rule": "mean-rank", "members": ["a", "b"], "scores": [digest_of(score) for score in scores]}
    both = judged("both", mean_rank(scores), known, options)
    cells = Cells(known.is_correct, np.zeros(known.cluster.size, int), 1, ~known.is_correct[:, None])
    draws = Draws(np.zeros(known.cluster.max() + 1, int), 0, 1)
    every = [*members, both]
    gain: dict[str, Any] = ensemble_entries(every, compare(every, cells, known.cluster, draws))["both"]["gain"]
    return gain


def test_the_interval_of_the_gain_covers_the_true_gain() -> None:
    rng, known = world(0, clusters=20_000)
    scores = noisy(rng, known, 1.2, 0.9)
    true = roc_auc_score(known.is_correct, mean_rank(scores)) - roc_auc_score(known.is_correct, scores[0])
    held, found = [], []
    for seed in range(200):
        rng, known = world(seed)
        gain = gain_of(noisy(rng, known, 1.2, 0.9), known)
        held.append(gain["low"] <= true <= gain["high"])
        found.append(gain["best_member"] == "a")
    assert true > 0.02
    assert np.mean(found) > 0.97
    assert 0.91 <= np.mean(held) <= 0.985


def test_the_gain_is_over_the_member_with_the_highest_auroc_on_the_same_sentences() -> None:
    rng, known = world(5)
    scores = noisy(rng, known, 0.5, 1.2)
    gain = gain_of(scores, known)
    best = roc_auc_score(known.is_correct, scores[1])
    assert gain["best_member"] == "b"
    assert gain["delta"] == pytest.approx(roc_auc_score(known.is_correct, mean_rank(scores)) - best, abs=1e-12)
    assert gain["low"] < gain["delta"] < gain["high"]
    assert gain["n"] == known.is_correct.size


# The judge, on runs that are stored


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return make_dataset(tmp_path_factory.mktemp("ensemble") / "big", images=40)


@pytest.fixture
def runs(big: Dataset, tmp_path: Path) -> Path:
    """Two planted judges of families one and two, one of which fails on every tenth sentence, and a blind control."""
    for reference, name in (("auroc=0.8,seed=1", "first"), ("auroc=0.75,seed=2,failures=0.1", "second")):
        run_judge(big, build_judge(f"planted:{reference}", name=name), tmp_path / "runs")
    run_judge(big, build_judge("length"), tmp_path / "runs")
    return tmp_path / "runs"


def ensemble_of(dataset: Dataset, runs: Path, *members: str, rule: str = "mean-rank") -> EnsembleJudge:
    judge = build_judge(f"ensemble:{rule}", dataset=str(dataset.path), runs=str(runs), members=members)
    assert isinstance(judge, EnsembleJudge)
    return judge


def judgments(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["sentence_id"]: row for row in pq.read_table(folder / "judgments.parquet").to_pylist()}


def folder_named(runs: Path, name: str) -> Path:
    return next(p.parent for p in runs.glob("*/run.json") if json.loads(p.read_text())["spec"]["name"] == name)


def test_a_stored_ensemble_is_the_mean_of_ranks(big: Dataset, runs: Path) -> None:
    summary = run_judge(big, ensemble_of(big, runs, "first", "second"), runs)
    first, second = (judgments(folder_named(runs, name)) for name in ("first", "second"))
    scores = np.array([[each[key]["score"] for key in first] for each in (first, second)], float)
    expected = dict(zip(first, mean_rank(scores).tolist(), strict=True))
    stored = judgments(summary.folder)
    assert summary.complete
    for key, row in stored.items():
        assert row["score"] is None if np.isnan(expected[key]) else row["score"] == expected[key]
    lost = [row for row in stored.values() if row["score"] is None]
    assert len(lost) == summary.statuses["failed"] > 0
    assert {json.loads(row["raw"])["reason"] for row in lost} == {"the member 'second' gave no score: failed"}


@pytest.mark.parametrize("rule", list(Rule))
def test_every_rule_goes_through_a_run(big: Dataset, runs: Path, rule: Rule) -> None:
    for name in ("first", "second"):  # scores in [0, 1], as mean-logit wants them
        path = folder_named(runs, name) / "judgments.parquet"
        table = pq.read_table(path)
        shares = pa.array([None if each is None else 1 / (1 + np.exp(-each)) for each in table["score"].to_pylist()])
        pq.write_table(table.set_column(table.column_names.index("score"), "score", shares), path)
    summary = run_judge(big, ensemble_of(big, runs, "first", "second", rule=rule), runs)
    said = evaluate(big, runs, replicates=50)
    entry = next(one for one in said["judges"] if one["judge_id"] == summary.judge_id)
    assert entry["rule"] == rule
    assert entry["auroc"]["value"] > max(one["auroc"]["value"] for one in said["judges"] if "members" not in one)


def test_members_in_another_order_are_the_same_ensemble(big: Dataset, runs: Path) -> None:
    one, two = ensemble_of(big, runs, "first", "second"), ensemble_of(big, runs, "second", "first")
    assert one.spec.judge_id == two.spec.judge_id
    assert one.spec.name == "first + second (mean rank)"
    assert one.spec.control is None
    assert one.spec.options["members"] == sorted(one.spec.options["members"])
    assert ensemble_of(big, runs, "first", "second", rule="stacking").spec.judge_id != one.spec.judge_id


def test_judging_a_member_again_makes_another_ensemble(big: Dataset, runs: Path) -> None:
    before = ensemble_of(big, runs, "first", "second")
    run_judge(big, before, runs)
    change_a_score(folder_named(runs, "first"))
    after = ensemble_of(big, runs, "first", "second")
    assert after.spec.judge_id != before.spec.judge_id
    (entry,) = (one for one in evaluate(big, runs, replicates=50)["judges"] if "gain" in one)
    assert entry["gain"]["delta"] is None
    assert "first has scored again since; run `alignbench ensemble`" in entry["gain"]["reason"]


def change_a_score(folder: Path) -> None:
    table = pq.read_table(folder / "judgments.parquet")
    scores = table["score"].to_pylist()
    scores[0] += 1.0
    changed = table.set_column(table.column_names.index("score"), "score", pa.array(scores, pa.float64()))
    pq.write_table(changed, folder / "judgments.parquet")


def test_the_family_is_the_common_one(big: Dataset, tmp_path: Path) -> None:
    for reference, name in (("own=x,seed=1", "a"), ("own=x,seed=2", "b"), ("own=y,seed=3", "c")):
        run_judge(big, build_judge(f"planted:{reference}", name=name), tmp_path)
    assert ensemble_of(big, tmp_path, "a", "b").spec.model.family == "x"
    assert ensemble_of(big, tmp_path, "a", "b", "c").spec.model.family is None


def test_an_ensemble_costs_what_its_members_cost(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=12)
    rng = np.random.default_rng(0)
    size = dataset.counts["sentences"]
    write_run(tmp_path / "runs", dataset, "a", rng.normal(size=size), usage=Usage(100, 2, 0.5, 0.001))
    write_run(tmp_path / "runs", dataset, "b", rng.normal(size=size), usage=Usage(10, None, 0.25, 0.002))
    run_judge(dataset, ensemble_of(dataset, tmp_path / "runs", "a", "b"), tmp_path / "runs")
    judges = evaluate(dataset, tmp_path / "runs", replicates=50)["judges"]
    usage = next(one["usage"] for one in judges if "members" in one)
    assert (usage["input_tokens"], usage["output_tokens"]) == (110 * size, None)
    assert usage["seconds"] == pytest.approx(0.75 * size)
    assert usage["cost_usd"] == pytest.approx(0.003 * size)


def test_an_image_that_members_missed_is_missing_for_the_ensemble(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=6, missing=(0,))
    for seed in (1, 2):
        run_judge(dataset, build_judge(f"planted:seed={seed}", name=f"p{seed}"), tmp_path / "runs")
    judge = ensemble_of(dataset, tmp_path / "runs", "p1", "p2")
    pair = next(pair for pair in dataset.pairs() if pair.image_key == "tests:0")
    asked = [sentence for sentence in dataset.sentences() if sentence.pair_id == pair.pair_id]
    judge.brief({(0, place): (pair, sentence) for place, sentence in enumerate(asked)})
    verdicts = [answer.verdict for answer in judge.judge([Query(0, b"", tuple(each.text for each in asked))])]
    assert [verdict.status for verdict in verdicts] == [Status.IMAGE_MISSING] * 3
    assert verdicts[0].raw["reason"].endswith("gave no score: image_missing")


def test_a_resumed_ensemble_is_the_whole_one(big: Dataset, runs: Path, tmp_path: Path) -> None:
    whole = run_judge(big, ensemble_of(big, runs, "first", "second", rule="stacking"), tmp_path / "whole")
    run_judge(big, ensemble_of(big, runs, "first", "second", rule="stacking"), tmp_path / "part", limit=31)
    part = run_judge(big, ensemble_of(big, runs, "first", "second", rule="stacking"), tmp_path / "part")
    scores = [[row["score"] for row in judgments(each.folder).values()] for each in (whole, part)]
    assert scores[0] == scores[1]


# Wrong members


@pytest.mark.parametrize(
    ("members", "said"),
    [
        (("first",), "at least two members"),
        (("first", "first"), "'first' is given twice"),
        (("first", "length"), "'length' is a blind control"),
    ],
)
def test_wrong_members(big: Dataset, runs: Path, members: tuple[str, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        ensemble_of(big, runs, *members)


def test_an_ensemble_is_no_member(big: Dataset, runs: Path) -> None:
    run_judge(big, ensemble_of(big, runs, "first", "second"), runs)
    with pytest.raises(UsageError, match="is an ensemble itself; give its members"):
        ensemble_of(big, runs, "first", "first + second (mean rank)")


def test_an_unknown_member_names_the_nearest(big: Dataset, runs: Path) -> None:
    with pytest.raises(UnknownNameError, match=r"'frist' .nearest: first"):
        ensemble_of(big, runs, "first", "frist")


def test_an_unfinished_member_says_how_to_go_on(big: Dataset, runs: Path) -> None:
    run_judge(big, build_judge("planted:auroc=0.7", name="half"), runs, limit=5)
    with pytest.raises(UsageError, match="the member half: it is not finished; run `alignbench judge"):
        ensemble_of(big, runs, "first", "half")


def test_an_unknown_rule(big: Dataset, runs: Path) -> None:
    with pytest.raises(UnknownNameError, match="nearest: mean-rank"):
        ensemble_of(big, runs, "first", "second", rule="meanrank")


def test_members_that_share_no_sentence(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    half = np.arange(dataset.counts["sentences"]) % 2 == 0
    write_run(tmp_path / "runs", dataset, "even", np.where(half, 0.5, np.nan))
    write_run(tmp_path / "runs", dataset, "odd", np.where(half, np.nan, 0.5))
    with pytest.raises(UsageError, match="no sentence has a score of every member"):
        ensemble_of(dataset, tmp_path / "runs", "even", "odd")


def test_another_dataset_is_refused(big: Dataset, runs: Path, tmp_path: Path) -> None:
    other = make_dataset(tmp_path / "other", name="other", images=41)
    with pytest.raises(UsageError, match="its members judged another dataset"):
        run_judge(other, ensemble_of(big, runs, "first", "second"), tmp_path / "elsewhere")


def test_new_labels_refuse_an_ensemble_that_was_told_the_old_ones(big: Dataset, runs: Path, tmp_path: Path) -> None:
    unlabelled = make_dataset(tmp_path / "big", images=40, labelled=False)
    assert unlabelled.shown_digest == big.shown_digest
    for name in ("a", "b"):
        write_run(tmp_path / "runs", big, name, np.random.default_rng(ord(name)).normal(size=240))
    judge = ensemble_of(big, tmp_path / "runs", "a", "b", rule="stacking")
    run_judge(big, judge, tmp_path / "runs")
    with pytest.raises(DatasetChangedError):
        run_judge(unlabelled, judge, tmp_path / "runs")


# The command and the report


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    def call(*arguments: object) -> tuple[int, str]:
        code = run([str(each) for each in arguments])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_the_command_writes_a_run_that_evaluate_ranks(
    big: Dataset, runs: Path, called: Callable[..., tuple[int, str]], tmp_path: Path
) -> None:
    second = json.loads((folder_named(runs, "second") / "run.json").read_text())["judge_id"]
    code, said = called("ensemble", big.path, runs, "--member", "first", "--member", second, "--json")
    assert code == 1  # sentences of which `second` has no score
    outcome = json.loads(said)["run"]
    assert outcome["name"] == "first + second (mean rank)"
    code, said = called("evaluate", big.path, runs, "--out", tmp_path / "report", "--json", "--replicates", 100)
    assert code == 0
    (entry,) = (one for one in json.loads(said)["judges"] if one["judge_id"] == outcome["judge_id"])
    assert {each["name"] for each in entry["members"]} == {"first", "second"}
    assert entry["gain"]["best_member"] == "first"


def test_wrong_use_of_the_command(big: Dataset, runs: Path, called: Callable[..., tuple[int, str]]) -> None:
    code, said = called("ensemble", big.path, runs, "--member", "first", "--member", "second", "--rule", "mean-logit")
    assert (code, "use --rule mean-rank" in said or "give --rule mean-rank" in said) == (2, True)
    assert not [path for path in runs.glob("*/run.json") if "ensemble" in path.read_text()]


def test_the_command_knows_every_rule() -> None:
    assert set(RULES) == set(Rule)


def test_the_leaderboard_says_what_an_ensemble_gains(big: Dataset, runs: Path) -> None:
    run_judge(big, ensemble_of(big, runs, "first", "second"), runs)
    results = evaluate(big, runs, replicates=50)
    (entry,) = (one for one in results["judges"] if "gain" in one)
    gain = entry["gain"]
    numbers = f"{gain['delta']:+.3f} [{gain['low']:.3f}, {gain['high']:.3f}]".replace("0.", ".")
    note = next(note for note in leaderboard(results).notes if "ensemble of" in note)
    assert note.startswith("first + second (mean rank): ensemble of ")
    assert f"(mean rank); {numbers} over its best member first (chosen on the same sentences" in note


def test_a_member_that_is_gone_leaves_no_gain(big: Dataset, runs: Path) -> None:
    run_judge(big, ensemble_of(big, runs, "first", "second"), runs)
    folder_named(runs, "second").rename(runs.parent / "moved")
    results = evaluate(big, runs, replicates=50)
    (entry,) = (one for one in results["judges"] if "gain" in one)
    assert [each["name"] for each in entry["members"]].count(None) == 1
    note = next(note for note in leaderboard(results).notes if "ensemble of" in note)
    assert "no gain to tell: no run of its member" in note
