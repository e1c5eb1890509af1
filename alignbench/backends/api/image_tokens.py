"""How many input tokens an image becomes, by the rules that providers document.

A rule is written as `NAME` or `NAME:key=number,key=number`, as in a price file. The names:

openai-tiles    `base`, `tile`: fitted into 2048 x 2048 pixels, the short side scaled down to 768, then `base` tokens
                and `tile` more for each square of 512 pixels.
openai-4.1-mini, openai-5.4, openai-5.5, openai-5.6
                `multiplier`: patches of 32 pixels, after the image is scaled down to that model family's limits.
qwen            `patch` (28; 32 from Qwen3-VL on), `min_pixels`, `max_pixels`: both sides rounded to multiples of the
                patch, one token a patch, and the two tokens that frame an image.
fixed           `tokens`: the same for every image.

The sources stand beside each rule.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from alignbench.errors import UnknownNameError, UsageError

_PATCH = 32
_TILE = 512


@dataclass(frozen=True, slots=True)
class _Limits:
    """The longest side in pixels, and the most patches; null for no such limit."""

    side: int
    patches: int | None


# https://developers.openai.com/api/docs/guides/images-vision#model-sizing-behavior
_OPENAI: Mapping[str, Mapping[str, _Limits]] = {
    "openai-4.1-mini": {detail: _Limits(2048, 6144) for detail in ("low", "high", "original", "auto")},
    "openai-5.4": {
        "low": _Limits(2048, 6144),
        "high": _Limits(2048, 2500),
        "original": _Limits(6000, 10_000),
        "auto": _Limits(2048, 2500),
    },
    "openai-5.5": {
        "low": _Limits(512, None),
        "high": _Limits(2048, 2500),
        "original": _Limits(6000, 10_000),
        "auto": _Limits(6000, 10_000),
    },
    "openai-5.6": {
        "low": _Limits(512, None),
        "high": _Limits(2048, 2500),
        "original": _Limits(65_535, None),
        "auto": _Limits(65_535, None),
    },
}

_OPENAI_GUIDE = "https://developers.openai.com/api/docs/guides/images-vision"
_SOURCES: Mapping[str, str] = {
    **dict.fromkeys(_OPENAI, _OPENAI_GUIDE),
    "openai-tiles": _OPENAI_GUIDE,
    "qwen": "the image processor of Qwen2-VL in the library transformers",
    "fixed": "the price file",
}
# What must stand behind the name, and what may, with what it is else.
_NEEDED: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(_OPENAI, ("multiplier",)),
    "openai-tiles": ("base", "tile"),
    "qwen": ("patch",),
    "fixed": ("tokens",),
}
# The processor of Qwen2-VL and Qwen2.5-VL: preprocessor_config.json of Qwen/Qwen2.5-VL-7B-Instruct.
_DEFAULTS: Mapping[str, Mapping[str, float]] = {"qwen": {"min_pixels": 3136, "max_pixels": 12_845_056}}


def image_tokens(rule: str, width: int, height: int, detail: str | None = None) -> int:
    """The input tokens of an image of `width` x `height` pixels.

    Args:
        rule: One of the rules above.
        width: Of the image as it is sent.
        height: Of the image as it is sent.
        detail: What the request asks for: `low`, `high`, `original` or `auto`, which is what OpenAI takes by default.

    Raises:
        UsageError: There is no such rule, or its numbers are wrong.
    """
    name, numbers = _read(rule)
    if name in _OPENAI:
        patches = _patches(width, height, _OPENAI[name][detail or "auto"])
        # A product such as 1000 * 1.2 must not reach the next whole number by a rounding error.
        return math.ceil(round(patches * numbers["multiplier"], 6))
    if name == "openai-tiles":
        tiles = 0 if detail == "low" else _tiles(width, height)
        return round(numbers["base"] + tiles * numbers["tile"])
    if name == "qwen":
        return _qwen(width, height, round(numbers["patch"]), numbers["min_pixels"], numbers["max_pixels"])
    return round(numbers["tokens"])


def check_image_rule(rule: str) -> None:
    """Raise what `image_tokens` would raise for a rule that cannot be used.

    Raises:
        UsageError: There is no such rule, or its numbers are wrong.
    """
    _read(rule)


def rule_source(rule: str) -> str:
    """Where a rule is documented.

    Raises:
        UsageError: There is no such rule, or its numbers are wrong.
    """
    return _SOURCES[_read(rule)[0]]


def _read(rule: str) -> tuple[str, dict[str, float]]:
    name, _, rest = rule.partition(":")
    if name not in _NEEDED:
        raise UnknownNameError.of("image rule", name, _NEEDED, "write one of them, such as `fixed:tokens=1120`")
    known = (*_NEEDED[name], *_DEFAULTS.get(name, {}))
    numbers = dict(_DEFAULTS.get(name, {}))
    for part in rest.split(",") if rest else []:
        key, _, value = part.partition("=")
        if key.strip() not in known:
            raise UnknownNameError.of(f"number of the image rule {name}", key.strip(), known, f"mend {rule!r}")
        numbers[key.strip()] = _number(value, rule)
    missing = [key for key in _NEEDED[name] if key not in numbers]
    if missing:
        example = f"{name}:{','.join(f'{key}=...' for key in _NEEDED[name])}"
        raise UsageError(f"the image rule {rule!r} lacks {missing[0]}; write {example}")
    return name, numbers


def _number(text: str, rule: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise UsageError(f"{text!r} in the image rule {rule!r} is not a number above 0")
    return number


def _patches(width: int, height: int, limits: _Limits) -> int:
    """Patches that cover the image once it is within the limits; it is never enlarged.

    https://developers.openai.com/api/docs/guides/images-vision#patch-based-image-tokenization
    """
    width, height = _fit(width, height, limits.side)
    if limits.patches is None or _cover(width, height) <= limits.patches:
        return _cover(width, height)
    shrink = math.sqrt(_PATCH**2 * limits.patches / (width * height))
    across, down = width * shrink / _PATCH, height * shrink / _PATCH
    shrink *= min(max(1, math.floor(across)) / across, max(1, math.floor(down)) / down)
    # Without the crumb, 1600.0 that came out as 1599.9999 would lose a pixel.
    width, height = (max(1, math.floor(side * shrink + 1e-6)) for side in (width, height))
    return min(_cover(width, height), limits.patches)


def _cover(width: int, height: int) -> int:
    return math.ceil(width / _PATCH) * math.ceil(height / _PATCH)


def _tiles(width: int, height: int) -> int:
    """Squares of 512 pixels that cover the image after both steps of scaling down.

    https://developers.openai.com/api/docs/guides/images-vision#tile-based-image-tokenization
    """
    width, height = _fit(width, height, 2048)
    short = min(width, height)
    if short > 768:
        width, height = width * 768 // short, height * 768 // short
    return math.ceil(width / _TILE) * math.ceil(height / _TILE)


def _fit(width: int, height: int, side: int) -> tuple[int, int]:
    """Scale down to a longest side, to whole pixels."""
    longest = max(width, height)
    if longest <= side:
        return width, height
    return max(1, round(width * side / longest)), max(1, round(height * side / longest))


def _qwen(width: int, height: int, patch: int, min_pixels: float, max_pixels: float) -> int:
    """Both sides to the nearest multiple of the patch, within the bounds of pixels.

    `smart_resize` of the image processor of Qwen2-VL, in the library transformers; `<|vision_start|>` and
    `<|vision_end|>` in the models' chat template.
    """
    down, across = max(patch, round(height / patch) * patch), max(patch, round(width / patch) * patch)
    if down * across > max_pixels:
        beta = math.sqrt(height * width / max_pixels)
        down = max(patch, math.floor(height / beta / patch) * patch)
        across = max(patch, math.floor(width / beta / patch) * patch)
    elif down * across < min_pixels:
        beta = math.sqrt(min_pixels / (height * width))
        down = math.ceil(height * beta / patch) * patch
        across = math.ceil(width * beta / patch) * patch
    return (down // patch) * (across // patch) + 2
