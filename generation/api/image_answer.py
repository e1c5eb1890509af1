"""Reads the image in an answer of an images endpoint, with nothing taken for granted."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from alignbench.types import Status
from generation.api.answers import Outcome

MOST_BYTES = 64 * 2**20
"""More than any image of 3840 x 2160 pixels takes, in any format."""
_ADDRESS = (
    "the endpoint gives the address of the image instead of the image, and addresses are never fetched; "
    "set the option response_format: b64_json"
)
_SAID = ("model", "size", "quality", "background", "output_format")


def image_of(body: Mapping[str, Any]) -> Outcome:
    """The bytes of the first image, as the endpoint encoded them, or why there are none."""
    first = _first_of(body)
    encoded, told = first.get("b64_json"), _told(body, first)
    if gives_addresses(body):
        return Outcome.failed(Status.FAILED, _ADDRESS, **told)
    if not isinstance(encoded, str) or not encoded:
        return Outcome.failed(Status.FAILED, "what the endpoint answered holds no image", **told)
    if len(encoded) > 4 * -(-MOST_BYTES // 3):
        reason = f"the image has more than {MOST_BYTES:,} bytes, so it was not decoded"
        return Outcome.failed(Status.FAILED, reason, **told)
    try:
        return Outcome(Status.OK, image=base64.b64decode(encoded, validate=True), told=told)
    except ValueError as error:
        return Outcome.failed(Status.FAILED, f"the image is not in base64: {error}", **told)


def gives_addresses(body: Mapping[str, Any]) -> bool:
    """Whether an answer says where its images are, instead of holding them."""
    first = _first_of(body)
    return isinstance(first.get("url"), str) and not first.get("b64_json")


def _first_of(body: Mapping[str, Any]) -> Mapping[str, Any]:
    drawn = body.get("data")
    first = drawn[0] if isinstance(drawn, list) and drawn else None
    return first if isinstance(first, Mapping) else {}


def _told(body: Mapping[str, Any], first: Mapping[str, Any]) -> dict[str, Any]:
    """What the endpoint says of what it drew, and of what it made of the prompt."""
    said = {name: body[name] for name in _SAID if isinstance(body.get(name), str)}
    revised = first.get("revised_prompt")
    return {**said, **({"revised_prompt": revised} if isinstance(revised, str) else {})}
