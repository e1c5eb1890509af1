"""What each answer and each fault of an endpoint leads to, asked of a real server on loopback."""

from __future__ import annotations

import asyncio
import email.utils
import logging
import threading
import time
import traceback

import pytest

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.connection import Connection, Reply
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import RequestFailed, retry_after
from alignbench.backends.api.pace import Backoff, Halted, Health, Pace
from alignbench.backends.api.prices import Price
from alignbench.errors import AlignbenchError, BudgetError, RunError, UsageError
from alignbench.types import Status, Usage
from tests.api_server import (
    Act,
    ApiServer,
    by_text,
    drips,
    drops,
    fails,
    html,
    in_order,
    never,
    no_choices,
    out_of_credit,
    refuses,
    says,
    too_many,
    unauthorised,
)

KEY = "sk-planted-0123456789abcdef"
BODY = {"messages": [{"role": "user", "content": "Is it true?"}]}
QUICK = Backoff(0.002, 0.01)


@pytest.fixture(autouse=True)
def planted_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def connect(server: ApiServer, **options: object) -> Connection:
    settings: dict[str, object] = {"price": None, "budget": Budget(), "timeout": 5.0, "retries": 2, "backoff": QUICK}
    return Connection(Endpoint(server.base_url), model="m", **(settings | options))  # type: ignore[arg-type]


def failure(outcome: Reply | RequestFailed) -> RequestFailed:
    assert isinstance(outcome, RequestFailed)
    return outcome


def reply(outcome: Reply | RequestFailed) -> Reply:
    assert isinstance(outcome, Reply)
    return outcome


