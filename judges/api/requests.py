"""The bodies of requests: one user turn, the image first, the sentence last."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from alignbench.backends.api.picture import Picture
from judges.api.settings import Question, Settings


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an endpoint wants to be asked.

    Attributes:
        limit: The parameter that limits an answer's tokens.
        least_tokens: The least limit that it takes.
        several: Whether it gives several draws in one answer.
    """

    limit: str = "max_completion_tokens"
    least_tokens: int = 1
    several: bool = True


def turn(settings: Settings, text: str, picture: Picture | None) -> dict[str, Any]:
    """The model and the messages of a request, without an image where `picture` is None."""
    shown = [picture.part(settings.detail, settings.marks_cache)] if picture else []
    content = [*shown, {"type": "text", "text": text}]
    body: dict[str, Any] = {"model": settings.model.name, "messages": [{"role": "user", "content": content}]}
    if settings.reasoning_effort is not None:
        body["reasoning_effort"] = settings.reasoning_effort
    if picture and settings.marks_cache:
        body |= {"prompt_cache_key": picture.key, "prompt_cache_options": {"mode": "explicit"}}
    return body


def request(settings: Settings, dialect: Dialect, question: Question, picture: Picture) -> dict[str, Any]:
    """The body that asks a question about an image; all that is equal for an image's questions comes first in it."""
    body = turn(settings, question.text, picture) | settings.mode.parameters(settings.top_logprobs)
    body[dialect.limit] = max(question.tokens, dialect.least_tokens)
    if settings.sent_temperature is not None:
        body["temperature"] = settings.sent_temperature
    if settings.draws > 1 and dialect.several:
        body["n"] = settings.draws
    return body
