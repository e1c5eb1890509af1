"""Tells a text that a local model ended, and that says something, from one that it did not."""

from __future__ import annotations

from typing import Any

from alignbench.backends.decoding import Continuation
from alignbench.types import Status
from generation.refusals import is_refusal


def judged(made: Continuation) -> tuple[Status, dict[str, Any]]:
    """The status of what a model wrote, and for its provenance the reason and the text where it is not `ok`."""
    if not made.finished:
        return Status.RUN_ON, {"reason": f"no end after {made.tokens} tokens", "text": made.text}
    if not made.text:
        return Status.EMPTY, {"reason": "no words"}
    if is_refusal(made.text):
        return Status.REFUSED, {"reason": "the model declines", "text": made.text}
    return Status.OK, {}