def test_a_reply_is_the_body_as_it_came_with_what_it_cost() -> None:
    act = says("Yes", top={"Yes": -0.1, "No": -2.4}, cached=40, written=10)
    price = Price(input=1.0, output=10.0, cached=0.1, cache_write=1.25, batch_factor=0.5, image_rule=None)
    with ApiServer(act) as server:
        budget = Budget()
        got = reply(connect(server, price=price, budget=budget).ask_once({**BODY, "logprobs": True}))
    assert got.body == act.body
    assert got.attempts == 1
    cost = (50 * 1.0 + 40 * 0.1 + 10 * 1.25 + 2 * 10.0) / 1e6
    assert got.usage == Usage(100, 2, got.usage.seconds, pytest.approx(cost), 40)
    assert got.usage.seconds is not None and got.usage.seconds > 0
    assert budget.spent == pytest.approx(cost)
    assert server.requests[0].body == {"model": "m", **BODY, "logprobs": True}
    assert server.requests[0].headers["Authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("act", [refuses(), no_choices(), says("not JSON"), says(None, finish="length"), Act(body={})])
def test_what_an_answer_says_is_left_to_the_judge(act: Act) -> None:
    with ApiServer(act) as server:
        assert reply(connect(server).ask_once(BODY)).body == act.body


def test_usage_that_is_not_given_is_null() -> None:
    price = Price(input=1.0, output=1.0, cached=None, cache_write=None, batch_factor=1.0, image_rule=None)
    with ApiServer(Act(body={"choices": [], "usage": {"prompt_tokens": "many"}})) as server:
        usage = reply(connect(server, price=price).ask_once(BODY)).usage
    assert usage == Usage(None, None, usage.seconds, None, None)


FAULTS = {
    "429 at once": too_many(retry_after="0.01"),
    "429 in ms": too_many(retry_after_ms="5"),
    "429 unsaid": too_many(),
    "500": fails(500),
    "503": fails(503, "overloaded"),
    "408": fails(408),
    "error in a 200": Act(body={"error": {"message": "upstream is down", "code": 502}}),
    "refusal in a 200": Act(body={"error": {"message": "slow down", "code": 429}}),
    "dropped": drops(),
    "HTML": html(),
    "JSON cut short": Act(body='{"choices": [{"index"'),
    "no object": Act(body="[1, 2]"),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_passing_fault_costs_a_second_attempt(fault: Act) -> None:
    with ApiServer(in_order(fault, says("Yes"))) as server:
        assert reply(connect(server).ask_once(BODY)).attempts == 2
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [never(), drips(0.1), says("late").after(5)], ids=["never", "drip", "late"])
def test_an_answer_must_be_whole_in_time(fault: Act) -> None:
    with ApiServer(in_order(fault, says("Yes"))) as server:
        assert reply(connect(server, timeout=0.3).ask_once(BODY)).attempts == 2
        failed = failure(connect(server, timeout=0.001, retries=0).ask_once(BODY))
    assert failed.status is Status.FAILED
    assert "no answer within 0.001 s" in failed.reason


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_lasting_fault_fails_the_request_after_bounded_retries(fault: Act) -> None:
    with ApiServer(fault) as server:
        failed = failure(connect(server).ask_once(BODY))
    assert failed.status is Status.FAILED
    assert "127.0.0.1" in failed.reason
    assert len(server.requests) == 3


def test_reasons_say_what_came() -> None:
    with ApiServer(html()) as server:
        assert "text/html" in failure(connect(server).ask_once(BODY)).reason
    with ApiServer(fails(503, "the model is loading")) as server:
        assert "503: the model is loading" in failure(connect(server).ask_once(BODY)).reason
    with ApiServer(Act(502, "<h1>Bad\n gateway</h1>", content_type="text/html")) as server:
        assert "502: <h1>Bad gateway</h1>" in failure(connect(server).ask_once(BODY)).reason
    gone = failure(connect(server).ask_once(BODY))
    assert "the connection to 127.0.0.1 failed: " in gone.reason


REFUSALS = {
    "filter": fails(400, "flagged", code="content_filter"),
    "inner": fails(400, "flagged", innererror={"code": "ResponsibleAIPolicyViolation"}),
    "moderation": fails(403, "flagged", metadata={"reasons": ["violence"], "flagged_input": "..."}),
}


@pytest.mark.parametrize("act", REFUSALS.values(), ids=REFUSALS)
def test_input_that_a_filter_refuses_is_refused(act: Act) -> None:
    with ApiServer(act) as server:
        assert failure(connect(server).ask_once(BODY)).status is Status.REFUSED
    assert len(server.requests) == 1


def test_a_bad_request_fails_alone_and_is_not_sent_again() -> None:
    with ApiServer(in_order(fails(400, "the image is broken"), says("Yes"))) as server:
        connection = connect(server)
        assert "400: the image is broken" in failure(connection.ask_once(BODY)).reason
        assert reply(connection.ask_once(BODY)).attempts == 1


ENDS: dict[str, tuple[Act, type[AlignbenchError], str]] = {
    "401": (unauthorised(), UsageError, "key in OPENAI_API_KEY is not accepted"),
    "403": (fails(403, "no access"), UsageError, "may not use the model 'm'"),
    "404": (fails(404, "no such model"), UsageError, "usually in /v1"),
    "402": (fails(402, "pay first"), RunError, "nothing is lost"),
    "quota": (out_of_credit(), RunError, "nothing is lost"),
    "a long pause": (too_many(retry_after="7200"), RunError, "a pause of 120 minutes"),
}


@pytest.mark.parametrize(("act", "kind", "said"), ENDS.values(), ids=ENDS)
def test_what_no_request_can_survive_ends_the_run_at_once(act: Act, kind: type[AlignbenchError], said: str) -> None:
    async def ask(connection: Connection) -> None:
        with pytest.raises(kind, match=said):
            await connection.complete(BODY)
        with pytest.raises(Halted):
            await connection.complete(BODY)
        await connection.aclose()

    with ApiServer(act) as server:
        asyncio.run(ask(connect(server, retries=0)))
    assert len(server.requests) == 1


def test_too_many_lost_requests_end_the_run() -> None:
    async def ask(connection: Connection) -> None:
        for _ in range(Health.fewest - 1):
            with pytest.raises(RequestFailed):
                await connection.complete(BODY)
        with pytest.raises(RunError, match=r"50 of the last 50 requests were given up .*it is broken.*nothing is lost"):
            await connection.complete(BODY)
        await connection.aclose()

    with ApiServer(fails(400)) as server:
        asyncio.run(ask(connect(server)))
    assert len(server.requests) == Health.fewest


def test_an_answer_that_shows_too_many_retries_is_kept_and_the_next_request_ends_the_run() -> None:
    async def ask(connection: Connection) -> None:
        connection._health = Health(1)
        for _ in range(connection._health._window - 1):
            connection._health.note(retried=True, lost=False)
        assert (await connection.complete(BODY)).attempts == 1
        with pytest.raises(RunError, match="had to be sent again; nothing is lost"):
            await connection.complete(BODY)
        await connection.aclose()

    with ApiServer(says("Yes")) as server:
        asyncio.run(ask(connect(server)))


@pytest.mark.parametrize("in_flight", [8, 64, 256])
def test_an_outage_of_all_requests_in_flight_does_not_end_a_run(in_flight: int) -> None:
    health = Health(in_flight)
    for _ in range(2 * in_flight):
        assert health.note(retried=False, lost=False) is None
    for _ in range(in_flight):
        assert health.note(retried=True, lost=False) is None


def test_a_limit_on_cost_is_never_passed() -> None:
    price = Price(input=0.0, output=1e6, cached=None, cache_write=None, batch_factor=1.0, image_rule=None)
    script = in_order(fails(500), drops(), says("Yes"), then=says("Yes"))  # a dropped answer may be charged

    async def ask(connection: Connection) -> None:
        got = await connection.complete(BODY, expected_usd=3.0)
        assert got.usage.cost_usd == 2.0 and connection.budget.spent == 5.0
        with pytest.raises(BudgetError):
            await connection.complete(BODY, expected_usd=3.0)
        await connection.aclose()

    with ApiServer(script) as server:
        asyncio.run(ask(connect(server, price=price, budget=Budget(7.0))))
    assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 401, 500])
