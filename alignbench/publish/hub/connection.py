"""A connection to the Hub: asks again where that helps, and turns what its library raises into errors for people."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from alignbench.errors import AlignbenchError, PublishError, UsageError
from alignbench.publish.hub.faults import Fault, error_of, fault_of
from alignbench.publish.hub.login import HubToken, find_token

if TYPE_CHECKING:
    import huggingface_hub

_T = TypeVar("_T")
_SILENCE = 600.0
"""Seconds without a byte after which a request is given up; the library itself would wait for ever."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a request is sent at most, and the seconds before it is sent again: doubled each time."""

    tries: int = 5
    first: float = 1.0
    longest: float = 30.0

    def wait(self, attempt: int, asked: float | None = None) -> None:
        """Wait after attempt number `attempt`, counted from 1; as long as the Hub `asked` for, where it did."""
        # One second more, since the Hub says whole ones.
        time.sleep(min(self.first * 2 ** (attempt - 1), self.longest) if asked is None else asked + self.first)


PATIENCE = Patience()


@dataclass(slots=True)
class Hub:
    """The Hub as one user, who may have no token and then can read what is public.

    Attributes:
        api: The library's client; every call goes through `ask` or is told apart by `fault`.
        token: What is sent along.
        patience: How often it is asked.
        known: Whom the Hub knows by it, in words; null before `sign_in`.
    """

    api: huggingface_hub.HfApi
    token: HubToken
    patience: Patience
    known: str | None = None

    @classmethod
    def open(cls, endpoint: str | None = None, token: str | None = None) -> Hub:
        """A connection to `endpoint`, by default HF_ENDPOINT or the public Hub; nothing is sent yet.

        Raises:
            MissingDependencyError: huggingface_hub is not installed.
            PublishError: The token is none.
        """
        found = find_token(token)
        from huggingface_hub import HfApi

        # False: without a token of ours none is sent, so that errors name the right one.
        return cls(HfApi(endpoint=endpoint, token=found.value or False, library_name="alignbench"), found, PATIENCE)

    @property
    def host(self) -> str:
        """Its address."""
        return str(self.api.endpoint)

    def sign_in(self, repo: str) -> None:
        """Make sure that the Hub knows the token, and that it is one that may write.

        Raises:
            PublishError: There is no token, the Hub does not accept it, or it can only read.
        """
        self.token.needed()
        said = self.ask(repo, lambda api: api.whoami())
        if not isinstance(said, dict):
            raise self.error(Fault(None, "it gave an answer that is not the Hub's"), repo)
        name, orgs = said.get("name"), [str(org.get("name")) for org in said.get("orgs") or []]
        self.known = f"{name} (member of {', '.join(orgs)})" if orgs else f"{name} (member of no organisation)"
        access = (said.get("auth") or {}).get("accessToken") or {}
        if access.get("role") == "read":
            raise PublishError(
                f"the token {self.token.source}, of {self.known}, can only read; make one with write access at "
                f"{self.host}/settings/tokens, then run `hf auth login` or set HF_TOKEN"
            )

    def ask(self, repo: str, call: Callable[[huggingface_hub.HfApi], _T], *, tries: int | None = None) -> _T:
        """Ask something that may be asked again.

        Args:
            repo: The repository it is about, for the error.
            call: What to ask; the library's exceptions may come out of it.
            tries: How often at most; 1 for calls which the library itself sends again, by default as often as
                patience has it.

        Raises:
            PublishError: It is given up.
            UsageError: The name of the repository or the address of the Hub is none.
        """
        from huggingface_hub import get_session

        tries = self.patience.tries if tries is None else tries
        for attempt in range(1, tries + 1):
            try:
                get_session().timeout = _SILENCE  # the library makes a new client after some errors
                return call(self.api)
            except Exception as error:  # noqa: BLE001 - one that is no fault of the request is raised again
                fault = self.fault(error)
                if not fault.again or attempt == tries:
                    raise self.error(fault, repo) from None
                self.patience.wait(attempt, fault.wait)
        raise AssertionError("the last attempt returns or raises")

    def fault(self, error: Exception) -> Fault:
        """How a call of the library failed.

        Raises:
            AlignbenchError: It was not the Hub's doing.
        """
        from huggingface_hub.errors import HFValidationError, OfflineModeIsEnabled

        if isinstance(error, AlignbenchError):
            raise error
        if isinstance(error, HFValidationError):
            raise UsageError(f"{error} Give --repo ORG/NAME.") from None
        if isinstance(error, OfflineModeIsEnabled):
            raise PublishError("HF_HUB_OFFLINE forbids to ask the Hub; unset it, then run again") from None
        fault = fault_of(error, self.host, self.token)
        if fault is None:
            raise error
        return fault

    def error(self, fault: Fault, repo: str) -> AlignbenchError:
        """What to raise where a request is given up."""
        return error_of(fault, self.host, repo, self.token, self.known)


@contextlib.contextmanager
def hub_session() -> Iterator[None]:
    """Let the Hub's library draw no bars, log no addresses of uploads, which are signed, and give up a dead connection.

    The library's client is shared by the whole process; it is as it was after the block.
    """
    from huggingface_hub import constants, get_session
    from huggingface_hub import utils as hub

    bars = constants.HF_HUB_DISABLE_PROGRESS_BARS is None and not hub.are_progress_bars_disabled()  # type: ignore[attr-defined]
    logs = [logging.getLogger(name) for name in ("huggingface_hub.utils._http", "httpx")]

    def without_address(record: logging.LogRecord) -> bool:
        return "://" not in record.getMessage()

    client: Any = get_session()
    before = client.timeout
    try:
        if bars:
            hub.disable_progress_bars()  # type: ignore[attr-defined]
        client.timeout = _SILENCE
        for log in logs:
            log.addFilter(without_address)
        yield
    finally:
        for log in logs:
            log.removeFilter(without_address)
        if not client.is_closed:
            client.timeout = before
        if bars:
            hub.enable_progress_bars()  # type: ignore[attr-defined]
