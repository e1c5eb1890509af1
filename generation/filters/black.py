"""Finds pictures of one colour: what a safety checker blacks out, and what a broken decoder makes."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from alignbench.errors import UnknownNameError
from generation.filters.options import number
from generation.filters.seeing import seen
from generation.protocols import Candidate, Finding, Site

_SIDE = 64
_BLACK = 16
_COLOURS = ("any", "black")


class BlackFilter:
    """Finds pictures of which at least `share` is within `within` of one colour, their median.

    The picture is first made smaller, so that its longer side is 64 to 127 means of equal squares: a little grain hides
    no colour. Strong noise all over is not found. What is measured is the share.

    Args:
        share: From which share on it does not pass, 0.5 to 1.
        within: How far off each channel may be, 0 to 127 of 255.
        colours: `any` single colour, or only `black`: a median of at most 16 in each channel.

    Raises:
        UsageError: An option out of its range.
    """

    def __init__(self, share: float, within: float, colours: str) -> None:
        self._share = number("black", "share", share, 0.5, 1)
        self._within = number("black", "within", within, 0, 127)
        if colours not in _COLOURS:
            raise UnknownNameError.of(
                "choice of colours", str(colours), _COLOURS, "mend that option of the filter black"
            )
        self._colours = colours

    @classmethod
    def from_options(
        cls,
        site: Site,  # noqa: ARG003 - the protocol
        *,
        share: float = 0.999,
        within: float = 4,
        colours: str = "any",
    ) -> Self:
        """The filter; the options are those of the class."""
        return cls(share, within, colours)

    def look(self, candidate: Candidate) -> Finding | None:
        """What share of the picture is of one colour; null for a caption."""
        picture = seen(candidate)
        if not isinstance(picture, Pillow.Image):
            return picture
        median, share = _one_colour(picture, self._within)
        if share < self._share or (self._colours == "black" and median.max() > _BLACK):
            return Finding(passed=True, value=share)
        colour = "#" + "".join(f"{round(float(channel)):02x}" for channel in median)
        return Finding(passed=False, value=share, reason=f"{share:.1%} of it is of one colour, {colour}")


def _one_colour(picture: Pillow.Image, within: float) -> tuple[NDArray[np.float64], float]:
    """The median colour, (3,), and the share of the picture that is near it."""
    factor = max(1, max(picture.size) // _SIDE)
    pixels = np.asarray(picture.reduce(factor), np.float64)
    median = np.median(pixels, axis=(0, 1))
    return median, float((np.abs(pixels - median) <= within).all(axis=2).mean())
