"""What finding errors costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from alignbench.report.figures.sheet import (
    Absent,
    Entry,
    Json,
    Sheet,
    Sketch,
    clusters_note,
    ends,
    first_note,
    grid,
    judges_of,
    keys_height,
    labels_of,
    looks_of,
)
from alignbench.report.figures.style import INK, MUTED, Look

_MOST = 16
_PANEL, _BOTTOM = 1.9, 0.44
_FEW_DECADES = 100


class _Unit(NamedTuple):
    name: str
    title: str


_DOLLARS = _Unit("cost_usd_per_1000", "US dollars per 1,000 sentences")
_SECONDS = _Unit("seconds_per_1000", "Seconds of computing per 1,000 sentences")


def draw(results: Json) -> Sketch | Absent:
    """A dot a judge, and a line through those that no other judge beats in both; dollars where known, else seconds."""
    judges = [judge for judge in judges_of(results) if judge["auroc"]["value"] is not None]
    groups = [(unit, those) for unit in (_DOLLARS, _SECONDS) if (those := [j for j in judges if _unit(j) is unit])]
    if not groups:
        return Absent("of no judge is it known what it costs, neither dollars nor seconds")
    groups = [(unit, those[:_MOST]) for unit, those in groups]
    shown = [judge for _, those in groups for judge in those]
    labels, looks = labels_of(results), looks_of(results)
    top = keys_height(len(shown)) + 0.06
    sheet = Sheet(top + (_PANEL + _BOTTOM) * len(groups))
    sheet.keys(0.0, [Entry(looks[judge["name"]], labels[judge["name"]]) for judge in shown], lined=False)
    for place, (unit, those) in enumerate(groups):
        _draw_panel(sheet, top + (_PANEL + _BOTTOM) * place, unit, those, looks)
    known = sum(_unit(judge) is not None for judge in judges)
    caption = (
        "Macro AUROC against what 1,000 sentences take. The line joins the judges that no other judge beats in both "
        f"(Pareto front). {clusters_note(results)} Seconds are of one machine and no price."
        f"{first_note(len(shown), known)}"
    )
    return Sketch(sheet.figure, "Cost against AUROC", caption, labels.shown)


def pareto(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """The places, by rising cost, of those that nothing at most as costly equals or beats."""
    front: list[int] = []
    for place in sorted(range(len(costs)), key=lambda place: (costs[place], -values[place])):
        if not front or values[place] > values[front[-1]]:
            front.append(place)
    return front


def _unit(judge: Json) -> _Unit | None:
    return next((unit for unit in (_DOLLARS, _SECONDS) if (judge["usage"].get(unit.name) or 0) > 0), None)


def _draw_panel(sheet: Sheet, top: float, unit: _Unit, judges: Sequence[Json], looks: dict[str, Look]) -> None:
    from matplotlib.ticker import LogLocator

    axes = sheet.panel(0.52, top, sheet.width - 0.52 - 0.12, _PANEL)
    costs = [judge["usage"][unit.name] for judge in judges]
    values = [judge["auroc"]["value"] for judge in judges]
    front = pareto(costs, values)
    axes.set_xscale("log")
    axes.set_xlim(min(costs) / 2, max(costs) * 2)
    axes.set_ylim(*ends([judge["auroc"] for judge in judges], 0.5))
    axes.set(xlabel=unit.title, ylabel="AUROC, mean over producers")
    # One label a decade is too few where all cost about the same.
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if max(costs) < _FEW_DECADES * min(costs) else (1,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.xaxis.set_minor_formatter(lambda *_: "")
    grid(axes, "both")
    axes.plot(
        [costs[place] for place in front], [values[place] for place in front], color=INK, alpha=MUTED, linewidth=0.8,
        drawstyle="steps-post",
    )  # fmt: skip
    for judge, cost, value in zip(judges, costs, values, strict=True):
        mine, figure = looks[judge["name"]], judge["auroc"]
        if figure["low"] is not None:
            axes.plot([cost, cost], [figure["low"], figure["high"]], color=mine.colour, linewidth=0.9)
        axes.plot([cost], [value], mine.marker, color=mine.colour, markersize=5)
