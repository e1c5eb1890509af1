"""Decodes what a filter of pictures looks at."""

from __future__ import annotations

from PIL import Image as Pillow

from alignbench.errors import ImageError
from alignbench.types import Status
from generation.protocols import Candidate, Finding


def seen(candidate: Candidate) -> Pillow.Image | Finding | None:
    """The picture of a candidate, null where it has none, or what there is to say of one that cannot be decoded."""
    if candidate.picture is None:
        return None
    try:
        return candidate.picture()
    except ImageError as error:
        return Finding(passed=False, reason=str(error), status=Status.IMAGE_UNREADABLE)
