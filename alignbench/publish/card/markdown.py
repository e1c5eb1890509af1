"""Markdown in which no value can be more than text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_SPECIAL = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"} | {mark: f"\\{mark}" for mark in "\\`*[]|~$"})
_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")  # within a word it marks nothing
_AT_THE_START = re.compile(r"^(\s*)([#+=-]|\d+[.)])")
_BETWEEN_PARAGRAPHS = re.compile(r"\n\s*\n")
_IN_BACKTICKS = re.compile(r"`([^`]+)`")
_BACKTICKS = re.compile("`+")
NONE = "\N{EN DASH}"


class Written(str):
    """Text that is markdown already."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Column:
    """The header of a column, and whether it holds numbers."""

    header: str
    numeric: bool = False


def plain(text: str) -> str:
    """One line of text as markdown that shows just that: no markup, no HTML, no line break."""
    return _escaped(_one_line(text))


def coded(text: str) -> Written:
    """One line of text in which what stands between two backticks is code, and all else is plain."""
    parts = _IN_BACKTICKS.split(_one_line(text))
    return Written("".join(code(part) if place % 2 else _escaped(part) for place, part in enumerate(parts)))


def prose(text: str) -> Written:
    """Paragraphs of text as markdown that shows just those; code between backticks, and lists of `- `, stay such."""
    paragraphs = [part for part in _BETWEEN_PARAGRAPHS.split(text.strip().replace("\r\n", "\n")) if part.strip()]
    return Written("\n\n".join(_paragraph(part) for part in paragraphs))


def code(text: str) -> Written:
    """A text between backticks, which may stand in a table too."""
    shown = _one_line(text).replace("|", r"\|")
    if not shown:
        return Written(NONE)
    ticks = "`" * (max(map(len, _BACKTICKS.findall(shown)), default=0) + 1)
    padded = f" {shown} " if shown[0] == "`" or shown[-1] == "`" else shown
    return Written(f"{ticks}{padded}{ticks}")


def fenced(text: str, language: str = "") -> Written:
    """A block of code, whatever is in it."""
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(_without_controls(line) for line in text.strip().splitlines())
    return Written(f"{fence}{language}\n{lines}\n{fence}")


def link(text: str, address: str | None) -> Written:
    """A link, or the text alone where there is no address."""
    if address is None:
        return Written(plain(text))
    return Written(f"[{plain(text)}](<{_one_line(address).replace('<', '%3C').replace('>', '%3E')}>)")


def table(columns: Sequence[Column], rows: Iterable[Sequence[str]]) -> Written:
    """A table; cells that are not written yet are taken for plain text."""
    heads = [column.header for column in columns]
    lines = [_line(heads), _line(Written("--:" if column.numeric else "---") for column in columns)]
    return Written("\n".join([*lines, *(_line(row) for row in rows)]))


def _line(cells: Iterable[str]) -> str:
    written = [cell if isinstance(cell, Written) else plain(cell) for cell in cells]
    return f"| {' | '.join(written)} |"


def _paragraph(text: str) -> str:
    lines = [f"- {coded(line[2:])}" if line.startswith("- ") else _begun(coded(line)) for line in _lines(text)]
    return "\n".join(lines)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _begun(line: str) -> str:
    """A line whose first character begins no list, heading or rule."""
    return _AT_THE_START.sub(lambda found: found[1] + _escaped_start(found[2]), line)


def _escaped_start(mark: str) -> str:
    return f"{mark[:-1]}\\{mark[-1]}"


def _escaped(line: str) -> str:
    return _UNDERSCORE.sub(r"\\_", line.translate(_SPECIAL))


def _one_line(text: str) -> str:
    return _without_controls(" ".join(text.split()))


def _without_controls(text: str) -> str:
    """Without what has no shape of its own, such as control and direction marks, which can hide what follows."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_shapeless(mark) else mark for mark in text)


def _is_shapeless(mark: str) -> bool:
    return mark in _DIRECTIONS or (mark != "\t" and unicodedata.category(mark) in {"Cc", "Cs"})


_DIRECTIONS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029")
