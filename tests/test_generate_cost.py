"""Money and Ctrl-C while a dataset is made: what was paid for is kept, and nothing is paid for twice."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.store import Dataset
from generation.pipeline import generate
from generation.purse import Purse
from tests.standins import LOOP, PICTURES, Write, calls, files_of, install, writer_in

PAID = "images: {{source: standin, count: 6}}\ncaptioners: ['paid:{}']\n"


@pytest.fixture
def adapters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return install(tmp_path / "site", monkeypatch)


@pytest.fixture
def recipe(adapters: Path, tmp_path: Path) -> Write:
    return writer_in(tmp_path)


@pytest.fixture
def interrupts() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_limit_ends_the_call_and_the_next_goes_on(recipe: Write, adapters: Path, tmp_path: Path) -> None:
    path = recipe(PAID.format("a") + PICTURES.format("bright"))
    first = generate(path, tmp_path / "out", max_cost=0.6)
    assert (first.complete, first.made, first.spent_usd) == (False, 2, 0.5)
    assert (first.finished, first.rows, first.digest) == (2, 9, None)
    assert first.stopped == "the next caption costs $0.25 and $0.50 is spent"
    assert not (tmp_path / "out").exists()
    second = generate(path, tmp_path / "out", max_cost=5)
    assert (second.complete, second.made, second.spent_usd, second.stopped) == (True, 7, 1.0, None)
    seeds = [seed for name, _, seed in calls(adapters) if name == "a"]
    assert len(seeds) == len(set(seeds)) == 6, "nothing was asked twice"
    generate(path, tmp_path / "fresh")
    assert files_of(tmp_path / "out") == files_of(tmp_path / "fresh")


def test_each_model_may_spend_what_those_before_it_left(recipe: Write, tmp_path: Path) -> None:
    text = PAID.format("a").replace("'paid:a'", "'paid:a', 'paid:b'") + LOOP.replace("words:plain", "paid:c")
    stopped = generate(recipe(text), tmp_path / "out", max_cost=3.5)
    assert (stopped.spent_usd, stopped.made) == (3.5, 6 + 6 + 12 + 2)
    assert generate(recipe(text), tmp_path / "out").spent_usd == 2.5


def test_a_writer_that_is_paid_counts_too_and_keeps_what_it_has(recipe: Write, tmp_path: Path) -> None:
    path = recipe("prompts: {writer: paid, count: 4}\nimage_models: ['colours:bright']\n" + PAID.format("a"))
    first = generate(path, tmp_path / "out", max_cost=3)
    assert (first.complete, first.spent_usd, first.stopped) == (False, 3.0, "the next prompt costs $1")
    assert (first.rows, first.finished, first.made) == (0, 0, 0)
    second = generate(path, tmp_path / "out", max_cost=1.6)
    assert (second.complete, second.spent_usd, second.made) == (False, 1.5, 2)
    third = generate(path, tmp_path / "out", max_cost=1)
    assert (third.complete, third.spent_usd, third.made) == (True, 1.0, 8)


def test_without_anything_that_costs_money_nothing_is_told(recipe: Write, tmp_path: Path) -> None:
    assert generate(recipe(PICTURES.format("bright")), tmp_path / "out", max_cost=0).spent_usd is None


def test_a_cost_that_makes_no_sense(recipe: Write, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give --max-cost 0 or more"):
        generate(recipe(PICTURES.format("bright")), tmp_path / "out", max_cost=-1)


def test_the_first_interrupt_brings_home_what_is_in_flight(
    recipe: Write, adapters: Path, tmp_path: Path, interrupts: None
) -> None:
    path = recipe(PAID.format("stop-3"))
    with pytest.raises(KeyboardInterrupt):
        generate(path, tmp_path / "out")
    assert len(calls(adapters)) == 4
    resumed = generate(path, tmp_path / "out")
    assert (resumed.complete, resumed.made) == (True, 2), "all four that were asked are kept"
    assert len(calls(adapters)) == 6


def test_where_a_producer_runs_is_told_as_far_as_it_can_change_a_row(recipe: Write, tmp_path: Path) -> None:
    generate(recipe(PAID.format("a") + PICTURES.format("bright")), tmp_path / "out")
    for pair in Dataset.open(tmp_path / "out").pairs():
        told = {"endpoint": "http://nowhere"} if pair.producer.name == "a" else None
        assert pair.provenance.get("environment") == told
        assert pair.provenance["versions"]["adapters"] == "1.0"


def test_a_purse_counts_what_was_spent_before_a_failure() -> None:
    class Worker:
        spent_usd = 0.0
        limit: float | None = None

        def limit_cost(self, usd: float) -> None:
            self.limit = usd

    def work(worker: Worker) -> None:
        with purse.minding(worker):
            worker.spent_usd = 1.5
            raise OSError("gone")

    purse = Purse(2.0)
    with pytest.raises(OSError, match="gone"):
        work(Worker())
    assert purse.spent == 1.5
    with purse.minding(other := Worker()):
        pass
    assert other.limit == 0.5
