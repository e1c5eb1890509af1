"""How many output tokens an image is charged for, by what OpenAI publishes of its image models.

gpt-image-1 and gpt-image-1.5: the table of https://developers.openai.com/api/docs/guides/image-generation#cost-and-latency.

gpt-image-1-mini: the prices per image of https://developers.openai.com/api/docs/models/gpt-image-1-mini, divided by its
price per token, because they come to more than that table's tokens.

gpt-image-2 and gpt-image-2.5: the rule of the calculator on the same guide, which takes any size. It gives the prices
per image of gpt-image-2 on https://developers.openai.com/api/docs/models/gpt-image-2.

None of these pages was read first-hand: the table, the prices and the rule are quoted alike in several public
repositories, of 2025 to 2026-10. A later model is in none of them yet, and so not here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

AUTO = "auto"
_DATE_AT_THE_END = re.compile(r"-\d{4}-\d{2}-\d{2}$")
_SIZE = re.compile(r"([1-9]\d{1,4})x([1-9]\d{1,4})")
_STANDARD_SIZES = ("1024x1024", "1024x1536", "1536x1024")

_Table = Mapping[str, tuple[int, int, int]]
_GPT_IMAGE_1: _Table = {"low": (272, 408, 400), "medium": (1056, 1584, 1568), "high": (4160, 6240, 6208)}
_GPT_IMAGE_1_MINI: _Table = {"low": (625, 750, 750), "medium": (1375, 1875, 1875), "high": (4500, 6500, 6500)}
_TABLES: Mapping[str, _Table] = {
    "gpt-image-1": _GPT_IMAGE_1,
    "gpt-image-1.5": _GPT_IMAGE_1,
    "gpt-image-1-mini": _GPT_IMAGE_1_MINI,
}

_GPT_IMAGE_2 = {"low": 16, "medium": 48, "high": 96}
_GPT_IMAGE_2_5 = {"low": 16, "medium": 24, "high": 48, "xhigh": 64, "max": 96}
_LONG_SIDES: Mapping[str, Mapping[str, int]] = {
    "gpt-image-2": _GPT_IMAGE_2,
    "gpt-image-2.5-flare": _GPT_IMAGE_2_5,
    "gpt-image-2.5-sunburst": _GPT_IMAGE_2_5,
}


def output_tokens(model: str, size: str | None, quality: str | None) -> int | None:
    """The output tokens of one image; None where the model, its size or its quality is not known here.

    Args:
        model: Its name, with or without a date at the end, or what a gateway puts before it and a slash.
        size: `WIDTHxHEIGHT` in pixels; None or `auto` for the one of the standard sizes that takes the most.
        quality: `low`, `medium`, ...; None or `auto` for the one that takes the most.
    """
    name = _DATE_AT_THE_END.sub("", model.rpartition("/")[2])
    sizes = _STANDARD_SIZES if size in {None, AUTO} else (str(size),)
    known = _TABLES.get(name) or _LONG_SIDES.get(name, {})
    qualities = tuple(known) if quality in {None, AUTO} else (str(quality),)
    return max((_one(name, size, quality) or 0 for size in sizes for quality in qualities), default=0) or None


def _one(name: str, size: str, quality: str) -> int | None:
    if name in _TABLES:
        known = quality in _TABLES[name] and size in _STANDARD_SIZES
        return _TABLES[name][quality][_STANDARD_SIZES.index(size)] if known else None
    sides, long = _SIZE.fullmatch(size), _LONG_SIDES.get(name, {}).get(quality)
    if sides is None or long is None:
        return None
    return _by_rule(int(sides[1]), int(sides[2]), long)


def _by_rule(width: int, height: int, long: int) -> int:
    """Latent cells of the image, `long` of them along its longer side, and more of them worth for more pixels."""
    short = round(long * min(width, height) / max(width, height))
    return math.ceil(long * short * (2_000_000 + width * height) / 4_000_000)
