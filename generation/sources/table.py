"""Images from parquet files."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Self

import pyarrow as pa

from alignbench.decode import MAX_PIXELS
from alignbench.errors import UsageError
from alignbench.types import Image
from generation.protocols import Site, Unusable
from generation.sources import options
from generation.sources.cells import Columns
from generation.sources.draw import indices
from generation.sources.intake import MAX_BYTES, Intake
from generation.sources.names import shown
from generation.sources.parquet_rows import ParquetFiles, ParquetRow, schema_of


@dataclass(frozen=True, slots=True)
class TableSource:
    """Images in a column of parquet files: bytes, or a struct with `bytes` as the Hugging Face Image feature has it."""

    folder: Path
    table: ParquetFiles
    columns: Columns
    name: str
    licence: str | None
    max_bytes: int
    max_pixels: int

    @classmethod
    def from_options(  # noqa: PLR0913  the options of a recipe
        cls,
        site: Site,
        *,
        path: str,
        image_column: str = "image",
        licence_column: str | None = None,
        domain_column: str | None = None,
        id_column: str | None = None,
        name: str | None = None,
        licence: str | None = None,
        max_bytes: int = MAX_BYTES,
        max_pixels: int = MAX_PIXELS,
    ) -> Self:
        """The source of a file, of a folder of `.parquet` files, or of files that a pattern such as `*.parquet` names.

        Raises:
            UsageError: No such file, or it lacks a column that is named, or that of the images holds something else.
            ImportFileError: A file is no parquet file.
        """
        columns = Columns(
            options.text("image_column", image_column),
            options.text_or_null("licence_column", licence_column),
            options.text_or_null("domain_column", domain_column),
            options.text_or_null("id_column", id_column),
        )
        folder, files = _files(options.place(site, "path", path))
        return cls(
            folder,
            ParquetFiles(files, tuple(_checked(file, columns) for file in files)),
            columns,
            options.text_or_null("name", name) or shown(files[0].stem if len(files) == 1 else folder.resolve().name),
            options.text_or_null("licence", licence),
            options.whole("max_bytes", max_bytes, least=1),
            options.whole("max_pixels", max_pixels, least=1, most=MAX_PIXELS),
        )

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        """Yield all images in file order, or `count` of them whose rows are drawn by the seed, each file read once.

        Rows that are drawn in place of unusable ones follow, which reads their row groups again.
        """
        intake = Intake(self.name, self.licence, self.max_bytes, self.max_pixels)
        columns = list(self.columns.by_option().values())
        if count is None:
            yield from (self._outcome(row, intake) for row in self.table.read(columns))
            return
        numbers, missing = indices(self.table.rows, seed), count
        while chosen := sorted(islice(numbers, missing)):
            for row in self.table.read(columns, chosen):
                outcome = self._outcome(row, intake)
                missing -= isinstance(outcome, Image)
                yield outcome

    def _outcome(self, row: ParquetRow, intake: Intake) -> Image | Unusable:
        file = shown(row.file.relative_to(self.folder).as_posix())
        place = {"file": file, "row": row.number}
        arrival = self.columns.arrival(f"{file} row {row.number}", row.cells, place)
        return arrival if isinstance(arrival, Unusable) else intake.take(arrival)


def _files(path: Path) -> tuple[Path, tuple[Path, ...]]:
    """The parquet files that a path means, in the order of their names, and the folder that their names start from."""
    if path.is_file():
        return path.parent, (path,)
    pattern = str(path / "**" / "*.parquet") if path.is_dir() else str(path)
    if path.is_dir():
        found = [each for each in path.rglob("*.parquet") if not _is_hidden(each.relative_to(path))]
        folder = path
    else:
        found = [Path(each) for each in glob.glob(pattern, recursive=True)]  # noqa: PTH207  it may be absolute
        folder = _plain_start(path)
    files = tuple(sorted(each for each in found if each.is_file()))
    if not files:
        raise UsageError(
            f"there is no parquet file {path}; give under `path` a file, a folder of .parquet files, or a pattern"
        )
    return folder, files


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _plain_start(pattern: Path) -> Path:
    """The folder before the first part of a pattern that stands for several names."""
    parents = [parent for parent in pattern.parents if not glob.has_magic(str(parent))]
    return parents[0]


def _checked(file: Path, columns: Columns) -> int:
    """How many rows a file has; UsageError where it has not the columns."""
    schema, rows = schema_of(file)
    for option, column in columns.by_option().items():
        options.column(option, column, schema.names, str(file))
    kind = schema.field(columns.image).type
    if not _holds_bytes(kind):
        raise UsageError(
            f"the column {columns.image!r} of {file} holds {kind}, no bytes of images; mend the option 'image_column'"
        )
    return rows


def _holds_bytes(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        place = kind.get_field_index("bytes")
        return place >= 0 and _holds_bytes(kind.field(place).type)
    if pa.types.is_dictionary(kind):
        return _holds_bytes(kind.value_type)
    binary = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view)
    return any(fits(kind) for fits in binary)
