"""Says what each exception and each HTTP answer of an endpoint means: wait, ask again, give the request up, or end."""

from __future__ import annotations

import email.utils
import json
import math
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import openai

from alignbench.backends.api.characters import mended
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.service import CHAT, Service
from alignbench.errors import AlignbenchError, RunError, UsageError
from alignbench.types import Status

_EXCERPT = 300
_LONGEST_WAIT = 600.0
"""An endpoint that asks for more than these seconds has run out of a quota of the day."""
_AGAIN = frozenset({408, 409, 425})
_EXHAUSTED = frozenset(
    {
        "insufficient_quota",
        "insufficient_balance",
        "insufficient_credits",
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
_REFUSALS = frozenset(
    {
        "content_filter",
        "contentfilter",
        "content_policy_violation",
        "moderation_blocked",
        "responsibleaipolicyviolation",
    }
)


class RequestFailed(Exception):  # noqa: N818 - a status of one request, like the others, not a fault of the program
    """One request is given up; the run goes on. `reason` holds no key."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


class Meaning(Enum):
    """What follows from an attempt without an answer."""

    SLOWER = auto()  # too many requests: fewer at a time, and this one again
    AGAIN = auto()  # this one again
    HOPELESS = auto()  # this one never
    END = auto()  # none at all


@dataclass(frozen=True, slots=True)
class Fault:
    """An attempt without an answer.

    Attributes:
        meaning: What follows from it.
        reason: What happened, for people; holds no key.
        status: The request's status if it is given up.
        wait: Seconds that the endpoint asks to wait; null where it did not say.
        error: What ends the run, where that is the meaning.
        billed: Whether the endpoint may charge for it all the same.
    """

    meaning: Meaning
    reason: str
    status: Status = Status.FAILED
    wait: float | None = None
    error: AlignbenchError | None = None
    billed: bool = False


def fault_of(error: Exception, endpoint: Endpoint, model: str, timeout: float) -> Fault | None:
    """What an exception of the openai client means; null for one that is no answer of the endpoint."""
    if isinstance(error, openai.APIStatusError):
        return _refused(error.status_code, error.response.headers, error.response.text, endpoint, model)
    causes = list(_causes(error))
    if isinstance(error, TimeoutError) or (
        isinstance(error, openai.APITimeoutError) and any(isinstance(each, TimeoutError) for each in causes)
    ):
        hint = "a longer timeout or a smaller in_flight may help"
        return Fault(Meaning.AGAIN, f"{endpoint.host} gave no answer within {timeout:g} s; {hint}", billed=True)
    if isinstance(error, openai.APIConnectionError):
        cause = causes[0] if causes else error
        reason = _excerpt(str(cause) or type(cause).__name__, endpoint)
        unheard = any(isinstance(each, ConnectionRefusedError | socket.gaierror) for each in causes)
        return Fault(Meaning.AGAIN, f"the connection to {endpoint.host} failed: {reason}", billed=not unheard)
    return None


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What led to an exception, the first cause last; the client's aiohttp transport calls any failure a timeout."""
    cause = error.__cause__ or error.__context__
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def read_answer(
    text: str, headers: Mapping[str, str], endpoint: Endpoint, model: str, service: Service = CHAT
) -> dict[str, Any] | Fault:
    """The JSON object that an HTTP 200 holds; some gateways put their errors there too."""
    try:
        body = service.parse(text, endpoint)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        kind = headers.get("content-type", "no content type")
        reason = f"{endpoint.host} answered with {kind}, not with a JSON object: {_excerpt(text, endpoint)}"
        return Fault(Meaning.AGAIN, reason, billed=True)
    error = body.get("error")
    if error and service.answers not in body:
        code = error.get("code") if isinstance(error, dict) else None
        return _refused(code if isinstance(code, int) and code >= 400 else 500, headers, text, endpoint, model)
    return body


def _refused(code: int, headers: Mapping[str, str], text: str, endpoint: Endpoint, model: str) -> Fault:
    """What an HTTP status of 400 or more means."""
    said = _Said.read(text)
    message = _excerpt(said.message, endpoint)
    reason = f"{endpoint.host} answered {code}: {message}"
    if code == 402 or said.codes & _EXHAUSTED:
        return Fault(Meaning.END, reason, error=_exhausted(reason))
    if said.codes & _REFUSALS or (code == 403 and said.flagged):
        return _declined(said, reason)
    if code in {401, 403, 404}:
        return Fault(Meaning.END, reason, error=_advice(code, reason, endpoint, model))
    if code != 429 and code not in _AGAIN and code < 500:
        return Fault(Meaning.HOPELESS, reason)
    wait = retry_after(headers)
    if wait is not None and wait > _LONGEST_WAIT:
        return Fault(Meaning.END, reason, error=_too_long(reason, wait))
    return Fault(Meaning.SLOWER if code == 429 else Meaning.AGAIN, reason, wait=wait)


def _declined(said: _Said, reason: str) -> Fault:
    """A policy of the provider's: on what was asked, or on the answer, which then was made and withheld."""
    if said.stage == "output":
        # Nobody says whether that is charged for.
        return Fault(Meaning.HOPELESS, reason, Status.UNSAFE, billed=True)
    return Fault(Meaning.HOPELESS, reason, Status.REFUSED)


@dataclass(frozen=True, slots=True)
class _Said:
    """What an error's body says.

    Attributes:
        message: For people.
        codes: Its codes and types, in lower case.
        flagged: Whether it flagged the input.
        stage: Where a moderation blocked, `input` or `output`; null where it does not say.
    """

    message: str
    codes: frozenset[str] = frozenset()
    flagged: bool = False
    stage: str | None = None

    @classmethod
    def read(cls, text: str) -> _Said:
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return cls(text)
        if isinstance(body, list) and body:  # as Gemini's endpoint wraps it
            body = body[0]
        error = body.get("error", body) if isinstance(body, dict) else body
        if not isinstance(error, dict):
            return cls(str(error))
        metadata = error.get("metadata")
        flagged = isinstance(metadata, dict) and "flagged_input" in metadata
        inner = error.get("innererror")
        named = [error.get("code"), error.get("type"), inner.get("code") if isinstance(inner, dict) else None]
        codes = frozenset(each.lower() for each in named if isinstance(each, str))
        moderation = error.get("moderation_details")
        stage = moderation.get("moderation_stage") if isinstance(moderation, dict) else None
        return cls(str(error.get("message") or text), codes, flagged, stage if isinstance(stage, str) else None)


def _exhausted(reason: str) -> RunError:
    return RunError(
        f"the credit or quota of this key is used up ({reason}); nothing is lost: "
        "add credit or raise the limit, then run the same command again"
    )


def _too_long(reason: str, wait: float) -> RunError:
    return RunError(
        f"the endpoint wants a pause of {wait / 60:.0f} minutes ({reason}); nothing is lost: "
        "run the same command again after that"
    )


def _advice(code: int, reason: str, endpoint: Endpoint, model: str) -> UsageError:
    variable = endpoint.key_env
    if code == 404:
        return UsageError(
            f"{endpoint.address} does not know the model {model!r} or the address is wrong ({reason}); "
            "check the model's name, and that the base URL ends as the server's page says, usually in /v1"
        )
    if not endpoint.has_key:
        return UsageError(f"no key was sent, because {variable} is not set ({reason}); run `export {variable}=...`")
    if code == 401:
        return UsageError(f"the key in {variable} is not accepted ({reason}); set the right one, then run again")
    return UsageError(
        f"the key in {variable} may not use the model {model!r} ({reason}); "
        "choose a model that it may use, or ask the endpoint's owner for access"
    )


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that an answer asks to wait: `retry-after-ms`, or `Retry-After` in seconds or as an HTTP date."""
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    given = headers.get("retry-after")
    seconds = _number(given)
    if seconds is not None or given is None:
        return seconds
    try:
        return max(0.0, email.utils.parsedate_to_datetime(given).timestamp() - time.time())
    except ValueError:
        return None


def _number(text: str | None) -> float | None:
    """A finite number from 0 up."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _excerpt(text: str, endpoint: Endpoint) -> str:
    """One short line without a key; cut after the key is hidden, so that no part of one is left."""
    line = " ".join(mended(endpoint.redact(text)).split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}..."
