"""How well each judge tells correct sentences from incorrect ones, and which judges cannot be told apart."""

from __future__ import annotations

from collections.abc import Sequence

from alignbench.report.figures.dots import dot, rows_only, upright
from alignbench.report.figures.labels import width_of
from alignbench.report.figures.sheet import Absent, Json, Sheet, Sketch, clusters_note, ends, grid, labels_of
from alignbench.report.figures.style import COLOURS, INK, MUTED, SIZE, SMALL, Look
from alignbench.report.table import NONE, interval

_ROW, _TOP, _BOTTOM = 0.2, 0.26, 0.42
_HEADER = "AUROC [95% CI]"
_BRACKET = 0.09
_MOST_BRACKETS = 6
_JUDGE = Look(COLOURS[0], "o", "-")
_CONTROL = Look(INK, "s", "-")


def draw(results: Json) -> Sketch | Absent:
    """A row a judge with its macro AUROC, then the blind controls; a bracket joins judges that are tied."""
    judges = results["judges"]
    known = [judge["auroc"] for judge in judges if judge["auroc"]["value"] is not None]
    if not known:
        return Absent(judges[0]["auroc"]["reason"])
    labels, tied = labels_of(results), tied_sets([judge["rank"] for judge in judges])[:_MOST_BRACKETS]
    gap = 0.12 if any(judge["control"] for judge in judges) else 0.0
    height = _ROW * len(judges) + gap
    sheet = Sheet(_TOP + height + _BOTTOM)
    left = width_of((labels[judge["name"]] for judge in judges), SIZE) + 0.16
    numbers = width_of((_HEADER, *(interval(judge["auroc"]) for judge in judges)), SMALL)
    width = sheet.width - left - 0.08 - numbers - _BRACKET * len(tied) - 0.14
    axes = sheet.panel(left, _TOP, width, height)
    rows_only(axes, height)
    axes.set_xlim(*ends(known, 0.5))
    axes.set_xlabel("AUROC, mean over producers")
    grid(axes, "x")
    upright(axes, 0.5)
    ys = [_ROW * (row + 0.5) + gap * (judge["control"] is not None) for row, judge in enumerate(judges)]
    for y, judge in zip(ys, judges, strict=True):
        alpha = 1.0 if judge["control"] is None else MUTED
        dot(axes, y, judge["auroc"], _JUDGE if judge["control"] is None else _CONTROL, alpha=alpha)
        sheet.say(left - 0.08, _TOP + y, labels[judge["name"]], align="right", alpha=alpha)
        sheet.say(left + width + 0.08, _TOP + y, interval(judge["auroc"]), size=SMALL, alpha=alpha)
    sheet.say(left + width + 0.08, _TOP - 0.1, _HEADER, size=SMALL)
    for place, members in enumerate(tied):
        _bracket(sheet, sheet.width - 0.06 - _BRACKET * (len(tied) - place - 1), [_TOP + ys[row] for row in members])
    return Sketch(sheet.figure, "Macro AUROC of every judge", _caption(results, bool(tied)), labels.shown)


def tied_sets(ranks: Sequence[Json]) -> list[list[int]]:
    """The largest sets, of two or more, of places whose ranks all overlap."""
    ranked = [(place, rank["low"], rank["high"]) for place, rank in enumerate(ranks) if rank["low"] is not None]
    found: list[list[int]] = []
    for at in range(1, len(ranked) + 1):
        members = [place for place, low, high in ranked if low <= at <= high]
        if len(members) > 1 and not any(set(members) <= set(other) for other in found):
            found = [other for other in found if not set(other) <= set(members)]
            found.append(members)
    return found


def _bracket(sheet: Sheet, x: float, ys: Sequence[float]) -> None:
    sheet.paper.plot([x, x], [min(ys), max(ys)], color=INK, linewidth=0.8)
    for y in ys:
        sheet.paper.plot([x - 0.04, x], [y, y], color=INK, linewidth=0.8)


def _caption(results: Json, are_tied: bool) -> str:
    counted = sum(size["in_macro"] for size in results["dataset"]["producers"].values())
    ties = " A bracket joins judges that cannot be told apart (paired test, Holm, 5%)." if are_tied else ""
    controls = [judge for judge in results["judges"] if judge["control"] is not None]
    blind = " Grey squares are blind controls, which see no image, or not the right one." if controls else ""
    return (
        f"AUROC: how often a correct sentence outscores an incorrect one of the same producer; mean over {counted} "
        f"producers. {clusters_note(results)}{ties}{blind} The dashed line is chance. A hollow mark "
        f"has a warning in the table; {NONE} is undefined."
    )
