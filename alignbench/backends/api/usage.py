"""What an answer says it took, and what that costs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from alignbench.backends.api.prices import Price
from alignbench.types import Usage

_MOST = 2**53
"""More is no count, and from somewhere on no number to multiply with."""


def usage_of(body: Mapping[str, Any], price: Price | None, seconds: float | None, *, batch: bool = False) -> Usage:
    """The usage in a chat completion's body, with nothing taken for granted; null for what it does not say.

    Args:
        body: The chat completion as JSON values.
        price: What its tokens cost; None where that is not known.
        seconds: How long it took.
        batch: Whether a job of the Batch API asked for it, which costs less.
    """
    usage = _mapping(body.get("usage"))
    details = _mapping(usage.get("prompt_tokens_details"))
    read, answered = _count(usage.get("prompt_tokens")), _count(usage.get("completion_tokens"))
    cached, written = _count(details.get("cached_tokens")), _count(details.get("cache_write_tokens"))
    cost = None
    if price is not None and read is not None and answered is not None:
        cost = price.cost(
            input_tokens=read,
            output_tokens=answered,
            cached_tokens=cached or 0,
            written_tokens=written or 0,
            batch=batch,
        )
    return Usage(read, answered, seconds, cost, cached)


def image_usage_of(body: Mapping[str, Any], price: Price | None, seconds: float | None) -> Usage:
    """The usage in an answer with images, likewise.

    A provider that charges by the image may say nothing of tokens.
    """
    usage = _mapping(body.get("usage"))
    read, answered = _count(usage.get("input_tokens")), _count(usage.get("output_tokens"))
    words = _count(_mapping(usage.get("output_tokens_details")).get("text_tokens")) or 0
    drawn = body.get("data")
    cost = None
    if price is not None and (price.per_image is not None or None not in (read, answered)):
        cost = price.cost(
            input_tokens=read or 0,
            output_tokens=answered or 0,
            text_tokens=words,
            images=len(drawn) if isinstance(drawn, list) else 0,
        )
    return Usage(read, answered, seconds, cost)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _MOST else None
