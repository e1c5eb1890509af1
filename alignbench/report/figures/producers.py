"""The AUROC of every judge on every producer."""

from __future__ import annotations

from alignbench.report.figures.heat import Matrix, draw_matrix, layout
from alignbench.report.figures.sheet import Absent, Json, Sheet, Sketch, labels_of
from alignbench.report.table import decimals


def draw(results: Json) -> Sketch | Absent:
    """A heat map of judges and controls by producers, own cells marked."""
    judges, producers = results["judges"], list(results["dataset"]["producers"])
    values = {
        judge["name"]: {producer: judge["by_producer"][producer]["value"] for producer in producers} for judge in judges
    }
    own = (results.get("self_preference") or {}).get("own") or {}
    matrix = Matrix([judge["name"] for judge in judges], producers, values, own, lambda value: decimals(value, 2))
    if not matrix.numbers():
        return Absent("no judge has an AUROC on any producer")
    labels = labels_of(results)
    room = layout(matrix, labels)
    sheet = Sheet(room.height, room.width)
    draw_matrix(sheet, room, matrix, labels)
    return Sketch(sheet.figure, "AUROC by producer", _caption(results, bool(own)), labels.shown)


def _caption(results: Json, are_owned: bool) -> str:
    sizes = results["dataset"]["producers"]
    small = [name for name, size in sizes.items() if not size["in_macro"]]
    left_out = f" Not in the mean over producers, for too few sentences: {', '.join(small)}." if small else ""
    owned = " Frames mark producers of the judge's own model (solid) and family (dashed)." if are_owned else ""
    return (
        "AUROC of each judge (row) on the sentences of each producer (column); its intervals are in the table. Hatched "
        f"cells are undefined.{owned}{left_out} {results['dataset']['clusters']:,} clusters (images, prompts)."
    )
