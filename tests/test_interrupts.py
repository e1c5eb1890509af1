"""Ctrl-C while a judge has answers in flight: the first waits for them, the second does not."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.ledger import Recorded
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import Query
from tests.fake_judges import FakeJudge, StoppableJudge
from tests.run_results import expected, scores


@pytest.fixture(autouse=True)
def handler() -> Iterator[object]:
    """A handler of the caller's, which must be there again afterwards."""

    def mine(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGINT, mine)
    yield mine
    assert signal.getsignal(signal.SIGINT) is mine
    signal.signal(signal.SIGINT, before)


def press(judge: StoppableJudge, *, times: int = 1) -> None:
    for _ in range(times):
        signal.raise_signal(signal.SIGINT)
        assert judge.stopping.wait(10)


def pressing(after: int, *, ahead: int = 2, deaf: bool = False, times: int = 1) -> StoppableJudge:
    """A judge during whose answers somebody presses Ctrl-C."""
    given = iter(range(after))

    def meddle(query: Query, place: int) -> None:
        if next(given, None) is None and not judge.stopping.is_set():
            press(judge, times=times)

    judge = StoppableJudge(meddle, ahead, deaf)
    return judge


def answered(dataset: Dataset, out: Path) -> int:
    (folder,) = out.iterdir()
    return int(Recorded(folder, [each.sentence_id for each in dataset.sentences()]).answered().sum())


def test_the_first_keeps_what_is_in_flight(dataset: Dataset, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, pressing(3), tmp_path / "runs")
    assert "press Ctrl-C again to stop at once" in caplog.text
    assert answered(dataset, tmp_path / "runs") == 12
    summary = run_judge(dataset, StoppableJudge(), tmp_path / "runs")
    assert summary.asked == 12
    assert scores(summary) == expected(dataset)


def test_the_second_waits_for_nothing(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, pressing(3, times=2), tmp_path / "runs")
    assert answered(dataset, tmp_path / "runs") == 3


def test_a_judge_that_comes_to_its_end_is_interrupted_all_the_same(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, pressing(20, deaf=True), tmp_path / "runs")
    summary = run_judge(dataset, FakeJudge(name="fake"), tmp_path / "runs")
    assert (summary.asked, summary.complete) == (0, True)
    assert scores(summary) == expected(dataset)


def test_a_judge_that_cannot_be_stopped_is_interrupted_at_once(dataset: Dataset, tmp_path: Path) -> None:
    def meddle(query: Query, place: int) -> None:
        if (query.number, place) == (1, 2):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, FakeJudge(meddle), tmp_path / "runs")
    assert answered(dataset, tmp_path / "runs") == 8


def test_a_process_that_ignores_it_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    def meddle(query: Query, place: int) -> None:
        signal.raise_signal(signal.SIGINT)

    mine = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_judge(dataset, StoppableJudge(meddle), tmp_path / "runs").complete
    finally:
        signal.signal(signal.SIGINT, mine)


def test_outside_the_main_thread_no_handler_is_touched(dataset: Dataset, tmp_path: Path) -> None:
    complete: list[bool] = []
    thread = threading.Thread(
        target=lambda: complete.append(run_judge(dataset, StoppableJudge(), tmp_path / "runs").complete)
    )
    thread.start()
    thread.join()
    assert complete == [True]
