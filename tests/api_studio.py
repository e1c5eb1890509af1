"""A captioner and an image model behind a scripted endpoint: what they make depends on the request alone."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.api_server import Act, Request, draws, fails, says
from tests.datasets import png

GREETING = "in three sentences"
IMAGE_TOKENS = 85


@dataclass
class Studio:
    """A script for `ApiServer`.

    Attributes:
        faults: What to do instead of answering a request whose text holds a key, by turns; then it answers.
        refuses: Parameters that are answered with HTTP 400.
        blind: Whether images are ignored.
        reasons: Whether a small limit of tokens is used up before the first word.
        seconds: How long an answer takes.
    """

    faults: Mapping[str, Sequence[Act]] = field(default_factory=dict)
    refuses: Collection[str] = ()
    blind: bool = False
    reasons: bool = False
    seconds: float = 0.0

    def __call__(self, request: Request) -> Act:
        for key, acts in self.faults.items():
            if key in request.text and request.turn < len(acts):
                return acts[request.turn]
        for name in self.refuses:
            if name in request.body:
                return fails(400, f"Unsupported parameter: {name}", code="unsupported_parameter")
        if "prompt" in request.body:
            return draws(drawing_of(request.body["prompt"])).after(self.seconds)
        return self._speaks(request.body, request.text).after(self.seconds)

    def _speaks(self, body: Mapping[str, Any], text: str) -> Act:
        uri = "" if self.blind else shown_in(body)
        limit = body.get("max_completion_tokens") or body.get("max_tokens") or 100
        read = len(text.split()) + (IMAGE_TOKENS if uri else 0)
        if self.reasons and limit < 1000:
            return says("", finish="length", prompt_tokens=read)
        return says(caption_of(uri, text), prompt_tokens=read)


def caption_of(uri: str, prompt: str) -> str:
    """Two sentences that tell one image and prompt from others."""
    digest = hashlib.sha256(f"{uri}|{prompt}".encode()).hexdigest()
    return f"A picture with the mark {digest[:8]}. It shows {digest[8:12]}."


def drawing_of(prompt: str) -> bytes:
    """A picture whose colour tells one prompt from others."""
    red, green, blue = hashlib.sha256(prompt.encode()).digest()[:3]
    return png((red, green, blue), (16, 12))


def shown_in(body: Mapping[str, Any]) -> str:
    """The address of the first image in a request, empty without one."""
    content = body["messages"][0]["content"]
    parts = [] if isinstance(content, str) else content
    return next((part["image_url"]["url"] for part in parts if part["type"] == "image_url"), "")
