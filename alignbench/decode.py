"""Encoded bytes to pixels, within bounds."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ExifTags, UnidentifiedImageError
from PIL import Image as Pillow

from alignbench.errors import ImageError

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
MAX_PIXELS = 64_000_000

DAMAGED = (
    Warning,
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    MemoryError,
    RuntimeError,
    struct.error,
)
"""What Pillow's decoders raise for damaged bytes; `Warning` for programs that turn warnings into errors."""
_UPRIGHT = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
_LAID_DOWN = frozenset(_UPRIGHT[orientation] for orientation in (5, 6, 7, 8))


def decode(encoded: bytes, *, max_pixels: int = MAX_PIXELS) -> Pillow.Image:
    """The picture that a viewer on a white page sees, as RGB.

    The first frame is taken, turned as its EXIF orientation says; transparency becomes white, 16-bit grey is scaled.
    The size is checked before a pixel is decoded.

    Raises:
        ImageError: the bytes are damaged, cut off, of another format than `FORMATS`, or more than `max_pixels`.
    """
    with _loaded(encoded, max_pixels) as picture:
        return _upright(picture, _as_rgb(picture))


def file_ending(encoded: bytes) -> str:
    """What the name of a file of this picture ends in, such as `.png`; ImageError where it is none of `FORMATS`."""
    with _loaded(encoded, MAX_PIXELS) as picture:
        return "." + str(picture.format).lower().replace("jpeg", "jpg")


def media_type(encoded: bytes) -> str:
    """The media type of this picture, such as `image/png`; ImageError where it is none of `FORMATS`."""
    with _loaded(encoded, MAX_PIXELS) as picture:
        return Pillow.MIME[str(picture.format)]


def measure(encoded: bytes, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The width and height of what `decode` would give.

    All pixels are decoded, so that what this measures `decode` takes, but none converted, which takes two to four times
    the memory.

    Raises:
        ImageError: as `decode`.
    """
    with _loaded(encoded, max_pixels) as picture:
        _as_rgb(picture.crop((0, 0, 1, 1)))
        width, height = picture.size
        return (height, width) if _turn(picture) in _LAID_DOWN else (width, height)


@contextmanager
def _loaded(encoded: bytes, max_pixels: int) -> Iterator[Pillow.Image]:
    """The picture with its own pixels; ImageError for what its decoder raises, and for what the block does."""
    try:
        with Pillow.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            _check_size(picture, max_pixels)
            picture.load()
            yield picture
    except (Pillow.DecompressionBombError, Pillow.DecompressionBombWarning) as error:
        raise ImageError(f"at most {max_pixels:,} pixels are decoded, make the image smaller: {error}") from error
    except DAMAGED as error:
        # Pillow names the buffer by its address, which would differ from run to run.
        unknown = isinstance(error, UnidentifiedImageError)
        reason = "none of these formats" if unknown else str(error) or type(error).__name__
        raise ImageError(f"{len(encoded):,} bytes are not a whole image of {', '.join(FORMATS)}: {reason}") from error


def _check_size(picture: Pillow.Image, max_pixels: int) -> None:
    width, height = picture.size
    if width * height > max_pixels:
        raise ImageError(
            f"at most {max_pixels:,} pixels are decoded, make the image smaller: it has {width} x {height}"
        )


def _as_rgb(picture: Pillow.Image) -> Pillow.Image:
    if picture.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255, which is white nearly everywhere.
        return picture.point(lambda value: value * (1 / 257)).convert("L").convert("RGB")
    if picture.mode in ("I", "F"):
        raise ImageError(f"its pixels are numbers without a range ({picture.mode}); save the image with 8 or 16 bits")
    if picture.has_transparency_data:
        layer = picture.convert("RGBA")
        return Pillow.alpha_composite(Pillow.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return picture.convert("RGB")


def _upright(picture: Pillow.Image, pixels: Pillow.Image) -> Pillow.Image:
    turn = _turn(picture)
    return pixels if turn is None else pixels.transpose(turn)


def _turn(picture: Pillow.Image) -> Pillow.Transpose | None:
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation)
    except DAMAGED:
        return None  # like every viewer: broken metadata of a whole picture says nothing
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None
