"""What the status and the headers of an answer say, before its body is taken."""

from __future__ import annotations

import time
from email.utils import parsedate_to_datetime
from urllib.parse import urljoin

import httpcore

from alignbench.types import Status
from generation.sources.guard import FetchError
from generation.sources.intake import too_large

_MISSING = frozenset({404, 410})
_PASSING = frozenset({408, 425, 429})
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})


def elsewhere(url: str, response: httpcore.Response) -> str | None:
    """Where a redirect leads, which is to be checked as if it stood in the list; null for any other answer.

    Raises:
        FetchError: It leads nowhere, or from https to http.
    """
    if response.status not in _ELSEWHERE:
        return None
    place = _header(response, b"location")
    if not place:
        raise FetchError(f"a redirect (status {response.status}) that does not say where to", lasting=True)
    try:
        there = urljoin(url, place)
    except ValueError as error:
        raise FetchError(f"a redirect to what is no address: {error}", lasting=True) from error
    if url.lower().startswith("https:") and not there.lower().startswith("https:"):
        raise FetchError("a redirect from https to an address that is not https; it is not followed", lasting=True)
    return there


def check(response: httpcore.Response, max_bytes: int) -> None:
    """FetchError where the body is not worth taking: no success, compressed, or too large by its header."""
    _check_status(response)
    if _header(response, b"content-encoding").lower() not in ("", "identity"):
        reason = "it comes compressed, which the request declined; compressed answers are refused"
        raise FetchError(reason, lasting=True)
    promised = _header(response, b"content-length")[:19]
    if promised.isdecimal() and int(promised) > max_bytes:
        raise too_large_error(int(promised), max_bytes)


def too_large_error(size: int | None, max_bytes: int) -> FetchError:
    """The error for a body beyond the limit; `size` is null where nobody counted to the end."""
    return FetchError(too_large(size, max_bytes), lasting=True, status=Status.IMAGE_UNREADABLE)


def _check_status(response: httpcore.Response) -> None:
    status = response.status
    if status == 200:
        return
    reason = f"the server answers with status {status}"
    if status in _MISSING:
        raise FetchError(f"{reason}: there is nothing at this address", lasting=True, status=Status.IMAGE_MISSING)
    passing = status in _PASSING or status >= 500
    raise FetchError(reason, lasting=not passing, wait=_wanted_wait(response) if passing else 0.0)


def _wanted_wait(response: httpcore.Response) -> float:
    """The seconds that Retry-After gives, as a number or as a date; 0 where it gives none."""
    said = _header(response, b"retry-after")
    if said.isdecimal():
        return float(said[:9])
    try:
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    except (ValueError, OverflowError):
        return 0.0


def _header(response: httpcore.Response, name: bytes) -> str:
    """The value of a header; several are joined, so that none hides behind another."""
    found = [value for key, value in response.headers if key.lower() == name]
    return b", ".join(found).decode("utf-8", "replace").strip()
