"""Images from a set that the `datasets` library reads: on the Hugging Face Hub, or in a local folder."""

from __future__ import annotations

import hashlib
import importlib.util
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from alignbench.decode import MAX_PIXELS
from alignbench.errors import MissingDependencyError, RunError, UsageError
from alignbench.schema import canonical_json
from alignbench.types import Image
from generation.notebook import Notebook
from generation.protocols import Site, Unusable
from generation.sources import options
from generation.sources.cells import Columns, said
from generation.sources.intake import MAX_BYTES, Intake
from generation.sources.names import shown
from generation.sources.stream_draw import StreamDraw

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PASSED = "passed"
_REVISION = "revision"
_EVERY = 256
_HUB = "hf://datasets/"
_BINARY = ("binary", "large_binary")


@dataclass(frozen=True, slots=True)
class DatasetsSource:
    """Images in a column of a set, which is streamed once; no code of the set is run, and no path in it is opened.

    What was streamed is remembered in the source's own folder, with the commit of a set on the Hub, so that a resumed
    session goes on from there.
    """

    where: str
    revision: str | None
    split: str
    configuration: str | None
    columns: Columns
    folder: Path
    title: str
    licence: str | None
    max_bytes: int
    max_pixels: int

    @classmethod
    def from_options(  # noqa: PLR0913  the options of a recipe
        cls,
        site: Site,
        *,
        path: str,
        split: str = "train",
        name: str | None = None,
        revision: str | None = None,
        image_column: str = "image",
        licence_column: str | None = None,
        domain_column: str | None = None,
        id_column: str | None = None,
        licence: str | None = None,
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
    ) -> Self:
        """The source of a set: a folder, or else the id of a set on the Hub, at a `revision` if one is given.

        `name` is that of a configuration, as in `datasets.load_dataset`.

        Raises:
            UsageError: There is no such folder and the name is no id, or an option makes no sense.
            MissingDependencyError: The library is not installed.
        """
        folder = options.place(site, "path", path)
        where = str(folder.absolute()) if folder.is_dir() else _on_hub(options.text("path", path))
        revision = options.text_or_null("revision", revision)
        if folder.is_dir() and revision is not None:
            raise UsageError(f"{folder} is a folder, which has no revision {revision!r}; leave the option out")
        if importlib.util.find_spec("datasets") is None:
            raise MissingDependencyError.of("datasets", "hub")
        columns = Columns(
            options.text("image_column", image_column),
            options.text_or_null("licence_column", licence_column),
            options.text_or_null("domain_column", domain_column),
            options.text_or_null("id_column", id_column),
        )
        return cls(
            where,
            revision,
            options.text("split", split),
            options.text_or_null("name", name),
            columns,
            site.folder,
            shown(folder.resolve().name) if folder.is_dir() else path.strip(),
            options.text_or_null("licence", licence),
            options.whole("max_bytes", max_bytes, least=1),
            options.whole("max_pixels", max_pixels, least=1, most=MAX_PIXELS),
        )

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        """Yield all images in the order of the set, or `count` of them whose rows are drawn by the seed.

        The whole set is streamed before the first image comes.
        """
        name = f"drawn-{self._identity(count, seed)}"
        draw = StreamDraw(self.folder / name, count, seed)
        with Notebook(self.folder / f"{name}.jsonl") as notes:
            self._fill(draw, notes)
        yield from draw.outcomes(self._intake())

    def _identity(self, count: int | None, seed: int) -> str:
        """Eight digits that are the same for the same draw: which rows are looked at hangs on all of these."""
        limits = [self.max_bytes, self.max_pixels]
        drawn = [
            self.where,
            self.revision,
            self.split,
            self.configuration,
            self.columns.by_option(),
            count,
            seed,
            limits,
        ]
        return hashlib.sha256(canonical_json(drawn).encode()).hexdigest()[:8]

    def _intake(self) -> Intake:
        return Intake(self.title, self.licence, self.max_bytes, self.max_pixels)

    def _fill(self, draw: StreamDraw, notes: Notebook) -> None:
        """Look at every row, those first that an earlier session looked at."""
        passed: Any = notes.get(_PASSED) or {"rows": 0, "state": None, "whole": False}
        for row in range(passed["rows"]):
            noted: Any = notes.get(str(row))
            if noted is not None:
                draw.add(row, noted)
        if passed["whole"]:
            return
        stream, commit = self._stream(notes.get(_REVISION))
        notes.put(_REVISION, commit)
        rows = passed["rows"]
        with _reading(self.where):
            if passed["state"] is not None:
                stream.load_state_dict(passed["state"])
            for row, cells in enumerate(stream, start=rows):
                if draw.wants(row):
                    self._look(row, _in_words(cells, stream.features), commit, draw, notes)
                rows = row + 1
                if rows % _EVERY == 0:
                    notes.put(_PASSED, {"rows": rows, "state": stream.state_dict(), "whole": False})
        notes.put(_PASSED, {"rows": rows, "state": None, "whole": True})

    def _look(self, row: int, cells: Mapping[str, Any], commit: str | None, draw: StreamDraw, notes: Notebook) -> None:
        place = {"set": self.title, "split": self.split, "row": row + 1}
        place |= said({"configuration": self.configuration, "revision": commit})
        noted = draw.look(
            self.columns.arrival(f"{self.title} {self.split} row {row + 1}", cells, place), self._intake()
        )
        notes.put(str(row), noted)
        out = draw.add(row, noted)
        if out is not None:
            (draw.folder / out).unlink(missing_ok=True)

    def _stream(self, commit: Any) -> tuple[Any, str | None]:
        """The rows with the columns that are wanted, images as their bytes, and the commit of a set on the Hub."""
        import datasets

        with _opening(self.where):
            revision = commit or self.revision
            builder = datasets.load_dataset_builder(self.where, name=self.configuration, revision=revision)
            stream = builder.as_streaming_dataset(split=self.split)
            names = stream.column_names or list(next(iter(stream), {}))
        for option, column in self.columns.by_option().items():
            options.column(option, column, names, f"{self.title} {self.split}")
        stream = stream.select_columns(list(dict.fromkeys(self.columns.by_option().values())))
        kind = (stream.features or {}).get(self.columns.image)
        if isinstance(kind, datasets.Image):
            stream = stream.cast_column(self.columns.image, datasets.Image(decode=False))
        elif kind is not None and getattr(kind, "dtype", None) not in _BINARY:
            raise UsageError(
                f"the column {self.columns.image!r} of {self.title} holds {kind}, no images; mend 'image_column'"
            )
        found = str(builder.hash or "")
        return stream, found if _COMMIT.fullmatch(found) and self.where.startswith(_HUB) else None


