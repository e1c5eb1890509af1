"""Tells a usable result of a producer from a failure."""

from __future__ import annotations

from dataclasses import replace

from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.types import Direction, Produced, Status


def checked(direction: Direction, made: Produced) -> Produced:
    """What a producer made, or a failure in its place: a caption without words, bytes that are no image."""
    if made.status is not Status.OK:
        return replace(made, caption=None, image=None)
    if direction is Direction.IMAGE_TO_TEXT:
        return replace(made, image=None) if (made.caption or "").strip() else _failed(made, Status.EMPTY, "no words")
    try:
        decode(made.image or b"")
    except ImageError as error:
        return _failed(made, Status.IMAGE_UNREADABLE, str(error))
    return replace(made, caption=None)


def _failed(made: Produced, status: Status, reason: str) -> Produced:
    return Produced(made.number, status=status, provenance={**made.provenance, "reason": reason})
