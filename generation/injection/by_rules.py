"""Rules as the method of planting."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from alignbench.store import Dataset
from alignbench.types import ErrorType, ModelRef, Pair
from generation.injection.again import METHOD_RULES, provenance_of
from generation.injection.draw import rank
from generation.injection.plant import Caption, Planted
from generation.injection.rules import PRODUCER, changes, drawn


@dataclass(frozen=True, slots=True)
class Control:
    """A planted error and the provenance of the pair that has it."""

    planted: Planted
    provenance: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ByRules:
    """Plants by rules alone: nothing is asked, and a pair is made anew whenever it is wanted.

    `definite` takes "the car" for the only car where a caption hints at no second one.
    """

    seed: int = 0
    definite: bool = False
    producer: ModelRef = PRODUCER
    asked: int = 0
    useless: Mapping[str, int] = field(default_factory=dict)
    spent_usd: float | None = None

    def offers(self, pair_id: str, caption: Caption, types: Sequence[ErrorType]) -> frozenset[ErrorType]:
        """The types of errors that a caption can carry."""
        found = changes(caption, types, definite=self.definite)
        return frozenset(t for t, edits in found.items() if drawn(caption, edits, self._seed(pair_id, t)) is not None)

    def pool(self, per_type: int, types: int, captions: int) -> int:  # noqa: ARG002 - as other methods
        """How many captions are chosen for each type: all of them will do."""
        return per_type

    def prepare(
        self,
        dataset: Dataset,
        chosen: Mapping[str, Sequence[ErrorType]],
        per_type: int,
        told: Callable[[int, int, int], None],
    ) -> None:
        """Nothing: rules need no preparing."""

    def has(self, pair_id: str, error_type: ErrorType) -> bool:  # noqa: ARG002 - as other methods
        """Whether an error was planted into that pair's caption; of what is chosen, always."""
        return True

    def made(self, pair: Pair, caption: Caption, error_type: ErrorType) -> Control | None:
        """The control pair of a pair."""
        seed = self._seed(pair.pair_id, error_type)
        found = changes(caption, [error_type], definite=self.definite).get(error_type, [])
        planted = drawn(caption, found, seed)
        if planted is None:
            return None
        told = {"method": METHOD_RULES, "seed": seed, "definite": self.definite}
        return Control(planted, {"planted": provenance_of(pair, caption, planted, **told)})

    def _seed(self, pair_id: str, error_type: ErrorType) -> int:
        return rank(self.seed, pair_id, error_type) % 2**31
