"""Says what an exception of the Hub's library means: refused, ask again, or nobody knows whether it was done."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from alignbench.errors import AlignbenchError, PublishError, UsageError
from alignbench.publish.hub.login import HubToken

if TYPE_CHECKING:
    import httpx

_EXCERPT = 300
_ADDRESS_QUERY = re.compile(r"(https?://[^\s?'\"]+)\?[^\s'\"]*")
_REQUEST_ID = re.compile(r"\s*\(Request ID: [^)]*\)")
LONGEST_WAIT = 600.0
"""The Hub counts requests in windows of five minutes; who wants a longer pause than this has another limit in mind."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A request that failed.

    Attributes:
        code: The HTTP status, or null where there was no answer, or none that could be read.
        reason: What happened, for people; without addresses' signatures and without a token.
        wait: Seconds that the Hub asks to wait; null where it did not say.
        unsent: Whether it surely never reached the Hub.
        hopeless: Whether the same request would fail again.
        path: What was asked, as the path of its address; null where that is not known.
    """

    code: int | None
    reason: str
    wait: float | None = None
    unsent: bool = False
    hopeless: bool = False
    path: str | None = None

    @property
    def lost(self) -> bool:
        """Whether the Hub may have done what was asked all the same."""
        return not self.unsent and (self.code is None or self.code >= 500 or self.code == 408)

    @property
    def told(self) -> str:
        """What happened, with the status where there is one."""
        return self.reason if self.code is None else f"{self.code}: {self.reason}"

    @property
    def again(self) -> bool:
        """Whether the same request may succeed later."""
        patient = self.wait is None or self.wait <= LONGEST_WAIT
        return patient and not self.hopeless and (self.code is None or self.code >= 500 or self.code in {408, 425, 429})


def fault_of(error: BaseException, host: str, token: HubToken) -> Fault | None:
    """What an exception of the Hub's library means; null for one that is a fault of the program.

    Args:
        error: What a call of the library raised.
        host: The address of the Hub.
        token: What it was asked with; hidden in what is told.
    """
    import httpx
    from huggingface_hub.errors import HfHubHTTPError

    chain = list(_chain(error))
    for each in chain:
        if isinstance(each, HfHubHTTPError | httpx.HTTPStatusError):
            return _refused(each.response, host, token)
    for each in chain:
        if isinstance(each, httpx.TransportError | httpx.InvalidURL):
            hopeless = isinstance(each, httpx.UnsupportedProtocol | httpx.InvalidURL)
            unsent = hopeless or isinstance(each, httpx.ConnectError | httpx.ConnectTimeout)
            said = str(each) or type(each).__name__
            path = _path_of(each) if isinstance(each, httpx.TransportError) else None
            return Fault(None, _excerpt(said, token), unsent=unsent, hopeless=hopeless, path=path)
    if not _is_of_library(chain[-1]):
        return None
    if isinstance(chain[-1], ValueError) and _home_of(chain[-1]) == _LIBRARY:  # what it says of an answer
        return Fault(None, _excerpt(str(chain[-1]), token))
    return Fault(None, f"it gave an answer that is not the Hub's ({type(chain[-1]).__name__})")


_LIBRARY = "huggingface_hub"


def _is_of_library(error: BaseException) -> bool:
    """Whether it was raised in the library, or in what it reads answers with."""
    return _home_of(error) in {_LIBRARY, "httpx", "httpcore", "h11", "json", "hf_xet"}


def _home_of(error: BaseException) -> str:
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    return "" if place is None else str(place.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The exception and what led to it; a failed upload comes wrapped."""
    each: BaseException | None = error
    while each is not None:
        yield each
        each = each.__cause__


def _refused(response: httpx.Response, host: str, token: HubToken) -> Fault:
    import httpx
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    if response.url.host != httpx.URL(host).host:
        # Where the bytes go, which knows no token: it refuses addresses that have expired.
        storage = f"{response.url.host} answered {response.status_code}"
        return Fault(None, _excerpt(f"{storage}: {_message(response)}", token), path=response.url.path)
    wait: float | None = None
    limit = parse_ratelimit_headers(response.headers)
    after = response.headers.get("retry-after", "").strip()
    if response.status_code == 429 and limit is not None and limit.remaining == 0:
        wait = float(limit.reset_in_seconds)
    elif after.isdigit():
        wait = float(after)
    return Fault(response.status_code, _excerpt(_message(response), token), wait, path=response.url.path)


def _path_of(error: httpx.TransportError) -> str | None:
    try:
        return error.request.url.path
    except RuntimeError:  # it has none
        return None


def _message(response: httpx.Response) -> str:
    import httpx

    said = response.headers.get("x-error-message")
    if said:
        return str(said)
    try:
        body = response.json()
        error = body.get("error") or body.get("message") or ""
        return str(error) if not isinstance(error, list) else "; ".join(map(str, error))
    except (ValueError, AttributeError, RecursionError, httpx.HTTPError, httpx.StreamError):
        return response.reason_phrase or "no reason given"


def _excerpt(text: str, token: HubToken) -> str:
    """One short line; cut after the token is hidden, so that no part of one is left."""
    line = " ".join(_REQUEST_ID.sub("", _ADDRESS_QUERY.sub(r"\1", token.hidden(text))).split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}..."


NOTHING_CHANGED = "nothing was published"
_LATER = "run the same command again later"
_ANSWERS = {
    401: ("{whose} is not accepted", "run `hf auth login`, or set HF_TOKEN to a token that is valid"),
    403: (
        "{whose} may not write to {repo}",
        "use a token with write access to it, give another --repo, or propose the change with --pull-request",
    ),
    404: ("{repo} or its organisation is not there for {whose}", "check the name after --repo"),
    429: ("{host} wants fewer requests", _LATER),
}
_TROUBLE = ("{host} has trouble", _LATER)
_OTHER = ("{host} refused it for {repo}", "mend that, then run again")


def error_of(fault: Fault, host: str, repo: str, token: HubToken, known: str | None = None) -> AlignbenchError:
    """The error to raise for a request that is given up.

    Args:
        fault: How it failed.
        host: The address of the Hub.
        repo: `ORG/NAME`.
        token: What it was asked with.
        known: Whom the Hub knows by this token, and in which organisations, where that is known.
    """
    if fault.hopeless:
        return UsageError(f"the address of the Hub {host!r} cannot be used: {fault.reason}; give one with http(s)://")
    if fault.code is None:
        return PublishError(
            f"the connection to {host} failed: {fault.reason}; {NOTHING_CHANGED}; run the same command again: "
            "what was uploaded already is not sent again"
        )
    what, advice = _ANSWERS.get(fault.code, _TROUBLE if fault.again else _OTHER)
    if fault.code == 429 and fault.wait:
        advice = f"run the same command again in {math.ceil(fault.wait / 60)} min"
    whose = f"the token {token.source}" if token.value else "a request without a token"
    what = what.format(whose=f"{whose}, of {known}," if known else whose, repo=repo, host=host)
    return PublishError(f"{what} ({fault.told}); {NOTHING_CHANGED}; {advice}")
