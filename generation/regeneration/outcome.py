"""What became of a row that was made again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from alignbench.types import Pair


class Again(StrEnum):
    """Whether a row is as it was; all but the first two say why nobody can tell."""

    SAME = "same"
    DIFFERS = "differs"
    NOT_MADE = "not_made"
    MODEL_UNAVAILABLE = "model_unavailable"
    MODEL_CHANGED = "model_changed"
    PROVENANCE_INCOMPLETE = "provenance_incomplete"
    IMAGE_MISSING = "image_missing"
    NOT_GENERATED = "not_generated"
    API_NOT_ASKED = "api_not_asked"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one row.

    `difference` says how far what was made is from what is stored, null unless `again` is `differs`. `changed` holds
    what is not as it was when the row was made first, as {"then", "now"} by name: versions, device, settings.
    """

    pair_id: str
    producer: str
    direction: str
    again: Again
    reason: str | None = None
    difference: Mapping[str, Any] | None = None
    changed: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, pair: Pair, again: Again, reason: str | None = None, **rest: Any) -> Outcome:
        """The outcome for a pair."""
        return cls(pair.pair_id, pair.producer.name, str(pair.direction), again, reason, **rest)


@dataclass(frozen=True, slots=True)
class Regeneration:
    """All rows that were asked for, in the order of the dataset; `loads` counts the models that were loaded.

    `spent_usd` is what API models cost; null where none was asked.
    """

    dataset: Path
    outcomes: Sequence[Outcome]
    loads: int
    spent_usd: float | None = None

    @property
    def all_same(self) -> bool:
        """Whether every row came out as it is stored."""
        return all(outcome.again is Again.SAME for outcome in self.outcomes)

    @property
    def by_producer(self) -> dict[str, dict[str, int]]:
        """For each producer, how many rows have which outcome."""
        counted: dict[str, Counter[str]] = {}
        for outcome in self.outcomes:
            counted.setdefault(outcome.producer, Counter())[outcome.again.value] += 1
        return {name: dict(counts) for name, counts in sorted(counted.items())}

    def to_json(self) -> dict[str, Any]:
        """JSON values for machines."""
        return {
            "dataset": str(self.dataset),
            "all_same": self.all_same,
            "model_loads": self.loads,
            "spent_usd": self.spent_usd,
            "by_producer": self.by_producer,
            "rows": [asdict(outcome) for outcome in self.outcomes],
        }
