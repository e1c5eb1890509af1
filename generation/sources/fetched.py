"""The folder of what was fetched: each content once, by its sha256, and what will never come with the reason."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import threading
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

from alignbench.atomic import storage_errors, sync
from alignbench.types import Status
from generation.notebook import Notebook
from generation.sources.fetch import Fetcher
from generation.sources.guard import FetchError

_PART = ".part-"


class Fetched:
    """Fetches each address once, for several threads; a kill loses what is in flight and nothing else.

    An address that was refused for good (nothing there, a wrong checksum, too large, a private host) is remembered and
    not asked again; one that failed for the moment is asked again in the next session. `retry_failed` asks all again.

    Raises:
        RunError: Another process is at work in the folder.
        StorageError: The disk refused.
    """

    def __init__(self, folder: Path, fetcher: Fetcher, *, retry_failed: bool = False) -> None:
        self._files, self._fetcher, self._retry_failed = folder / "fetched", fetcher, retry_failed
        with storage_errors(folder):
            self._files.mkdir(parents=True, exist_ok=True)
        self._notes = Notebook(folder / "fetched.jsonl")
        self._lock, self._numbers = threading.Lock(), itertools.count()
        for part in self._files.glob(f"{_PART}*"):  # of a killed session: nobody else is here
            part.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._notes.close()

    def obtain(self, url: str, sha256: str | None) -> Path:
        """The file with what an address names, fetched if it is not there yet; `sha256` is what it has to be, if known.

        Raises:
            FetchError: It cannot be had.
            StorageError: The disk refused.
        """
        key = f"{sha256 or 'any'} {url}"
        noted = self._noted(key)
        if isinstance(noted, FetchError):
            raise noted
        for known in (sha256, noted):
            if known is not None and self._is_whole(known):
                return self._files / known
        try:
            got = self._fetch(url, sha256)
        except FetchError as error:
            if error.lasting:
                self._note(key, {"status": str(error.status), "reason": str(error)})
            raise
        self._note(key, {"sha256": got})
        return self._files / got

    def _noted(self, key: str) -> str | FetchError | None:
        with self._lock:
            entry = self._notes.get(key)
        if not isinstance(entry, dict):
            return None
        if "sha256" in entry:
            return str(entry["sha256"])
        if self._retry_failed:
            return None
        return FetchError(str(entry["reason"]), lasting=True, status=Status(str(entry["status"])))

    def _note(self, key: str, entry: dict[str, str]) -> None:
        with self._lock:
            self._notes.put(key, dict(entry))

    def _is_whole(self, sha256: str) -> bool:
        try:
            with (self._files / sha256).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == sha256
        except OSError:
            return False

    def _fetch(self, url: str, sha256: str | None) -> str:
        part = self._files / f"{_PART}{next(self._numbers)}"
        with storage_errors(part):
            try:
                with part.open("w+b") as sink:
                    self._fetcher.fetch(url, cast(BinaryIO, sink))
                    sink.seek(0)
                    got = hashlib.file_digest(sink, "sha256").hexdigest()
                if sha256 not in (None, got):
                    reason = f"its content is not the one of the list: its sha256 is {got}, not {sha256}"
                    raise FetchError(reason, lasting=True)
                sync(part)
                part.replace(self._files / got)
                sync(self._files)
            finally:
                with contextlib.suppress(OSError):
                    part.unlink(missing_ok=True)
        return got
