"""What a request could cost at most, so that a limit on the cost holds before the answer is known."""

from __future__ import annotations

from alignbench.backends.api.image_tokens import image_tokens
from alignbench.backends.api.picture import Picture
from alignbench.backends.api.prices import Price

_BYTES_PER_TOKEN = 3
"""English has four or five; three leaves room for other scripts."""
_FRAME_TOKENS = 256
"""What a chat template and the schema of an answer add."""
_FINEST_PATCH = 14
"""Pixels of an image token's side where no rule is known; no common model cuts finer."""


def most_usd(
    price: Price | None, text: str, output_tokens: int, picture: Picture | None = None, detail: str | None = None
) -> float | None:
    """An upper bound on the dollars of one request for so many tokens; None where the price is not known."""
    if price is None:
        return None
    tokens = most_tokens(text) + (_image_tokens(price, picture, detail) if picture else 0)
    written = tokens if price.cache_write is not None and price.cache_write > price.input else 0
    return price.cost(input_tokens=tokens, output_tokens=output_tokens, written_tokens=written)


def most_tokens(text: str) -> int:
    """An upper bound on the input tokens of a request with this text."""
    return len(text.encode()) // _BYTES_PER_TOKEN + _FRAME_TOKENS


def _image_tokens(price: Price, picture: Picture, detail: str | None) -> int:
    if price.image_rule is not None:
        return image_tokens(price.image_rule, picture.width, picture.height, detail)
    return -(-picture.width // _FINEST_PATCH) * -(-picture.height // _FINEST_PATCH)
