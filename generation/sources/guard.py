"""Connections that lead only where they may, and end in time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import httpcore

from alignbench.types import Status

_CONNECT = 10.0
_LOOK_UP = 0.25

Resolver = Callable[[str, int], Sequence[str]]
"""The numeric addresses of a host, the best first; OSError where there is none."""


class FetchError(Exception):
    """Something that was not fetched.

    Attributes:
        status: What becomes of the image.
        lasting: Whether the answer would be the same in an hour, so that asking again is of no use.
        wait: How many seconds the server wants to be left alone.
    """

    def __init__(self, reason: str, *, lasting: bool, status: Status = Status.FAILED, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.status, self.lasting, self.wait = status, lasting, wait


def resolve(host: str, port: int) -> Sequence[str]:
    """The numeric addresses of a host as the system knows them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Clock:
    """The seconds that an attempt has left; none once `stopped` is set."""

    def __init__(self, seconds: float, stopped: threading.Event) -> None:
        self._end, self._stopped = time.monotonic() + seconds, stopped
        self.over = f"it took more than {seconds:g} seconds"

    def put_off(self, seconds: float) -> None:
        """Let it end later."""
        self._end += seconds

    def left(self) -> float:
        """The seconds that are left; FetchError where there are none."""
        left = self._end - time.monotonic()
        if self._stopped.is_set():
            raise FetchError("it was stopped", lasting=False)
        if left <= 0:
            raise FetchError(self.over, lasting=False)
        return left


class GuardedBackend(httpcore.NetworkBackend):
    """Connects to permitted addresses alone, the very ones that it checked."""

    def __init__(self, permits: Callable[[str], bool], resolver: Resolver, clock: Clock) -> None:
        self._permits, self._resolver, self._clock = permits, resolver, clock
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ARG002  the clock says it
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection to a permitted address of the host; FetchError where it has none."""
        failed: httpcore.ConnectError | httpcore.ConnectTimeout | None = None
        for address in self._permitted(host, port):
            try:
                left = min(self._clock.left(), _CONNECT)
                connected = self._sockets.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _TimedStream(connected, self._clock)
        raise failed or FetchError(f"the host {host} has no address", lasting=False)

    def _permitted(self, host: str, port: int) -> list[str]:
        try:
            found = self._resolver(host, port)
        except (OSError, UnicodeError) as error:
            raise FetchError(f"the host {host} is not known: {words_of(error)}", lasting=False) from error
        permitted = [address for address in found if self._permits(address)]
        if found and not permitted:
            raise FetchError(f"the host {host} is at {found[0]}, no public address; it is not asked", lasting=True)
        return permitted


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends with the clock, so that a server cannot drip on for ever."""

    def __init__(self, stream: httpcore.NetworkStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ARG002
        while True:
            try:
                # In short waits, so that a thread is not deaf to `stop` where a server is silent.
                return self._stream.read(max_bytes, min(self._clock.left(), _LOOK_UP))
            except httpcore.ReadTimeout:
                continue

    def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ARG002
        self._stream.write(buffer, self._clock.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ARG002
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, self._clock.left()), self._clock)

    def get_extra_info(self, info: str) -> object:
        return self._stream.get_extra_info(info)


@contextmanager
def failures_told(clock: Clock) -> Iterator[None]:
    """Turn what the connection raises into a FetchError."""
    try:
        yield
    except httpcore.TimeoutException as error:
        raise FetchError(clock.over, lasting=False) from error
    except (httpcore.NetworkError, httpcore.ProtocolError) as error:
        unverified = isinstance(error.__cause__, ssl.SSLCertVerificationError)
        raise FetchError(f"the connection failed: {words_of(error)}", lasting=unverified) from error


def words_of(error: BaseException) -> str:
    """What an error says, without its number."""
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
