"""What an endpoint can be asked for: where the question goes, and how its answer is read."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from alignbench.backends.api.characters import may_be_torn, mended
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.prices import Price
from alignbench.backends.api.usage import image_usage_of, usage_of
from alignbench.types import Usage


@dataclass(frozen=True, slots=True)
class Service:
    """One kind of question.

    Attributes:
        path: Where it goes, behind the endpoint's address.
        answers: What an answer's body holds them under; a body with an error and without it is no answer.
        usage_of: Reads what it took, and what that costs.
        encoded: The name of a field whose text is bytes in disguise: no key is looked for there, and a part of it that
            happens to look like one stays.
    """

    path: str
    answers: str
    usage_of: Callable[[Mapping[str, Any], Price | None, float], Usage]
    encoded: str | None = None

    def parse(self, text: str, endpoint: Endpoint) -> Any:
        """The JSON value of an answer, with keys hidden and characters whole.

        Raises:
            ValueError: It is no JSON.
        """
        value = self._hidden(text, endpoint)
        return mended(value) if may_be_torn(text) else value

    def _hidden(self, text: str, endpoint: Endpoint) -> Any:
        if self.encoded is None:
            return json.loads(endpoint.redact(text))

        def hidden(said: dict[str, Any]) -> dict[str, Any]:
            readable = {name: text for name, text in said.items() if isinstance(text, str) and name != self.encoded}
            return said | {name: endpoint.redact(text) for name, text in readable.items()}

        return json.loads(text, object_hook=hidden)


CHAT = Service("/chat/completions", "choices", usage_of)
IMAGES = Service("/images/generations", "data", image_usage_of, encoded="b64_json")
