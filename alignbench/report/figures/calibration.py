"""Whether a score says how likely a sentence is correct."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignbench.report.figures.multiples import MOST, panels, panels_height
from alignbench.report.figures.sheet import (
    Absent,
    Json,
    Sheet,
    Sketch,
    first_note,
    grid,
    judges_of,
    labels_of,
)
from alignbench.report.figures.style import COLOURS, INK, SMALL
from alignbench.report.table import decimals

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_X = "Score of the judge (grey: how many sentences)"
_COLOUR = COLOURS[0]
_MOST_HIGH = 0.22  # of a panel's height, for the bars that count sentences


def draw(results: Json) -> Sketch | Absent:
    """A reliability diagram a judge."""
    judges = [judge for judge in judges_of(results) if _bins(judge)]
    if not judges:
        return Absent(_reason(results))
    shown, labels = judges[:MOST], labels_of(results)
    sheet = Sheet(panels_height(len(shown)))
    for axes, judge in panels(sheet, 0.0, shown, labels, x=_X, y="Share that is correct"):
        _draw_panel(axes, judge)
    left_out = [labels[judge["name"]] for judge in judges_of(results) if not _bins(judge)]
    caption = (
        "Reliability: of the sentences with about the same score, the share that is correct; a calibrated judge lies "
        "on the dashed line. Bars are 95% intervals, grey columns count sentences. ECE is the mean distance from the "
        f"line. "
        f"{results['dataset']['clusters']:,} clusters.{first_note(len(shown), len(judges))}"
    )
    if left_out:
        caption += f" Not shown, for scores that are no probabilities: {', '.join(left_out)}."
    return Sketch(sheet.figure, "Calibration", caption, labels.shown)


def _bins(judge: Json) -> list[Json]:
    said = judge.get("calibration") or {}
    return [each for each in said.get("bins") or () if each["n"] and each["share_correct"] is not None]


def _reason(results: Json) -> str:
    reasons = [(judge.get("calibration") or {}).get("reason") for judge in judges_of(results)]
    return next((reason for reason in reasons if reason), "no judge has scores that could be probabilities")


def _draw_panel(axes: Axes, judge: Json) -> None:
    bins = _bins(judge)
    most = max(each["n"] for each in bins)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    for each in bins:
        width = each["high"] - each["low"]
        axes.bar(each["low"], _MOST_HIGH * each["n"] / most, width, align="edge", color=INK, alpha=0.2, linewidth=0)
        if each["share_low"] is not None:
            axes.plot([each["mean_score"]] * 2, [each["share_low"], each["share_high"]], color=_COLOUR, linewidth=0.9)
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.5, linewidth=0.7, linestyle=(0, (4, 2)))
    xs, ys = [each["mean_score"] for each in bins], [each["share_correct"] for each in bins]
    axes.plot(xs, ys, color=_COLOUR, marker="o", markersize=3.2, clip_on=False)
    grid(axes, "both")
    error = judge["calibration"]["ece"]["value"]
    if error is not None:
        axes.text(0.04, 0.93, f"ECE {decimals(error, 3)}", fontsize=SMALL, va="top")
