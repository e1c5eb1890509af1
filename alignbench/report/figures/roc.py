"""What share of the incorrect sentences each judge catches at each share of correct ones flagged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

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
    looks_of,
)
from alignbench.report.figures.style import INK, MUTED, SMALL, Look
from alignbench.report.table import short

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST = 8
_SIDE = 3.1
_FLAGGED = 0.05


def draw(results: Json) -> Sketch | Absent:
    """A curve a judge, the blind controls in grey."""
    judges = [judge for judge in judges_of(results) if judge.get("roc")]
    if not judges:
        return Absent("no judge has a ROC curve: it needs 10 correct and 10 incorrect sentences of one producer")
    shown, labels, looks = judges[:_MOST], labels_of(results), looks_of(results)
    controls = [judge for judge in results["judges"] if judge["control"] is not None and judge.get("roc")]
    entries = [Entry(looks[judge["name"]], labels[judge["name"]], short(judge["auroc"])) for judge in shown]
    entries += [Entry(Look(INK, "None", (0, (1, 1))), "blind controls")] if controls else []
    sheet = Sheet(0.08 + _SIDE + 0.42 + keys_height(len(entries)))
    axes = _panel(sheet)
    for judge in controls:
        axes.plot(judge["roc"]["fpr"], judge["roc"]["tpr"], color=INK, alpha=0.4, linewidth=0.8, linestyle=(0, (1, 1)))
    for judge in reversed(shown):
        curve, mine = judge["roc"], looks[judge["name"]]
        axes.plot(curve["fpr"], curve["tpr"], color=mine.colour, linestyle=mine.dash, clip_on=False)
        axes.plot([_FLAGGED], [np.interp(_FLAGGED, curve["fpr"], curve["tpr"])], mine.marker, color=mine.colour)
    sheet.keys(0.08 + _SIDE + 0.42, entries)
    caption = (
        "Macro ROC curves: the mean of the producers' curves at each share of correct sentences flagged; incorrect "
        "sentences are what is looked for. The marks are where 5% are flagged. The number beside a name is its AUROC. "
        f"{results['dataset']['clusters']:,} clusters.{first_note(len(shown), len(judges))}"
    )
    return Sketch(sheet.figure, "ROC curves", caption, labels.shown)


def _panel(sheet: Sheet) -> Axes:
    axes = sheet.panel(0.52, 0.08, _SIDE, _SIDE)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="Share of correct sentences flagged (false positives)")
    axes.set_ylabel("Share of incorrect sentences caught (true positives)")
    grid(axes, "both")
    axes.plot([0, 1], [0, 1], color=INK, alpha=0.5, linewidth=0.7, linestyle=(0, (4, 2)))
    axes.axvline(_FLAGGED, color=INK, alpha=MUTED, linewidth=0.7)
    axes.text(_FLAGGED + 0.015, 0.98, "5% flagged", fontsize=SMALL, rotation=90, va="top")
    return axes