def _on_hub(path: str) -> str:
    if not _HUB_ID.fullmatch(path) or ".." in path:
        raise UsageError(f"there is no folder {path}, and it is no id on the Hub, such as ORG/NAME; mend `path`")
    # The prefix keeps the library from looking for a folder of that name, wherever the process happens to be.
    return f"{_HUB}{path}"


def _in_words(cells: Mapping[str, Any], features: Mapping[str, Any] | None) -> dict[str, Any]:
    """The cells with the names of classes in place of their numbers."""
    named = dict(cells)
    for column, kind in (features or {}).items():
        names = getattr(kind, "names", None)
        if names and isinstance(named.get(column), int) and 0 <= named[column] < len(names):
            named[column] = names[named[column]]
    return named


@contextmanager
def _opening(where: str) -> Iterator[None]:
    try:
        yield
    except _library_errors() as error:
        raise UsageError(
            f"the set {where} cannot be opened: {_first_line(error)}; mend its options, or run the same command again "
            "once the Hub can be reached"
        ) from error


@contextmanager
def _reading(where: str) -> Iterator[None]:
    try:
        yield
    except _library_errors() as error:
        raise RunError(
            f"the set {where} cannot be read on: {_first_line(error)}; what came is kept, run the same command again"
        ) from error


def _library_errors() -> tuple[type[Exception], ...]:
    """What the library raises for sets that are missing, refused, damaged or out of reach."""
    from datasets.exceptions import DatasetsError

    return (
        DatasetsError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        RuntimeError,
        ArithmeticError,
        pa.ArrowException,
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).strip().splitlines()[0]
