"""The parquet files of a split, as the Hub's viewer and its storage like them."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.parquet import GROUP_BYTES, ROWS_PER_GROUP, SHARD_BYTES
from alignbench.publish.folder.features import IMAGE, published_schema
from alignbench.publish.folder.layout import DATA, shard_path

# As the Hub cuts files into chunks, and as the `datasets` library says in a file that it was written so.
_CHUNKING = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
_IMAGE_BYTES = f"{IMAGE}.bytes"


class SplitFiles:
    """The files of one split of a config, each of about `SHARD_BYTES`; they get their names when all are written.

    Chunks are cut by content, as the Hub cuts them: rows that are added later leave the others' chunks as they are.
    Bytes of images are neither compressed nor encoded. The same row groups give the same bytes.
    """

    def __init__(self, folder: Path, config: str, split: str) -> None:
        self.rows = 0
        self._folder, self._config, self._split = folder, config, split
        self._home = folder / DATA / config
        said = {"content_defined_chunking": json.dumps(_CHUNKING)}
        columns = published_schema(config)
        self.columns = columns.with_metadata({**columns.metadata, **said})
        self._written: list[Path] = []
        self._writer: pq.ParquetWriter | None = None
        self._size = 0

    def __enter__(self) -> Self:
        return self

    def add_group(self, group: pa.Table, size: int) -> None:
        """Write a row group of about `size` bytes; OSError where the disk refused."""
        if self._writer is not None and self._size + size > SHARD_BYTES:
            self._end_file()
        writer = self._writer or self._open()
        writer.write_table(group, row_group_size=max(1, group.num_rows))
        self._size += size
        self.rows += group.num_rows

    def close(self) -> None:
        """Make the last file whole and give all of them their names.

        A split without rows has no file: the `datasets` library refuses to load one.
        """
        self._end_file()
        for number, path in enumerate(self._written):
            path.rename(shard_path(self._folder, self._config, self._split, number, len(self._written)))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError):
                self._writer.close()
            self._writer.is_open = False  # or its __del__ would write again to the disk that refused

    def _open(self) -> pq.ParquetWriter:
        self._home.mkdir(parents=True, exist_ok=True)
        path = self._home / f".{self._split}-{len(self._written):05d}.partial"
        self._writer = pq.ParquetWriter(path, self.columns, **_options(self.columns))
        self._written.append(path)
        self._size = 0
        return self._writer

    def _end_file(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None


class TextFiles(SplitFiles):
    """The files of a split without images: row groups of `ROWS_PER_GROUP` rows, of fewer where rows are long."""

    def __init__(self, folder: Path, config: str, split: str) -> None:
        super().__init__(folder, config, split)
        self._waiting: list[pa.Table] = []
        self._count = 0

    def add(self, rows: pa.Table) -> None:
        """Take rows with the columns of the config, in its types or stricter ones."""
        self._waiting.append(rows.select(self.columns.names).cast(self.columns))
        self._count += rows.num_rows
        while self._count >= ROWS_PER_GROUP:
            self._flush(ROWS_PER_GROUP)

    def close(self) -> None:
        """Write what waits, then make the files whole."""
        if self._count:
            self._flush(self._count)
        super().close()

    def _flush(self, count: int) -> None:
        rows = pa.concat_tables(self._waiting)
        self._waiting, self._count = [rows.slice(count)], self._count - count
        for group in _bounded(rows.slice(0, count).combine_chunks()):
            self.add_group(group, group.nbytes)


def _bounded(group: pa.Table) -> Iterator[pa.Table]:
    if group.nbytes <= GROUP_BYTES or group.num_rows == 1:
        yield group
        return
    half = group.num_rows // 2
    yield from _bounded(group.slice(0, half))
    yield from _bounded(group.slice(half))


def _options(columns: pa.Schema) -> dict[str, Any]:
    rest = [path for path in _leaves(columns) if path != _IMAGE_BYTES]
    compression = dict.fromkeys(rest, "zstd")
    if IMAGE in columns.names:
        compression[_IMAGE_BYTES] = "none"
    return {
        "compression": compression,
        "use_dictionary": rest,
        "write_statistics": rest,
        "write_page_index": True,
        "write_page_checksum": True,
        "use_content_defined_chunking": _CHUNKING,
    }


def _leaves(columns: pa.Schema) -> list[str]:
    """The paths of the columns as parquet names them, down to the last field."""
    empty = io.BytesIO()
    pq.write_table(columns.empty_table(), empty)
    leaves = pq.ParquetFile(empty).schema
    return [leaves.column(number).path for number in range(len(leaves))]
