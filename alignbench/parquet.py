"""How the parquet files of a dataset are laid out."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.errors import DatasetError
from alignbench.rows import Row
from alignbench.schema import IMAGES

IMAGES_PER_GROUP = 64
GROUP_BYTES = 16_000_000
SHARD_BYTES = 500_000_000
ROWS_PER_GROUP = 16_384

READ_ERRORS = (pa.ArrowException, OSError, UnicodeDecodeError)
"""What pyarrow raises for a file that is missing, damaged or cut off."""


def open_parquet(path: Path) -> pq.ParquetFile:
    """The parquet file at `path`; one of `READ_ERRORS` where it is none.

    With pyarrow's default for `pre_buffer` all of the file would end up in memory, whatever is read of it; with its
    default for `buffer_size`, a row group would be there twice.
    """
    return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 16, page_checksum_verification=True)


def read_group(file: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> pa.Table:
    """A row group of an images file; without threads, which would keep its memory for a while after it is dropped."""
    return file.read_row_group(group, columns=columns, use_threads=False)


class TableFile:
    """A parquet file that takes rows one by one; what was not closed is not whole."""

    def __init__(self, path: Path, columns: pa.Schema, **options: Any) -> None:
        self._columns = columns
        self._rows: list[Row] = []
        layout = {"compression": "zstd", "write_page_index": True, "write_page_checksum": True}
        # Chunks cut by content, as the Hub cuts them: rows that are added later leave the others' bytes as they are.
        self._writer = pq.ParquetWriter(path, columns, use_content_defined_chunking=True, **(layout | options))

    def __enter__(self) -> Self:
        return self

    def add(self, row: Row) -> None:
        """Take a row.

        Raises:
            DatasetError: A number is too large for its column.
            OSError: The disk refused.
        """
        self._rows.append(row)
        if len(self._rows) == ROWS_PER_GROUP:
            self.flush()

    def flush(self) -> None:
        """End the row group."""
        if not self._rows:
            return
        rows, self._rows = self._rows, []
        try:
            table = pa.Table.from_pylist(rows, schema=self._columns)
        except (pa.ArrowException, OverflowError) as error:
            raise DatasetError(f"rows cannot be stored, a value does not fit its column: {error}") from error
        self._writer.write_table(table)

    def close(self) -> None:
        """Write what makes the file whole."""
        self.flush()
        self._writer.close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._writer.close()
        self._writer.is_open = False  # or its __del__ would write again to the disk that refused


class ImageShards:
    """The parquet files of the images table in `folder`, each of about `SHARD_BYTES`.

    A row group holds at most `IMAGES_PER_GROUP` images and `GROUP_BYTES` bytes, or one larger image.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._file: TableFile | None = None
        self._shards = self._group_rows = self._group_bytes = self._shard_bytes = 0

    def __enter__(self) -> Self:
        return self

    def add(self, row: Row) -> None:
        """Take the row of an image; OSError where the disk refused."""
        size = len(row["bytes"] or b"")
        if self._shard_bytes + size > SHARD_BYTES:
            self.close()
        file = self._file or self._open()
        if self._group_rows == IMAGES_PER_GROUP or self._group_bytes + size > GROUP_BYTES:
            file.flush()
            self._group_rows = self._group_bytes = 0
        file.add(row)
        self._group_rows += 1
        self._group_bytes += size
        self._shard_bytes += size

    def close(self) -> None:
        """Make the last file whole."""
        if self._file is not None:
            self._file.close()
        self._file = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _open(self) -> TableFile:
        path = self._folder / f"part-{self._shards:05d}.parquet"
        rest = [name for name in IMAGES.names if name != "bytes"]
        compression = dict.fromkeys(rest, "zstd") | {"bytes": "none"}
        file = TableFile(path, IMAGES, compression=compression, use_dictionary=rest, write_statistics=rest)
        self._file = self._stack.enter_context(file)
        self._shards += 1
        self._group_rows = self._group_bytes = self._shard_bytes = 0
        return file