@pytest.mark.parametrize("base", ["http://127.0.0.1:{}/v1", "http://ann:open-sesame@127.0.0.1:{}/v1"])
def test_keys_and_passwords_are_nowhere(status: int, base: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with ApiServer(fails(status)) as server:
        server.echo_key = True
        endpoint = Endpoint(base.format(server.port))
        connection = Connection(endpoint, model="m", price=None, budget=Budget(), retries=1, backoff=QUICK)
        try:
            error: Exception = failure(connection.ask_once(BODY))
            assert "you sent" in str(error)
        except UsageError as raised:
            error = raised
    said = [*traceback.format_exception(error), repr(error), str(error), repr(endpoint), repr(connection), caplog.text]
    sent = server.requests[0].headers["Authorization"]
    assert sent == ("Basic YW5uOm9wZW4tc2VzYW1l" if "@" in base else f"Bearer {KEY}")
    assert "[redacted]" in str(error)
    for secret in (KEY, "open-sesame", "YW5uOm9wZW4tc2VzYW1l"):
        assert not any(secret in text for text in said)


def test_a_key_is_hidden_before_a_long_reason_is_cut() -> None:
    with ApiServer(fails(400, "x" * 290 + KEY + "y" * 290)) as server:
        reason = failure(connect(server).ask_once(BODY)).reason
    assert KEY[:8] not in reason and reason.endswith("...")


def test_a_key_in_an_answer_is_hidden() -> None:
    with ApiServer(says(f"your key is {KEY}")) as server:
        body = reply(connect(server).ask_once(BODY)).body
    assert body["choices"][0]["message"]["content"] == "your key is [redacted]"


def test_a_placeholder_for_a_key_is_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "1")
    assert Endpoint("http://localhost:8000/v1").redact("1 of 11") == "1 of 11"


def test_a_server_that_the_user_names_is_asked_without_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with ApiServer(in_order(says("none"), unauthorised())) as server:
        connection = connect(server)
        got = reply(connection.ask_once(BODY))
        assert server.requests[0].headers["Authorization"] == "Bearer none"
        assert got.body["choices"][0]["message"]["content"] == "none"
        with pytest.raises(UsageError, match="no key was sent, because OPENAI_API_KEY is not set"):
            connection.ask_once(BODY)


def test_a_missing_key_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    connection = Connection(Endpoint(key_env="MY_KEY"), model="m", price=None, budget=Budget())
    with pytest.raises(UsageError, match=r"MY_KEY, which holds the key to api\.openai\.com, is not set"):
        connection.ask_once(BODY)


def test_an_endpoint_says_where_it_is_without_who_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    endpoint = Endpoint("https://ann:secret@models.example.org:8443/v1")
    assert endpoint.host == "models.example.org"
    assert endpoint.address == "https://models.example.org:8443/v1"
    assert Endpoint().host == "api.openai.com"
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:1234/v1")
    assert Endpoint().host == "localhost"


@pytest.mark.parametrize(
    "base_url", ["localhost:8000/v1", "/v1", "ftp://x/v1", "http://", "http://[::1/v1", "http://h:x/v1"]
)
def test_an_address_must_be_whole(base_url: str) -> None:
    with pytest.raises(UsageError, match="such as http://localhost:8000/v1"):
        Endpoint(base_url)


def test_the_wait_is_read_in_each_of_its_forms() -> None:
    soon = email.utils.formatdate(time.time() + 30, usegmt=True)
    past = email.utils.formatdate(time.time() - 30, usegmt=True)
    assert retry_after({"retry-after": "2"}) == 2
    assert retry_after({"retry-after": "0.5"}) == 0.5
    assert retry_after({"retry-after-ms": "250", "retry-after": "9"}) == 0.25
    assert retry_after({"retry-after": soon}) == pytest.approx(30, abs=3)
    assert retry_after({"retry-after": past}) == 0
    for nothing in ({}, {"retry-after": "soon"}, {"retry-after": "-1"}, {"retry-after": "nan"}):
        assert retry_after(nothing) is None


