"""What may be spent, what is spent, and what requests in flight could still cost; refuses the request too many."""

from __future__ import annotations

import threading

from alignbench.errors import BudgetError, UsageError


class Budget:
    """Money for requests, in US dollars; safe to use from several threads.

    Before a request, `reserve` what it could cost at most; after it, `settle` what it did cost. What is in flight
    counts at its reservation, so the limit holds even if all of it costs as much as it could.

    Args:
        usd: The limit on all spending; None for no limit.
    """

    def __init__(self, usd: float | None = None) -> None:
        self._lock = threading.Lock()
        self._spent = 0.0
        self._reserved = 0.0
        self._in_flight = 0
        self._cap: float | None = None
        if usd is not None:
            self.limit(usd)

    @property
    def spent(self) -> float:
        """What has been settled since the start, in dollars."""
        return self._spent

    @property
    def reserved(self) -> float:
        """What the requests in flight could cost, in dollars."""
        return self._reserved

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self._cap is not None

    def limit(self, usd: float) -> None:
        """Allow `usd` dollars in all, what is spent already included; replaces an earlier limit.

        Raises:
            UsageError: The limit is not a number of dollars, zero or more.
        """
        if not 0 <= usd < float("inf"):
            raise UsageError(f"a cost limit of {usd} dollars means nothing; give a number from 0 up")
        with self._lock:
            self._cap = usd

    def reserve(self, usd: float | None) -> None:
        """Set aside what the next request could cost at most; None where nobody can tell.

        Raises:
            BudgetError: That could bring the spending above the limit; nothing is set aside.
            UsageError: There is a limit, and what the request costs is not known.
        """
        with self._lock:
            if self._cap is not None:
                if usd is None:
                    raise UsageError(
                        "the cost is limited, but what a request to this model costs is not known; "
                        "write its price into a price file and give that as `prices`, or leave the limit out"
                    )
                # A limit of exactly what all requests cost must not fail by a rounding error.
                if self._spent + self._reserved + usd > self._cap * (1 + 1e-12):
                    raise self._exhausted(usd)
            self._reserved += usd or 0.0
            self._in_flight += 1

    def settle(self, reserved: float | None, spent: float | None) -> None:
        """Replace a reservation by what the request did cost; 0 where it was refused, None where nobody can tell.

        What nobody can tell is counted at its reservation, so that a limit is never passed unseen.
        """
        with self._lock:
            self._in_flight -= 1
            # Sums of floats leave crumbs; with nothing in flight, nothing is reserved.
            self._reserved = max(0.0, self._reserved - (reserved or 0.0)) if self._in_flight else 0.0
            self._spent += (reserved or 0.0) if spent is None else spent

    def _exhausted(self, usd: float) -> BudgetError:
        flying = f", {dollars(self._reserved)} may come for what is in flight" if self._in_flight else ""
        return BudgetError(
            f"the limit of {dollars(self._cap or 0.0)} is reached: {dollars(self._spent)} is spent{flying}, "
            f"and the next request could cost {dollars(usd)}; every answer so far is kept: "
            "run the same command again with a higher --max-cost to go on from there"
        )


def dollars(usd: float) -> str:
    """An amount as people write it: cents, or two significant digits where it is less than ten cents."""
    return f"${usd:,.2f}" if usd == 0 or usd >= 0.1 else f"${usd:.2g}" if usd >= 1e-4 else f"${usd:.1e}"
