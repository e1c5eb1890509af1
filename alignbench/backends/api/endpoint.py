"""Names an OpenAI-compatible server and the environment variable that holds its key, and keeps the key out of texts."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from alignbench.errors import UsageError

_DEFAULT = "https://api.openai.com/v1"
_HIDDEN = "[redacted]"
_SECRET_LENGTH = 8
"""A shorter key is a placeholder, such as EMPTY; hiding it would hide parts of ordinary words."""


@dataclass(frozen=True, slots=True, repr=False)
class Endpoint:
    """A server that answers `POST chat/completions`.

    Args:
        base_url: As the openai client takes it, usually ending in `/v1`; by default `$OPENAI_BASE_URL`, else OpenAI's.
        key_env: The environment variable that holds the key; never the key itself.

    Raises:
        UsageError: `base_url` is no http address.
    """

    base_url: str | None = None
    key_env: str = "OPENAI_API_KEY"

    def __post_init__(self) -> None:
        try:
            parts = self._parts
            good = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
            # Requests add a path to it; and what stands behind a ? may be a secret.
            good = good and not parts.query and not parts.fragment
        except ValueError:
            good = False
        if not good:
            given = (self.base_url or os.environ.get("OPENAI_BASE_URL", "")).rpartition("@")[2].partition("?")[0]
            raise UsageError(
                f"{given!r} is no address of a server; write it whole and without a query, "
                "such as http://localhost:8000/v1"
            )

    def __repr__(self) -> str:
        return f"Endpoint(base_url={self.address!r}, key_env={self.key_env!r})"

    @property
    def _parts(self) -> SplitResult:
        return urlsplit(self.base_url or os.environ.get("OPENAI_BASE_URL") or _DEFAULT)

    @property
    def host(self) -> str:
        """The server's name without port, user or path: what a judge's spec says of it."""
        return self._parts.hostname or ""

    @property
    def address(self) -> str:
        """The whole address, without a user name and password."""
        parts = self._parts
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))

    @property
    def has_login(self) -> bool:
        """Whether the address holds a user name or a password."""
        return self._login is not None

    @property
    def _login(self) -> str | None:
        """`user:password` of the address."""
        parts = self._parts
        if parts.username is None:
            return None
        return f"{unquote(parts.username)}:{unquote(parts.password or '')}"

    @property
    def headers(self) -> dict[str, str]:
        """What replaces the key in a request where the address has a user name and password."""
        login = self._login
        return {} if login is None else {"Authorization": f"Basic {_encoded(login)}"}

    def key(self) -> str:
        """The key; `none` for a server that the user named, or that is told a password, and that may need none.

        Raises:
            UsageError: The variable is not set, and the server is OpenAI's own.
        """
        key = os.environ.get(self.key_env, "").strip()
        if key:
            return key
        if self.base_url is None and self._login is None:
            raise UsageError(
                f"the environment variable {self.key_env}, which holds the key to {self.host}, is not set; "
                f"run `export {self.key_env}=...`, or give the --base-url of a server that needs none"
            )
        return "none"

    @property
    def has_key(self) -> bool:
        """Whether the environment holds a key."""
        return bool(os.environ.get(self.key_env, "").strip())

    def redact(self, text: str) -> str:
        """The text with the key, and the password of the address, replaced by `[redacted]`."""
        for secret in self._secrets():
            if secret in text:
                text = text.replace(secret, _HIDDEN)
        return text

    def _secrets(self) -> list[str]:
        key = os.environ.get(self.key_env, "").strip()
        secrets = [key] if len(key) >= _SECRET_LENGTH else []
        login = self._login
        if login is not None:
            written = self._parts.netloc.rpartition("@")[0]
            secrets += [written, login, _encoded(login), *(part for part in login.split(":", 1)[1:] if part)]
        return secrets


def _encoded(login: str) -> str:
    return base64.b64encode(login.encode()).decode("ascii")
