"""Runs asynchronous work for a lazily pulled stream in a thread of its own, and is an ordinary iterator outside."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Coroutine, Iterable, Iterator
from queue import Empty, SimpleQueue
from typing import Any, Generic, NamedTuple, TypeVar

from alignbench.backends.api.connection import Connection
from alignbench.backends.api.pace import SETTLING, Halted, in_turns
from alignbench.errors import AlignbenchError

Q = TypeVar("Q")
A = TypeVar("A")


async def in_any_order(asks: Iterable[Coroutine[Any, Any, A]]) -> AsyncGenerator[A]:
    """Run coroutines at once and yield what each returns as soon as it does.

    Where one raises, the others are finished and yielded first; then the first exception is raised.
    """
    tasks = [asyncio.ensure_future(ask) for ask in asks]
    errors: list[Exception] = []
    try:
        for finished in asyncio.as_completed(tasks):
            try:
                result = await finished
            except Exception as error:  # noqa: BLE001 - raised below
                errors.append(error)
                continue
            yield result
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    if errors:
        raise _telling(errors)


def _telling(errors: Iterable[BaseException]) -> BaseException:
    """The exception that says most: an error of alignbench, else any but `Halted`, groups looked into."""
    flat = list(_flat(errors))
    flat.sort(key=lambda error: (isinstance(error, Halted), not isinstance(error, AlignbenchError)))
    return flat[0]


def _flat(errors: Iterable[BaseException]) -> Iterator[BaseException]:
    for error in errors:
        if isinstance(error, BaseExceptionGroup):
            yield from _flat(error.exceptions)
        else:
            yield error


class FanOut:
    """Answers many queries at once over one connection, as many as its pace has room for.

    Args:
        connection: What the work asks over.
        open_at_most: The most queries pulled and not answered; by default as many as requests can be on their way.
    """

    def __init__(self, connection: Connection, open_at_most: int | None = None) -> None:
        self._connection = connection
        self._open_at_most = open_at_most or connection.pace.ceiling
        self._stopped = False
        self._crew: _Crew[Any, Any] | None = None

    def run(self, queries: Iterable[Q], work: Callable[[Q], AsyncIterator[A]]) -> Iterator[A]:
        """Yield what `work` yields for each query, as soon as it is known.

        Queries are pulled in the caller's thread, while the connection has room for their requests. Work that has
        several requests on their way at once runs them with `in_any_order`, so that none is lost when another ends
        the run. Closing the generator cancels what is in flight.

        Raises:
            KeyboardInterrupt: `stop` was called; what was in flight has been yielded.
            AlignbenchError: The first that any work, or the pulling of queries, raised; likewise.
            Exception: Any other exception of theirs; likewise.
        """
        crew = _Crew(self._connection, self._open_at_most, work)
        source = iter(queries)
        try:
            crew.start()
            self._crew = crew
            if self._stopped:
                crew.halt()
            while True:
                crew.refill(source)
                event = crew.events.get()
                if event is None:
                    break
                if isinstance(event, _Known):
                    yield event.answer
                    crew.taken()
        finally:
            self._crew = None
            crew.close()
        if crew.errors:
            raise _telling(crew.errors)
        if self._stopped:
            self._stopped = False
            raise KeyboardInterrupt

    def stop(self) -> None:
        """Send nothing more; `run` yields what is in flight and raises KeyboardInterrupt. Any thread may call it."""
        self._stopped = True
        crew = self._crew
        if crew is not None:
            crew.halt()


class _Known(NamedTuple):
    answer: Any


class _Wake:
    """There is room for queries."""


class _Crew(Generic[Q, A]):
    """The event loop of one run. `events` carries answers and wake-ups to the caller's thread, and null at the end."""

    def __init__(self, connection: Connection, open_at_most: int, work: Callable[[Q], AsyncIterator[A]]) -> None:
        self.events: SimpleQueue[_Known | _Wake | None] = SimpleQueue()
        self.errors: list[BaseException] = []
        self._rooms: SimpleQueue[None] = SimpleQueue()
        self._connection = connection
        self._open_at_most = open_at_most
        self._work = work
        self._tasks: set[asyncio.Task[None]] = set()
        self._expected = 0
        self._no_more = False
        self._settling = False
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._main, name="alignbench-api", daemon=True)

    # In the caller's thread.

    def start(self) -> None:
        self._thread.start()
        self._ready.wait()

    def refill(self, source: Iterator[Q]) -> None:
        """Pull a query for every room there is."""
        while not self._no_more:
            try:
                self._rooms.get_nowait()
            except Empty:
                return
            try:
                query = next(source)
            except StopIteration:
                self._call(self._end)
                return
            except Exception as error:  # noqa: BLE001 - raised when what is in flight is finished
                self._call(self._fail, error)
                return
            self._call(self._begin, query)

    def taken(self) -> None:
        """Say that the caller is done with the answer before."""
        self._call(self._connection.pace.taken)

    def halt(self) -> None:
        """Send nothing more."""
        self._call(self._halt)

    def close(self) -> None:
        """Cancel what is in flight and wait for the thread's end."""
        if self._thread.ident is not None:
            self._ready.wait()
            self._call(self._cancel)
            self._thread.join()

    def _call(self, function: Callable[..., None], *arguments: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run is over
            self._loop.call_soon_threadsafe(function, *arguments)

    # In the thread of the event loop.

    def _main(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - raised in the caller's thread
            self.errors.append(error)
        finally:
            self._ready.set()
            self.events.put(None)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over = asyncio.Event()
        pace = self._connection.pace
        pace.on_change = self._settle
        self._settle()
        self._ready.set()
        try:
            await self._over.wait()
        finally:
            pace.on_change = None
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._connection.aclose()

    def _begin(self, query: Q) -> None:
        task = asyncio.create_task(self._drive(query))
        self._tasks.add(task)
        task.add_done_callback(self._finish)
        in_turns(SETTLING, self._began)

    def _began(self) -> None:
        self._expected -= 1
        self._make_room()

    async def _drive(self, query: Q) -> None:
        async for answer in self._work(query):
            self._connection.pace.known()
            self.events.put(_Known(answer))

    def _finish(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(_telling([error]), Halted):
            self._fail(error)
        self._settle()

    def _fail(self, error: BaseException) -> None:
        self.errors.append(error)
        self._halt()

    def _halt(self) -> None:
        self._connection.pace.halt()
        self._end()

    def _end(self) -> None:
        self._no_more = True
        self._settle()

    def _cancel(self) -> None:
        self._over.set()

    def _settle(self) -> None:
        """Look for room once the work that can go on has done so."""
        if not self._settling:
            self._settling = True
            in_turns(SETTLING, self._make_room)

    def _make_room(self) -> None:
        self._settling = False
        if self._no_more:
            if not self._tasks:
                self._over.set()
            return
        rooms = min(self._connection.pace.room, self._open_at_most - len(self._tasks)) - self._expected
        for _ in range(rooms):
            self._rooms.put(None)
        if rooms > 0:
            self._expected += rooms
            self.events.put(_Wake())
