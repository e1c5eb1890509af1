"""Fetches what a web address names, without being led to places that it must not see."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO

import httpcore

import alignbench
from generation.sources.addresses import UnfitAddressError, WebAddress, is_public, web_address
from generation.sources.answers import check, elsewhere, too_large_error
from generation.sources.guard import Clock, FetchError, GuardedBackend, Resolver, failures_told, resolve

REDIRECTS = 5
_LONGEST_WAIT = 60.0


@dataclass(frozen=True, slots=True)
class Web:
    """How addresses are fetched.

    Attributes:
        max_bytes: At most so many bytes of a body are taken, whatever its header promises.
        timeout: Seconds that one attempt may take from its first to its last byte, all redirects included.
        retries: How often an attempt is repeated after a failure that may pass.
        pause: Seconds before the first repetition; doubled each time.
        permits: Which numeric addresses may be connected to.
        resolver: Finds the numeric addresses of a host.
        per_host: How many connections one host gets at a time.
    """

    max_bytes: int
    timeout: float
    retries: int
    pause: float = 0.5
    permits: Callable[[str], bool] = is_public
    resolver: Resolver = resolve
    per_host: int = 2

    def with_private(self) -> Web:
        """The same for networks that the user trusts: any address may be connected to."""
        return replace(self, permits=lambda _: True)


class Fetcher:
    """Fetches addresses, in several threads if you like; `stop` ends all that is under way.

    Nothing of the environment is heeded: no proxy, cookie or password. Every host, also that of a redirect, is resolved
    once, and only addresses that were then permitted are connected to, so that no second answer of its name server can
    lead elsewhere; TLS verifies the name of the host all the same. Compressed answers are refused.
    """

    def __init__(self, web: Web) -> None:
        self._web = web
        self._tls = httpcore.default_ssl_context()
        self._stopped = threading.Event()
        self._slots: dict[str, threading.BoundedSemaphore] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Let every call of `fetch`, in whatever thread, raise a FetchError soon."""
        self._stopped.set()

    def fetch(self, url: str, sink: BinaryIO) -> None:
        """Write to the empty `sink` what an address names, repeating what fails for a while.

        Raises:
            FetchError: It cannot be had.
            OSError: The sink refused.
        """
        for attempt in range(self._web.retries + 1):
            try:
                self._attempt(url, sink)
            except FetchError as error:
                wait = max(error.wait, self._web.pause * 2**attempt)
                if error.lasting or attempt == self._web.retries or wait > _LONGEST_WAIT:
                    raise
                self._stopped.wait(wait)
                sink.seek(0)
                sink.truncate()
            else:
                return

    def _attempt(self, url: str, sink: BinaryIO) -> None:
        clock, there = Clock(self._web.timeout, self._stopped), url
        for _ in range(REDIRECTS + 1):
            address = _address(there)
            with self._slot(address, clock), failures_told(clock), self._answer(address, clock) as response:
                following = elsewhere(there, response)
                if following is None:
                    self._take(response, sink)
                    return
                there = following
        raise FetchError(f"it leads on and on: more than {REDIRECTS} redirects", lasting=True)

    @contextmanager
    def _answer(self, address: WebAddress, clock: Clock) -> Iterator[httpcore.Response]:
        port = address.port or {"http": 80, "https": 443}[address.scheme]
        origin = httpcore.Origin(address.scheme.encode(), address.host.encode(), port)
        url = httpcore.URL(scheme=origin.scheme, host=origin.host, port=port, target=address.target.encode())
        headers = [
            ("Host", address.authority),
            ("User-Agent", f"alignbench/{alignbench.__version__}"),
            ("Accept", "image/*, */*;q=0.5"),
            ("Accept-Encoding", "identity"),
            ("Connection", "close"),
        ]
        backend = GuardedBackend(self._web.permits, self._web.resolver, clock)
        connection = httpcore.HTTPConnection(origin, ssl_context=self._tls, network_backend=backend)
        try:
            with connection.stream("GET", url, headers=headers) as response:
                yield response
        finally:
            connection.close()

    def _take(self, response: httpcore.Response, sink: BinaryIO) -> None:
        most, taken = self._web.max_bytes, 0
        check(response, most)
        for block in response.iter_stream():
            taken += len(block)
            if taken > most:
                raise too_large_error(None, most)
            sink.write(block)

    @contextmanager
    def _slot(self, address: WebAddress, clock: Clock) -> Iterator[None]:
        """One of the few places at a host; the wait for it does not count as the server's time."""
        with self._lock:
            slot = self._slots.setdefault(address.host, threading.BoundedSemaphore(self._web.per_host))
        began = time.monotonic()
        with slot:
            clock.put_off(time.monotonic() - began)
            clock.left()
            yield


def _address(url: str) -> WebAddress:
    try:
        return web_address(url)
    except UnfitAddressError as error:
        raise FetchError(str(error), lasting=True) from error
