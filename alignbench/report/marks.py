"""What the marks in the cells of a table mean: a reason instead of a number, or a warning beside one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from alignbench.intervals import FEW_CLUSTERS
from alignbench.report.differences import signed_interval
from alignbench.report.table import NONE, WARNING, interval

Json = Mapping[str, Any]

OWN_NOTE = "* a producer of the judge's own model; + one of its family"
_OWN = {"self": "*", "family": "+"}
_TOO_FEW = f"rests on fewer than {FEW_CLUSTERS} clusters"
_MOST_REASONS = 5


def share(figure: Json | None) -> str:
    """A number in [0, 1] with its interval, as in `.842 [.812, .869]`; a dash where it was not computed."""
    return NONE if figure is None else interval(figure)


def change(figure: Json | None) -> str:
    """A difference with its interval, as in `+.012 [-.004, .028]`."""
    if figure is None or figure["value"] is None:
        return NONE
    mark = WARNING if figure.get("reason") else ""
    return signed_interval(figure["value"], figure["low"], figure["high"]) + mark


def raw(figure: Json | None) -> str:
    """A number on any scale with its interval, in three digits."""
    if figure is None or figure["value"] is None:
        return NONE
    ends = NONE if figure["low"] is None else f"{figure['low']:.3g}, {figure['high']:.3g}"
    return f"{figure['value']:.3g} [{ends}]{WARNING if figure['reason'] else ''}"


def chance(p: float | None) -> str:
    """A p-value as in `.012`; one that would round to nothing is `<.001`."""
    if p is None:
        return NONE
    return "<.001" if p < 0.0005 else f"{p:.3f}".removeprefix("0")


def own_mark(cell: Json | None) -> str:
    """What `OWN_NOTE` explains, after the number of a cell of a judge and a producer."""
    return "" if cell is None else _OWN.get(cell["own"] or "", "")


def mark_notes(figures: Iterable[Json | None]) -> list[str]:
    """What dashes and daggers stand for, a line each: the reasons; those that differ in a number only once."""
    known = [figure for figure in figures if figure is not None and figure.get("reason")]
    notes = []
    for mark, is_number in ((WARNING, True), (NONE, False)):
        reasons = {_kind_of(one["reason"]): one["reason"] for one in known if (one["value"] is not None) is is_number}
        said = sorted(_TOO_FEW if kind.startswith("too few") else reason for kind, reason in reasons.items())
        more = [f"{len(said) - _MOST_REASONS} reasons more, in the .csv"] if len(said) > _MOST_REASONS else []
        notes += [f"{mark} {'; '.join([*dict.fromkeys(said[:_MOST_REASONS]), *more])}"] if said else []
    return notes


def _kind_of(reason: str) -> str:
    return re.sub(r"\d[\d.,]*", "#", reason)
