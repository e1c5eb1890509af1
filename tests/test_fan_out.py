"""Many queries at once over one connection: what is pulled, what is sent, what is yielded, and how a run ends."""

from __future__ import annotations

import asyncio
import gc
import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import closing, suppress
from typing import NamedTuple

import pytest

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.connection import Connection
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.fan_out import FanOut, in_any_order
from alignbench.backends.api.pace import Backoff
from alignbench.backends.api.prices import Price
from alignbench.errors import BudgetError, DatasetError, UsageError
from tests.api_server import Act, ApiServer, Request, by_text, fails, never, says, too_many, unauthorised

SENTENCES = 4


class Said(NamedTuple):
    """What the work below yields: a sentence of a query, and how often it was asked; 0 where it was given up."""

    query: int
    sentence: int
    attempts: int


@pytest.fixture(autouse=True)
def nothing_left_behind(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread outlives its run; sockets that do are ResourceWarnings, and those are errors."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0123456789")
    before = set(threading.enumerate())
    yield
    gc.collect()
    assert [thread.name for thread in threading.enumerate() if thread not in before] == []


def connect(server: ApiServer, *, in_flight: int = 16, **options: object) -> Connection:
    settings: dict[str, object] = {"price": None, "budget": Budget(), "timeout": 5.0, "backoff": Backoff(0.002, 0.01)}
    endpoint = Endpoint(server.base_url)
    return Connection(endpoint, model="m", in_flight=in_flight, **(settings | options))  # type: ignore[arg-type]


def asking(connection: Connection, usd: float | None = None) -> Callable[[int], AsyncIterator[Said]]:
    """Work as a judge does it: the first sentence alone, then its siblings together."""

    async def ask(query: int, sentence: int) -> Said:
        body = {"messages": [{"role": "user", "content": f"<{query}.{sentence}>"}]}
        try:
            return Said(query, sentence, (await connection.complete(body, usd)).attempts)
        except RequestFailed:
            return Said(query, sentence, 0)

    async def work(query: int) -> AsyncIterator[Said]:
        yield await ask(query, 0)
        async for said in in_any_order([ask(query, sentence) for sentence in range(1, SENTENCES)]):
            yield said

    return work


def keys(said: list[Said]) -> list[tuple[int, int]]:
    return sorted((each.query, each.sentence) for each in said)


def all_keys(queries: int) -> list[tuple[int, int]]:
    return [(query, sentence) for query in range(queries) for sentence in range(SENTENCES)]


def slow(seconds: float = 0.02) -> Act:
    return says("Yes").after(seconds)


def ended(run: Iterable[Said], kind: type[BaseException]) -> list[Said]:
    """What a run yields before it raises."""
    said: list[Said] = []
    with pytest.raises(kind):
        said.extend(run)  # keeps what came before the exception
    return said


def interrupted(run: Iterable[Said], at: int, act: Callable[[], object]) -> Iterator[Said]:
    """The run, with something done after so many answers."""
    for number, said in enumerate(run, 1):
        yield said
        if number == at:
            act()


def test_every_sentence_is_answered_once_with_the_limit_in_use() -> None:
    with ApiServer(slow(0.08)) as server:
        connection = connect(server)
        said = list(FanOut(connection).run(range(40), asking(connection)))
    assert keys(said) == all_keys(40)
    assert server.in_flight_at_most == 16
    assert set(server.answered.values()) == {1}


def test_siblings_are_sent_after_the_reply_to_the_first() -> None:
    replied: set[str] = set()

    def script(request: Request) -> Act:
        query, _, sentence = request.text.strip("<>").partition(".")
        if sentence != "0":
            assert query in replied
        replied.add(query)  # this act is over 20 ms before any sibling could know of it
        return slow()

    with ApiServer(script) as server:
        connection = connect(server)
        list(FanOut(connection).run(range(20), asking(connection)))
        sent = [request.text for request in server.requests]
    assert len(sent) == len(set(sent)) == 20 * SENTENCES


def test_queries_are_pulled_in_the_callers_thread_and_only_while_there_is_room() -> None:
    pulled: list[int] = []
    finished: dict[int, int] = {}
    most = 0

    def queries() -> Iterator[int]:
        for number in range(60):
            assert threading.current_thread() is threading.main_thread()
            pulled.append(number)
            yield number

    with ApiServer(slow(0.005)) as server:
        connection = connect(server, in_flight=8)
        for said in FanOut(connection).run(queries(), asking(connection)):
            finished[said.query] = finished.get(said.query, 0) + 1
            most = max(most, len(pulled) - sum(count == SENTENCES for count in finished.values()))
    assert len(pulled) == 60
    assert 2 <= most <= 8 + 1  # the one whose last answer is being looked at is not open any more


