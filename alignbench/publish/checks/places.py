"""Counts where something was found: the first place in words, the others by number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from alignbench.publish.checks.finding import Finding


@dataclass(slots=True)
class _Found:
    what: str
    where: str
    places: int = 0


@dataclass(slots=True)
class Places:
    """The places of the findings of one check.

    Attributes:
        check: Its name.
        then: What is allowed and what to do next, by kind of finding; that of "" is for any other kind.
    """

    check: str
    then: Mapping[str, str]
    _found: dict[tuple[str, str], _Found] = field(default_factory=dict)

    def add(self, place: str, kind: str, what: str, where: str, times: int = 1) -> None:
        """Remember `what` of a kind; `place` is what a waiver calls the place, `where` says it in words."""
        self._found.setdefault((place, kind), _Found(what, where)).places += times

    def findings(self) -> Iterator[Finding]:
        """A finding for every place and kind, in the order in which they were found."""
        for (place, kind), found in self._found.items():
            others = found.places - 1
            more = f" and in {others:,} more place{'s' if others > 1 else ''}" if others else ""
            then = self.then.get(kind, self.then[""])
            yield Finding(self.check, f"{place} {kind}", f"{found.what} in {found.where}{more}; {then}")


def named(count: int, what: str, cases: Iterable[str], shown: int = 3) -> str:
    """A count, what it is of, and the first few cases: `12 pairs (a, b, c and 9 more)`."""
    first = [case for _, case in zip(range(shown), cases, strict=False)]
    more = f" and {count - len(first):,} more" if count > len(first) else ""
    return f"{count:,} {what} ({', '.join(first)}{more})"
