from __future__ import annotations

import contextlib
import io
import random
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow

from alignbench.decode import FORMATS, decode
from alignbench.errors import ImageError

PIXELS = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
PICTURE = Pillow.fromarray(PIXELS)


def encode(picture: Pillow.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header claims a size, with hardly any pixels behind it."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_decodes(form: str) -> None:
    picture = decode(encode(PICTURE, form))
    assert (picture.mode, picture.size) == ("RGB", (9, 6))
    lossless = form in ("PNG", "BMP", "TIFF")
    assert not lossless or np.array_equal(np.asarray(picture), PIXELS)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["PNG", "TIFF", "WEBP"])
def test_exif_orientation_is_applied_once(form: str, orientation: int) -> None:
    upright = {
        1: PIXELS,
        2: PIXELS[:, ::-1],
        3: PIXELS[::-1, ::-1],
        4: PIXELS[::-1],
        5: PIXELS.transpose(1, 0, 2),
        6: PIXELS[::-1].transpose(1, 0, 2),
        7: PIXELS[::-1, ::-1].transpose(1, 0, 2),
        8: PIXELS[:, ::-1].transpose(1, 0, 2),
    }[orientation]
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if form == "WEBP" else {}
    assert np.array_equal(np.asarray(decode(encode(PICTURE, form, exif=exif, **options))), upright)


def test_broken_exif_leaves_the_picture_as_it_is() -> None:
    encoded = encode(PICTURE, "PNG", exif=b"Exif\x00\x00II*\x00\x08\x00\x00\x00\xff\xff\x12\x01")
    assert np.array_equal(np.asarray(decode(encoded)), PIXELS)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_white(mode: str) -> None:
    layer = PICTURE.convert("RGBA")
    layer.putalpha(0)
    transparent = layer.quantize() if mode == "P" else layer.convert(mode)
    assert np.all(np.asarray(decode(encode(transparent))) == 255)


def test_16_bit_grey_is_scaled() -> None:
    grey = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    assert np.asarray(decode(encode(Pillow.fromarray(grey))))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_only_the_first_frame_counts() -> None:
    frames = encode(PICTURE, "TIFF", save_all=True, append_images=[PICTURE.rotate(90)])
    assert np.array_equal(np.asarray(decode(frames)), PIXELS)


@pytest.mark.parametrize("mode", ["F", "I"])
def test_numbers_without_a_range_are_refused(mode: str) -> None:
    with pytest.raises(ImageError, match="8 or 16 bits"):
        decode(encode(PICTURE.convert("L").convert(mode), "TIFF"))


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"not an image", id="text"),
        pytest.param(encode(PICTURE)[:-30], id="PNG cut off"),
        pytest.param(encode(PICTURE, "JPEG")[:-200], id="JPEG cut off"),
        pytest.param(encode(PICTURE)[:60] + b"\x00\x00\x00" + encode(PICTURE)[63:], id="PNG damaged"),
        pytest.param(encode(PICTURE, "PPM"), id="another format"),
        pytest.param(encode(PICTURE, "ICO"), id="icon"),
        pytest.param(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n", id="a format that runs programs"),
        pytest.param(b'<svg xmlns="http://www.w3.org/2000/svg"/>', id="SVG"),
    ],
)
def test_what_is_no_whole_image_is_refused(encoded: bytes) -> None:
    with pytest.raises(ImageError, match="bytes are not a whole image of PNG, JPEG"):
        decode(encoded)


@pytest.mark.parametrize("side", [8_001, 12_000, 30_000])
def test_a_bomb_is_refused_before_its_pixels(side: int) -> None:
    tracemalloc.start()
    with pytest.raises(ImageError, match="at most 64,000,000 pixels"):
        decode(png_of_size(side, side))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_the_limit_can_be_set() -> None:
    assert decode(encode(PICTURE), max_pixels=54).size == (9, 6)
    with pytest.raises(ImageError, match=r"at most 53 pixels .* 9 x 6"):
        decode(encode(PICTURE), max_pixels=53)


@pytest.mark.parametrize("form", FORMATS)
def test_damaged_bytes_decode_or_are_refused(form: str) -> None:
    rng = random.Random(form)
    exif = Pillow.Exif()
    exif[0x0112] = 6
    options = {} if form in ("GIF", "BMP") else {"exif": exif}
    whole = encode(PICTURE, form, **options)
    for _ in range(300):
        damaged = bytearray(whole)
        for _ in range(rng.choice((1, 1, 2, 4))):
            damaged[rng.randrange(len(damaged))] = rng.randrange(256)
        del damaged[rng.choice((len(damaged), rng.randrange(len(damaged)))) :]
        with contextlib.suppress(ImageError):
            assert decode(bytes(damaged), max_pixels=1_000_000).mode == "RGB"
