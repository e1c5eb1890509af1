"""The jobs of a run on the disk: which there are, which requests are in them, and which answers were taken.

    batches.json    the jobs, written whole before and after each step that money hangs on
    NAME.jsonl      a job's requests, until they are at the endpoint
    NAME.ids        the custom ids of its requests, one a line
    NAME.taken      those of them whose answers the caller has, one a line, appended
    NAME.answers-N  what was downloaded, until it is taken

Whenever the process is killed, they can be gone on with: a job that is not in batches.json was never sent.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from alignbench.atomic import storage_errors, write_atomically
from alignbench.errors import RunError

_INDEX = "batches.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Job:
    """A job; `file` and `batch` are its names at the endpoint, null until they are known to exist."""

    name: str
    file: str | None = None
    batch: str | None = None


class BatchFolder:
    """The jobs in a folder, which need not exist; for one process at a time.

    Raises:
        RunError: Its files are damaged, or of another version.
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writing: tuple[str, BinaryIO, list[str]] | None = None
        self._bytes = 0
        self.jobs: dict[str, Job] = {job.name: job for job in self._read_index()}
        self._clean()

    def open_ids(self, job: Job) -> set[str]:
        """The custom ids in a job whose answers the caller does not have yet."""
        taken = self._path(job.name, "taken")
        return set(self._lines(self._path(job.name, "ids"))) - set(self._lines(taken) if taken.exists() else [])

    @property
    def pending(self) -> tuple[int, int]:
        """How many requests, and bytes of them, were added since the last job."""
        return (len(self._writing[2]) if self._writing else 0), self._bytes

    def add(self, custom_id: str, line: bytes) -> None:
        """Add a request, as a line, to the next job."""
        with storage_errors(self._folder):
            if self._writing is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                name = f"alignbench-{uuid.uuid4().hex}"
                self._writing = name, self._path(name, "jsonl").open("wb"), []
            _, file, ids = self._writing
            file.write(line)
        ids.append(custom_id)
        self._bytes += len(line)

    def seal(self) -> Job:
        """Make a job of the requests that were added; it is remembered from now on."""
        if self._writing is None:
            raise ValueError("there are no requests to make a job of")
        name, file, ids = self._writing
        with storage_errors(self._folder):
            file.close()
        write_atomically(self._path(name, "ids"), lambda path: _write_lines(path, ids))
        self._writing, self._bytes = None, 0
        return self.note(Job(name))

    def discard(self) -> None:
        """Forget the requests that were added since the last job."""
        if self._writing is not None:
            name, file, _ = self._writing
            file.close()
            self._path(name, "jsonl").unlink(missing_ok=True)
            self._writing, self._bytes = None, 0

    def note(self, job: Job, **known: str) -> Job:
        """Keep what is newly known of a job; the requests go once the job exists at the endpoint."""
        job = replace(job, **known)
        self.jobs[job.name] = job
        self._write_index()
        if job.batch is not None:
            self.requests(job).unlink(missing_ok=True)
        return job

    def requests(self, job: Job) -> Path:
        """The file of a job's requests."""
        return self._path(job.name, "jsonl")

    def answers(self, job: Job, number: int) -> Path:
        """Where to download to; a job has a file of answers and one of errors."""
        return self._path(job.name, f"answers-{number}")

    def take(self, job: Job, custom_ids: Iterable[str]) -> None:
        """Note that the caller has these answers, so that the same requests are new ones from now on.

        A power cut can lose the note; then the answers are handed out again, which costs nothing.
        """
        path = self._path(job.name, "taken")
        with storage_errors(path), path.open("a", encoding="utf-8") as file:
            file.writelines(f"{custom_id}\n" for custom_id in custom_ids)

    def forget(self, job: Job) -> None:
        """Remove a job and its files."""
        del self.jobs[job.name]
        self._write_index()
        self._clean()

    def _clean(self) -> None:
        """Remove the files of jobs that were never sent, or are done."""
        if not self._folder.is_dir():
            return
        for path in self._folder.glob("alignbench-*"):
            if path.name.partition(".")[0] not in self.jobs:
                path.unlink(missing_ok=True)

    def _path(self, name: str, suffix: str) -> Path:
        return self._folder / f"{name}.{suffix}"

    def _read_index(self) -> list[Job]:
        path = self._folder / _INDEX
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said["version"] != _VERSION:
                raise ValueError(f"its version is {said['version']!r}, and this alignbench reads {_VERSION}")
            return [Job(**job) for job in said["jobs"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise _damaged(path, error) from error

    def _write_index(self) -> None:
        said: Mapping[str, Any] = {"version": _VERSION, "jobs": [asdict(job) for job in self.jobs.values()]}
        write_atomically(self._folder / _INDEX, lambda path: _write_lines(path, [json.dumps(said, indent=1)]))

    def _lines(self, path: Path) -> list[str]:
        try:
            return path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> RunError:
    return RunError(
        f"{path}, which says what was submitted, cannot be read ({error}); restore it from a copy. Without it, the "
        "answers that jobs hold by now would be paid for again: to do that, remove its folder and run the same again"
    )


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(f"{line}\n" for line in lines)
