"""Judges that cost money: what they answered is safe before they go on, and they stop where the money ends."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from alignbench.errors import UsageError
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import Query, Status, Usage
from tests.fake_judges import FakeJudge, HousedJudge, PricedJudge
from tests.run_results import expected, judgments, scores, statuses

# Safe before the next


def synced_sizes(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """The size that each file had when it was last synced, by its inode; filled as the test goes on."""
    sizes: dict[int, int] = {}
    sync = os.fsync

    def watch(descriptor: int) -> None:
        sync(descriptor)
        found = os.fstat(descriptor)
        sizes[found.st_ino] = found.st_size

    monkeypatch.setattr(os, "fsync", watch)
    return sizes


@pytest.mark.parametrize("kind", [PricedJudge, FakeJudge])
def test_a_paid_answer_is_on_the_disk_before_the_next_is_taken(
    dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[FakeJudge]
) -> None:
    sizes, behind = synced_sizes(monkeypatch), []

    def meddle(query: Query, place: int) -> None:
        (ledger,) = (tmp_path / "runs").glob("*/ledger-0-of-1.jsonl")
        found = ledger.stat()
        behind.append(found.st_size - sizes.get(found.st_ino, 0))

    run_judge(dataset, kind(meddle=meddle), tmp_path / "runs")
    assert len(behind) == 24
    assert (max(behind) == 0) is (kind is PricedJudge)


# The limit


@pytest.mark.parametrize(("cap", "answers"), [(0.0, 0), (0.24, 0), (0.25, 1), (2.1, 8), (5.99, 23)])
def test_a_run_stops_before_it_costs_more(dataset: Dataset, tmp_path: Path, cap: float, answers: int) -> None:
    summary = run_judge(dataset, PricedJudge(0.25), tmp_path / "runs", max_cost=cap)
    assert (summary.asked, summary.finished, summary.complete) == (answers, answers, False)
    assert summary.stopped == "the next answer costs $0.25; give a higher --max-cost"
    assert (summary.cost_usd or 0.0) == 0.25 * answers <= cap
    assert summary.statuses == ({Status.OK: answers} if answers else {})
    judge = PricedJudge(0.25)
    again = run_judge(dataset, judge, tmp_path / "runs", max_cost=100)
    assert (again.asked, again.stopped, again.complete) == (24 - answers, None, True)
    assert judge.spent == again.cost_usd == 0.25 * (24 - answers)
    assert scores(again) == expected(dataset)


def test_money_that_is_just_enough_stops_nothing(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, PricedJudge(0.25), tmp_path / "runs", max_cost=6)
    assert (summary.stopped, summary.complete, summary.cost_usd) == (None, True, 6.0)


def test_what_was_open_when_the_money_ended_has_no_answer(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, PricedJudge(1, ahead=4), tmp_path / "runs", max_cost=7)
    lines = (summary.folder / "ledger-0-of-1.jsonl").read_text().splitlines()
    assert [json.loads(line)["status"] for line in lines] == ["ok"] * 7


def test_a_judge_that_costs_nothing_has_no_limit(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs", max_cost=0)
    assert (summary.complete, summary.cost_usd, summary.stopped) == (True, None, None)


@pytest.mark.parametrize("cost", [-0.01, float("nan")])
def test_a_senseless_limit(dataset: Dataset, tmp_path: Path, cost: float) -> None:
    with pytest.raises(UsageError, match="--max-cost 0 or more"):
        run_judge(dataset, PricedJudge(), tmp_path / "runs", max_cost=cost)
    assert not (tmp_path / "runs").exists()


def test_a_limit_without_a_price_leaves_no_folder(dataset: Dataset, tmp_path: Path) -> None:
    class Unknown(PricedJudge):
        def limit_cost(self, usd: float) -> None:
            raise UsageError("no price")

    with pytest.raises(UsageError, match="no price"):
        run_judge(dataset, Unknown(), tmp_path / "runs", max_cost=1)
    assert not (tmp_path / "runs").exists()


def test_a_failed_query_is_asked_again_without_what_it_has_answered(dataset: Dataset, tmp_path: Path) -> None:
    faults = iter([True])

    def meddle(query: Query, place: int) -> None:
        if query.number == 1 and place == 4 and next(faults, False):
            raise ConnectionError("dropped")

    for context in ("sentence", "caption"):
        judge = PricedJudge(1, meddle, context, ahead=3)
        faults = iter([True])
        summary = run_judge(dataset, judge, tmp_path / context)
        assert (summary.statuses, judge.spent) == ({Status.OK: 24}, 24)
        assert scores(summary) == expected(dataset)


# What is counted


def test_usage_is_kept_with_the_cached_part(dataset: Dataset, tmp_path: Path) -> None:
    summary = run_judge(dataset, PricedJudge(0.5), tmp_path / "runs")
    assert {each.verdict.usage for each in judgments(summary)} == {Usage(100, 2, 0.5, 0.5, 60)}
    assert pq.read_table(summary.folder / "judgments.parquet")["cached_tokens"].to_pylist() == [60] * 24


def test_a_run_of_an_earlier_version_goes_on(dataset: Dataset, tmp_path: Path) -> None:
    """Its ledger says nothing of cached tokens."""
    folder = run_judge(dataset, PricedJudge(0.5), tmp_path / "runs", limit=10).folder
    ledger = folder / "ledger-0-of-1.jsonl"
    lines = [json.loads(line) for line in ledger.read_text().splitlines()]
    ledger.write_text("".join(json.dumps({k: v for k, v in x.items() if k != "cached_tokens"}) + "\n" for x in lines))
    summary = run_judge(dataset, PricedJudge(0.5), tmp_path / "runs")
    cached = [each.verdict.usage.cached_tokens for each in judgments(summary)]
    assert (cached, summary.asked) == ([None] * 10 + [60] * 14, 14)


# A place of its own


def test_a_judge_gets_a_folder_in_its_run(dataset: Dataset, tmp_path: Path) -> None:
    judge = HousedJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs")
    assert judge.house == summary.folder / "judge"
    assert set(statuses(summary)) == {Status.OK}


def test_shards_that_may_run_at_once_do_not_share_it(dataset: Dataset, tmp_path: Path) -> None:
    judges = [HousedJudge(), HousedJudge()]
    for number, judge in enumerate(judges):
        run_judge(dataset, judge, tmp_path / "runs", shard=(number, 2))
    assert judges[0].house != judges[1].house
