"""What a probe found out about an endpoint, as a value that goes to run.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from judges.api.modes import TOP_LOGPROBS
from judges.api.requests import Dialect

HONOURED = "honoured"
LIMITS = ("max_completion_tokens", "max_tokens")
"""The parameters that limit an answer's tokens, the newer one first."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What an endpoint honours for one model; None for what was not asked.

    Attributes:
        limit: The parameter that limits an answer's tokens: `max_completion_tokens` or `max_tokens`.
        limit_honoured: Whether answers kept to it.
        temperature: Whether a temperature is taken.
        vision: `seen`: an image adds tokens to the prompt, or changes the answer; `unclear`: nobody can tell.
        modes: Mode by mode, `honoured`, or why it cannot work.
        least_tokens: The least limit of tokens that is taken.
        top_logprobs: The length of the list of likely tokens.
        several: Whether several draws come in one answer.
        model: What the endpoint calls the model that answered.
        requests: How many were made.
    """

    limit: str = LIMITS[0]
    limit_honoured: bool | None = None
    temperature: bool = True
    vision: str = "unclear"
    modes: Mapping[str, str] = field(default_factory=dict)
    least_tokens: int = 1
    top_logprobs: int = TOP_LOGPROBS
    several: bool | None = None
    model: str | None = None
    requests: int = 0

    @property
    def dialect(self) -> Dialect:
        """How to ask this endpoint."""
        return Dialect(self.limit, self.least_tokens, self.several is not False)

    def to_json(self) -> str:
        """For run.json."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)
