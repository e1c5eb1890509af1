"""The calls of the Batch API that a job needs, each safe to repeat, with errors in the user's terms."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import httpx2
import openai
from openai.types import Batch, FileObject

from alignbench.atomic import write_atomically
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import Meaning, fault_of
from alignbench.errors import RunError, UsageError

_T = TypeVar("_T")
_MARK = "alignbench_job"
"""The metadata that finds a job whose id was lost between its creation and the note of it."""
_ATTEMPTS = 8
_TIMEOUT = 600.0
_LONGEST_PAUSE = 60.0
_EXCERPT = 200


class NotThereError(UsageError):
    """The endpoint does not know what was asked for."""


class BatchService:
    """Files and jobs at an endpoint; `close` it in the end.

    All methods raise UsageError where the endpoint refuses the key or has no Batch API, NotThereError where it does not
    know the file or job, and RunError where the credit is used up or it fails too often in a row.

    Args:
        endpoint: Where they are.
        pause: Seconds to wait after a call that failed; doubles from failure to failure, to a minute.
    """

    def __init__(self, endpoint: Endpoint, pause: float = 1.0) -> None:
        self._endpoint = endpoint
        self._pause = pause
        self._opened: openai.OpenAI | None = None

    def upload(self, path: Path, name: str) -> str:
        """Upload a file of requests; gives its id."""

        def send(client: openai.OpenAI) -> str:
            with path.open("rb") as file:
                return self._given(client.files.create(file=(f"{name}.jsonl", file), purpose="batch"), FileObject).id

        return self._repeat(send)

    def create(self, name: str, file: str) -> str:
        """Create the job `name` from an uploaded file; gives its id.

        The endpoint may have created it although the call failed, so after such a failure the list of jobs decides.
        """

        def ask(client: openai.OpenAI) -> str:
            batch = client.batches.create(
                input_file_id=file, endpoint="/v1/chat/completions", completion_window="24h", metadata={_MARK: name}
            )
            return self._given(batch, Batch).id

        return self._repeat(ask, first=lambda: self.find(name, file))

    def find(self, name: str, file: str) -> str | None:
        """The id of the job `name`, created from `file`; None where there is none."""

        def look(client: openai.OpenAI) -> str | None:
            batches = client.batches.list(limit=100)
            return next((each.id for each in batches if _is_named(each, name, file)), None)

        return self._repeat(look)

    def retrieve(self, batch: str) -> Batch:
        """How far a job is."""
        return self._repeat(lambda client: self._given(client.batches.retrieve(batch), Batch))

    def download(self, file: str, path: Path) -> None:
        """Save what a job wrote; `path` is there whole or not at all."""

        def fetch(client: openai.OpenAI) -> None:
            # Streamed, because the answers of 50,000 requests with their lists of tokens are large.
            with client.files.with_streaming_response.content(file) as response:
                write_atomically(path, response.stream_to_file)

        self._repeat(fetch)

    def delete(self, file: str) -> None:
        """Delete a file; one that is gone, or may not be deleted, is left to expire."""
        with contextlib.suppress(openai.APIError):
            self._client().files.delete(file)

    def close(self) -> None:
        """Close the connection; the next call opens it again."""
        opened, self._opened = self._opened, None
        if opened is not None:
            opened.close()

    def _client(self) -> openai.OpenAI:
        if self._opened is None:
            self._opened = openai.OpenAI(
                api_key=self._endpoint.key(),
                base_url=self._endpoint.address,
                default_headers=self._endpoint.headers,
                max_retries=0,
                timeout=_TIMEOUT,
            )
        return self._opened

    def _repeat(self, call: Callable[[openai.OpenAI], _T], first: Callable[[], _T | None] | None = None) -> _T:
        """Call until it works; before each call but the first, `first` may find that an earlier one did."""
        reason = ""
        for attempt in range(_ATTEMPTS):
            found = first() if first is not None and attempt else None
            if found is not None:
                return found
            try:
                return call(self._client())
            except (openai.APIError, httpx2.HTTPError) as error:
                wait, reason = self._read(error)
            pause = self._pause * 2**attempt if wait is None else wait
            time.sleep(min(pause, _LONGEST_PAUSE))
        raise RunError(
            f"the Batch API at {self._endpoint.host} failed {_ATTEMPTS} times in a row ({reason}); the jobs go on "
            "there and their names are kept: run the same command again to collect them"
        )

    def _given(self, answer: _T, kind: type[_T]) -> _T:
        """The answer, which the client hands through as text where it is not JSON."""
        if not isinstance(answer, kind):
            said = self._endpoint.redact(str(answer))[:_EXCERPT]
            raise UsageError(
                f"{self._endpoint.address} answered {said!r}, so it has no Batch API; leave --batch out, or check the "
                "--base-url"
            )
        return answer

    def _read(self, error: openai.APIError | httpx2.HTTPError) -> tuple[float | None, str]:
        """How long the endpoint asks to wait, and what happened; raises where waiting does not help."""
        if isinstance(error, openai.NotFoundError):
            said = self._endpoint.redact(str(error))[:_EXCERPT]
            raise NotThereError(
                f"{self._endpoint.address} has no Batch API, or not this job or file ({said}); "
                "leave --batch out, or set the key that the jobs were submitted with"
            ) from error
        fault = fault_of(error, self._endpoint, "of these jobs", _TIMEOUT)
        if fault is None:
            return None, self._endpoint.redact(f"{type(error).__name__}: {error}")[:_EXCERPT]
        if fault.error is not None:
            raise fault.error from error
        if fault.meaning is Meaning.HOPELESS:
            raise RunError(f"{fault.reason}; the jobs so far are kept: mend that, then run the same command again")
        return fault.wait, fault.reason


def _is_named(batch: Batch, name: str, file: str) -> bool:
    # Some servers of this protocol keep no metadata.
    return (batch.metadata or {}).get(_MARK) == name or batch.input_file_id == file
