"""Something in a published folder that is not what its data say."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """What a published folder says, and what its data say.

    Attributes:
        file: The file, from the folder.
        what: Where in it: the path of a JSON value, a line of the card with its heading, row and column, a row of a
            table.
        said: What stands there; null where nothing does.
        found: What should; null where nothing should.
        problem: What is wrong, where it is no value that could be another.
    """

    file: str
    what: str
    said: Any = None
    found: Any = None
    problem: str | None = None

    def line(self) -> str:
        """All of it in one line."""
        if self.problem is not None:
            return f"{self.file}: {self.what}: {self.problem}"
        return f"{self.file}: {self.what}: says {_shown(self.said)}, the data say {_shown(self.found)}"

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        told = {} if self.problem is None else {"problem": self.problem}
        return {"file": self.file, "what": self.what, "said": self.said, "found": self.found, **told}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
