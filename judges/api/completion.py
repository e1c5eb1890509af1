"""The first token of each answer in a chat completion, which is what the mode logprob reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from alignbench.backends.api import completion
from judges.api.first_token import Token

_NEVER = -9999.0
"""What the protocol writes for the logarithm of nothing; JSON has no infinity."""


@dataclass(frozen=True, slots=True)
class Choice(completion.Choice):
    """One answer.

    `listed` are the likeliest first tokens, null where the endpoint gives no such list; `drawn` is the first token
    itself where it is not among them.
    """

    listed: tuple[Token, ...] | None = None
    drawn: Token | None = None


def choices_of(body: Mapping[str, Any]) -> list[Choice]:
    """The answers in a chat completion, at least one, in their order.

    Raises:
        NoCompletionError: It is something else; the message says what.
    """
    return [_with_first_token(each) for each in completion.choices_of(body)]


def _with_first_token(choice: completion.Choice) -> Choice:
    listed, drawn = _first_token(choice.logprobs)
    return Choice(choice.text, choice.refusal, choice.finish_reason, listed, drawn)


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
