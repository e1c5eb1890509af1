"""A folder of pictures as people have them: odd formats, odd names, damage, traps."""

from __future__ import annotations

import io
import os
import random
import socket
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as Pillow

ALL = 200


def encode(picture: Pillow.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def picture(number: int, size: tuple[int, int] = (12, 8)) -> Pillow.Image:
    """A different picture for every number."""
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Pillow.fromarray(pixels)


def bomb(side: int = 30_000) -> bytes:
    """A whole, valid PNG of side x side pixels in about a hundred kilobytes."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer, row = zlib.compressobj(9), bytes(1 + -(-side // 8))
    packed = [*(packer.compress(row) for _ in range(side)), packer.flush()]
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"".join(packed)) + chunk(b"IEND", b"")


def good_pictures() -> dict[str, bytes]:
    """Pictures that a viewer shows, by file name."""
    exif = Pillow.Exif()
    exif[0x0112] = 6
    grey16 = Pillow.fromarray(np.random.default_rng(1).integers(0, 65536, (8, 12), dtype=np.uint16))
    layer = picture(2).convert("RGBA")
    layer.putalpha(100)
    frames = [picture(number) for number in (3, 4, 5)]
    animated: dict[str, Any] = {"save_all": True, "append_images": frames[1:], "duration": 40}
    return {
        "cmyk.jpg": encode(picture(6).convert("CMYK"), "JPEG"),
        "sixteen.png": encode(grey16),
        "sixteen.tif": encode(grey16, "TIFF"),
        "turned.jpg": encode(picture(7), "JPEG", exif=exif),
        "palette.png": encode(layer.quantize(16)),
        "palette.gif": encode(picture(8).quantize(8), "GIF", transparency=0),
        "moving.gif": encode(frames[0], "GIF", **animated),
        "moving.webp": encode(frames[0], "WEBP", **animated),
        "dot.png": encode(picture(9, (1, 1))),
        "bits.tif": encode(picture(10).convert("1"), "TIFF"),
        "grey-alpha.png": encode(layer.convert("LA")),
        "progressive.jpg": encode(picture(11, (4000, 3000)), "JPEG", progressive=True, subsampling=0, exif=exif),
        "wrong-suffix.txt": encode(picture(12)),
        "no-suffix": encode(picture(13), "BMP"),
        "upper.JPEG": encode(picture(14), "JPEG"),
        "large.webp": encode(picture(15, (1500, 1500)), "WEBP"),
        "x.png/inside a folder named as a picture.png": encode(picture(16)),
        "deep/er/still/below.png": encode(picture(17)),
        "Ünïcödé 图片 🖼.png": encode(picture(18)),
        "e\u0301.png": encode(picture(19)),
        "\u00e9.png": encode(picture(20)),
        "new\nline.png": encode(picture(21)),
        "tab\tand\x1b[31m colour.png": encode(picture(22)),
        "back\\slash.png": encode(picture(23)),
        " spaces .png ": encode(picture(24)),
        "-rf.png": encode(picture(25)),
        "\u202eright to left.png": encode(picture(26)),
        "'; DROP TABLE images; --.png": encode(picture(27)),
        os.fsdecode(b"not utf-8 \xe9\xff.png"): encode(picture(28)),
        "n" * 250 + ".png": encode(picture(29)),
    }


def bad_files() -> dict[str, bytes]:
    """Files that are no pictures, whatever their names say."""
    whole = encode(picture(40, (300, 300)))
    jpeg = encode(picture(41, (300, 300)), "JPEG")
    return {
        "bomb.png": bomb(),
        "wide.png": bomb(8001),
        "cut.png": whole[: len(whole) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut.webp": encode(picture(42, (300, 300)), "WEBP")[:500],
        "cut.gif": encode(picture(43, (300, 300)), "GIF")[:2000],
        "cut.tif": encode(picture(44, (300, 300)), "TIFF")[:1000],
        "text.heic": b"This is no picture at all.\n",
        "empty.png": b"",
        "empty": b"",
        "one byte.jpg": b"\xff",
        "page.png": b"<!doctype html><title>404</title>",
        "vector.svg": b'<svg xmlns="http://www.w3.org/2000/svg"><image href="/etc/passwd"/></svg>',
        "script.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n",
        "float.tif": encode(Pillow.fromarray(np.ones((4, 4), np.float32)), "TIFF"),
        "signature.png": b"\x89PNG\r\n\x1a\n",
        "zeros.bin": bytes(4096),
    }


def build(folder: Path, outside: Path) -> dict[str, str]:
    """Fill `folder` with `ALL` awkward things, and `outside` with what must not be read; which name is of what sort.

    The sorts: `image`, `unusable`, `copy` (of two files with the same bytes, one), `link`, `special`, `closed`.
    """
    sorts: dict[str, str] = {}

    def put(name: str, content: bytes, sort: str) -> None:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        sorts[name] = sort

    for name, content in good_pictures().items():
        put(name, content, "image")
    for name, content in bad_files().items():
        put(name, content, "unusable")
    put("copy of dot.png", (folder / "dot.png").read_bytes(), "copy")
    put("deep/copy of cmyk.jpg", (folder / "cmyk.jpg").read_bytes(), "copy")
    _plant_outside(outside)
    for name, target in (
        ("out.png", outside / "secret.png"),
        ("out relative.png", Path(os.path.relpath(outside / "secret.png", folder))),
        ("out folder", outside),
        ("out pipe.png", outside / "pipe.png"),
        ("in.png", Path("dot.png")),
        ("round", folder),
        ("nowhere.png", Path("does not exist")),
        ("itself.png", Path("itself.png")),
        ("device.png", Path("/dev/zero")),
    ):
        (folder / name).symlink_to(target)
        sorts[name] = "link"
    os.mkfifo(folder / "pipe.png")
    sorts["pipe.png"] = "special"
    with socket.socket(socket.AF_UNIX) as server:
        _bind(server, folder, "socket.png")
    sorts["socket.png"] = "special"
    put("closed.png", encode(picture(50)), "closed")
    (folder / "closed.png").chmod(0)
    (folder / ".hidden.png").write_bytes(encode(picture(51)))
    (folder / ".folder").mkdir()
    (folder / ".folder/in a hidden folder.png").write_bytes(encode(picture(52)))
    rng = random.Random(0)
    while len(sorts) < ALL:
        number = len(sorts)
        content = bytearray(encode(picture(1000 + number, (64, 48)), rng.choice(["PNG", "JPEG", "WEBP", "TIFF"])))
        if number % 3 == 0:
            put(f"{number:03}.jpg", bytes(content[: rng.randrange(len(content) // 2)]), "unusable")
        else:
            put(f"{number:03}.jpg", bytes(content), "image")
    return sorts


def _plant_outside(outside: Path) -> None:
    outside.mkdir()
    (outside / "secret.png").write_bytes(encode(picture(60)))
    os.mkfifo(outside / "pipe.png")


def _bind(server: socket.socket, folder: Path, name: str) -> None:
    """Bind a socket whose path may be longer than the system takes."""
    here = os.open(".", os.O_RDONLY)
    try:
        os.chdir(folder)
        server.bind(name)
    finally:
        os.fchdir(here)
        os.close(here)
