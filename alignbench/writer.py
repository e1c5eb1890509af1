"""Writes a dataset folder that appears whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from alignbench import schema, text
from alignbench.atomic import partial_folder, storage_errors, swap_folder
from alignbench.digest import Tally
from alignbench.errors import DatasetError
from alignbench.header import HEADER
from alignbench.parquet import ImageShards, TableFile
from alignbench.rows import Row, image_row, pair_row, sentence_row
from alignbench.rules import Rules, Violation
from alignbench.types import Image, Pair, Sentence

_T = TypeVar("_T")


class DatasetWriter:
    """Builds a dataset beside its place and moves it there when the `with` block ends without an exception.

    What it writes validates: a row that breaks a rule is refused when it is added. Images come before the pairs that
    use them, and each is used. The same rows in the same order give the same bytes.

    Args:
        path: The folder to write. An empty folder may stand there.
        name: The dataset's name.
        version: The dataset's version.
        replace: Whether a dataset that stands at `path` is replaced, with everything in its folder.
        splitter: What found the sentences; null where they came with the captions.

    Raises:
        DatasetError: `path` exists and may not be replaced, or another process is writing it.
        StorageError: The disk refused; what stood at `path` is as it was.
    """

    def __init__(
        self,
        path: Path,
        *,
        name: str,
        version: str = "0.1.0",
        replace: bool = False,
        splitter: Mapping[str, str] | None = text.SPLITTER,
    ) -> None:
        if not (name and version):
            raise DatasetError(f"a dataset needs a name and a version, not {name!r} and {version!r}")
        with storage_errors(path):
            _refuse_occupied(path, replace=replace)
        self.path = path
        self._target = path.resolve()
        self._header = {"name": name, "version": version, "schema_version": schema.SCHEMA_VERSION}
        self._splitter = None if splitter is None else dict(splitter)
        self._rules, self._tally = Rules(), Tally()
        self._hashes: dict[str, str | None] = {}
        self._stack = ExitStack()
        self._unfinished = 0

    def __enter__(self) -> Self:
        with storage_errors(self.path), ExitStack() as stack:
            self._partial = stack.enter_context(partial_folder(self._target))
            self._images = stack.enter_context(ImageShards(self._partial / "images"))
            self._pairs = stack.enter_context(TableFile(self._partial / "pairs.parquet", schema.PAIRS))
            self._sentences = stack.enter_context(TableFile(self._partial / "sentences.parquet", schema.SENTENCES))
            self._stack = stack.pop_all()
        return self

    def add_image(self, image: Image) -> None:
        """Store an image; the first one of a key wins, the same bytes again are ignored.

        Raises:
            DatasetError: The row breaks a rule, the sha256 is not that of the bytes, or the key has other bytes.
            StorageError: The disk refused.
        """
        key = image.image_key
        if key in self._hashes:
            if self._hashes[key] != image.sha256:
                raise DatasetError(f"image {key!r} comes twice, with different bytes; give each image its own key")
            return
        if image.bytes is not None and hashlib.sha256(image.bytes).hexdigest() != image.sha256:
            raise DatasetError(f"image {key!r} has a sha256 that is not that of its bytes; make images with `image_of`")
        self._unfinished += 1
        row = _row_of(image_row, image)
        self._admit("images", row)
        self._hashes[key] = image.sha256
        with storage_errors(self.path):
            self._images.add(row)
        self._unfinished -= 1

    def add_pair(self, pair: Pair, sentences: Sequence[Sentence]) -> None:
        """Store a pair and its sentences; its image was added before.

        Raises:
            DatasetError: A row breaks a rule.
            StorageError: The disk refused.
        """
        self._unfinished += 1
        row, sentence_rows = _row_of(pair_row, pair), [sentence_row(sentence) for sentence in sentences]
        self._admit("pairs", row)
        for each in sentence_rows:
            self._admit("sentences", each)
        self._rules.forget(pair.pair_id)
        with storage_errors(self.path):
            self._pairs.add(row)
            for each in sentence_rows:
                self._sentences.add(each)
        self._unfinished -= 1

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if kind is None:
                self._publish()

    def _publish(self) -> None:
        if self._unfinished:
            raise DatasetError(f"{self.path} was not written: a row was refused before")
        summary = self._tally.summary()
        _refuse(self._rules.finish())
        if not summary["counts"]["sentences"]:
            raise DatasetError(f"{self.path} was not written: a dataset needs at least one sentence")
        header = self._header | summary | {"splitter": self._splitter}
        with storage_errors(self.path):
            for file in (self._images, self._pairs, self._sentences):
                file.close()
            (self._partial / HEADER).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")
            swap_folder(self._partial, self._target)

    def _admit(self, table: str, row: Row) -> None:
        _refuse(self._rules.check(table, row))
        try:
            self._tally.add(table, row)
        except UnicodeEncodeError as error:
            reason = f"a string of it has half a surrogate pair ({error}), which is no Unicode text"
            raise DatasetError(f"a row of {table} cannot be stored: {reason}") from error


def _refuse_occupied(path: Path, *, replace: bool) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise DatasetError(f"{path} is a file, not a folder; choose another --out")
    if next(path.iterdir(), None) is None:
        return
    if not replace:
        raise DatasetError(f"{path} exists already; choose another --out, or remove it first")
    if not (path / HEADER).is_file():
        raise DatasetError(f"{path} is not a dataset (it has no {HEADER}) and is not replaced; choose another --out")


def _row_of(make: Callable[[_T], dict[str, Any]], value: _T) -> dict[str, Any]:
    try:
        return make(value)
    except TypeError as error:
        raise DatasetError(f"a row cannot be stored, its provenance is not made of JSON values: {error}") from error


def _refuse(violations: Sequence[Violation]) -> None:
    if not violations:
        return
    lines = [f"{each.table} row {each.row!r} breaks the rule {each.rule}: {each.message}" for each in violations[:5]]
    more = [f"and {len(violations) - 5} more"] if len(violations) > 5 else []
    raise DatasetError("\n".join([*lines, *more]))