def test_no_more_queries_are_open_than_asked_for() -> None:
    with ApiServer(slow(0.005)) as server:
        connection = connect(server)
        said = list(FanOut(connection, open_at_most=1).run(range(4), asking(connection)))
    assert [each.query for each in said] == [number for number in range(4) for _ in range(SENTENCES)]
    assert server.in_flight_at_most == SENTENCES - 1


def test_an_outage_pulls_no_more_queries_than_requests_can_be_in_flight() -> None:
    pulled: list[int] = []

    def queries() -> Iterator[int]:
        for number in range(500):
            pulled.append(number)
            yield number

    with ApiServer(fails(503)) as server:
        connection = connect(server, in_flight=8, backoff=Backoff(0.3, 0.3), retries=1)
        run = FanOut(connection).run(queries(), asking(connection))
        with closing(run):
            next(run)
    assert len(pulled) <= 9


def test_faults_at_random_lose_nothing_and_ask_nothing_twice() -> None:
    rng = random.Random(1)

    def script(request: Request) -> Act:
        return rng.choice([too_many(retry_after_ms="3"), fails(500)]) if rng.random() < 0.2 else slow(0.002)

    with ApiServer(script) as server:
        connection = connect(server)
        said = list(FanOut(connection).run(range(60), asking(connection)))
    assert keys(said) == all_keys(60)
    assert all(each.attempts > 0 for each in said)
    assert max(each.attempts for each in said) > 1
    assert server.billed == 60 * SENTENCES
    assert set(server.answered.values()) == {1}


def test_answers_that_are_paid_for_and_not_taken_never_outnumber_the_limit() -> None:
    untaken = []
    with ApiServer(says("Yes")) as server:
        connection = connect(server, in_flight=8)
        for taken, _ in enumerate(FanOut(connection).run(range(20), asking(connection))):
            time.sleep(0.003)  # a slow disk
            untaken.append(server.billed - taken)
    assert 4 < max(untaken) <= 8


def test_one_request_that_fails_for_good_fails_alone() -> None:
    with ApiServer(by_text({"<3.0>": [fails(500)], "<4.2>": [fails(400)]}, says("Yes"))) as server:
        connection = connect(server, retries=1)
        said = list(FanOut(connection).run(range(8), asking(connection)))
    assert keys(said) == all_keys(8)
    assert {(each.query, each.sentence) for each in said if not each.attempts} == {(3, 0), (4, 2)}


@pytest.mark.parametrize("where", ["caller", "other thread"])
def test_a_stop_yields_what_is_in_flight_and_sends_nothing_more(where: str) -> None:
    with ApiServer(slow(0.1)) as server:
        connection = connect(server)
        fan_out = FanOut(connection)
        sent: list[int] = []

        def stop() -> None:
            sent.append(len(server.requests))
            if where == "caller":
                fan_out.stop()
            else:
                threading.Thread(target=fan_out.stop).start()

        run = fan_out.run(range(1000), asking(connection))
        said = ended(interrupted(run, 30, stop), KeyboardInterrupt)
        assert server.billed == len(said) == len(server.requests) > 30
        assert len(server.requests) <= sent[0] + 16  # those that were leaving at that moment
        assert keys(list(fan_out.run(range(2), asking(connection)))) == all_keys(2)


def test_a_stop_does_not_wait_for_the_next_attempt() -> None:
    with ApiServer(fails(503)) as server:
        connection = connect(server, backoff=Backoff(60.0, 60.0))
        fan_out = FanOut(connection)
        threading.Timer(0.1, fan_out.stop).start()
        with pytest.raises(KeyboardInterrupt):
            list(fan_out.run(range(100), asking(connection)))


def test_a_stop_before_the_run_sends_nothing() -> None:
    with ApiServer(says("Yes")) as server:
        connection = connect(server)
        fan_out = FanOut(connection)
        fan_out.stop()
        with pytest.raises(KeyboardInterrupt):
            list(fan_out.run(range(100), asking(connection)))
        assert len(server.requests) <= 16
        assert len(list(fan_out.run(range(3), asking(connection)))) == 3 * SENTENCES


