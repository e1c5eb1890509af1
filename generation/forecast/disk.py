"""How many bytes a row takes in the dataset, apart from a source image, which is there once for all its captions."""

from __future__ import annotations

from generation.forecast.amounts import Amount
from generation.forecast.asked import Asked
from generation.forecast.lengths import IMAGE_SIZE, PNG_BYTES_A_PIXEL, ROW_BYTES, SCENE_BYTES


def bytes_a_row(asked: Asked, *, draws: bool) -> Amount:
    """Bytes of a row's text, labels and provenance, and of its image where it makes one."""
    if not draws:
        return Amount(ROW_BYTES)
    if asked.kind == "scenes":
        return Amount(ROW_BYTES + SCENE_BYTES)
    size = asked.size(IMAGE_SIZE if asked.kind == "api" else asked.facts.size if asked.facts else None)
    if size is None:
        return Amount.unknown(asked.problem or f"the size of the images of {asked.called} is not known")
    return Amount(ROW_BYTES + size[0] * size[1] * PNG_BYTES_A_PIXEL)
