"""Asks an OpenAI-compatible endpoint: bounded retries, adaptive pace, a budget, hidden keys."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx2
import openai

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import Fault, Meaning, RequestFailed, fault_of, read_answer
from alignbench.backends.api.pace import Backoff, Health, Pace
from alignbench.backends.api.prices import Price
from alignbench.backends.api.service import CHAT, Service
from alignbench.errors import AlignbenchError, BudgetError, MissingDependencyError, RunError
from alignbench.types import Status, Usage

_PROBE_RETRIES = 3
_BACKOFF = Backoff()


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as JSON values, what it cost, and how often it was asked for."""

    body: Mapping[str, Any]
    usage: Usage
    attempts: int


class Connection:
    """An endpoint and a model, for many requests at a time in one event loop, and in another after `aclose`.

    Args:
        endpoint: Where to ask.
        model: The model's name there; goes into every request.
        price: What its tokens cost; None where that is not known.
        budget: What may be spent.
        timeout: Seconds from sending a request to the last byte of its answer.
        in_flight: The most requests on their way at one moment.
        retries: How often a request is sent again at most.
        backoff: How long to wait before that.
        service: What is asked for; by default chat completions.
    """

    def __init__(  # noqa: PLR0913 - each argument is one thing to decide about a connection
        self,
        endpoint: Endpoint,
        *,
        model: str,
        price: Price | None,
        budget: Budget,
        timeout: float = 120.0,
        in_flight: int = 64,
        retries: int = 8,
        backoff: Backoff = _BACKOFF,
        service: Service = CHAT,
    ) -> None:
        self.endpoint = endpoint
        self.model = model
        self.price = price
        self.budget = budget
        self.pace = Pace(in_flight)
        self._timeout = timeout
        self._retries = retries
        self._backoff = backoff
        self._service = service
        self._health = Health(in_flight)
        self._ill: RunError | None = None
        self._short_of_money: list[asyncio.Future[None]] = []
        self._opened: tuple[asyncio.AbstractEventLoop, openai.AsyncOpenAI] | None = None

    async def complete(self, body: Mapping[str, Any], expected_usd: float | None = None) -> Reply:
        """Ask for one answer, again where that helps.

        Args:
            body: The request without its model, as JSON values.
            expected_usd: What it could cost at most; None where that is not known.

        Raises:
            RequestFailed: This request is given up.
            UsageError: The endpoint refuses the key or the model, the key is not set, or a limited cost is not known.
            RunError: The credit is used up, or too many requests fail.
            BudgetError: It could cost more than is left.
            Halted: The run ends for another request's sake, or was stopped, before this one was sent.
        """
        return await self._ask(body, expected_usd, self._retries)

    def ask_once(self, body: Mapping[str, Any]) -> Reply | RequestFailed:
        """Ask for one answer and wait for it; errors that would end a run are raised as in `complete`."""
        with ThreadPoolExecutor(1) as thread:  # the caller may be in an event loop of its own
            return thread.submit(asyncio.run, self._ask_alone(body)).result()

    async def _ask_alone(self, body: Mapping[str, Any]) -> Reply | RequestFailed:
        try:
            return await self._ask(body, None, min(self._retries, _PROBE_RETRIES))
        except RequestFailed as failed:
            return failed
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        """Close what is open in this event loop, with nothing on its way; the next request opens it again."""
        self.pace.resume()
        opened, self._opened = self._opened, None
        if opened is not None:
            await opened[1].close()

    def _client(self) -> openai.AsyncOpenAI:
        loop = asyncio.get_running_loop()
        if self._opened is None or self._opened[0] is not loop:
            self._opened = loop, _open(self.endpoint, self._timeout)
        return self._opened[1]

    async def _ask(self, body: Mapping[str, Any], expected: float | None, retries: int) -> Reply:
        if self._ill is not None:
            self.pace.halt()
            raise self._ill
        faults = 0
        for attempt in range(1, retries + 2):
            sent = await self.pace.enter(again=attempt > 1)
            outcome: Reply | Fault | None = None
            try:
                outcome = await self._attempt(body, expected, attempt)
                if isinstance(outcome, Reply):
                    # What is answered is kept, so where too many had to be sent again the next request ends the run.
                    self._ill = self._diagnosis(faults > 0, None)
                    return outcome
                faults += outcome.meaning is not Meaning.SLOWER
                delay = self._backoff.delay(attempt, outcome.wait)
                if outcome.meaning is Meaning.SLOWER:
                    self.pace.refused(sent, delay)
                if outcome.error is not None:
                    raise outcome.error
                if outcome.meaning is Meaning.HOPELESS or attempt > retries:
                    raise self._diagnosis(faults > 0, outcome) or RequestFailed(outcome.status, outcome.reason)
            except AlignbenchError:
                self.pace.halt()
                raise
            finally:
                (self.pace.succeeded if isinstance(outcome, Reply) else self.pace.leave)()
            await self.pace.rest(delay)
        raise AssertionError("the last attempt returns or raises")

    async def _attempt(self, body: Mapping[str, Any], expected: float | None, attempt: int) -> Reply | Fault:
        """Send a request once; what it cost, or could have, is settled."""
        client = self._client()
        content = json.dumps({"model": self.model, **body}, separators=(",", ":")).encode()
        await self._reserve(expected)
        spent: float | None = None
        try:
            began = time.monotonic()
            outcome = await self._send(client, content)
            if isinstance(outcome, Fault):
                spent = None if outcome.billed else 0.0
                return outcome
            usage = self._service.usage_of(outcome, self.price, time.monotonic() - began)
            spent = usage.cost_usd
            return Reply(outcome, usage, attempt)
        finally:
            self.budget.settle(expected, spent)
            self._tell_settled()

    async def _reserve(self, expected: float | None) -> None:
        """Set aside what a request could cost; what is in flight mostly costs less, so its end may leave enough."""
        while True:
            try:
                self.budget.reserve(expected)
            except BudgetError:
                if not self.budget.reserved:
                    raise
            else:
                return
            settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._short_of_money.append(settled)
            await settled

    def _tell_settled(self) -> None:
        waiting, self._short_of_money = self._short_of_money, []
        for settled in waiting:
            if not settled.done():
                settled.set_result(None)

    async def _send(self, client: openai.AsyncOpenAI, content: bytes) -> dict[str, Any] | Fault:
        try:
            async with asyncio.timeout(self._timeout):
                response = await client.post(self._service.path, cast_to=httpx2.Response, content=content)
        except (openai.APIError, TimeoutError) as error:
            fault = fault_of(error, self.endpoint, self.model, self._timeout)
            if fault is None:
                raise
            return fault
        return read_answer(response.text, response.headers, self.endpoint, self.model, self._service)

    def _diagnosis(self, retried: bool, fault: Fault | None) -> RunError | None:
        """Note how a request ended; what ends the run, where too many ended badly. A refusal is no bad end."""
        lost = fault is not None and fault.status is Status.FAILED
        ill = self._health.note(retried=retried, lost=lost)
        if ill is None:
            return None
        last = "" if fault is None else f" (the last one: {fault.reason})"
        return RunError(
            f"{ill}{last}; nothing is lost: mend that, or wait, then run the same command again with --retry-failed"
        )


def _open(endpoint: Endpoint, timeout: float) -> openai.AsyncOpenAI:
    """A client without retries of its own, over aiohttp, which takes less processor time than the client's default.

    That default also writes the headers of answers, where an endpoint may echo a key, into the logs at level DEBUG.
    """
    if importlib.util.find_spec("aiohttp") is None:
        raise MissingDependencyError.of("aiohttp", "api")
    return openai.AsyncOpenAI(
        api_key=endpoint.key(),
        base_url=endpoint.address,
        max_retries=0,
        timeout=timeout,
        default_headers=endpoint.headers | {"Content-Type": "application/json"},
        http_client=openai.DefaultAioHttpClient(timeout=timeout),
    )
