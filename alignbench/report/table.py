"""A table before any format is chosen, and how numbers are written in its cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

NONE = "\N{EN DASH}"
WARNING = "\N{DAGGER}"


@dataclass(frozen=True, slots=True)
class Row:
    """A judge or a blind control: the cells under `Table.columns`, then those under `Table.groups`."""

    cells: tuple[str, ...]
    grouped: tuple[str, ...]
    is_control: bool


@dataclass(frozen=True, slots=True)
class Table:
    """A table of text.

    Attributes:
        title: One line over it.
        columns: Headers of the first cells.
        groups: Headers of the cells that repeat: a producer or an error type each.
        rows: Judges, then blind controls.
        notes: Lines below it; the last is the signature.
        numeric: Those of `columns` that hold numbers.
    """

    title: str
    columns: tuple[str, ...]
    groups: tuple[str, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]
    numeric: frozenset[str] = frozenset()


def interval(figure: Json) -> str:
    """A number with its interval, as in `.842 [.812, .869]`."""
    if figure["value"] is None:
        return NONE
    ends = NONE if figure["low"] is None else f"{decimals(figure['low'], 3)}, {decimals(figure['high'], 3)}"
    return f"{decimals(figure['value'], 3)} [{ends}]{_mark(figure)}"


def short(figure: Json) -> str:
    """A number alone, as in `.84`."""
    return NONE if figure["value"] is None else f"{decimals(figure['value'], 2)}{_mark(figure)}"


def decimals(value: float, places: int) -> str:
    """A number in [0, 1] without its leading zero."""
    return f"{value:.{places}f}".removeprefix("0")


def _mark(figure: Json) -> str:
    return WARNING if figure["reason"] else ""
