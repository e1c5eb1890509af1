"""Watches how much probability a judge's model leaves over for what is no answer."""

from __future__ import annotations

import statistics
import warnings
from collections.abc import Sequence

from alignbench.types import Verdict

_MUCH, _ENOUGH = 0.5, 256


class LeftOver:
    """Warns once when most of the probability goes to what is no answer, because scores then say little.

    The median of the first answers tells, so that the warning comes while there is still something to save.

    Args:
        name: The judge's.
        advice: Where the probability goes, and what to do about it.
    """

    def __init__(self, name: str, advice: str) -> None:
        self._name = name
        self._advice = advice
        self._seen: list[float] = []
        self._settled = False

    def add(self, verdicts: Sequence[Verdict]) -> None:
        """Take the answers of a query into account."""
        if not self._settled:
            self._seen += [verdict.raw["left_over"] for verdict in verdicts if "left_over" in verdict.raw]
            if len(self._seen) >= _ENOUGH:
                self.settle()

    def settle(self) -> None:
        """Warn, or find that there is no reason to."""
        if self._settled or not self._seen:
            return
        self._settled, median = True, statistics.median(self._seen)
        if median > _MUCH:
            warnings.warn(
                f"{self._name} gives {median:.0%} of its probability (median) to {self._advice}", stacklevel=3
            )
