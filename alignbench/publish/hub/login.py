"""Finds the token for the Hub where its library keeps it, and says where that was, never what it is."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field

from alignbench.errors import MissingDependencyError, PublishError

_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TOKEN = re.compile(r"[!-~]+")
_HOW = "run `hf auth login`, or set the environment variable HF_TOKEN to a token with write access"


@dataclass(frozen=True, slots=True)
class HubToken:
    """A token, or none, and where it comes from in words; its `repr` does not show it."""

    value: str | None = field(repr=False)
    source: str

    def needed(self) -> str:
        """The token.

        Raises:
            PublishError: There is none.
        """
        if self.value is None:
            empty = [name for name in _VARIABLES if os.environ.get(name) is not None]
            hint = f" ({empty[0]} is set, but empty)" if empty else ""
            raise PublishError(f"publishing needs a token for the Hub, and there is none{hint}; {_HOW}")
        return self.value

    def hidden(self, text: str) -> str:
        """The text without the token, should it be in there."""
        return text.replace(self.value, "***") if self.value else text


def find_token(given: str | None = None) -> HubToken:
    """The token that was given, or that of the environment, or that of `hf auth login`, in this order.

    Raises:
        MissingDependencyError: huggingface_hub is not installed.
        PublishError: What is there is no token, or cannot be read.
    """
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingDependencyError.of("huggingface_hub", "hub") from error
    if given is not None:
        return _checked(given, "that was given")
    source = _source()
    try:
        return _checked(huggingface_hub.get_token() or "", source)
    except (OSError, huggingface_hub.errors.OIDCError, UnicodeDecodeError) as error:
        # The library's own text is left out: it may quote what it read.
        raise PublishError(f"the token {source} cannot be read ({type(error).__name__}); {_HOW}") from None


def _source() -> str:
    if os.environ.get("HF_OIDC_RESOURCE"):
        return "that HF_OIDC_RESOURCE asks for"
    for name in _VARIABLES:
        if os.environ.get(name):
            return f"in the environment variable {name}"
    return "of `hf auth login`"


def _checked(text: str, source: str) -> HubToken:
    value = text.strip()
    if value and not _TOKEN.fullmatch(value):
        # A header with a line break in it is refused by the client with the token in its message.
        wrong = "has characters that no token has, such as a space or a line break"
        raise PublishError(f"the token {source} {wrong}; {_HOW}")
    return HubToken(value or None, source)
