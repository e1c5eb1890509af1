"""Small panels of one kind side by side, one a judge."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from alignbench.report.figures.labels import Labels
from alignbench.report.figures.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Json = Mapping[str, Any]

MOST = 12
_COLUMNS = 2
# Inches of a panel, of its name and numbers, of the title below all.
_PANEL, _ROOM, _TITLE = 1.05, 0.44, 0.16


def panels_height(panels: int) -> float:
    """Inches that the panels take, with the titles of their axes."""
    return -(-panels // _COLUMNS) * (_PANEL + _ROOM) + _TITLE


def panels(
    sheet: Sheet, top: float, judges: Sequence[Json], labels: Labels, *, x: str, y: str
) -> Iterator[tuple[Axes, Json]]:
    """A panel for each judge under its name, row by row; `x` and `y` are the titles of all their axes."""
    left, gap = 0.5, 0.42
    width = (sheet.width - left - 0.08 - gap * (_COLUMNS - 1)) / _COLUMNS
    height = panels_height(len(judges)) - _TITLE
    sheet.climb(0.06, top + height / 2, y)
    sheet.say((left + sheet.width) / 2, top + height + _TITLE / 2 - 0.05, x, align="center")
    for place, judge in enumerate(judges):
        row, column = divmod(place, _COLUMNS)
        at, down = left + (width + gap) * column, top + 0.2 + (_PANEL + _ROOM) * row
        sheet.say(at, down - 0.1, labels[judge["name"]])
        yield sheet.panel(at, down, width, _PANEL), judge
