"""What each judge scores by the place of a sentence in its caption, correct and incorrect ones apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignbench.report.figures.multiples import MOST, panels, panels_height
from alignbench.report.figures.sheet import (
    Absent,
    Entry,
    Json,
    Sheet,
    Sketch,
    first_note,
    grid,
    judges_of,
    keys_height,
    labels_of,
)
from alignbench.report.figures.style import CORRECT, INCORRECT, Look

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_LOOKS = {"correct": Look(CORRECT, "o", "-"), "incorrect": Look(INCORRECT, "s", (0, (5, 1.5)))}
_X = "Place of the sentence in its caption (0 is first)"
_SHIFT = {"correct": -0.06, "incorrect": 0.06}


def draw(results: Json) -> Sketch | Absent:
    """A panel a judge: its mean score by index within each label."""
    judges = [judge for judge in judges_of(results) if _has_numbers(judge)]
    if not judges:
        return Absent("no judge has a mean score by place of the sentence")
    shown, labels, top = judges[:MOST], labels_of(results), keys_height(2)
    sheet = Sheet(top + panels_height(len(shown)))
    sheet.keys(0.0, [Entry(each, f"{name} sentences") for name, each in _LOOKS.items()])
    for axes, judge in panels(sheet, top, shown, labels, x=_X, y="Mean score"):
        _draw_panel(axes, judge["position_bias"]["by_index"])
    caption = (
        "Mean score by place of the sentence, within label because first sentences are truer; mean over producers, on "
        "each judge's own scale. Bars are 95% intervals. A slope alone does not tell what a sentence says from where "
        f"it is shown. {results['dataset']['clusters']:,} clusters.{first_note(len(shown), len(judges))}"
    )
    return Sketch(sheet.figure, "Score by place in the caption", caption, labels.shown)


def _has_numbers(judge: Json) -> bool:
    by_index = (judge.get("position_bias") or {}).get("by_index") or {}
    return any(figure["value"] is not None for figures in by_index.values() for figure in figures.values())


def _draw_panel(axes: Axes, by_index: Json) -> None:
    for label, mine in _LOOKS.items():
        places = list(enumerate(by_index[label].items()))
        known = [(place, figure) for place, (_, figure) in places if figure["value"] is not None]
        xs = [place + _SHIFT[label] for place, _ in known]
        axes.plot(xs, [figure["value"] for _, figure in known], color=mine.colour, ls=mine.dash, marker=mine.marker)
        for x, (_, figure) in zip(xs, known, strict=True):
            if figure["low"] is not None:
                axes.plot([x, x], [figure["low"], figure["high"]], color=mine.colour, linewidth=0.9)
        axes.set_xticks([place for place, _ in places], [index for _, (index, _) in places])
    axes.set_xlim(-0.4, axes.get_xticks()[-1] + 0.4)
    axes.margins(y=0.12)
    axes.locator_params(axis="y", nbins=4)
    grid(axes, "y")
