"""What becomes of one answer of an API: a text or an image, or the reason why there is none, and how it came about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from alignbench.backends.api.completion import Choice, NoCompletionError, choices_of, origin_of
from alignbench.backends.api.connection import Reply
from alignbench.types import Status, Usage
from generation.refusals import is_refusal


@dataclass(frozen=True, slots=True)
class Outcome:
    """A text or the bytes of an image, neither when `status` is not `ok`; `told` goes to the provenance."""

    status: Status
    text: str | None = None
    image: bytes | None = None
    told: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def failed(cls, status: Status, reason: str, **told: Any) -> Outcome:
        """Nothing came of it."""
        return cls(status, told={"reason": reason, **told})


def text_of(body: Mapping[str, Any]) -> Outcome:
    """The text in a chat completion, or why it cannot be used; a text that cannot is kept in `told`."""
    try:
        choice = choices_of(body)[0]
    except NoCompletionError as error:
        return Outcome.failed(Status.FAILED, f"what the endpoint answered is no chat completion: {error}")
    status, reason = _judged(choice)
    told = {"finish_reason": choice.finish_reason, **origin_of(body)}
    text = choice.text.strip()
    if status is Status.OK:
        return Outcome(status, text=text, told=told)
    return Outcome.failed(status, reason, **told, **({"text": text} if text else {}))


def _judged(choice: Choice) -> tuple[Status, str]:
    if choice.refused:
        said = f"the model refused: {choice.refusal}"
        return Status.REFUSED, said if choice.refusal else "the provider's filter withheld the answer"
    if not choice.text.strip():
        cut_off = "no words before the limit of tokens; raise max_tokens, or lower reasoning_effort"
        return Status.EMPTY, cut_off if choice.cut_off else "no words"
    if is_refusal(choice.text):
        return Status.REFUSED, "the model declines"
    if choice.cut_off:
        return Status.RUN_ON, "no end before the limit of tokens; raise max_tokens"
    return Status.OK, ""


def bill_of(reply: Reply) -> dict[str, Any]:
    """What an answer took, for the provenance, as far as it is known."""
    return {**usage_told(reply.usage), "attempts": reply.attempts}


def usage_told(usage: Usage) -> dict[str, Any]:
    """Tokens and dollars; how many seconds it took belongs to the day, and not to the row."""
    said = {name: value for name, value in asdict(usage).items() if value is not None}
    tokens = {name: value for name, value in said.items() if name.endswith("_tokens")}
    return {"usage": tokens, **({"cost_usd": usage.cost_usd} if usage.cost_usd is not None else {})}
