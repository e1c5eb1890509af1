"""Numbers with intervals in rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from alignbench.report.figures.style import FAINT, INK, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]

STEP = 0.095  # inches between the series of a group
GAP = 0.1  # inches between groups


class Series(NamedTuple):
    """What is told apart within each group: the figures of one judge, or of one rule.

    Attributes:
        look: Its colour and mark.
        label: For the legend.
        figures: One a group; one without a value leaves a gap.
    """

    look: Look
    label: str
    figures: Sequence[Json]


def dot(axes: Axes, y: float, figure: Json, look: Look, *, alpha: float = 1.0) -> None:
    """A number with its interval in a row; hollow where there is a warning, nothing where there is no number."""
    if figure["value"] is None:
        return
    if figure["low"] is not None:
        axes.plot([figure["low"], figure["high"]], [y, y], color=look.colour, alpha=alpha, solid_capstyle="butt")
    face = "none" if figure["reason"] else look.colour
    axes.plot([figure["value"]], [y], look.marker, color=look.colour, markerfacecolor=face, markersize=3.2, alpha=alpha)


def groups_height(groups: int, series: int) -> float:
    """Inches that the groups take."""
    return groups * (GAP + STEP * series)


def middle(group: int, series: int) -> float:
    """Inches from the top of the panel to the middle of a group."""
    return (group + 0.5) * (GAP + STEP * series)


def dot_groups(axes: Axes, series: Sequence[Series]) -> None:
    """All series group by group, from the top; the panel is `groups_height` high."""
    groups, each = len(series[0].figures), GAP + STEP * len(series)
    rows_only(axes, groups * each)
    for group in range(groups):
        if group % 2 == 0:
            axes.axhspan(group * each, (group + 1) * each, color=INK, alpha=FAINT / 3, linewidth=0)
        for place, one in enumerate(series):
            dot(axes, group * each + GAP / 2 + STEP * (place + 0.5), one.figures[group], one.look)


def rows_only(axes: Axes, height: float) -> None:
    """Make the panel's vertical axis inches from its top, and hide it."""
    axes.set_ylim(height, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)


def upright(axes: Axes, x: float) -> None:
    """A dashed line for the value that means nothing: chance, no effect."""
    axes.axvline(x, color=INK, alpha=0.5, linewidth=0.7, linestyle=(0, (4, 2)))
