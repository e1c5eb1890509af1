"""Lets a recipe's filters look at what was found or made, and keeps what they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench.types import Status
from generation import parts
from generation.protocols import Candidate, Filter, Site
from generation.recipe import FilterChoice
from generation.work import Work


@dataclass(frozen=True, slots=True)
class Drop:
    """Why a candidate is dropped: the filter that did not let it pass, what it measured, and what it says."""

    filter: str
    status: Status
    value: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class Screened:
    """What the filters say of a candidate, by name, as JSON values; `drop` is null where it stays."""

    findings: Mapping[str, Any] = field(default_factory=dict)
    drop: Drop | None = None


class Screening:
    """The filters of a recipe, in its order, from the first candidate to the last.

    A filter that drops a candidate is the last to see it: what a later one remembers was never dropped by an earlier
    one. Candidates come in the order of the dataset, all of them in one process, so that a filter with a memory says
    the same however the rows came about.

    Args:
        choices: The filters.
        what: What they look at, as a word.
        work: Where they may keep files of their own.
        recipe_folder: Where relative paths in their options begin.
    """

    def __init__(self, choices: Sequence[FilterChoice], what: str, work: Work, recipe_folder: Path) -> None:
        self._filters = [
            (name, choice.drop, _built(choice, Site(recipe_folder, work.site(f"{what}-{name}"))))
            for name, choice in zip(_names(choices), choices, strict=True)
        ]

    def look(self, candidate: Candidate) -> Screened:
        """What the filters say of the next candidate; those that are for another sort of candidates say nothing."""
        findings: dict[str, Any] = {}
        for name, drops, each in self._filters:
            found = each.look(candidate)
            if found is None:
                continue
            findings[name] = {"passed": found.passed, "value": found.value, "reason": found.reason}
            if drops and not found.passed:
                return Screened(findings, Drop(name, found.status, found.value, found.reason or "it did not pass"))
        return Screened(findings)


def _built(choice: FilterChoice, site: Site) -> Filter:
    return parts.filter_(choice.filter, site, choice.options)


def _names(choices: Sequence[FilterChoice]) -> list[str]:
    """A name for each filter; the second of a kind is `KIND-2`."""
    kinds = [choice.filter for choice in choices]
    counts = [kinds[:place].count(kind) + 1 for place, kind in enumerate(kinds)]
    return [kind if count == 1 else f"{kind}-{count}" for kind, count in zip(kinds, counts, strict=True)]
