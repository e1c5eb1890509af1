"""Makes images of bytes that come from outside, or says why there is none."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from alignbench.decode import MAX_PIXELS
from alignbench.errors import ImageError
from alignbench.store import image_of
from alignbench.types import Image, Origin, Status
from generation.protocols import Unusable

MAX_BYTES = 64_000_000
"""How large an encoded image may be unless a recipe says otherwise."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """Encoded bytes, what people find them by, and what their publisher says of them."""

    name: str
    encoded: bytes
    licence: str | None = None
    url: str | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Intake:
    """Takes bytes as images, the same bytes once; `licence` is that of images which bring none."""

    source: str
    licence: str | None = None
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    _names: dict[str, str] = field(default_factory=dict)

    def take(self, arrival: Arrival) -> Image | Unusable:
        """The image of these bytes, which decodes whole; else why there is none, or of which image it is a copy."""
        if len(arrival.encoded) > self.max_bytes:
            return Unusable(arrival.name, Status.IMAGE_UNREADABLE, too_large(len(arrival.encoded), self.max_bytes))
        first = self._names.get(hashlib.sha256(arrival.encoded).hexdigest())
        if first is not None:
            return Unusable(arrival.name, Status.FILTERED, f"a copy: it has the same bytes as {first}")
        try:
            image = self._image(arrival)
        except ImageError as error:
            return Unusable(arrival.name, Status.IMAGE_UNREADABLE, str(error))
        self._names[image.image_key] = arrival.name
        return image

    def _image(self, arrival: Arrival) -> Image:
        with warnings.catch_warnings():
            # Whether a picture with odd metadata is usable must not depend on what a program does with warnings.
            warnings.simplefilter("ignore")
            return image_of(
                arrival.encoded,
                source=self.source,
                origin=Origin.REAL,
                licence=arrival.licence or self.licence,
                url=arrival.url,
                provenance=arrival.provenance,
                max_pixels=self.max_pixels,
            )


def too_large(size: int | None, most: int) -> str:
    """Why bytes beyond the limit are not taken; `size` is null where nobody counted to the end."""
    has = "more" if size is None else f"{size:,}"
    return f"at most {most:,} bytes are read, it has {has}; make the image smaller, or raise `max_bytes`"


def up_to(count: int | None, outcomes: Iterator[Image | Unusable]) -> Iterator[Image | Unusable]:
    """The outcomes until `count` of them are images, all where it is null; pulls none too many."""
    images = 0
    while count is None or images < count:
        outcome = next(outcomes, None)
        if outcome is None:
            return
        images += isinstance(outcome, Image)
        yield outcome
