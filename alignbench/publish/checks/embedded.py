"""What an image file says beside its pixels: where it was taken, by whose camera, and any text."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from PIL import ExifTags
from PIL import Image as Pillow

from alignbench.decode import DAMAGED, FORMATS

_PLACE = frozenset({ExifTags.GPS.GPSLatitude, ExifTags.GPS.GPSLongitude, ExifTags.GPS.GPSDestLatitude})
_OWNERS = {ExifTags.Base.CameraOwnerName, ExifTags.Base.BodySerialNumber, ExifTags.Base.LensSerialNumber}
_PLACE_IN_TEXT = re.compile(r"GPS(?:Latitude|Longitude)\b")
_OWNER_IN_TEXT = re.compile(r"(?:OwnerName|SerialNumber)\s*(?:=\s*[\"']|>)\s*[^\s<\"']")
_IFDS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop)
_LONGEST = 1 << 20
# What makes the rest of a file worth a closer look: behind the picture, or in a chunk that no reader knows.
_SUSPECTS = tuple(
    b"/home/ /Users/ /root/ \\Users\\ PRIVATE sk- hf_ ghp_ github_pat_ AKIA AIza xoxb- xoxp- glpat-".split()
)


class Said(NamedTuple):
    """What an image file says beside its pixels.

    Attributes:
        place: Whether it says where it was taken.
        owner: Whether it says whose camera took it, or which.
        texts: Its texts, as they stand.
        rest: All its bytes as text, where something in them looks like a path or a key; else empty.
    """

    place: bool
    owner: bool
    texts: tuple[str, ...]
    rest: str


def said_by(encoded: bytes) -> Said:
    """What the bytes of an image say beside its pixels; what is damaged says nothing."""
    texts: list[str] = []
    place = owner = False
    try:
        with Pillow.open(io.BytesIO(encoded), formats=FORMATS) as picture:
            place, owner = _exif(picture, texts)
            if b"tEXt" in encoded or b"zTXt" in encoded or b"iTXt" in encoded:
                picture.load()  # only then are the chunks behind the pixels known
            texts += _texts(dict(picture.info))
            texts += _texts(dict(getattr(picture, "text", {})))
            texts += [text for _, segment in getattr(picture, "applist", []) for text in _texts(segment)]
    except DAMAGED:
        pass
    whole = "\n".join(texts)
    place = place or _PLACE_IN_TEXT.search(whole) is not None
    owner = owner or _OWNER_IN_TEXT.search(whole) is not None
    rest = encoded.decode("latin-1") if any(each in encoded for each in _SUSPECTS) else ""
    return Said(place, owner, tuple(texts), rest)


def _exif(picture: Pillow.Image, texts: list[str]) -> tuple[bool, bool]:
    place = owner = False
    try:
        exif = picture.getexif()
        held = [dict(exif), *(dict(exif.get_ifd(ifd)) for ifd in _IFDS)]
    except DAMAGED:
        return False, False
    for number, entries in enumerate(held):
        is_gps = number == 2
        place = place or (is_gps and not _PLACE.isdisjoint(entries))
        owner = owner or (not is_gps and not _OWNERS.isdisjoint(entries))
        texts += [text for value in entries.values() for text in _texts(value)]
    return place, owner


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value[:_LONGEST]
    elif isinstance(value, bytes):
        held = value[:_LONGEST]
        yield held.decode("utf-8", "replace")
        if b"\0" in held:  # the texts of Windows, and comments in Unicode
            yield held.decode("utf-16-le", "replace")
    elif isinstance(value, dict):
        for key, each in value.items():
            yield from _texts(key)
            yield from _texts(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _texts(each)