def test_an_error_that_ends_the_run_keeps_what_is_in_flight() -> None:
    def script(request: Request) -> Act:
        return unauthorised().after(0.02) if request.number == 40 else slow(0.05)

    with ApiServer(script) as server:
        connection = connect(server)
        said = ended(FanOut(connection).run(range(1000), asking(connection)), UsageError)
    assert len(said) == server.billed == len(server.requests) - 1
    assert len(set(said)) == len(said) < 100


def test_a_budget_that_is_used_up_keeps_what_was_paid_for() -> None:
    price = Price(input=0.0, output=1e6, cached=None, cache_write=None, batch_factor=1.0, image_rule=None)
    with ApiServer(slow()) as server:
        connection = connect(server, price=price, budget=Budget(61.0))
        said = ended(FanOut(connection).run(range(1000), asking(connection, usd=2.0)), BudgetError)
    assert len(said) == server.billed == 30  # two dollars an answer
    assert connection.budget.spent == 60.0


@pytest.mark.parametrize("together", ["in_any_order", "TaskGroup"])
def test_an_unexpected_exception_comes_out_after_the_answers_in_flight(together: str) -> None:
    with ApiServer(slow(0.03)) as server:
        connection = connect(server)
        ask = asking(connection)

        async def fail() -> Said:
            raise ZeroDivisionError("a fault of the program")

        async def work(query: int) -> AsyncIterator[Said]:
            async for said in ask(query):
                yield said
                if query == 5 and together == "in_any_order":
                    async for never_said in in_any_order([fail()]):
                        yield never_said
                elif query == 5:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(fail())

        said = ended(FanOut(connection).run(range(1000), work), ZeroDivisionError)
    assert len(said) == server.billed == len(server.requests)


def test_an_exception_among_siblings_loses_none_of_them() -> None:
    async def ask(number: int) -> int:
        await asyncio.sleep(0.005 * number)
        if number == 1:
            raise UsageError("no")
        return number

    async def gather() -> list[int]:
        got: list[int] = []
        with suppress(UsageError):
            async for number in in_any_order([ask(number) for number in range(4)]):
                got.append(number)  # noqa: PERF401 - a comprehension would lose what came before the exception
            raise AssertionError("it raised nothing")
        return got

    assert asyncio.run(gather()) == [0, 2, 3]


def test_an_exception_of_the_queries_comes_out_after_the_answers_in_flight() -> None:
    def queries() -> Iterator[int]:
        yield from range(10)
        raise DatasetError("the disk is gone")

    with ApiServer(slow()) as server:
        connection = connect(server)
        said = ended(FanOut(connection).run(queries(), asking(connection)), DatasetError)
    assert len(said) == server.billed == len(server.requests) > 0


def test_closing_the_generator_cancels_what_is_in_flight() -> None:
    with ApiServer(by_text({".0>": [says("Yes")]}, never())) as server:
        connection = connect(server)
        with closing(FanOut(connection).run(range(1000), asking(connection))) as run:
            next(run)
        assert connection.pace.sent == 0
        assert list(FanOut(connection, 4).run([], asking(connection))) == []


def test_work_without_requests_and_no_work_at_all() -> None:
    async def work(query: int) -> AsyncIterator[int]:
        for each in range(query):
            yield each

    with ApiServer(says("Yes")) as server:
        fan_out = FanOut(connect(server))
        assert sorted(fan_out.run([0, 1, 2], work)) == [0, 0, 1]
        assert list(fan_out.run([], work)) == []
    assert server.requests == []


def test_the_rate_comes_back_after_a_burst_of_refusals() -> None:
    calm = threading.Event()

    def script(request: Request) -> Act:
        if not calm.is_set() and request.number % 3 == 0:
            return too_many(retry_after_ms="1")
        return slow(0.005)

    with ApiServer(script) as server:
        connection = connect(server, in_flight=32)
        lowest = 32
        for number, _ in enumerate(FanOut(connection).run(range(90), asking(connection))):
            lowest = min(lowest, connection.pace.limit)
            if number == 60:
                calm.set()
            if number == 110:  # no refusal is on its way any more
                connection.pace._last_burst -= 60  # the calm, without its seconds
    assert lowest <= 8
    assert connection.pace.limit == 32


def test_a_consumer_that_leaves_early_leaves_nothing_running() -> None:
    with ApiServer(slow()) as server:
        connection = connect(server)
        run = FanOut(connection).run(range(1000), asking(connection))
        next(run)
        with suppress(RuntimeError):
            run.throw(RuntimeError("the ledger is full"))
