"""What the tokens of a model cost at an endpoint, from a dated table that users can extend."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from alignbench.backends.api.price_file import read_price_file

SHIPPED = Path(__file__).parent / "prices.yaml"
_MILLION = 1e6
_DATE_AT_THE_END = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{8})$")


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model in US dollars, by the million tokens but for `per_image`.

    Attributes:
        input: What is sent.
        output: What is answered; the tokens of an image where that is an image.
        cached: Input read from the provider's prompt cache; null where that costs what any input costs.
        cache_write: Input written to it; null likewise.
        batch_factor: What a job of the Batch API pays of all these prices.
        image_rule: How an image becomes input tokens, see `image_tokens`; null where that is not known.
        cache_minimum: The shortest prefix that the provider caches, in tokens; null where it promises no cache.
        batch_cached: `cached` within a job of the Batch API; null for the same share as all else.
        text_output: Words that are answered beside an image; null where they cost what the image's tokens cost.
        per_image: An image that is drawn, on top of its tokens; null where a provider charges by the token alone.
        source: Where the prices stand.
        read: The day on which somebody read them there.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None
    batch_factor: float = 1.0
    image_rule: str | None = None
    cache_minimum: int | None = None
    batch_cached: float | None = None
    text_output: float | None = None
    per_image: float | None = None
    source: str | None = None
    read: str | None = None

    def cost(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cached_tokens: int = 0,
        written_tokens: int = 0,
        text_tokens: int = 0,
        images: int = 0,
        batch: bool = False,
    ) -> float:
        """Dollars of one request.

        `cached_tokens` and `written_tokens` are parts of `input_tokens`, and `text_tokens`, those of words beside an
        image, a part of `output_tokens`.
        """
        factor = self.batch_factor if batch else 1.0
        cached = factor * (self.input if self.cached is None else self.cached)
        if batch and self.batch_cached is not None:
            cached = self.batch_cached
        written = factor * (self.input if self.cache_write is None else self.cache_write)
        plain_tokens = max(0, input_tokens - cached_tokens - written_tokens)
        total = plain_tokens * factor * self.input + cached_tokens * cached + written_tokens * written
        text_tokens = min(text_tokens, output_tokens)
        words = factor * (self.output if self.text_output is None else self.text_output)
        total += (output_tokens - text_tokens) * factor * self.output + text_tokens * words
        return total / _MILLION + images * factor * (self.per_image or 0.0)


FREE = Price(input=0.0, output=0.0, source="a server on this machine, which charges nothing")
"""What a server on loopback costs, unless a price file says otherwise."""


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by endpoint and model: the keys are `HOST/MODEL`, such as `api.openai.com/gpt-4o-mini`."""

    dated: str
    prices: Mapping[str, Price]

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The shipped table, extended by the one at `path`: an entry there replaces the shipped one whole.

        Raises:
            UsageError: The file cannot be read, or says something that is no price; names the line.
        """
        shipped = read_price_file(SHIPPED)
        if path is None:
            return cls(shipped.dated, {key: Price(**fields) for key, fields in shipped.entries.items()})
        users = read_price_file(path)
        entries = {**shipped.entries, **users.entries}
        dated = f"{users.dated}, extends the shipped table of {shipped.dated}"
        return cls(dated, {key: Price(**fields) for key, fields in entries.items()})

    def of(self, host: str, model: str) -> Price | None:
        """The price of `model` at `host`; null where it is not known.

        A model whose name ends in a date costs what the name without it costs, unless it has an entry of its own.
        """
        base = _DATE_AT_THE_END.sub("", model)
        for name in (model, base):
            price = self.prices.get(f"{host}/{name}")
            if price is not None:
                return price
        return FREE if is_loopback(host) else None


def is_loopback(host: str) -> bool:
    """Whether a host, without a port, is this machine itself."""
    bare = host.strip("[]").lower()
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return bare == "localhost" or bare.endswith(".localhost")
