"""What keeps a folder from being published."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that keeps a folder from being published.

    Attributes:
        check: The check that found it.
        name: What it is about; a waiver names exactly this.
        message: What was found and where, what is allowed, and what to do next. No secret is ever in it.
    """

    check: str
    name: str
    message: str

    @property
    def waiver(self) -> str:
        """The line of publication.yaml that waives it, once it says why."""
        name = json.dumps(self.name, ensure_ascii=False)
        return f'- {{check: {self.check}, name: {name}, why: "..."}}'
