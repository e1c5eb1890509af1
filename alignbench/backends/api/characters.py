"""Makes whole characters of what JSON can spell and no file of text can hold: half of a surrogate pair."""

from __future__ import annotations

import re
from typing import Any

_SPELLED = re.compile(r"\\u[dD][89a-fA-F]")


def may_be_torn(text: str) -> bool:
    """Whether a JSON text spells a surrogate, whole pairs included."""
    return _SPELLED.search(text) is not None


def mended(value: Any) -> Any:
    """A JSON value with U+FFFD for each half of a pair that stands alone."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {mended(name): mended(each) for name, each in value.items()}
    return [mended(each) for each in value] if isinstance(value, list) else value
