"""How well judges point at the words that are wrong."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.report.figures.dots import Series, dot_groups, groups_height, middle
from alignbench.report.figures.sheet import (
    Absent,
    Entry,
    Json,
    Sheet,
    Sketch,
    clusters_note,
    first_note,
    grid,
    judges_of,
    keys_height,
    labels_of,
    looks_of,
)

_MOST = 6
_LEFT, _BOTTOM = 1.5, 0.42
_MEASURES = {
    "average_precision": "average precision",
    "span_f1": "span F1",
    "precision": "span precision",
    "recall": "span recall",
    "flagged_correct": "correct sentences marked",
}


def draw(results: Json) -> Sketch | Absent:
    """The measures of all sentences, then the average precision of each error type; a dot a judge."""
    judges = [judge for judge in judges_of(results) if _known(judge)]
    if not judges:
        return Absent("no judge of these runs marked the words that are wrong")
    shown, labels, looks = judges[:_MOST], labels_of(results), looks_of(results)
    said = [judge["localization"] for judge in shown]
    kinds = [
        kind
        for kind in said[0]["by_error_type"]
        if any(one["by_error_type"][kind]["average_precision"]["value"] is not None for one in said)
    ]
    rows = [*_MEASURES.values(), *(f"{kind}: avg. precision" for kind in kinds)]
    series = [Series(looks[judge["name"]], judge["name"], _figures(judge["localization"], kinds)) for judge in shown]
    top, height = keys_height(len(shown)) + 0.06, groups_height(len(rows), len(series))
    sheet = Sheet(top + height + _BOTTOM)
    sheet.keys(0.0, [Entry(one.look, labels[one.label]) for one in series], lined=False)
    axes = sheet.panel(_LEFT, top, sheet.width - _LEFT - 0.12, height)
    dot_groups(axes, series)
    axes.set_xlim(-0.02, 1.02)
    axes.set_xlabel("Share")
    grid(axes, "x")
    for place, row in enumerate(rows):
        sheet.say(_LEFT - 0.08, top + middle(place, len(series)), row, align="right")
    caption = f"{said[0]['definition']} {clusters_note(results)}{first_note(len(shown), len(judges))}"
    return Sketch(sheet.figure, "Localisation of the wrong words", caption, labels.shown)


def _known(judge: Json) -> bool:
    said = judge.get("localization")
    return said is not None and any(said[name]["value"] is not None for name in _MEASURES)


def _figures(said: Json, kinds: Sequence[str]) -> list[Json]:
    return [*(said[name] for name in _MEASURES), *(said["by_error_type"][kind]["average_precision"] for kind in kinds)]
