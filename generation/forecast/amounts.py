"""A number that is known or has a reason why it is not, and sums that say what they leave out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Amount:
    """A number, or null with the reason why nobody can tell it."""

    value: float | None
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.value is None) == (self.reason is None):
            raise ValueError(f"an amount has a value or a reason: {self.value!r}, {self.reason!r}")

    @classmethod
    def unknown(cls, reason: str) -> Self:
        """Null, and why."""
        return cls(None, reason)

    def times(self, factor: Amount) -> Amount:
        """The product; unknown where a part is, and nothing where a part is none at all."""
        if self.value == 0 or factor.value == 0:
            return Amount(0.0)
        if self.value is None:
            return self
        return factor if factor.value is None else Amount(self.value * factor.value)

    def plus(self, other: Amount) -> Amount:
        """The sum; unknown where a part is."""
        if self.value is None or other.value is None:
            return self if self.value is None else other
        return Amount(self.value + other.value)


@dataclass(frozen=True, slots=True)
class Total:
    """The sum of the parts that are known, null where none is; `left_out` names the others."""

    value: float | None
    left_out: tuple[str, ...] = ()


def total(parts: Iterable[tuple[str, Amount]]) -> Total:
    """Add up named parts; a name that occurs twice is left out once."""
    known: list[float] = []
    unknown: dict[str, None] = {}
    for name, amount in parts:
        if amount.value is None:
            unknown[name] = None
        else:
            known.append(amount.value)
    return Total(None if unknown and not known else sum(known), tuple(unknown))
