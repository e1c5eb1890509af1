"""Colours, marks and sizes that stay legible on white and on black, in grey print and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from alignbench.errors import MissingDependencyError

# A telephone shows this width at about 1.2 times its size, a two-column page at 0.86 times: type of 7 stays readable.
WIDTH = 3.9  # inches
SIZE = 7.5  # points
SMALL = 6.6

# Black ink in a PDF; in an SVG it becomes the colour of the text around it, so nothing else may be drawn in it.
INK = "#0a0b0c"
FAINT = 0.16
MUTED = 0.62

# From Okabe and Ito (2008), but for those that are too light on white or too dark on black: each has a contrast of 3 or
# more with both.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c5609b", "#8a6fd1", "#9c7500")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (1.4, 1.2)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.8, 1)))
CORRECT, INCORRECT = COLOURS[0], COLOURS[1]

_SETTINGS: Any = {
    "font.family": ["DejaVu Sans"],
    "font.size": SIZE,
    "text.color": INK,
    "text.parse_math": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.labelsize": SIZE,
    "axes.labelpad": 2.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.labelsize": SMALL,
    "ytick.labelsize": SMALL,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.pad": 2,
    "ytick.major.pad": 2,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "hatch.linewidth": 0.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.6,
    "svg.fonttype": "none",
    "svg.hashsalt": "alignbench",
    "pdf.fonttype": 42,
}


class Look(NamedTuple):
    """How a judge is told from the others: never by colour alone."""

    colour: str
    marker: str
    dash: Any


def look(place: int) -> Look:
    """The look of the judge at a place of the leaderboard, the same in every figure."""
    return Look(COLOURS[place % len(COLOURS)], MARKERS[place % len(MARKERS)], DASHES[place % len(DASHES)])


@contextmanager
def settings() -> Iterator[None]:
    """Draw with our settings, whatever the user's are; theirs are back afterwards.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        import matplotlib
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of("matplotlib", "report") from error

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(_SETTINGS)
        yield
