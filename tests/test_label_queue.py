"""The queue of doubtful labels: finds planted noise, hears whom it should, and opens in a spreadsheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from alignbench.analysis.cross_fitting import Known
from alignbench.analysis.label_noise import VOTE_WEIGHT, correct_odds, wrong_odds
from alignbench.cli import alignbench, run
from alignbench.errors import DatasetError, ImportFileError, RunError, UnknownNameError, UsageError
from alignbench.exchange.labelling_tasks import Wanted, tasks_of
from alignbench.labelling.assisted.queue import (
    ADJUDICATED,
    COLUMNS,
    UNKNOWN,
    UNSCORED,
    Queue,
    QueueRow,
    queue_csv,
    queue_of,
    read_queue,
    write_queue,
)
from alignbench.labelling.events import make_event
from alignbench.labelling.record import record_events
from alignbench.metrics import auroc
from alignbench.simulation import SimulatedJudge, simulate
from alignbench.store import Dataset
from alignbench.types import Image, Label, LabelEvent, Pair, Role, Sentence, Votes
from tests.datasets import PRODUCERS, make_dataset, make_image, make_pair, write
from tests.noisy_worlds import JUDGES, Noisy, world_of, write_noisy
from tests.planted_runs import Producer, scores_for, write_dataset, write_run


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Noisy:
    return write_noisy(tmp_path_factory.mktemp("world"))


def precision_at_n(world: Noisy) -> float:
    """The share of wrong labels among the first of the queue, as many as there are wrong labels."""
    wrong = world.flipped_ids()
    first = queue_of(world.noisy, world.runs).rows[: len(wrong)]
    return sum(row.sentence_id in wrong for row in first) / len(wrong)


def test_the_top_of_the_queue_holds_the_planted_noise(noisy: Noisy, tmp_path: Path) -> None:
    worlds = [noisy, *(write_noisy(tmp_path / str(seed), seed=seed) for seed in (1, 2))]
    lifts = [precision_at_n(world) / world.flipped.mean() for world in worlds]
    assert min(lifts) > 8


def test_correcting_the_top_wins_back_the_lost_auroc(noisy: Noisy) -> None:
    simulated, panel = noisy.simulated, noisy.simulated.panel
    truth = panel.is_correct
    given = np.where(noisy.flipped, ~truth, truth)

    def macro(is_correct: np.typing.NDArray[np.bool_]) -> float:
        producers = range(len(panel.producers))
        score = simulated.scores[0]
        rows = [panel.producer == place for place in producers]
        return float(np.mean([auroc(is_correct[those], score[those]).value or np.nan for those in rows]))

    ids = panel.all_ids.to_pylist()
    first = [ids.index(row.sentence_id) for row in queue_of(noisy.noisy, noisy.runs).rows[: noisy.flipped.sum()]]
    chance = np.random.default_rng(5).permutation(truth.size)[: len(first)]
    lost = macro(truth) - macro(given)
    won = {}
    for name, rows in (("queue", first), ("chance", chance)):
        corrected = given.copy()
        corrected[rows] = truth[rows]
        won[name] = (macro(corrected) - macro(given)) / lost
    assert lost > 0.03
    assert 0.7 < won["queue"] < 1.15
    assert abs(won["chance"]) < 0.25


def test_without_noise_the_top_is_what_judges_find_hard(noisy: Noisy) -> None:
    queue = queue_of(noisy.true, noisy.runs)
    correct = np.array([row.label is Label.CORRECT for row in queue.rows])
    strong = np.array([row.scores["strong"] for row in queue.rows])
    wrong_side = np.where(correct, strong < np.median(strong[~correct]), strong > np.median(strong[correct]))
    assert wrong_side[:50].mean() > 3 * wrong_side.mean()
    # Neither label is accused much more than the other for being rare: 31 % are incorrect.
    assert 0.2 < (~correct[:50]).mean() < 0.75
    # And with noise there is more doubt than without.
    sure = [np.mean([row.noise > 0.9 for row in queue_of(each, noisy.runs).rows]) for each in (noisy.true, noisy.noisy)]
    assert sure[0] < sure[1]


def test_the_queue_is_ranked_whole_and_the_same_each_time(noisy: Noisy) -> None:
    queue = queue_of(noisy.noisy, noisy.runs)
    assert [row.rank for row in queue.rows] == list(range(1, len(queue.rows) + 1))
    assert len(queue.rows) == noisy.noisy.counts["sentences"]
    doubts = [row.doubt for row in queue.rows]
    assert doubts == sorted(doubts, reverse=True)
    assert queue_csv(queue) == queue_csv(queue_of(noisy.noisy, noisy.runs))
    assert queue.left_out == {}


def test_labels_of_other_clusters_alone_are_learnt_from() -> None:
    # Scores that are noise but tell each cluster from the others: whoever saw the label would know it.
    rng = np.random.default_rng(0)
    n = 400
    cluster = np.arange(n) // 4
    is_correct = rng.random(n) < 0.5
    scores = rng.normal(size=(3, n))
    odds = correct_odds(scores, Known(is_correct, np.ones(n, bool), cluster), np.zeros(n, np.int64))
    assert abs((auroc(is_correct, odds).value or 0) - 0.5) < 0.1


def test_odds_carry_each_producers_base_rate_and_weigh_labels_alike() -> None:
    shares = {"rare": 0.05, "often": 0.6}
    simulated = simulate(world_of(400, shares), [SimulatedJudge("blind", 0.5)])
    panel = simulated.panel
    known = Known(panel.is_correct, np.ones(panel.row.size, bool), panel.cluster)
    odds = correct_odds(simulated.score, known, panel.producer)
    base = np.log(panel.is_correct.mean() / (1 - panel.is_correct.mean()))
    for place in range(2):
        rows = panel.producer == place
        share = float(panel.is_correct[rows].mean())
        assert odds[rows].mean() == pytest.approx(np.log(share / (1 - share)) - base, abs=0.1)


def test_missing_scores_are_never_imputed() -> None:
    simulated = simulate(world_of(100), [SimulatedJudge("strong", 0.95), SimulatedJudge("weak", 0.6)])
    panel, scores = simulated.panel, simulated.score.copy()
    known = Known(panel.is_correct, np.ones(panel.row.size, bool), panel.cluster)
    only_weak = np.random.default_rng(0).random(panel.row.size) < 0.5
    scores[0, only_weak] = np.nan
    scores[:, :3] = np.nan
    odds = correct_odds(scores, known, panel.producer)
    assert np.isnan(odds[:3]).all()
    assert not np.isnan(odds[3:]).any()
    # Where the strong judge is missing, its sentences are judged by the weak one alone.
    alone = correct_odds(scores[1:], known, panel.producer)
    np.testing.assert_array_equal(odds[only_weak], alone[only_weak])


def test_a_judge_with_too_few_scores_is_left_out_where_it_is_not_enough_to_learn_from() -> None:
    simulated = simulate(world_of(100), [SimulatedJudge("strong", 0.9), SimulatedJudge("rare", 0.9)])
    panel, scores = simulated.panel, simulated.score.copy()
    known = Known(panel.is_correct, np.ones(panel.row.size, bool), panel.cluster)
    scores[1, 6:] = np.nan
    odds = correct_odds(scores, known, panel.producer)
    np.testing.assert_array_equal(odds, correct_odds(scores[:1], known, panel.producer))
    scores[0, :2] = np.nan
    assert np.flatnonzero(np.isnan(correct_odds(scores, known, panel.producer))).tolist() == [0, 1]


@pytest.mark.parametrize(
    ("for_it", "against", "weight"), [(0, 0, -1), (1, 0, -1), (3, 0, -3), (2, 1, -1), (1, 1, 0), (1, 2, 1), (0, 4, 4)]
)
def test_votes_add_their_log_odds(for_it: int, against: int, weight: int) -> None:
    odds, is_correct = np.array([0.7, 0.7]), np.array([True, False])
    votes = np.array([for_it, for_it]), np.array([against, against])
    expected = np.array([-0.7, 0.7]) + weight * np.log(4)
    np.testing.assert_allclose(wrong_odds(odds, is_correct, *votes), expected, rtol=1e-12)
    assert pytest.approx(np.log(4)) == VOTE_WEIGHT


def voted_dataset(folder: Path) -> Dataset:
    """Ten captions; two of three annotators agree on the first sentence of each, all three on the others."""
    parts: list[Image | tuple[Pair, list[Sentence]]] = []
    for number in range(10):
        pair, sentences = make_pair(make_image(number), PRODUCERS[0], number)
        parts += [make_image(number), (pair, [_voted(sentence) for sentence in sentences])]
    return write(folder, *parts)


def _voted(sentence: Sentence) -> Sentence:
    label = Label.INCORRECT if sentence.label is Label.INCORRECT else Label.CORRECT
    most, least = (3, 0) if sentence.index else (2, 1)
    votes = Votes(most, least, 0) if label is Label.CORRECT else Votes(least, most, 0)
    return replace(sentence, label=label, votes=votes)


def test_contested_labels_come_before_unanimous_ones(tmp_path: Path) -> None:
    dataset = voted_dataset(tmp_path / "data")
    write_run(tmp_path / "runs", dataset, "noise", np.random.default_rng(0).normal(size=30))
    rows = queue_of(dataset, tmp_path / "runs").rows
    assert [row.index for row in rows[:8]] == [0] * 8
    by_index = {
        row.index == 0: (row.agreement, row.votes and max(row.votes.correct, row.votes.incorrect)) for row in rows
    }
    assert by_index == {True: (pytest.approx(2 / 3), 2), False: (1.0, 3)}
    for row in rows:
        net = 1 if row.index == 0 else 3
        assert special.logit(row.doubt) == pytest.approx(special.logit(row.noise) - net * VOTE_WEIGHT)


def test_what_has_no_label_no_score_or_the_last_word_is_counted(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=12)
    assert dataset.counts["unknown"] == 2
    scores = np.random.default_rng(0).normal(size=72)
    scores[[0, 1, 2]] = np.nan
    write_run(tmp_path / "runs", dataset, "judge", scores)
    before = queue_of(dataset, tmp_path / "runs")
    assert before.left_out == {UNKNOWN: 2, UNSCORED: 3}
    told = before.rows[0]
    events = [
        adjudication(told, Label.CORRECT, 1),
        adjudication(before.rows[1], Label.CORRECT, 1),
        adjudication(before.rows[1], None, 2),
    ]
    record_events(dataset.path, events)
    after = queue_of(Dataset.open(dataset.path), tmp_path / "runs")
    assert after.left_out == {UNKNOWN: 2, UNSCORED: 3, ADJUDICATED: 1}
    ids = {row.sentence_id for row in after.rows}
    assert told.sentence_id not in ids
    assert before.rows[1].sentence_id in ids
    assert len(before.rows) == len(after.rows) + 1 == 72 - 5


def adjudication(row: QueueRow, label: Label | None, day: int) -> LabelEvent:
    """What an adjudicator says of a sentence on a day."""
    return make_event(
        sentence_id=row.sentence_id,
        text=row.sentence,
        annotator="referee",
        time=dt.datetime(2026, 1, day, tzinfo=dt.UTC),
        label=label,
        role=Role.ADJUDICATOR,
    )


def test_a_judge_never_counts_on_its_own_family(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("llama-one"), Producer("qwen-one")])
    scores = scores_for(dataset, 1.5)
    own = np.array([one.startswith("llama") for one in dataset.sentences_table(["pair_id"])["pair_id"].to_pylist()])
    rng = np.random.default_rng(4)
    queues = []
    for name in ("a", "b"):
        kind = np.where(own, rng.normal(size=own.size) + 5, scores)
        write_run(tmp_path / name, dataset, "llama-one", kind)
        write_run(tmp_path / name, dataset, "other", scores_for(dataset, 1.0, seed=2))
        queues.append(queue_of(dataset, tmp_path / name))
    assert queue_csv(queues[0]) == queue_csv(queues[1])
    for row in queues[0].rows:
        assert (row.scores["llama-one"] is None) is (row.producer == "llama-one")
        assert row.scores["other"] is not None


def test_families_of_the_user_count(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one"), Producer("two")])
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.0))
    families = tmp_path / "families.yaml"
    families.write_text("families:\n  kin: [judge, one]\n")
    queue = queue_of(dataset, tmp_path / "runs", families=families)
    assert {row.producer for row in queue.rows} == {"two"}
    assert queue.left_out == {UNSCORED: 200}


def test_controls_ensembles_and_those_who_were_told_are_not_heard(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one")])
    runs = tmp_path / "runs"
    for name in ("judge", "second"):
        write_run(runs, dataset, name, scores_for(dataset, 1.0))
    write_run(runs, dataset, "length", scores_for(dataset, 0.5), control="length")
    write_run(runs, dataset, "told", scores_for(dataset, 9.0), briefed=True)
    write_run(runs, dataset, "order", scores_for(dataset, 1.0), context="shuffled-caption")
    members = ["--member", "judge", "--member", "second", "--name", "both"]
    assert CliRunner().invoke(alignbench, ["ensemble", str(dataset.path), str(runs), *members]).exit_code == 0
    queue = queue_of(dataset, runs)
    assert set(queue.judges) == {"judge", "second"}
    assert {name: reason.split()[-1] for name, reason in queue.not_heard.items()} == {
        "length": "control",
        "told": "labels",
        "order": "captions",
        "both": "themselves",
    }
    assert queue_of(dataset, runs, judges=["second"]).judges == ("second",)
    assert queue_of(dataset, runs, judges=["second"]).not_heard["judge"] == "not asked for"
    with pytest.raises(UsageError, match="'told' cannot be heard: it was told the labels"):
        queue_of(dataset, runs, judges=["told", "judge"])
    with pytest.raises(UnknownNameError, match="nearest: judge"):
        queue_of(dataset, runs, judges=["judg"])


def test_without_a_judge_to_hear_there_is_no_queue(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one")])
    write_run(tmp_path / "runs", dataset, "length", scores_for(dataset, 1.0), control="length")
    with pytest.raises(RunError, match="length: a blind control"):
        queue_of(dataset, tmp_path / "runs")
    with pytest.raises(RunError, match="is no folder"):
        queue_of(dataset, tmp_path / "nowhere")


@pytest.mark.parametrize("wrong", [0.0, 1.0])
def test_labels_all_alike_teach_nothing(tmp_path: Path, wrong: float) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one", wrong)])
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.0))
    with pytest.raises(DatasetError, match="at least 5 correct and 5 incorrect sentences"):
        queue_of(dataset, tmp_path / "runs")


def test_few_clusters_teach_nothing(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("one", 0.5, images=3)], sentences=20)
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.0))
    with pytest.raises(DatasetError, match="at least 5 clusters"):
        queue_of(dataset, tmp_path / "runs")


def test_an_unlabelled_dataset_has_no_queue(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", labelled=False)
    write_run(tmp_path / "runs", dataset, "judge", np.zeros(24))
    with pytest.raises(DatasetError, match="no sentence labelled"):
        queue_of(dataset, tmp_path / "runs")


def test_a_producer_of_one_class_and_a_judge_without_scores_are_borne(tmp_path: Path) -> None:
    dataset = write_dataset(tmp_path / "data", [Producer("mixed", 0.3), Producer("true", 0.0)])
    write_run(tmp_path / "runs", dataset, "judge", scores_for(dataset, 1.5))
    write_run(tmp_path / "runs", dataset, "broken", np.full(400, np.nan))
    write_run(tmp_path / "runs", dataset, "constant", np.ones(400))
    queue = queue_of(dataset, tmp_path / "runs")
    assert len(queue.rows) == 400
    noise = {name: [row.noise for row in queue.rows if row.producer == name] for name in ("mixed", "true")}
    assert max(noise["true"]) < 0.4
    assert max(noise["mixed"]) > 0.8
    assert all(row.scores["broken"] is None for row in queue.rows)


NASTY = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12
) | st.sampled_from(
    ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'", "'=1", "''", 'a"b', "a,b\nc", "\ufeff=1", "𝔘n😀"]
)


@given(st.lists(NASTY, min_size=1, max_size=6, unique=True), NASTY, NASTY)
def test_no_cell_of_text_is_a_formula_and_ids_come_back(ids: list[str], text: str, judge: str) -> None:
    rows = [
        QueueRow(rank, one, text, 0, text, Label.CORRECT, None, None, 0.5, 0.5, {judge: -1.5})
        for rank, one in enumerate(ids, 1)
    ]
    written = queue_csv(Queue(rows, (judge,), {}, {}))
    header, *cells = list(csv.reader(io.StringIO(written, newline="")))
    assert len(cells) == len(ids)
    texts = [*header, *(row[place] for row in cells for place in (1, 2, 4, 5, 6))]
    assert not [cell for cell in texts if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [row[-1] for row in cells] == ["-1.5"] * len(ids)


@given(ids=st.lists(NASTY, min_size=1, max_size=6, unique=True))
def test_ids_survive_the_file(ids: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
    file = tmp_path_factory.mktemp("queue") / "q.csv"
    rows = [
        QueueRow(rank, one, "p", 0, one, Label.CORRECT, None, None, 0.5, 0.5, {}) for rank, one in enumerate(ids, 1)
    ]
    write_queue(Queue(rows, (), {}, {}), file)
    assert file.read_bytes().startswith(b"\xef\xbb\xbfrank,sentence_id,")
    assert read_queue(file) == ids


def test_any_table_with_sentence_ids_is_a_queue(tmp_path: Path) -> None:
    (tmp_path / "mine.tsv").write_text("note\tSentence ID\nx\tb#1\ny\ta#0\nz\tb#1\n")
    assert read_queue(tmp_path / "mine.tsv") == ["b#1", "a#0"]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", b"", "it has no rows"),
        ("a.csv", b"rank,sentence_id\n", "it has no rows"),
        ("a.csv", b"rank,id\n1,a\n", "line 2: there is no column sentence_id"),
        ("a.csv", b"rank,sentence_id\n1,a\n2,\n3\n", "line 3: it has no sentence_id"),
        ("a.csv", b"sentence_id\n\xff\xfe\n", "not UTF-8"),
        ("a.csv", b'sentence_id\n"a\n', "not CSV"),
        ("a.csv", b"rank;sentence_id\n1;a\n", "semicolons"),
        ("a.jsonl", b'{"sentence_id": 3}\n', "line 1: it has no sentence_id"),
    ],
)
def test_a_file_that_is_no_queue_is_refused_by_line(tmp_path: Path, name: str, content: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ImportFileError, match=said):
        read_queue(tmp_path / name)


def test_a_queue_that_is_not_there_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        read_queue(tmp_path / "none.csv")


def test_the_command_writes_what_export_reads(noisy: Noisy, tmp_path: Path) -> None:
    out = tmp_path / "new" / "queue.csv"
    arguments = ["label", "queue", str(noisy.noisy.path), str(noisy.runs), "--out", str(out), "--limit", "7"]
    done = CliRunner().invoke(alignbench, [*arguments, "--judge", "strong", "--judge", "weak"])
    assert done.exit_code == 0, done.output
    assert "heard: " in done.output
    assert "not heard: good: not asked for" in done.output
    assert f"{out}: 7 of {noisy.noisy.counts['sentences']:,} sentences" in done.output
    ids = read_queue(out)
    assert len(ids) == 7
    tasks, missing = tasks_of(noisy.noisy, Wanted(sentence_ids=ids))
    asked = {task.sentences[place].sentence_id for task in tasks for place in task.asked}
    assert asked == set(ids)
    assert missing == 0
    assert out.read_text(encoding="utf-8-sig").splitlines()[0].startswith(",".join(COLUMNS))


def test_the_command_tells_machines(noisy: Noisy, tmp_path: Path) -> None:
    out = tmp_path / "queue.csv"
    done = CliRunner().invoke(
        alignbench, ["label", "queue", str(noisy.noisy.path), str(noisy.runs), "--out", str(out), "--json"]
    )
    said = json.loads(done.output)
    assert said["sentences"] == said["of"] == noisy.noisy.counts["sentences"]
    assert sorted(said["judges"]) == sorted(judge.name for judge in JUDGES)
    assert said["left_out"] == {}


def test_the_command_wants_a_csv(noisy: Noisy, tmp_path: Path) -> None:
    done = run(["label", "queue", str(noisy.noisy.path), str(noisy.runs), "--out", str(tmp_path / "queue.xlsx")])
    assert done == 2
