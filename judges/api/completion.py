"""A chat completion as an endpoint answers it, read with nothing taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from judges.api.first_token import Token

_NEVER = -9999.0
"""What the protocol writes for the logarithm of nothing; JSON has no infinity."""


class NoCompletionError(ValueError):
    """What the endpoint answered is no chat completion."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer.

    `listed` are the likeliest first tokens, null where the endpoint gives no such list; `drawn` is the first token
    itself where it is not among them.
    """

    text: str
    refusal: str | None = None
    finish_reason: str | None = None
    listed: tuple[Token, ...] | None = None
    drawn: Token | None = None

    @property
    def refused(self) -> bool:
        """Whether the model, or a filter of the provider, declined to answer."""
        return bool(self.refusal) or self.finish_reason == "content_filter"

    @property
    def cut_off(self) -> bool:
        """Whether the answer ended at the limit of tokens."""
        return self.finish_reason == "length"


def choices_of(body: Mapping[str, Any]) -> list[Choice]:
    """The answers in a chat completion, at least one, in their order.

    Raises:
        NoCompletionError: It is something else; the message says what.
    """
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        error = body.get("error")
        said = error.get("message") if isinstance(error, Mapping) else error
        raise NoCompletionError(f"an error with HTTP 200: {said}" if said else "it has no choices")
    return [_choice(each) for each in choices]


def origin_of(body: Mapping[str, Any]) -> dict[str, str]:
    """What the endpoint says of the model that answered: `model` and `system_fingerprint`, where it says so."""
    return {name: body[name] for name in ("model", "system_fingerprint") if isinstance(body.get(name), str)}


def _choice(said: Any) -> Choice:
    message = said.get("message") if isinstance(said, Mapping) else None
    if not isinstance(message, Mapping):
        raise NoCompletionError("a choice has no message")
    text, refusal, finish_reason = message.get("content"), message.get("refusal"), said.get("finish_reason")
    for name, value in (("content", text), ("refusal", refusal), ("finish_reason", finish_reason)):
        if not (value is None or isinstance(value, str)):
            raise NoCompletionError(f"the {name} of a choice is not text")
    return Choice(text or "", refusal, finish_reason, *_first_token(said.get("logprobs")))


def _first_token(logprobs: Any) -> tuple[tuple[Token, ...] | None, Token | None]:
    """The list that comes with the first token, and that token where it is not in the list.

    A list with one entry that cannot be read is no list: that entry might have been a yes or a no.
    """
    content = logprobs.get("content") if isinstance(logprobs, Mapping) else None
    first = content[0] if isinstance(content, list) and content else None
    top = first.get("top_logprobs") if isinstance(first, Mapping) else None
    listed = [_token(each) for each in top] if isinstance(top, list) else []
    if not listed or None in listed:
        return None, None
    drawn = _token(first)
    outside = drawn is not None and drawn[0] not in {each[0] for each in listed if each}
    return tuple(each for each in listed if each), drawn if outside else None


def _token(said: Any) -> Token | None:
    if not isinstance(said, Mapping):
        return None
    text, log_probability = said.get("token"), said.get("logprob")
    if not isinstance(text, str) or not isinstance(log_probability, (int, float)):
        return None
    # Not above 0 by more than rounding; true and NaN are no numbers.
    number = not isinstance(log_probability, bool) and log_probability < 0.01
    return (text, max(float(log_probability), _NEVER)) if number else None
