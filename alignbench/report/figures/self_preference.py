"""Whether judges see less in what their own model made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alignbench.report.figures.dots import dot, rows_only, upright
from alignbench.report.figures.heat import Matrix, draw_matrix, layout
from alignbench.report.figures.labels import Labels, width_of
from alignbench.report.figures.sheet import Absent, Entry, Json, Sheet, Sketch, ends, grid, labels_of
from alignbench.report.figures.style import COLOURS, INK, MUTED, SIZE, SMALL, Look
from alignbench.report.table import decimals

_ROW, _GAP = 0.19, 0.3
_HEAD, _BOTTOM = 0.4, 0.42
_SIDES = {"image_to_text": "captioners", "text_to_image": "image models"}
_SAID = {"self": "on its own model", "family": "on its family", "pooled": "all judges together"}
_LOOKS = {"self": Look(COLOURS[0], "o", "-"), "family": Look(COLOURS[1], "D", "-"), "pooled": Look(INK, "s", "-")}
_NO_NUMBER = {"value": None, "low": None, "high": None, "reason": "not computed"}
_TITLES = ("Effect on AUROC", "Leniency")


class _Line(NamedTuple):
    """An effect on AUROC and one on leniency, side by side; or a heading, with neither.

    Attributes:
        name: Of a judge, or what else stands before the marks.
        level: "self", "family" or "pooled"; "" for a heading.
        figures: The two.
    """

    name: str
    level: str
    figures: tuple[Json, Json]

    @property
    def has_numbers(self) -> bool:
        """Whether there is anything to draw."""
        return any(figure["value"] is not None for figure in self.figures)


def draw(results: Json) -> Sketch | Absent:
    """The normalised matrix; below it the effects, on AUROC and on leniency, of each judge and of all."""
    said = results.get("self_preference") or {}
    labels, matrix, lines = labels_of(results), _matrix(results, said), _lines(said.get("directions") or {})
    has_matrix = bool(matrix.numbers())
    if not has_matrix and not lines:
        return Absent(_reason(said))
    room = layout(matrix, labels)
    top = room.height if has_matrix else 0.0
    sheet = Sheet(top + (_HEAD + _ROW * len(lines) + _BOTTOM if lines else 0.0), room.width)
    if has_matrix:
        draw_matrix(sheet, room, matrix, labels)
    if lines:
        _draw_effects(sheet, top + 0.06, lines, labels)
    return Sketch(sheet.figure, "Self-preference", _caption(results, said, bool(lines)), labels.shown)


def _matrix(results: Json, said: Json) -> Matrix:
    values = said.get("normalised") or {}
    judges = [judge["name"] for judge in results["judges"] if judge["name"] in values]
    producers = [
        name for name in results["dataset"]["producers"] if any(values[judge].get(name) is not None for judge in judges)
    ]
    return Matrix(judges, producers, values, said.get("own") or {}, lambda value: decimals(value, 2))


def _lines(directions: Json) -> list[_Line]:
    lines = []
    for direction, side in _SIDES.items():
        here = directions.get(direction) or {}
        effects = [_Line(one["judge"], one["level"], (one, one["leniency"])) for one in here.get("effects") or ()]
        pooled = here.get("pooled") or {}
        both = (pooled.get("auroc") or _NO_NUMBER, pooled.get("leniency") or _NO_NUMBER)
        known = [line for line in (*effects, _Line("all judges", "pooled", both)) if line.has_numbers]
        lines += [_Line(side, "", (_NO_NUMBER, _NO_NUMBER)), *known] if known else []
    return lines


def _reason(said: Json) -> str:
    reasons = [here.get("reason") for here in (said.get("directions") or {}).values()]
    return next((reason for reason in reasons if reason), "no judge has an AUROC on two producers or more")


def _draw_effects(sheet: Sheet, top: float, lines: Sequence[_Line], labels: Labels) -> None:
    names = [labels[line.name] if line.level in ("self", "family") else line.name for line in lines]
    left, height = width_of(names, SIZE) + 0.16, _ROW * len(lines)
    width = (sheet.width - left - 0.14 - _GAP) / 2
    levels = [level for level in _LOOKS if any(line.level == level for line in lines)]
    sheet.keys(top, [Entry(_LOOKS[level], _SAID[level]) for level in levels], lined=False)
    for column, title in enumerate(_TITLES):
        axes = sheet.panel(left + (width + _GAP) * column, top + _HEAD, width, height)
        rows_only(axes, height)
        figures = [line.figures[column] for line in lines]
        axes.set_xlim(*ends(figures, 0.0))
        axes.locator_params(axis="x", nbins=3)
        axes.set_xlabel(title, fontsize=SMALL)
        grid(axes, "x")
        upright(axes, 0.0)
        for row, line in enumerate(lines):
            if line.level:
                dot(axes, _ROW * (row + 0.5), line.figures[column], _LOOKS[line.level])
    for row, (line, name) in enumerate(zip(lines, names, strict=True)):
        y = top + _HEAD + _ROW * (row + 0.5)
        sheet.say(left - 0.08, y, name, align="right", alpha=1.0 if line.level else MUTED)


def _caption(results: Json, said: Json, has_effects: bool) -> str:
    text = (
        "Matrix: AUROC of each judge (row) by producer (column), divided by the judge's mean; under 1 the judge finds "
        "fewer errors there than elsewhere. "
    )
    if has_effects:
        text += (
            "Below, left: AUROC on own sentences less what the other cells lead one to expect (negative: own errors "
            "are missed). Right: how much higher own incorrect sentences are scored than others', less the same of "
            "correct ones (positive: lenient). Bars are 95% intervals; squares are all judges together. "
        )
    spread = [
        f"{decimals(here['residual_sd'], 3)} for {_SIDES.get(name, name)}"
        for name, here in (said.get("directions") or {}).items()
        if here.get("residual_sd") is not None
    ]
    if spread:
        text += f"Residual spread of judge by producer (SD): {', '.join(spread)}. "
    return (
        text + "An association, not a cause: a blind spot that a judge shares with a producer looks the same. "
        f"{results['dataset']['clusters']:,} clusters."
    )
