"""Minds the money and Ctrl-C while a part of a recipe is at work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from alignbench.interrupts import first_interrupt_stops
from alignbench.types import Billed


class Purse:
    """What a call may spend, in US dollars, and what it has spent; without a limit it only counts.

    Attributes:
        spent: Null until something was spent.
    """

    def __init__(self, max_cost: float | None = None) -> None:
        self._max_cost = max_cost
        self.spent: float | None = None

    @contextlib.contextmanager
    def minding(self, worker: object) -> Iterator[None]:
        """Let a source, a writer or a producer work for the time of the block, with what is left where it is `Billed`.

        The first Ctrl-C stops one that is `Stoppable`, so that what is in flight comes home.

        Raises:
            BudgetError: The block raised it: the money is spent.
            UsageError: The money is limited, but what an answer costs is not known.
        """
        if not isinstance(worker, Billed):
            with first_interrupt_stops(worker):
                yield
            return
        before = self.spent or 0.0
        try:
            if self._max_cost is not None:
                worker.limit_cost(max(0.0, self._max_cost - before))
            with first_interrupt_stops(worker):
                yield
        finally:
            if worker.spent_usd or self.spent is not None:
                self.spent = before + worker.spent_usd
