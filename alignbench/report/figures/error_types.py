"""Which kinds of errors each judge finds."""

from __future__ import annotations

from alignbench.report.figures.dots import Series, dot_groups, groups_height, middle, upright
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

_MOST = 6
_LEFT, _BOTTOM = 1.15, 0.42


def draw(results: Json) -> Sketch | Absent:
    """A group an error type, a dot a judge."""
    judges = [judge for judge in judges_of(results) if _known(judge)]
    if not judges:
        return Absent("no error type has 10 correct and 10 incorrect sentences of one producer")
    shown, labels, looks = judges[:_MOST], labels_of(results), looks_of(results)
    sizes = results["dataset"]["error_types"]
    kinds = [kind for kind in sizes if any(judge["by_error_type"][kind]["value"] is not None for judge in shown)]
    series = [
        Series(looks[judge["name"]], judge["name"], [judge["by_error_type"][kind] for kind in kinds]) for judge in shown
    ]
    top, height = keys_height(len(shown)) + 0.06, groups_height(len(kinds), len(series))
    sheet = Sheet(top + height + _BOTTOM)
    sheet.keys(0.0, [Entry(one.look, labels[one.label]) for one in series], lined=False)
    axes = sheet.panel(_LEFT, top, sheet.width - _LEFT - 0.12, height)
    dot_groups(axes, series)
    axes.set_xlim(*ends([figure for one in series for figure in one.figures], 0.5))
    axes.set_xlabel("AUROC, mean over producers")
    grid(axes, "x")
    upright(axes, 0.5)
    for place, kind in enumerate(kinds):
        sheet.say(_LEFT - 0.08, top + middle(place, len(series)), f"{kind} ({sizes[kind]:,})", align="right")
    caption = (
        "AUROC of the incorrect sentences of each type against all correct ones of the same producer; mean over the "
        "producers with 10 of each. In brackets: incorrect sentences of the type; the dashed line is chance. "
        f"{clusters_note(results)} A hollow mark has a warning in the table.{first_note(len(shown), len(judges))}"
    )
    return Sketch(sheet.figure, "AUROC by error type", caption, labels.shown)


def _known(judge: Json) -> bool:
    return any(figure["value"] is not None for figure in judge["by_error_type"].values())
