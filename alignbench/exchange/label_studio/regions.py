r"""Finds the words that a region of Label Studio marks.

Label Studio counts a region's offsets in code points since October 2021 and counted UTF-16 code units before
(https://github.com/HumanSignal/label-studio/issues/1347 and pull request 1559); an export does not say in which. Every
region may carry the `text` it marks, by which the two are told apart. That text is what a browser's selection gives:
line ends are the two characters `\n`, and runs of space may have become one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alignbench.exchange.offsets import code_point_offset
from alignbench.types import ErrorType, Span


class Unit(StrEnum):
    """What an offset counts."""

    CODE_POINTS = "code points"
    UTF16 = "UTF-16 code units"


_CONVERT: Mapping[Unit, Callable[[str, int], int]] = {
    Unit.CODE_POINTS: lambda _, offset: offset,
    Unit.UTF16: code_point_offset,
}


@dataclass(frozen=True, slots=True)
class Region:
    """A marked range: its types, and where it is, in code points, by each unit that its offsets may count."""

    error_types: tuple[ErrorType, ...]
    ranges: Mapping[Unit, tuple[int, int]]

    @property
    def unit(self) -> Unit | None:
        """The only unit that fits; None where both do."""
        return next(iter(self.ranges)) if len(self.ranges) == 1 else None

    @property
    def is_open(self) -> bool:
        """Whether the two units mark different words and nothing in the region tells which."""
        return len(set(self.ranges.values())) > 1

    def spans(self, unit: Unit) -> list[Span]:
        """One span a type; the other unit is taken where this one does not fit."""
        start, end = self.ranges.get(unit) or next(iter(self.ranges.values()))
        return [Span(start, end, kind) for kind in self.error_types]


def region_of(text: str, value: Mapping[str, Any], error_types: tuple[ErrorType, ...]) -> Region:
    """The region that a result's `value` marks in a sentence.

    Raises:
        ValueError: Its offsets are no whole numbers, no range of the sentence in either unit, or it says another text
            than it marks in either.
    """
    start, end = _offset(value.get("start")), _offset(value.get("end"))
    said = value.get("text")
    if said is not None and not isinstance(said, str):
        raise ValueError(f"the text of a region is no text: {cut(said)}")
    found = {unit: _range(text, start, end, unit) for unit in Unit}
    ranges = {
        unit: where
        for unit, where in found.items()
        if isinstance(where, tuple) and (not said or _same(said, text[where[0] : where[1]]))
    }
    if not ranges:
        told = "; ".join(f"as {unit} {_reading(text, where)}" for unit, where in found.items())
        claimed = f" said to mark {cut(said)}" if said else ""
        raise ValueError(f"the region [{start}, {end}){claimed} does not fit the sentence {cut(text)}: {told}")
    return Region(error_types, ranges)


def unit_of(regions: Iterable[Region], otherwise: Unit | None) -> Unit | None:
    """The unit of all regions that tell theirs; `otherwise` where none or both are told."""
    told = Counter(region.unit for region in regions if region.unit is not None)
    return next(iter(told)) if len(told) == 1 else otherwise


def cut(value: Any) -> str:
    """A value of the file as a short text of one line."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:76]}...{shown[-1]}"


def _offset(value: Any) -> int:
    # The documentation calls them strings (https://labelstud.io/tags/text); files have numbers.
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise ValueError(f"an offset of a region is no whole number: {cut(value)}")


def _range(text: str, start: int, end: int, unit: Unit) -> tuple[int, int] | str:
    """The range in code points; a text that says why there is none."""
    try:
        first, last = (_CONVERT[unit](text, offset) for offset in (start, end))
    except ValueError as error:
        return str(error)
    if not 0 <= first < last <= len(text):
        return f"no range of its {len(text)} characters"
    return first, last


def _reading(text: str, where: tuple[int, int] | str) -> str:
    return where if isinstance(where, str) else f"it marks {cut(text[where[0] : where[1]])}"


def _same(said: str, marked: str) -> bool:
    return said == marked or _spaced(said) == _spaced(marked)


def _spaced(text: str) -> str:
    return " ".join(re.sub(r"\\n", "\n", text).split())
