"""Compares two cards word by word, so that a single digit is named with its place."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_CELLS = re.compile(r"(?<!\\)\|")
_HEADING = re.compile(r"#{1,6} ")
_FRONT = "front matter"


class TokenChange(NamedTuple):
    """Words of a card that are not what they should be.

    Attributes:
        line: Its number in the card that was given, from 1.
        heading: What it stands under.
        place: The row and the column, where it is in a table; else empty.
        said: What stands there; empty where something is missing.
        wanted: What should stand there; empty where it should not be there.
    """

    line: int
    heading: str
    place: str
    said: str
    wanted: str


def token_changes(said: str, wanted: str) -> Iterator[TokenChange]:
    """Every run of words in which the card `said` differs from the one `wanted`, from top to bottom."""
    ours, theirs = said.split("\n"), wanted.split("\n")
    headings, heads = _headings(ours), _table_heads(ours)
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for _, start, end, from_, to in (code for code in matcher.get_opcodes() if code[0] != "equal"):
        for offset in range(max(end - start, to - from_)):
            number = min(start + offset, max(end - 1, start)) if end > start else start
            here = min(number, len(ours) - 1)
            line = ours[start + offset] if start + offset < end else ""
            other = theirs[from_ + offset] if from_ + offset < to else ""
            head = heads[here] if start + offset < end else None
            for place, one, another in _line_changes(line, other, head):
                yield TokenChange(here + 1, headings[here], place, one, another)


def _line_changes(line: str, other: str, head: Sequence[str] | None) -> Iterator[tuple[str, str, str]]:
    cells, wanted = _cells(line), _cells(other)
    if head is not None and len(cells) == len(wanted) == len(head):
        for column, (one, another) in enumerate(zip(cells, wanted, strict=True)):
            if one != another:
                yield f"row {wanted[0] or cells[0]!r}, column {head[column]!r}", one, another
        return
    ours, theirs = line.split(), other.split()
    matcher = difflib.SequenceMatcher(None, ours, theirs, autojunk=False)
    for kind, start, end, from_, to in matcher.get_opcodes():
        if kind != "equal":
            yield "", " ".join(ours[start:end]), " ".join(theirs[from_:to])
    if ours == theirs and line != other:
        yield "", line, other


def _cells(line: str) -> list[str]:
    if not (line.startswith("|") and line.endswith("|")):
        return []
    return [cell.strip() for cell in _CELLS.split(line)[1:-1]]


def _headings(lines: Sequence[str]) -> list[str]:
    """The heading that each line stands under; those of code are none."""
    found, heading, fence, is_front = [], "", "", False
    for number, line in enumerate(lines):
        if line == "---" and (number == 0 or is_front):
            is_front = number == 0
            heading = _FRONT if is_front else heading
        elif not is_front and line.startswith("```"):
            fence = "" if fence and line.startswith(fence) else fence or line[: len(line) - len(line.lstrip("`"))]
        elif not is_front and not fence and _HEADING.match(line):
            heading = line.lstrip("# ")
        found.append(heading)
    return found


def _table_heads(lines: Sequence[str]) -> list[list[str] | None]:
    """The headers of the table that each line is in."""
    found: list[list[str] | None] = []
    head: list[str] | None = None
    for line in lines:
        cells = _cells(line)
        head = None if not cells else head or cells
        found.append(head)
    return found
