"""Collects what a reader finds in a file, until it is time to say it all at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from alignbench.errors import ImportFileError

SHOWN_PROBLEMS = 20
SHOWN_CASES = 5
_KEPT_CASES = 1000


def some(cases: Iterable[str], shown: int = SHOWN_CASES) -> str:
    """The first `shown` cases, and how many more there are: `a, b, c and 9 more`."""
    listed = list(cases)
    more = len(listed) - shown
    return ", ".join(listed[:shown]) + (f" and {more} more" if more > 0 else "")


@dataclass(slots=True)
class Problems:
    """What is wrong in a file, each with its line: the first ones in words, all of them counted.

    Attributes:
        file: The file that is read.
        unit: What a position in it is called: `line`, or `row` where a file has no lines.
    """

    file: Path
    unit: str = "line"
    _found: list[tuple[int, str]] = field(default_factory=list)
    _count: int = 0
    _absent: dict[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self._count > 0 or bool(self._absent)

    def add(self, line: int, message: str) -> None:
        """Remember that `line` is wrong, and how."""
        self._count += 1
        if len(self._found) < _KEPT_CASES:
            self._found.append((line, message))

    def absent(self, line: int, image: str) -> None:
        """Remember that the image which `line` names is not in the folder of images."""
        self._absent.setdefault(image, line)

    def raise_any(self, then: str) -> None:
        """Raise one ImportFileError that lists the problems; `then` is what to do next. Nothing if there are none."""
        if not self:
            return
        told = [f"{self.unit} {line}: {message}" for line, message in sorted(self._found)[:SHOWN_PROBLEMS]]
        if self._count > len(told):
            told.append(f"... and {self._count - len(told)} more problems, {self._count} in total")
        if self._absent:
            named = some(f"{image} ({self.unit} {line})" for image, line in self._absent.items())
            told.append(f"images not in the folder of images: {len(self._absent)}: {named}")
        raise ImportFileError("\n  ".join([f"{self.file} cannot be imported; nothing was written:", *told, then]))


@dataclass(slots=True)
class Notes:
    """What was left out or mapped with doubt: every kind with its count and a few cases."""

    _kinds: dict[str, Counter[str]] = field(default_factory=dict)
    _counts: Counter[str] = field(default_factory=Counter)

    def add(self, kind: str, case: str) -> None:
        """Count one more of `kind`; equal cases are shown once, with their number."""
        self._counts[kind] += 1
        cases = self._kinds.setdefault(kind, Counter())
        if case in cases or len(cases) < _KEPT_CASES:
            cases[case] += 1

    def count(self, kind: str) -> int:
        """How many of `kind` were added."""
        return self._counts[kind]

    def lines(self) -> tuple[str, ...]:
        """One line a kind, in the order in which the kinds first came up."""
        return tuple(self._line(kind, cases) for kind, cases in self._kinds.items())

    def _line(self, kind: str, cases: Counter[str]) -> str:
        shown = [case if times == 1 else f"{case} ({times} times)" for case, times in cases.most_common(SHOWN_CASES)]
        rest = self._counts[kind] - sum(times for _, times in cases.most_common(SHOWN_CASES))
        return f"{kind} ({self._counts[kind]}): {', '.join(shown)}" + (f" and {rest} more" if rest else "")
