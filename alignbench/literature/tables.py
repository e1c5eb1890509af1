"""Published tables of AUROCs, as values."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from alignbench.errors import UnknownNameError
from alignbench.metrics import BoolArray, FloatArray

FOLDER = Path(__file__).parent
ROUNDING = 0.001
"""How far the mean of a row may lie from its printed average: cells and averages are rounded to 0.1 %."""

_AROUND = ("judge", "parameters", "average", "self_producer")  # the columns that are no producer


class PublishedRow(NamedTuple):
    """A judge of a published table.

    Attributes:
        name: As printed; several sizes of a model share one.
        parameters: Its size as printed, or null.
        average: Its mean AUROC over the producers as printed, in [0, 1].
        self_producer: The producer whose captions it wrote itself, or null.
    """

    name: str
    parameters: str | None
    average: float
    self_producer: str | None

    @property
    def label(self) -> str:
        """Name and size, which no other judge of the table has."""
        return _label(self.name, self.parameters)


class PublishedRatios(NamedTuple):
    """Normalised AUROCs as printed, see `alignbench.analysis.normalisation`.

    Attributes:
        judges: Labels of rows of the table, (R,).
        producers: Whose captions, (C,); some are none of the table's.
        values: (R, C)
    """

    judges: tuple[str, ...]
    producers: tuple[str, ...]
    values: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceTable:
    """A published table of AUROCs, and where it comes from.

    Attributes:
        name: What `--reference` takes.
        title: Of the paper.
        arxiv: Its number.
        source: Where the numbers were read.
        note: What else to know.
        producers: The columns, (P,).
        judges: The rows, (J,).
        aurocs: (J, P) in [0, 1], three decimals.
        ratios: The normalised AUROCs that were published beside it, or null.
    """

    name: str
    title: str
    arxiv: str
    source: str
    note: str
    producers: tuple[str, ...]
    judges: tuple[PublishedRow, ...]
    aurocs: FloatArray
    ratios: PublishedRatios | None

    def deviating(self) -> BoolArray:
        """(J,) whose printed average is not the mean of its row, by more than `ROUNDING`: something is misprinted."""
        printed = np.array([row.average for row in self.judges])
        deviates: BoolArray = np.abs(self.aurocs.mean(axis=1) - printed) > ROUNDING + 1e-9
        return deviates


def references() -> list[str]:
    """The names of the tables."""
    return list(_index())


def read_reference(name: str) -> ReferenceTable:
    """The table of that name.

    Raises:
        UnknownNameError: There is none; the message lists the nearest ones.
    """
    index = _index()
    if name not in index:
        raise UnknownNameError.of("reference table", name, index, "give one of these to --reference")
    said = index[name]
    rows = _rows(said["aurocs"])
    producers = tuple(header for header in rows[0] if header not in _AROUND)
    return ReferenceTable(
        name,
        said["title"],
        said["arxiv"],
        said["source"],
        said["note"],
        producers,
        tuple(_row(row) for row in rows),
        np.array([[_share(row[producer]) for producer in producers] for row in rows]),
        None if said["normalised"] is None else _ratios(_rows(said["normalised"])),
    )


def _index() -> Mapping[str, Any]:
    import yaml

    found: Mapping[str, Any] = yaml.safe_load((FOLDER / "index.yaml").read_text(encoding="utf-8"))
    return found


def _rows(file: str) -> Sequence[Mapping[str, str]]:
    with (FOLDER / file).open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))


def _row(row: Mapping[str, str]) -> PublishedRow:
    return PublishedRow(row["judge"], row["parameters"] or None, _share(row["average"]), row["self_producer"] or None)


def _ratios(rows: Sequence[Mapping[str, str]]) -> PublishedRatios:
    producers = tuple(header for header in rows[0] if header not in _AROUND)
    judges = tuple(_label(row["judge"], row["parameters"] or None) for row in rows)
    return PublishedRatios(judges, producers, np.array([[float(row[each]) for each in producers] for row in rows]))


def _label(name: str, parameters: str | None) -> str:
    return f"{name} {parameters}" if parameters else name


def _share(percent: str) -> float:
    return round(float(percent) / 100, 3)
