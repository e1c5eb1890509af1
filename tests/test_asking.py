"""What becomes of a judge's exceptions, odd scores and wrong answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from alignbench.errors import BudgetError, ImageError, RunError, StorageError, UsageError
from alignbench.run import Progress, run_judge
from alignbench.store import Dataset
from alignbench.types import Answer, Image, Query, Status, Verdict
from tests.datasets import PRODUCERS, make_dataset, make_image
from tests.fake_judges import FakeJudge, ScriptedJudge, TurbulentJudge
from tests.run_results import expected, fail_on, judgments, scores


@pytest.mark.parametrize("ahead", [1, 2, 4])
@pytest.mark.parametrize("error", [ValueError("boom"), MemoryError(), ImageError("odd")], ids=repr)
def test_an_exception_fails_its_query_alone(dataset: Dataset, tmp_path: Path, ahead: int, error: Exception) -> None:
    judge = fail_on(make_image(2), error, ahead)
    summary = run_judge(dataset, judge, tmp_path / "runs")
    failed = [each.sentence_id for each in judgments(summary) if each.verdict.status is Status.FAILED]
    assert failed == [each.sentence_id for each in dataset.sentences() if "tests:2#" in each.sentence_id]
    reason = judgments(summary)[12].verdict.raw["reason"]
    assert reason == f"{type(error).__name__}: {error}"
    good = [row for row in expected(dataset) if row[0] not in failed]
    assert [row for row in scores(summary) if row[1] is not None] == good


@pytest.mark.parametrize("ahead", [1, 3])
def test_answers_before_the_exception_are_kept(dataset: Dataset, tmp_path: Path, ahead: int) -> None:
    summary = run_judge(dataset, fail_on(make_image(0), ValueError("late"), ahead, place=4), tmp_path / "runs")
    assert summary.statuses == {Status.OK: 22, Status.FAILED: 2}
    ledger = (summary.folder / "ledger-0-of-1.jsonl").read_text().splitlines()
    assert len(ledger) == 24


def test_failures_are_asked_again_on_demand_only(dataset: Dataset, tmp_path: Path) -> None:
    run_judge(dataset, fail_on(make_image(2), ValueError("boom")), tmp_path / "runs")
    judge = FakeJudge()
    assert run_judge(dataset, judge, tmp_path / "runs").asked == 0
    summary = run_judge(dataset, judge, tmp_path / "runs", retry_failed=True)
    assert summary.asked == 6
    assert [query.number for query in judge.asked] == [2]
    assert scores(summary) == expected(dataset)
    assert [each.attempts for each in judgments(summary)] == [1] * 12 + [2] * 6 + [1] * 6


def test_a_judge_that_always_fails_is_stopped(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=30)

    def meddle(query: Query, place: int) -> None:
        if query.number >= 5:
            raise ConnectionError("no route")

    with pytest.raises(RunError, match=r"failed on 20 queries in a row.*no route.*--retry-failed"):
        run_judge(dataset, FakeJudge(meddle, ahead=3), tmp_path / "runs")
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs", retry_failed=True)
    assert scores(summary) == expected(dataset)
    assert sum(each.attempts == 2 for each in judgments(summary)) == 20 * 6


def test_a_failure_now_and_then_does_not_stop_a_run(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=60, producers=PRODUCERS[:1])

    def meddle(query: Query, place: int) -> None:
        if query.number % 20:
            raise ConnectionError("no route")

    assert run_judge(dataset, FakeJudge(meddle), tmp_path / "runs").statuses[Status.FAILED] == 57 * 3


def test_an_error_for_the_user_stops_the_run(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no key"):
        run_judge(dataset, fail_on(make_image(1), UsageError("no key")), tmp_path / "runs")
    assert run_judge(dataset, FakeJudge(), tmp_path / "runs").asked == 18


@pytest.mark.parametrize("score", [float("nan"), float("inf"), -float("inf")])
def test_a_score_that_is_no_number_is_a_status(dataset: Dataset, tmp_path: Path, score: float) -> None:
    def meddle(query: Query, place: int) -> Verdict | None:
        return Verdict(score, raw={"logit": score}) if query.number == 3 else None

    summary = run_judge(dataset, FakeJudge(meddle), tmp_path / "runs")
    assert summary.statuses == {Status.OK: 18, Status.NOT_FINITE: 6}
    assert judgments(summary)[-1].verdict.raw == {"logit": str(score), "reason": f"the score is {score}"}


@pytest.mark.parametrize(
    "answers",
    [
        [Answer(0, 0, Verdict(0.5)), Answer(0, 0, Verdict(0.5))],
        [Answer(0, 6, Verdict(0.5))],
        [Answer(0, -1, Verdict(0.5))],
        [Answer(99, 0, Verdict(0.5))],
        [*(Answer(0, place, Verdict(0.5)) for place in range(6)), Answer(0, 5, Verdict(0.5))],
    ],
    ids=["twice", "beyond", "before", "unasked", "after-the-end"],
)
def test_answers_to_what_was_not_asked_are_caught(dataset: Dataset, tmp_path: Path, answers: list[Answer]) -> None:
    with pytest.raises(RunError, match="not asked or had answered before"):
        run_judge(dataset, ScriptedJudge(*answers), tmp_path / "runs")


def test_sentences_without_an_answer_fail(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, ScriptedJudge(Answer(1, 2, Verdict(0.5))), tmp_path / "runs")
    assert summary.statuses == {Status.OK: 1, Status.FAILED: 23}
    failed = next(each for each in judgments(summary) if each.verdict.status is Status.FAILED)
    assert failed.verdict.raw["reason"] == "the judge gave no answer"


def test_a_judge_that_takes_nothing_is_stopped(dataset: Dataset, tmp_path: Path) -> None:
    class Idle(FakeJudge):
        def judge(self, queries: object) -> Iterator[Answer]:
            return iter(())

    with pytest.raises(RunError, match="takes no query"):
        run_judge(dataset, Idle(), tmp_path / "runs")


def test_a_fault_of_the_dataset_does_not_pass_for_one_of_the_judge(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(self: Dataset, keys: object) -> Iterator[Image]:
        yield make_image(0)
        raise OSError("bad sector")

    monkeypatch.setattr(Dataset, "images", broken)
    with pytest.raises(OSError, match="bad sector"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs")


# Many queries at once


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """More images than a judge can have open."""
    return make_dataset(tmp_path_factory.mktemp("wide") / "data", images=250, producers=PRODUCERS[:1])


def test_hundreds_of_open_queries_come_back_in_any_order(wide: Dataset, tmp_path: Path) -> None:
    assert scores(run_judge(wide, TurbulentJudge(ahead=200), tmp_path / "runs")) == expected(wide)


def test_among_hundreds_only_the_failing_query_fails(wide: Dataset, tmp_path: Path) -> None:
    def meddle(query: Query, place: int) -> None:
        if query.number == 150:
            raise ConnectionError("reset")

    summary = run_judge(wide, TurbulentJudge(meddle, ahead=200), tmp_path / "runs")
    assert summary.statuses == {Status.OK: 747, Status.FAILED: 3}
    assert len((summary.folder / "ledger-0-of-1.jsonl").read_text().splitlines()) == 750


@pytest.mark.parametrize("error", [KeyboardInterrupt(), BudgetError("no money"), UsageError("no key")], ids=repr)
def test_what_is_open_when_a_run_stops_is_left_unanswered(wide: Dataset, tmp_path: Path, error: BaseException) -> None:
    given = iter(range(100))

    def meddle(query: Query, place: int) -> None:
        if next(given, None) is None:
            raise error

    with contextlib.suppress(KeyboardInterrupt, UsageError):
        run_judge(wide, TurbulentJudge(meddle, ahead=200), tmp_path / "runs")
    (ledger,) = (tmp_path / "runs").glob("*/ledger-0-of-1.jsonl")
    assert [json.loads(line)["status"] for line in ledger.read_text().splitlines()] == ["ok"] * 100
    summary = run_judge(wide, TurbulentJudge(ahead=200), tmp_path / "runs")
    assert (summary.asked, scores(summary)) == (650, expected(wide))


@pytest.mark.parametrize("error", [KeyboardInterrupt(), StorageError("full")], ids=repr)
def test_a_stream_that_is_left_is_closed_at_once(dataset: Dataset, tmp_path: Path, error: BaseException) -> None:
    closed: list[bool] = []

    class Connected(FakeJudge):
        def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
            try:
                yield from super().judge(queries)
            finally:
                closed.append(True)

    def leave(progress: Progress) -> None:
        raise error

    try:
        run_judge(dataset, Connected(), tmp_path / "runs", progress=leave)
    except type(error):
        assert closed == [True]
    else:
        pytest.fail("nothing was raised")


def test_a_judge_may_answer_with_any_iterator(dataset: Dataset, tmp_path: Path) -> None:
    class Listing(FakeJudge):
        def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
            return iter(list(super().judge(queries)))

    assert scores(run_judge(dataset, Listing(), tmp_path / "runs")) == expected(dataset)
