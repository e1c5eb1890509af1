"""What a probe found out about an endpoint, as a value that goes to run.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from alignbench.backends.api.greeting import Manners
from judges.api.modes import TOP_LOGPROBS
from judges.api.requests import Dialect

HONOURED = "honoured"


@dataclass(frozen=True, slots=True)
class Probe(Manners):
    """What an endpoint honours for one model; None for what was not asked.

    Attributes:
        modes: Mode by mode, `honoured`, or why it cannot work.
        least_tokens: The least limit of tokens that is taken.
        top_logprobs: The length of the list of likely tokens.
        several: Whether several draws come in one answer.
    """

    modes: Mapping[str, str] = field(default_factory=dict)
    least_tokens: int = 1
    top_logprobs: int = TOP_LOGPROBS
    several: bool | None = None

    @property
    def dialect(self) -> Dialect:
        """How to ask this endpoint."""
        return Dialect(self.limit, self.least_tokens, self.several is not False)

    def to_json(self) -> str:
        """For run.json."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
