"""A chat completion as an endpoint answers it, read with nothing taken for granted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


class NoCompletionError(ValueError):
    """What the endpoint answered is no chat completion."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer; `logprobs` is what came under that name, whatever it is."""

    text: str
    refusal: str | None = None
    finish_reason: str | None = None
    logprobs: Any = field(default=None, compare=False, repr=False, kw_only=True)

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
    return Choice(text or "", refusal, finish_reason, logprobs=said.get("logprobs"))
