"""All figures of a report."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

from alignbench.atomic import write_atomically
from alignbench.report.figures import (
    auroc,
    calibration,
    cost,
    error_types,
    localization,
    position,
    producers,
    roc,
    self_preference,
    sensitivity,
)
from alignbench.report.figures.sheet import Absent, Draw, Json, Sketch
from alignbench.report.figures.style import settings
from alignbench.report.figures.svg import Drawn, drawn

FIGURES: Mapping[str, Draw] = {
    "auroc": auroc.draw,
    "roc": roc.draw,
    "producers": producers.draw,
    "error_types": error_types.draw,
    "position": position.draw,
    "self_preference": self_preference.draw,
    "calibration": calibration.draw,
    "cost": cost.draw,
    "localization": localization.draw,
    "sensitivity": sensitivity.draw,
}


class Gallery(NamedTuple):
    """The figures of a report.

    Attributes:
        drawn: In the order in which they are read.
        absent: Why there is no other, by name.
    """

    drawn: list[Drawn]
    absent: dict[str, str]


def draw_all(results: Json) -> list[Drawn]:
    """Every figure that the results have numbers for, as SVG for a page; see `gallery`."""
    return gallery(results).drawn


def gallery(results: Json) -> Gallery:
    """Draw every figure that the results have numbers for, and say why there is no other.

    The same results give the same bytes. While it draws, matplotlib's settings are ours: not for several threads.

    Args:
        results: What results.json says; analyses that it lacks are as if they had no numbers.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    with settings():
        return _gallery({name: draw(results) for name, draw in FIGURES.items()})


def write_figures(results: Json, folder: Path) -> Gallery:
    """Write every figure as NAME.svg and NAME.pdf.

    Args:
        results: What results.json says.
        folder: Made where missing.

    Returns:
        What `gallery` does, so that nothing is drawn twice.

    Raises:
        MissingDependencyError: matplotlib is not installed.
        StorageError: The disk refused a write.
    """
    with settings():
        sketches = {name: draw(results) for name, draw in FIGURES.items()}
        found = _gallery(sketches)
        for one in found.drawn:
            write_atomically(folder / f"{one.name}.svg", partial(_put, one.svg + "\n"))
        for name, sketch in sketches.items():
            if isinstance(sketch, Sketch):
                write_atomically(folder / f"{name}.pdf", partial(_print, sketch))
    return found


def _gallery(sketches: Mapping[str, Sketch | Absent]) -> Gallery:
    return Gallery(
        [drawn(name, sketch) for name, sketch in sketches.items() if isinstance(sketch, Sketch)],
        {name: sketch.reason for name, sketch in sketches.items() if isinstance(sketch, Absent)},
    )


def _put(text: str, path: Path) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _print(sketch: Sketch, path: Path) -> None:
    # Without a date, so that the same results are the same bytes.
    said = {"Title": sketch.title, "CreationDate": None, "Creator": None, "Producer": None}
    sketch.figure.savefig(path, format="pdf", metadata=said)
