"""Finds captions in which the model declines to describe."""

from __future__ import annotations

from typing import Self

from alignbench.types import Status
from generation.protocols import Candidate, Finding, Site
from generation.refusals import is_refusal

_SHOWN = 80


class RefusalFilter:
    """Finds captions that begin like a refusal, in English; their status is `refused`."""

    @classmethod
    def from_options(cls, site: Site) -> Self:  # noqa: ARG003 - the protocol
        """The filter; it has no options."""
        return cls()

    def look(self, candidate: Candidate) -> Finding | None:
        """Whether the caption declines; null for a picture."""
        if candidate.caption is None:
            return None
        if not is_refusal(candidate.caption):
            return Finding(passed=True)
        reason = f"it declines: {candidate.caption.strip()[:_SHOWN]!r}"
        return Finding(passed=False, reason=reason, status=Status.REFUSED)
