"""Names given by users, made fit to be drawn: one short line, no mathematics, no glyph that the font lacks."""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Container, Iterable
from typing import NamedTuple

LONGEST = 24
_FONT = "DejaVu Sans"
_ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
_NO_GLYPH = "\N{WHITE SQUARE}"
_NAMELESS = "(no name)"


class Shown(NamedTuple):
    """What an SVG shows in the place of what was drawn.

    Attributes:
        text: The name, cut where it is long, with the glyphs that only the reader's fonts may have.
        full: The whole name, where it was cut.
    """

    text: str
    full: str | None


class Labels:
    """How each name is drawn, and what an SVG shows in that place.

    Attributes:
        shown: By what is drawn.
    """

    def __init__(self, names: Iterable[str], longest: int = LONGEST, glyphs: Container[int] | None = None) -> None:
        """Make every name short, and different from all others.

        Args:
            names: Of judges and producers.
            longest: Code points of the longest label.
            glyphs: Code points that the font has; by default those of the font that the figures are drawn with.
        """
        known = _glyphs() if glyphs is None else glyphs
        self._drawn: dict[str, str] = {}
        self.shown: dict[str, Shown] = {}
        for name in dict.fromkeys(names):
            line = one_line(name)
            for mark in itertools.chain([""], (f" ({number})" for number in itertools.count(2))):
                short = _cut(line, longest, mark)
                drawn = "".join(sign if ord(sign) in known else _NO_GLYPH for sign in short)
                if drawn not in self.shown:
                    self._drawn[name] = drawn
                    self.shown[drawn] = Shown(short, None if short == line else line)
                    break

    def __getitem__(self, name: str) -> str:
        """What is drawn in the place of the name."""
        return self._drawn[name]


def one_line(name: str) -> str:
    """The name without line breaks, control characters and marks that turn the direction of what follows."""
    kept = (_plain(sign) for sign in name)
    return " ".join("".join(kept).split()) or _NAMELESS


def width_of(lines: Iterable[str], size: float) -> float:
    """Inches that the widest of some lines takes, in type of so many points."""
    from matplotlib.font_manager import findfont, get_font

    font = get_font(findfont(_FONT))
    font.set_size(size, 72)
    widths = [0.0]
    for line in lines:
        font.set_text(line)
        widths.append(font.get_width_height()[0] / 64 / 72)
    return max(widths)


def _plain(sign: str) -> str:
    kind = unicodedata.category(sign)
    if kind in ("Cc", "Zl", "Zp"):
        return " "
    return "" if kind in ("Cf", "Cn", "Co", "Cs") else sign


def _cut(line: str, longest: int, mark: str) -> str:
    # Out of the middle: names of a series differ at their ends.
    room = longest - len(mark)
    if len(line) <= room:
        return line + mark
    tail = room * 2 // 5
    return line[: room - tail - 1] + _ELLIPSIS + line[len(line) - tail :] + mark


def _glyphs() -> Container[int]:
    from matplotlib.font_manager import findfont, get_font

    charmap: Container[int] = get_font(findfont(_FONT)).get_charmap()
    return charmap
