"""What a row costs at an API, from the price table; what runs here costs nothing."""

from __future__ import annotations

import functools
from pathlib import Path

from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.image_output import output_tokens
from alignbench.backends.api.image_tokens import image_tokens
from alignbench.backends.api.prices import FREE, Price, PriceTable
from alignbench.errors import UsageError
from generation.forecast.amounts import Amount
from generation.forecast.asked import Asked
from generation.forecast.lengths import IMAGE_PROMPT_TOKENS, IMAGE_SIZE, SIDES, Text

_DETAILS = ("auto", "low", "high", "original")


def dollars_a_row(asked: Asked, text: Text | None) -> Amount:
    """US dollars for one row of a model that writes `text`; null for an image model."""
    if asked.is_local or asked.kind == "scenes":
        return Amount(0)
    if asked.kind != "api":
        return Amount.unknown(asked.problem or f"what {asked.called} costs is known only when it runs")
    try:
        price, host = _price(asked)
    except (UsageError, ValueError) as error:
        return Amount.unknown(str(error))
    if price is FREE or (price is not None and price.input == price.output == 0):
        return Amount(0)
    if price is None:
        return Amount.unknown(
            f"the price of {asked.model} at {host} is not known; write it into a file in the form of "
            "alignbench/backends/api/prices.yaml and give its path as the model's option `prices`"
        )
    return _image(asked, price) if text is None else _text(asked, price, text)


@functools.cache
def shipped_prices() -> PriceTable:
    """The table that comes with alignbench."""
    return PriceTable.read()


def _price(asked: Asked) -> tuple[Price | None, str]:
    address, path = asked.options.get("base_url"), asked.options.get("prices")
    host = Endpoint(address if isinstance(address, str) else None).host
    table = PriceTable.read(Path(path)) if isinstance(path, str) else shipped_prices()
    return table.of(host, asked.at_endpoint), host


def _text(asked: Asked, price: Price, text: Text) -> Amount:
    if text.looks and price.image_rule is None:
        return Amount.unknown(f"how many tokens an image has for {asked.model} is not known; write its image_rule")
    detail = next((each for each in _DETAILS if each == asked.options.get("detail")), None)
    image = image_tokens(price.image_rule, *SIDES, detail) if text.looks and price.image_rule else 0
    return Amount(price.cost(input_tokens=text.prompt + image, output_tokens=text.answer))


def _image(asked: Asked, price: Price) -> Amount:
    size, quality = str(asked.options.get("size", IMAGE_SIZE)), str(asked.options.get("quality") or "auto")
    tokens = output_tokens(asked.at_endpoint, size, quality)
    if tokens is None and price.per_image is None:
        return Amount.unknown(
            f"how many tokens an image of {asked.model} takes at size {size} and quality {quality} is not known; "
            "write its price as `per_image` into a file in the form of alignbench/backends/api/prices.yaml, "
            "and the path of that as the model's option `prices`"
        )
    return Amount(price.cost(input_tokens=IMAGE_PROMPT_TOKENS, output_tokens=tokens or 0, images=1))
