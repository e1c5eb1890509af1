"""An image as a part of a message: a data URI, made once for all the questions about it."""

from __future__ import annotations

import base64
import hashlib
import io
from dataclasses import dataclass
from typing import Any, Self

from PIL import ExifTags
from PIL import Image as Pillow

from alignbench.decode import decode

_MEDIA_TYPES = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp", "GIF": "image/gif"}
"""The formats that the protocol's endpoints take."""
_PLAIN = ("1", "L", "P", "RGB", "CMYK", "YCbCr")
_TURNING = frozenset({"exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"})
"""Where else an orientation can stand in a PNG."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image on its way to an endpoint; `key` tells it from others, `width` and `height` are in pixels."""

    uri: str
    key: str
    width: int
    height: int

    @classmethod
    def of(cls, encoded: bytes) -> Self:
        """The original bytes where all viewers see the same in them; else what `decode` shows, as PNG.

        Viewers differ over frames, orientation in EXIF, transparency and 16-bit grey, and endpoints over other formats.

        Raises:
            ImageError: The bytes are no image.
        """
        media_type, size = _as_is(encoded)
        if media_type is None:
            shown = decode(encoded)
            buffer = io.BytesIO()
            shown.save(buffer, "PNG")
            encoded, media_type, size = buffer.getvalue(), "image/png", shown.size
        uri = f"data:{media_type};base64,{base64.b64encode(encoded).decode('ascii')}"
        return cls(uri, hashlib.sha256(encoded).hexdigest()[:32], *size)

    def part(self, detail: str | None, marks_cache: bool) -> dict[str, Any]:
        """The part of a message; `marks_cache` says that the prompt up to here is worth caching."""
        shown = {"url": self.uri} if detail is None else {"url": self.uri, "detail": detail}
        part: dict[str, Any] = {"type": "image_url", "image_url": shown}
        return {**part, "prompt_cache_breakpoint": {"mode": "explicit"}} if marks_cache else part


def _as_is(encoded: bytes) -> tuple[str | None, tuple[int, int]]:
    """The media type of bytes that can be sent as they are, else None; and the size in pixels."""
    try:
        with Pillow.open(io.BytesIO(encoded), formats=tuple(_MEDIA_TYPES)) as picture:
            still = not getattr(picture, "is_animated", False)
            plain = picture.mode in _PLAIN and not picture.has_transparency_data
            as_is = still and plain and not _is_turned(picture, encoded)
            return _MEDIA_TYPES[str(picture.format)] if as_is else None, picture.size
    except Exception:  # noqa: BLE001 - whatever it is, `decode` says it better, or copes with it
        return None, (0, 0)


def _is_turned(picture: Pillow.Image, encoded: bytes) -> bool:
    """Whether viewers that heed it turn the picture."""
    # Pillow decodes a whole PNG to look for what most do not have.
    if picture.format == "PNG" and b"eXIf" not in encoded and not _TURNING.intersection(picture.info):
        return False
    return bool(picture.getexif().get(ExifTags.Base.Orientation, 1) != 1)
