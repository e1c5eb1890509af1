"""Small pictures inside a page."""

from __future__ import annotations

import base64
import io
from collections.abc import Collection
from typing import NamedTuple

from PIL import Image as Pillow

from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.store import Dataset

SIDE = 224
MOST_BYTES = 14_000
NOT_HERE = "the dataset does not hold this image"
NOT_DECODED = "this image cannot be decoded"
# Side in pixels and quality: the first that fits into MOST_BYTES, else the last.
_LADDER = ((SIDE, 80), (SIDE, 60), (192, 45), (160, 30), (112, 20))


class Thumbnail(NamedTuple):
    """A picture as a `data:` URI with its size in pixels, or why there is none."""

    uri: str | None
    width: int
    height: int
    reason: str | None


def thumbnails(dataset: Dataset, keys: Collection[str]) -> dict[str, Thumbnail]:
    """The images of these keys; those that the dataset does not list say so too. One is in memory at a time."""
    found = {image.image_key: _thumbnail(image.bytes) for image in dataset.images(keys)}
    return {key: found.get(key, _nothing(NOT_HERE)) for key in keys}


def _thumbnail(encoded: bytes | None) -> Thumbnail:
    if encoded is None:
        return _nothing(NOT_HERE)
    try:
        picture = decode(encoded)
    except ImageError:
        return _nothing(NOT_DECODED)
    encodings = (_webp(picture, *rung) for rung in _LADDER)
    small = next((small for small in encodings if len(small) <= MOST_BYTES), None) or _webp(picture, *_LADDER[-1])
    return Thumbnail(f"data:image/webp;base64,{base64.b64encode(small).decode()}", *picture.size, None)


def _webp(picture: Pillow.Image, side: int, quality: int) -> bytes:
    picture.thumbnail((side, side), Pillow.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", quality=quality, method=4)
    return buffer.getvalue()


def _nothing(reason: str) -> Thumbnail:
    return Thumbnail(None, 0, 0, reason)
