"""How far apart two captions or two images are."""

from __future__ import annotations

import difflib
import hashlib
from typing import Any

import numpy as np
from PIL import Image as Pillow

from alignbench.decode import decode
from generation import perceptual

# Comparing words takes the square of their number.
_MOST_WORDS = 4_000
_SHOWN = 40


def caption_difference(then: str, now: str) -> dict[str, Any]:
    """Where two different captions part, and how alike they are.

    Returns:
        `first_character`, a 0-based code point; the text from there, `then` and `now`; `similarity` in [0, 1], the
        share of words in common blocks (difflib's ratio over the first 4,000 words).
    """
    shared = zip(then, now, strict=False)
    first = next((place for place, (a, b) in enumerate(shared) if a != b), min(len(then), len(now)))
    words = then.split()[:_MOST_WORDS], now.split()[:_MOST_WORDS]
    return {
        "first_character": first,
        "then": then[first : first + _SHOWN],
        "now": now[first : first + _SHOWN],
        "similarity": difflib.SequenceMatcher(None, *words, autojunk=False).ratio(),
    }


def image_difference(then: bytes, now: bytes) -> dict[str, Any]:
    """How far apart two encoded images of different bytes are.

    Returns:
        The `sha256` and `size` of both; `perceptual_distance`, 0 to 64 bits; `largest` and `mean` difference of a
        channel of a pixel, 0 to 255, null where the sizes differ.

    Raises:
        ImageError: One of them is no image.
    """
    pictures = decode(then), decode(now)
    largest, mean = _pixels(*pictures)
    return {
        "sha256": _told(hashlib.sha256(then).hexdigest(), hashlib.sha256(now).hexdigest()),
        "size": _told(*(list(picture.size) for picture in pictures)),
        "perceptual_distance": perceptual.distance(*map(perceptual.fingerprint, pictures)),
        "largest": largest,
        "mean": mean,
    }


def _told(then: Any, now: Any) -> dict[str, Any]:
    return {"then": then, "now": now}


def _pixels(then: Pillow.Image, now: Pillow.Image) -> tuple[int | None, float | None]:
    if then.size != now.size:
        return None, None
    a, b = (np.asarray(picture, dtype=np.int16) for picture in (then, now))  # (height, width, 3)
    apart = np.abs(a - b)
    return int(apart.max()), float(apart.mean())
