"""Matrices of judges by producers: a number in each cell, own cells marked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from alignbench.report.figures.labels import Labels, width_of
from alignbench.report.figures.sheet import Sheet
from alignbench.report.figures.style import INK, SIZE, SMALL, WIDTH

_KEYS = 0.44  # inches for scale and legend above
_MARGIN = 0.1
_CELL = 0.23
_NARROWEST, _WIDEST = 0.29, 0.8
_MARKERS = {"self": "o", "family": "D"}
_SAID = {"self": "made by the judge's own model", "family": "by its family"}
# Dark cells bear white numbers, light ones black, on any page.
_WHITE, _BLACK = "#ffffff", "#000000"


class Matrix(NamedTuple):
    """What a heat map shows.

    Attributes:
        judges: Names of the rows.
        producers: Names of the columns.
        values: By judge and producer; null where undefined.
        own: By judge and producer, "self" or "family"; only own cells are named.
        say: Writes a number.
    """

    judges: Sequence[str]
    producers: Sequence[str]
    values: Mapping[str, Mapping[str, float | None]]
    own: Mapping[str, Mapping[str, str]]
    say: Callable[[float], str]

    def numbers(self) -> list[float]:
        """All that are defined."""
        cells = (self.values[judge].get(producer) for judge in self.judges for producer in self.producers)
        return [value for value in cells if value is not None]


class Layout(NamedTuple):
    """Where the parts of a matrix stand on its sheet, in inches.

    Attributes:
        names: Left of the cells, for the names of judges.
        tilted: Below the cells, for the names of producers.
        width: Of the sheet.
        height: Of the matrix with scale, legend and names.
    """

    names: float
    tilted: float
    width: float
    height: float


def layout(matrix: Matrix, labels: Labels) -> Layout:
    """Room for all names, and for cells wide enough for their numbers."""
    names = width_of((labels[judge] for judge in matrix.judges), SIZE) + 0.16
    below = width_of((labels[producer] for producer in matrix.producers), SIZE)
    tilted = below / 2**0.5 + 0.18
    # A tilted name must not begin left of the sheet.
    names = max(names, tilted - _NARROWEST / 2)
    width = max(WIDTH, names + _MARGIN + _NARROWEST * len(matrix.producers))
    return Layout(names, tilted, width, _KEYS + _CELL * len(matrix.judges) + tilted)


def draw_matrix(sheet: Sheet, room: Layout, matrix: Matrix, labels: Labels) -> None:
    """Draw scale, legend, cells and names at the top of the sheet."""
    numbers = matrix.numbers()
    low, high = min(numbers), max(numbers)
    _draw_scale(sheet, 0.09, matrix, low, high)
    _draw_keys(sheet, 0.28, matrix)
    width = min((sheet.width - room.names - _MARGIN) / len(matrix.producers), _WIDEST)
    boxes = {
        (judge, producer): _Box(room.names + width * column, _KEYS + _CELL * row, width)
        for row, judge in enumerate(matrix.judges)
        for column, producer in enumerate(matrix.producers)
    }
    for (judge, producer), box in boxes.items():
        _draw_cell(sheet, box, matrix.values[judge].get(producer), matrix.say, (low, high))
    for (judge, producer), box in boxes.items():
        if level := matrix.own.get(judge, {}).get(producer):
            _mark_own(sheet, box, level)
    for row, judge in enumerate(matrix.judges):
        sheet.say(room.names - 0.06, _KEYS + _CELL * (row + 0.5), labels[judge], align="right")
    for column, producer in enumerate(matrix.producers):
        x = room.names + width * (column + 0.5) + 0.04
        sheet.tilt(x, _KEYS + _CELL * len(matrix.judges) + 0.05, labels[producer])


class _Box(NamedTuple):
    x: float
    y: float
    width: float
    height: float = _CELL


def _colours(value: float, low: float, high: float) -> tuple[str, str]:
    """Of a cell and of the number in it."""
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    red, green, blue, _ = colormaps["cividis"](0.06 + 0.88 * (value - low) / ((high - low) or 1.0))
    is_light = 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.46
    return to_hex((red, green, blue)), _BLACK if is_light else _WHITE


def _rectangle(sheet: Sheet, box: _Box, face: str, **more: object) -> None:
    from matplotlib.patches import Rectangle

    sheet.paper.add_patch(Rectangle((box.x, box.y), box.width, box.height, facecolor=face, **more))  # type: ignore[arg-type]


def _draw_cell(
    sheet: Sheet, box: _Box, value: float | None, say: Callable[[float], str], ends: tuple[float, float]
) -> None:
    if value is None:
        _rectangle(sheet, box, "none", edgecolor=INK, hatch="//////", linewidth=0.3, alpha=0.45)
        return
    face, ink = _colours(value, *ends)
    # Cells overlap by a hair, or the page shines through between them.
    _rectangle(sheet, box._replace(width=box.width + 0.004, height=box.height + 0.004), face, linewidth=0)
    size = min(SIZE, box.width * 72 / 2.6)
    sheet.paper.text(
        box.x + box.width / 2,
        box.y + box.height / 2,
        say(value),
        ha="center",
        va="center_baseline",
        fontsize=size,
        color=ink,
    )


def _mark_own(sheet: Sheet, box: _Box, level: str) -> None:
    inner = _Box(box.x + 0.012, box.y + 0.012, box.width - 0.024, box.height - 0.024)
    style = "-" if level == "self" else (0, (2.5, 1.2))
    # White under black is seen on every colour.
    for colour, width in ((_WHITE, 2.4), (_BLACK, 1.1)):
        _rectangle(
            sheet, inner, "none", edgecolor=colour, linewidth=width, linestyle="-" if colour == _WHITE else style
        )
    sheet.paper.plot(
        [inner.x + 0.02], [inner.y + 0.02], _MARKERS[level], markersize=4, color=_BLACK, markeredgecolor=_WHITE,
        markeredgewidth=0.5, markerfacecolor=_BLACK if level == "self" else _WHITE,
    )  # fmt: skip


def _draw_scale(sheet: Sheet, y: float, matrix: Matrix, low: float, high: float) -> None:
    steps, width, start = 24, 0.9, 0.38
    sheet.say(0.08, y, matrix.say(low), size=SMALL)
    for step in range(steps):
        face, _ = _colours(low + (high - low) * step / (steps - 1), low, high)
        _rectangle(sheet, _Box(start + width * step / steps, y - 0.05, width / steps + 0.004, 0.1), face, linewidth=0)
    sheet.say(start + width + 0.06, y, matrix.say(high), size=SMALL)


def _draw_keys(sheet: Sheet, y: float, matrix: Matrix) -> None:
    levels = {level for cells in matrix.own.values() for level in cells.values()}
    x = 0.08
    for level in ("self", "family"):
        if level in levels:
            box = _Box(x, y - 0.075, 0.24, 0.15)
            _mark_own(sheet, box, level)
            sheet.say(x + 0.3, y, _SAID[level], size=SMALL)
            x += 1.98 if level == "self" else 1.05
    if any(matrix.values[judge].get(producer) is None for judge in matrix.judges for producer in matrix.producers):
        _rectangle(
            sheet, _Box(x, y - 0.075, 0.24, 0.15), "none", edgecolor=INK, hatch="//////", linewidth=0.3, alpha=0.45
        )
        sheet.say(x + 0.3, y, "undefined", size=SMALL)
