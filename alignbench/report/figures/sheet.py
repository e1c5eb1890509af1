"""A figure that is laid out in inches from its top left corner, as on paper."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from alignbench.report.figures.labels import Labels, Shown
from alignbench.report.figures.style import FAINT, INK, SIZE, SMALL, WIDTH, Look, look

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Json = Mapping[str, Any]
Align = Literal["left", "center", "right"]

_ROW = 0.16  # inches of a line of a legend


class Sketch(NamedTuple):
    """A figure that is drawn but not yet written.

    Attributes:
        figure: Without title: papers and pages have their own.
        title: One line.
        caption: What it shows, what it rests on, what to beware of.
        shown: What an SVG shows in the place of drawn names.
    """

    figure: Figure
    title: str
    caption: str
    shown: Mapping[str, Shown]


class Absent(NamedTuple):
    """No figure, and why."""

    reason: str


Draw = Callable[[Json], Sketch | Absent]


class Entry(NamedTuple):
    """Of a legend: what is told by a look, and a number that belongs to it."""

    look: Look
    text: str
    number: str = ""


class Sheet:
    """An empty figure.

    Attributes:
        figure: Transparent.
        paper: Axes over the whole figure, in inches from the top left corner.
        width: Inches.
    """

    def __init__(self, height: float, width: float = WIDTH) -> None:
        """Make a figure of this many inches."""
        from matplotlib.figure import Figure

        self.width, self._height = width, height
        self.figure = Figure(figsize=(width, height))
        self.figure.patch.set_visible(False)
        self.paper = self.figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0))
        self.paper.set_axis_off()

    def panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Axes in a box of the sheet."""
        bottom = self._height - top - height
        box = (left / self.width, bottom / self._height, width / self.width, height / self._height)
        axes = self.figure.add_axes(box)
        axes.patch.set_visible(False)
        return axes

    def say(
        self, x: float, y: float, text: str, *, align: Align = "left", size: float = SIZE, alpha: float = 1.0
    ) -> None:
        """Write a line whose middle is at height `y`."""
        self.paper.text(x, y, text, ha=align, va="center_baseline", fontsize=size, alpha=alpha)

    def tilt(self, x: float, y: float, text: str, *, size: float = SIZE) -> None:
        """Write a line that rises to the right and ends at a point."""
        self.paper.text(x, y, text, ha="right", va="top", fontsize=size, rotation=45, rotation_mode="anchor")

    def climb(self, x: float, y: float, text: str) -> None:
        """Write a line that runs upwards, with its middle at height `y`, as the title of vertical axes."""
        self.paper.text(x, y, text, ha="left", va="center", rotation=90)

    def keys(self, top: float, entries: Sequence[Entry], *, lined: bool = True) -> None:
        """Write a legend of two columns, `keys_height` high: what it stands for beside each line or mark."""
        for place, (mine, text, number) in enumerate(entries):
            row, column = divmod(place, 2)
            x, y = 0.08 + column * self.width / 2, top + _ROW * (row + 0.5)
            xs, style = ([x, x + 0.14, x + 0.28], mine.dash) if lined else ([x + 0.14], "none")
            self.paper.plot(
                xs, [y] * len(xs), color=mine.colour, ls=style, marker=mine.marker, markevery=[len(xs) // 2]
            )
            # The number goes first: a name of its own can be shown in full by an SVG.
            self.say(x + 0.35, y, number, size=SMALL)
            self.say(x + (0.62 if number else 0.35), y, text, size=SMALL)


def keys_height(entries: int) -> float:
    """How high a legend of two columns is."""
    return _ROW * ((entries + 1) // 2) + 0.04


def grid(axes: Axes, which: Literal["x", "y", "both"]) -> None:
    """Faint lines behind the marks."""
    axes.set_axisbelow(True)
    axes.grid(axis=which, color=INK, alpha=FAINT, linewidth=0.5)


def labels_of(results: Json) -> Labels:
    """The names of all judges and producers of the results."""
    judges = [judge["name"] for judge in results["judges"]]
    return Labels([*judges, *results["dataset"]["producers"]])


def judges_of(results: Json) -> list[Json]:
    """The judges, without the blind controls."""
    return [judge for judge in results["judges"] if judge["control"] is None]


def looks_of(results: Json) -> dict[str, Look]:
    """The look of every judge by name, the same in all figures."""
    return {judge["name"]: look(place) for place, judge in enumerate(judges_of(results))}


def clusters_note(results: Json) -> str:
    """What the intervals of a figure rest on."""
    said = results["dataset"]
    return (
        f"Bars are 95% intervals that resample {said['clusters']:,} clusters (images, prompts); "
        f"{said['correct']:,} correct and {said['incorrect']:,} incorrect sentences."
    )


def first_note(shown: int, of: int, what: str = "judges") -> str:
    """That not all are shown, where that is so."""
    return f" Only the first {shown} of {of} {what} are shown; the tables have all." if shown < of else ""


def ends(figures: Sequence[Json], *also: float) -> tuple[float, float]:
    """The lowest and the highest number that a panel must show, with some air."""
    said = [value for one in figures for value in (one["value"], one["low"], one["high"]) if value is not None]
    low, high = min([*said, *also]), max([*said, *also])
    air = 0.04 * (high - low) or 0.02
    return low - air, high + air