def test_a_wait_that_was_asked_for_is_never_cut_short_and_others_grow() -> None:
    backoff = Backoff(0.5, 60.0)
    assert all(30 <= backoff.delay(1, 30.0) <= 31 for _ in range(20))
    assert all(0.25 <= backoff.delay(1) <= 0.5 for _ in range(20))
    assert all(30 <= backoff.delay(20) <= 60 for _ in range(20))
    assert len({backoff.delay(3) for _ in range(20)}) > 1


def test_requests_in_flight_stay_under_the_ceiling_and_a_probe_runs_inside_a_loop() -> None:
    async def ask(connection: Connection) -> None:
        assert reply(connection.ask_once(BODY)).attempts == 1
        await asyncio.gather(*(connection.complete(BODY) for _ in range(40)))
        await connection.aclose()

    with ApiServer(says("Yes").after(0.02)) as server:
        before = set(threading.enumerate())
        asyncio.run(ask(connect(server, in_flight=6)))
        assert set(threading.enumerate()) <= before
    assert server.in_flight_at_most == 6
    assert server.billed == 41


def test_one_connection_asks_by_turns_in_several_loops() -> None:
    async def ask(connection: Connection) -> int:
        attempts = (await connection.complete(BODY)).attempts
        await connection.aclose()
        return attempts

    with ApiServer(by_text({"true": [fails(500), says("Yes")]})) as server:
        connection = connect(server)
        assert [asyncio.run(ask(connection)) for _ in range(2)] == [2, 1]


def test_a_burst_of_refusals_halves_the_limit_once() -> None:
    async def run() -> None:
        pace = Pace(64)
        pace._limit = 64.0
        sent = [await pace.enter() for _ in range(40)]
        for moment in sent:
            pace.refused(moment, 0.0)
            pace.leave()
        assert pace.limit == 32
        await pace.enter()
        pace.succeeded()
        pace.refused(await pace.enter(), 0.0)
        assert pace.limit == 16

    asyncio.run(run())


def test_faults_that_are_no_refusals_leave_the_limit_alone() -> None:
    with ApiServer(in_order(fails(503), drops(), html(), says("Yes"))) as server:
        connection = connect(server, retries=4)
        before = connection.pace.limit
        assert reply(connection.ask_once(BODY)).attempts == 4
        assert connection.pace.limit == before + 1


def test_the_limit_doubles_with_each_round_trip_once_the_burst_is_over() -> None:
    async def round_trip(pace: Pace) -> float:
        for _ in range(pace.limit):
            await pace.enter()
        for _ in range(pace.sent):
            pace.succeeded()
        await asyncio.sleep(0.01)
        assert pace.sent == 0
        return pace._limit

    async def run() -> None:
        pace = Pace(64)
        pace._limit, pace._last_burst = 2.0, time.monotonic() + 60
        assert await round_trip(pace) == pytest.approx(2.9)  # + 1 / 2 + 1 / 2.5
        pace._limit, pace._last_burst = 2.0, time.monotonic() - 60
        assert [await round_trip(pace) for _ in range(6)] == [4, 8, 16, 32, 64, 64]

    asyncio.run(run())


def test_nobody_sends_while_nothing_gets_through() -> None:
    async def run() -> None:
        pace = Pace(8)
        pace.refused(await pace.enter(), 0.2)
        pace.leave()
        sent = await pace.enter()  # one refusal closes no door
        pace.refused(sent, 0.2)
        refused = time.monotonic()
        pace.leave()
        assert await pace.enter() - refused > 0.15

    asyncio.run(run())


def test_a_place_that_comes_with_the_cancellation_is_given_back() -> None:
    async def run() -> None:
        pace = Pace(1)
        await pace.enter()
        waiting = [asyncio.create_task(pace.enter()) for _ in range(2)]
        await asyncio.sleep(0)
        pace.leave()
        waiting[0].cancel()
        assert await asyncio.wait_for(waiting[1], 5) > 0
        assert (pace.sent, pace.room) == (1, 0)
        late = asyncio.create_task(pace.enter())
        await asyncio.sleep(0)
        late.cancel()
        await asyncio.gather(late, return_exceptions=True)
        assert pace.room == 0

    asyncio.run(run())


def test_a_request_that_was_refused_goes_before_new_ones() -> None:
    async def run() -> None:
        pace = Pace(1)
        await pace.enter()
        order: list[str] = []

        async def enter(name: str, again: bool) -> None:
            await pace.enter(again)
            order.append(name)
            pace.leave()

        tasks = [asyncio.create_task(enter(name, name == "again")) for name in ("new", "newer", "again")]
        await asyncio.sleep(0)
        pace.leave()
        await asyncio.gather(*tasks)
        assert order == ["again", "new", "newer"]

    asyncio.run(run())
