"""Asks many requests by jobs of the OpenAI Batch API, and finds the jobs again after a restart.

https://developers.openai.com/api/docs/guides/batch
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import openai
from openai.types import Batch

from alignbench.backends.api.batch_folder import BatchFolder, Job
from alignbench.backends.api.batch_service import BatchService, NotThereError
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.failure import RequestFailed, fault_of
from alignbench.backends.api.prices import Price
from alignbench.backends.api.usage import usage_of
from alignbench.errors import UsageError
from alignbench.types import Status

_ENDED = frozenset({"completed", "failed", "expired", "cancelled"})
Outcome = Reply | RequestFailed


class Batches:
    """Jobs at one endpoint, remembered in one folder.

    A request is submitted once, whenever the process dies: a job is noted before its file is uploaded, before it is
    created and after, and a job whose creation was not noted is found by a mark in its metadata. Until an answer is
    kept by the caller, it is handed out again.

    Args:
        endpoint: Where to ask.
        folder: Where to remember the jobs; made where missing. One process at a time.
        price: What tokens cost; None where that is not known.
        poll_seconds: How long to wait before looking again whether a job has ended.
        max_requests: The most requests in one job; 50,000 at OpenAI.
        max_bytes: The largest file of a job; 200 MB at OpenAI.
        open_jobs: How many jobs may be at the endpoint at once, beside those that were there before.

    Raises:
        UsageError: A limit below 1.
        RunError: The folder's files are damaged.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        folder: Path,
        price: Price | None,
        poll_seconds: float = 30.0,
        *,
        max_requests: int = 50_000,
        max_bytes: int = 200_000_000,
        open_jobs: int = 8,
    ) -> None:
        for option, given in (("max_requests", max_requests), ("max_bytes", max_bytes), ("open_jobs", open_jobs)):
            if given < 1:
                raise UsageError(f"{option} is {given}, but must be at least 1; mend the option {option}")
        self._endpoint = endpoint
        self._price = price
        self._poll_seconds = poll_seconds
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._open_jobs = open_jobs
        self._stopped = threading.Event()
        self._service = BatchService(endpoint, pause=min(1.0, poll_seconds))
        self._folder = BatchFolder(folder)
        self._open: dict[str, set[str]] = {}
        self._found: dict[str, str] = {}
        self._wanted: dict[str, set[str]] = {}
        self._handed_out: dict[str, str] = {}
        self._look()

    def _look(self) -> None:
        """Read which requests are in the jobs of earlier calls."""
        self._open = {job.name: self._folder.open_ids(job) for job in self._folder.jobs.values()}
        self._found = {custom_id: name for name, custom_ids in self._open.items() for custom_id in custom_ids}

    def holds(self, custom_id: str) -> bool:
        """Whether the request is in a job of an earlier call, so that its answer is paid for already."""
        return custom_id in self._found

    def kept(self, custom_ids: Iterable[str]) -> None:
        """Say that these answers are safe: asked again, the same requests are new ones. See `run`.

        Raises:
            StorageError: The disk refused.
        """
        by_job: dict[str, list[str]] = {}
        for custom_id in custom_ids:
            if custom_id in self._handed_out:
                by_job.setdefault(self._handed_out.pop(custom_id), []).append(custom_id)
        for name, ids in by_job.items():
            job = self._folder.jobs[name]
            self._folder.take(job, ids)
            self._open[name].difference_update(ids)
            if not self._open[name]:
                self._drop(job)

    def stop(self) -> None:
        """Submit no more and wait for nothing: `run` yields what has ended, then raises KeyboardInterrupt.

        The jobs go on at the endpoint; the next call finds their answers. May be called in any thread.
        """
        self._stopped.set()

    def run(
        self, requests: Iterable[tuple[str, Mapping[str, Any]]], *, says_kept: bool = False
    ) -> Iterator[tuple[str, Outcome]]:
        """Submit requests, wait for the jobs, and yield each request's answer as soon as its job has ended.

        Args:
            requests: Custom ids, each once, with the bodies of chat completions, the model included; pulled as files
                are written. An id that is in a job of an earlier call, and whose answer was not kept, is not
                submitted again.
            says_kept: Whether the caller says by `kept` which answers are safe, as one does that needs several of them
                for one result. Else an answer counts as kept when the next one is asked for.

        Raises:
            UsageError: The endpoint refuses the key, or has no Batch API.
            RunError: The credit is used up, or the endpoint fails for too long; the jobs are kept.
            StorageError: The disk refused.
            KeyboardInterrupt: After `stop`.
        """
        self._wanted = {}
        try:
            self._recover()
            yield from self._pull(requests, says_kept)
            if self._folder.pending[0] and not self._stopped.is_set():
                self._submit()
            yield from self._collect(list(self._wanted), 0, says_kept)
        finally:
            self._folder.discard()
            self._service.close()
        if self._stopped.is_set():
            raise KeyboardInterrupt

    def _recover(self) -> None:
        """Find out what became of the jobs that a killed process was about to create."""
        for job in list(self._folder.jobs.values()):
            if job.batch is not None and self._open[job.name]:
                continue
            # Before its file is noted, a job's creation has not begun.
            batch = self._look_twice(job.name, job.file) if job.batch is None and job.file else None
            if batch is not None:
                self._folder.note(job, batch=batch)
            else:
                self._drop(job)
        self._look()

    def _look_twice(self, name: str, file: str) -> str | None:
        """The id of a job, where it was created a moment ago too; None once that is out of the question."""
        found = self._service.find(name, file)
        if found is None:
            if self._stopped.wait(self._poll_seconds):
                raise KeyboardInterrupt
            found = self._service.find(name, file)
        return found

    def _pull(
        self, requests: Iterable[tuple[str, Mapping[str, Any]]], says_kept: bool
    ) -> Iterator[tuple[str, Outcome]]:
        """Write files of requests and submit each as soon as it is full."""
        new: list[str] = []
        seen: set[str] = set()
        for custom_id, body in requests:
            if self._stopped.is_set():
                return
            if custom_id in seen:
                raise ValueError(f"the custom id {custom_id!r} comes twice")
            seen.add(custom_id)
            if custom_id in self._found:
                self._wanted.setdefault(self._found[custom_id], set()).add(custom_id)
                continue
            line = _line(custom_id, body)
            if len(line) > self._max_bytes:
                reason = f"the request has {len(line):,} bytes, and the file of a job at most {self._max_bytes:,}"
                yield custom_id, RequestFailed(Status.FAILED, reason)
                continue
            count, size = self._folder.pending
            if count == self._max_requests or size + len(line) > self._max_bytes:
                new.append(self._submit())
                # Never an earlier job: requests that are in it may still be pulled.
                yield from self._collect(new, self._open_jobs - 1, says_kept)
            self._folder.add(custom_id, line)

    def _submit(self) -> str:
        """Make a job of the requests that were written, and bring it to the endpoint; gives its name."""
        job = self._folder.seal()
        self._open[job.name] = self._folder.open_ids(job)
        self._wanted[job.name] = set(self._open[job.name])
        job = self._folder.note(job, file=self._service.upload(self._folder.requests(job), job.name))
        self._folder.note(job, batch=self._service.create(job.name, job.file or ""))
        return job.name

    def _collect(self, names: list[str], at_most: int, says_kept: bool) -> Iterator[tuple[str, Outcome]]:
        """Hand out the answers of these jobs as they end, until at most so many are left, or the run is stopped."""
        left = [name for name in names if self._wanted.get(name)]
        while len(left) > at_most:
            for name in list(left):
                job = self._folder.jobs[name]
                batch = self._service.retrieve(job.batch or "")
                if batch.status in _ENDED:
                    left.remove(name)
                    for custom_id, outcome in self._hand_out(job, batch):
                        yield custom_id, outcome
                        if not says_kept:
                            self.kept([custom_id])
            if len(left) > at_most and self._stopped.wait(self._poll_seconds):
                return

    def _hand_out(self, job: Job, batch: Batch) -> Iterator[tuple[str, Outcome]]:
        """The answers of a job that has ended; what has none failed."""
        wanted = self._wanted.pop(job.name)
        for number, file in enumerate((batch.output_file_id, batch.error_file_id)):
            for custom_id, outcome in self._answers(job, number, file):
                if custom_id in wanted:
                    wanted.remove(custom_id)
                    self._handed_out[custom_id] = job.name
                    yield custom_id, outcome
        for custom_id in sorted(wanted):
            self._handed_out[custom_id] = job.name
            yield custom_id, RequestFailed(Status.FAILED, self._endpoint.redact(_why(batch)))

    def _drop(self, job: Job) -> None:
        """Forget a job, and let the endpoint forget the images it sent there."""
        if job.file is not None:
            self._service.delete(job.file)
        self._folder.forget(job)

    def _answers(self, job: Job, number: int, file: str | None) -> Iterator[tuple[str, Outcome]]:
        if file is None:
            return
        path = self._folder.answers(job, number)
        if not path.exists():
            try:
                self._service.download(file, path)
            except NotThereError:
                return  # a job that ended long ago; its answers expired
        with path.open("rb") as lines:
            for line in lines:
                row = _row(self._endpoint.redact(line.decode(errors="replace")))
                if row is not None:
                    yield row["custom_id"], self._outcome(row)

    def _outcome(self, row: Mapping[str, Any]) -> Outcome:
        response, error = row.get("response"), row.get("error")
        if isinstance(response, dict) and isinstance(response.get("body"), dict):
            code, body = response.get("status_code"), response["body"]
            if code == 200:
                return Reply(body, usage_of(body, self._price, seconds=None, batch=True), 1)
            return self._refused(code if isinstance(code, int) else 500, body)
        said = error if isinstance(error, dict) else {}
        reason = ": ".join(str(said[name]) for name in ("code", "message") if said.get(name))
        return RequestFailed(Status.FAILED, self._endpoint.redact(f"the job did not answer: {reason or 'no reason'}"))

    def _refused(self, code: int, body: Mapping[str, Any]) -> RequestFailed:
        """What a row's HTTP status means, as for a request of its own."""
        request = httpx2.Request("POST", self._endpoint.address)
        error = openai.APIStatusError("", response=httpx2.Response(code, json=body, request=request), body=body)
        fault = fault_of(error, self._endpoint, str(body.get("model", "")), 0.0)
        return RequestFailed(fault.status, fault.reason) if fault else RequestFailed(Status.FAILED, f"status {code}")


def _line(custom_id: str, body: Mapping[str, Any]) -> bytes:
    request = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(request, separators=(",", ":")).encode() + b"\n"


def _row(line: str) -> dict[str, Any] | None:
    """A line of a job's answers; None for one that is no answer."""
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("custom_id"), str) else None


def _why(batch: Batch) -> str:
    """Why a request of a job has no answer."""
    errors = (batch.errors.data if batch.errors else None) or []
    said = "; ".join(error.message for error in errors[:3] if error.message)
    ended = "has no answer to this request" if batch.status == "completed" else f"ended as {batch.status}"
    return f"the job {batch.id} {ended}{f' ({said})' if said else ''}; submit it anew with --retry-failed"
