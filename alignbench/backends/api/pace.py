"""How many requests may be on their way, when to ask again, and when to give a run up."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

_CALM_SECONDS = 1.0
"""So long after a burst of refusals the limit grows by one a round trip only; then it doubles with each."""
SETTLING = 12
"""Turns of the event loop in which work that got a reply has come to yield its answer or to send its next requests."""


class Halted(Exception):  # noqa: N818 - nothing failed
    """The run ends before this request was sent; raised in whoever waits to send it."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """Seconds before the next attempt: `base`, doubled with each up to `longest`, the last half of it at random."""

    base: float = 0.5
    longest: float = 60.0

    def delay(self, attempt: int, wanted: float | None = None) -> float:
        """After attempt number `attempt`, from 1; `wanted` is what the endpoint asked for, and never cut short."""
        if wanted is not None:
            return wanted + random.uniform(0, min(0.25 * wanted, 1.0))
        return min(self.longest, self.base * 2.0 ** (attempt - 1)) * random.uniform(0.5, 1.0)


class Pace:
    """A limit on the requests on their way at one moment, which follows what the endpoint puts up with.

    It begins at half the ceiling. A refusal for too many requests halves it, once for all requests sent before that;
    where nothing got through since the halving before, nobody sends until the wait that the endpoint asked for is over.
    Every success raises it: by one, so that it doubles with each round trip, or by one a round trip right after a
    burst. Everything happens in one event loop at a time.

    An answer that is known and not taken yet counts like a request on its way, so that a kill never costs more paid
    answers than the limit.

    Args:
        ceiling: The most requests on their way at one moment.
    """

    def __init__(self, ceiling: int) -> None:
        self.ceiling = ceiling
        self.on_change: Callable[[], None] | None = None
        self._limit = max(1.0, ceiling / 2)
        self._sent = 0
        self._untaken = 0
        self._session = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._resting: set[asyncio.Future[None]] = set()
        self._halted = False
        self._last_burst = -_CALM_SECONDS
        self._got_through = True
        self._closed_until = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be on their way now."""
        return int(self._limit)

    @property
    def sent(self) -> int:
        """How many are, those included whose reply came in these turns of the event loop."""
        return self._sent

    @property
    def room(self) -> int:
        """How many more could be sent at once, were they there; negative where some wait for a place."""
        return self.limit - self._sent - self._untaken - len(self._waiting)

    async def enter(self, again: bool = False) -> float:
        """Wait for a place and return the moment of sending; a request that was sent before goes first.

        Raises:
            Halted: The run ends.
        """
        self._check()
        if again or self._waiting or not self._is_open():
            place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            (self._waiting.appendleft if again else self._waiting.append)(place)
            self._admit()
            try:
                await place
            except asyncio.CancelledError:
                if place in self._waiting:
                    self._waiting.remove(place)
                elif place.done() and not place.cancelled() and place.exception() is None:
                    self.leave()  # it came in the same moment
                raise
        else:
            self._sent += 1
        return time.monotonic()

    def leave(self) -> None:
        """Give the place back at once: there is no answer."""
        self._sent -= 1
        self._admit()

    def succeeded(self) -> None:
        """Note that a request got its answer, and give its place back once somebody could say `known`."""
        self._got_through = True
        calm = time.monotonic() - self._last_burst > _CALM_SECONDS
        self._limit = min(float(self.ceiling), self._limit + (1.0 if calm else 1.0 / self._limit))
        session = self._session
        in_turns(SETTLING, lambda: self.leave() if session == self._session else None)

    def known(self) -> None:
        """Note that an answer waits to be taken."""
        self._untaken += 1

    def taken(self) -> None:
        """Note that one was; it may come after the last `resume`, when nothing waits any more."""
        self._untaken = max(0, self._untaken - 1)
        self._admit()

    def refused(self, sent: float, wait: float) -> None:
        """Note that a request, sent at that moment, was one too many, and will be sent again after so many seconds."""
        if sent < self._last_burst:
            return
        now = time.monotonic()
        if not self._got_through:
            self._closed_until = max(self._closed_until, now + wait)
        self._limit = max(1.0, self._limit / 2)
        self._last_burst = now
        self._got_through = False

    async def rest(self, seconds: float) -> None:
        """Wait before the next attempt.

        Raises:
            Halted: The run ends.
        """
        self._check()
        loop = asyncio.get_running_loop()
        end: asyncio.Future[None] = loop.create_future()
        self._resting.add(end)
        alarm = loop.call_later(seconds, _finish, end)
        try:
            await end
        finally:
            alarm.cancel()
            self._resting.discard(end)

    def halt(self) -> None:
        """Send nothing more: whoever waits for a place or for the next attempt gets `Halted`."""
        self._halted = True
        for future in (*self._waiting, *self._resting):
            if not future.done():
                future.set_exception(Halted())
        self._waiting.clear()

    def resume(self) -> None:
        """Begin anew with the same limit, in any event loop; called when nothing waits or is on its way."""
        self._halted = False
        self._alarm = None
        self._sent = self._untaken = 0
        self._session += 1

    def _check(self) -> None:
        if self._halted:
            raise Halted

    def _is_open(self) -> bool:
        return self._sent + self._untaken < self.limit and time.monotonic() >= self._closed_until

    def _admit(self) -> None:
        while self._waiting and self._is_open():
            place = self._waiting.popleft()
            if not place.done():
                self._sent += 1
                place.set_result(None)
        closed = self._closed_until - time.monotonic()
        if self._waiting and closed > 0 and self._alarm is None:
            self._alarm = asyncio.get_running_loop().call_later(closed, self._reopen)
        if self.on_change is not None:
            self.on_change()

    def _reopen(self) -> None:
        self._alarm = None
        self._admit()


def in_turns(turns: int, function: Callable[[], None]) -> None:
    """Call a function after so many turns of the running event loop."""
    if turns == 0:
        function()
    else:
        asyncio.get_running_loop().call_soon(in_turns, turns - 1, function)


class Health:
    """Tells faults of single requests from a fault of the endpoint, over the newest requests of a run.

    Args:
        in_flight: The most requests on their way at one moment; an outage strikes all of them at once.
    """

    fewest = 50
    """Requests that must have ended before a judgment on them."""

    def __init__(self, in_flight: int) -> None:
        self._window = max(4 * self.fewest, 4 * in_flight)
        self._retried: deque[bool] = deque(maxlen=self._window)
        self._lost: deque[bool] = deque(maxlen=4 * self.fewest)

    def note(self, *, retried: bool, lost: bool) -> str | None:
        """Note how a request ended, refusals for too many requests aside; why to end the run, where that is so."""
        self._retried.append(retried or lost)
        self._lost.append(lost)
        given_up, asked = sum(self._lost), len(self._lost)
        if asked >= self.fewest and given_up > asked / 2:
            return f"{given_up} of the last {asked} requests were given up"
        if len(self._retried) == self._window and sum(self._retried) > self._window / 2:
            return f"{sum(self._retried)} of the last {self._window} requests had to be sent again"
        return None


def _finish(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
