"""A dataset on disk: a folder that is read as a stream."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench import schema
from alignbench.atomic import write_atomically as write_atomically
from alignbench.decode import MAX_PIXELS, measure
from alignbench.errors import DatasetError
from alignbench.header import AGAIN, GIVE, HEADER, HEADER_FIELDS, LABELS_FILE
from alignbench.header import read_header as read_header
from alignbench.parquet import READ_ERRORS, open_parquet, read_group
from alignbench.types import Image, LabelEvent, Origin, Pair, Sentence
from alignbench.writer import DatasetWriter as DatasetWriter

_T = TypeVar("_T")
_BATCH = 4096


def sentence_id_of(pair_id: str, index: int) -> str:
    """The id of the sentence at `index` of a pair."""
    return f"{pair_id}#{index}"


def image_of(
    encoded: bytes,
    *,
    source: str,
    origin: Origin,
    key: str | None = None,
    licence: str | None = None,
    url: str | None = None,
    provenance: Mapping[str, Any] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> Image:
    """The image of some encoded bytes, which are kept as they are.

    `key` is the sha256 of the bytes unless given. Width and height are those that a viewer sees, after EXIF rotation.

    Raises:
        ImageError: The bytes are not an image we are willing to decode, or one of more than `max_pixels`.
    """
    width, height = measure(encoded, max_pixels=max_pixels)
    sha256 = hashlib.sha256(encoded).hexdigest()
    return Image(key or sha256, sha256, encoded, width, height, origin, source, licence, url, provenance or {})


@dataclass(frozen=True)
class Dataset:
    """A read-only view of a dataset folder. Every call reads the files anew, as a stream.

    `counts` has the names of `alignbench.digest.COUNTS`; `splitter` the name and version of what found the sentences;
    `labels` the rule by which labels derive from label events, their number and digest, null where there are none. A
    file that turns out to be damaged while it is read is a DatasetError.
    """

    path: Path
    name: str
    version: str
    digest: str
    shown_digest: str
    counts: Mapping[str, int]
    splitter: Mapping[str, str] | None
    labels: Mapping[str, Any] | None = None

    @classmethod
    def open(cls, path: Path) -> Dataset:
        """Open the dataset folder `path`; of the tables, only the footers are read.

        Raises:
            DatasetError: No such folder, no dataset.json, another schema, a file missing or cut off, no sentences.
        """
        header = read_header(path)
        try:
            _check_tables(path, header)
        except DatasetError:
            if read_header(path) == header:
                raise
            return cls.open(path)  # a dataset with other labels was put in its place just now
        labels = header.get("labels")
        if not header["counts"]["sentences"]:
            raise DatasetError(f"{path} is an empty dataset: it has no sentences; {GIVE}")
        return cls(path, **{name: header[name] for name in HEADER_FIELDS if name != "schema_version"}, labels=labels)

    def pairs(self) -> Iterator[Pair]:
        """Every pair, in file order."""
        return self._typed("pairs", schema.pairs_from_table)

    def sentences(self) -> Iterator[Sentence]:
        """Every sentence, in file order: by pair, then index."""
        return self._typed("sentences", schema.sentences_from_table)

    def label_events(self) -> Iterator[LabelEvent]:
        """Every label event, in file order, which is that of their recording; none where nobody labelled by events."""
        return iter(()) if self.labels is None else self._typed("labels", schema.events_from_table)

    def images(self, keys: Collection[str] | None = None) -> Iterator[Image]:
        """Every image with its bytes, in file order; where `keys` is given, only those of them that are there.

        No more than one row group (16 MB, or one larger image) is in memory at a time; row groups without a wanted key
        are not read.
        """
        wanted = None if keys is None else frozenset(keys)
        with reading(self.path):
            for file, group in self._image_groups():
                if wanted is None or not wanted.isdisjoint(_keys_of(file, group)):
                    yield from _images_of(read_group(file, group), wanted)

    def image_keys(self) -> list[str]:
        """The key of every image, in file order; no bytes are read."""
        with reading(self.path):
            return [key for file, group in self._image_groups() for key in _keys_of(file, group)]

    def images_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All images, or some of their columns, as one table in memory; without `columns`, all but the bytes."""
        chosen = [name for name in schema.IMAGES.names if name != "bytes"] if columns is None else list(columns)
        with reading(self.path):
            return pa.concat_tables(read_group(file, group, chosen) for file, group in self._image_groups())

    def pairs_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All pairs, or some of their columns, as one table in memory."""
        return self._table("pairs", columns)

    def sentences_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All sentences, or some of their columns, as one table in memory."""
        return self._table("sentences", columns)

    def labels_table(self, columns: Sequence[str] | None = None) -> pa.Table:
        """All label events, or some of their columns, as one table in memory; where there are none, it is empty."""
        empty = schema.LABELS.empty_table()
        if self.labels is None:
            return empty if columns is None else empty.select(list(columns))
        return self._table("labels", columns)

    def _table(self, table: str, columns: Sequence[str] | None) -> pa.Table:
        with reading(self.path), open_parquet(self.path / f"{table}.parquet") as file:
            return file.read(columns=None if columns is None else list(columns))

    def _typed(self, table: str, make: Callable[[pa.Table], list[_T]]) -> Iterator[_T]:
        with reading(self.path), open_parquet(self.path / f"{table}.parquet") as file:
            for batch in file.iter_batches(_BATCH):
                yield from make(pa.Table.from_batches([batch]))

    def _image_groups(self) -> Iterator[tuple[pq.ParquetFile, int]]:
        for path in table_files(self.path)["images"]:
            with open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    yield file, group


def table_files(path: Path) -> dict[str, list[Path]]:
    """The parquet files of each table of the dataset folder `path`, in reading order; those that should be there."""
    return {
        "images": sorted((path / "images").glob("part-*.parquet")),
        "pairs": [path / "pairs.parquet"],
        "sentences": [path / "sentences.parquet"],
    }


def _check_tables(path: Path, header: Mapping[str, Any]) -> None:
    for table, files in table_files(path).items():
        _check_rows(path, table, schema.DATASET_TABLES[table], files, header["counts"][table])
    if header.get("labels") is not None:
        _check_rows(path, "labels", schema.LABELS, [path / LABELS_FILE], header["labels"]["events"])


def _check_rows(path: Path, table: str, columns: pa.Schema, files: Sequence[Path], count: int) -> None:
    rows = 0
    for file in files:
        with reading(path), open_parquet(file) as parquet:
            wrong = schema.differences(columns, parquet.schema_arrow)
            rows += parquet.metadata.num_rows
        if wrong:
            raise DatasetError(f"{file} does not have the columns of the {table} table: {'; '.join(wrong)}; {AGAIN}")
    if rows != count:
        raise DatasetError(f"{path} holds {rows} {table}, but its {HEADER} counts {count}; {_check(path)}")


def _check(path: Path) -> str:
    return f"run `alignbench validate {path}`"


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises for a damaged file of the dataset folder `path` into a DatasetError."""
    try:
        yield
    except READ_ERRORS as error:
        raise DatasetError(f"{path} has a file that cannot be read: {error}; {_check(path)}") from error


def _keys_of(file: pq.ParquetFile, group: int) -> list[str]:
    return list(read_group(file, group, ["image_key"]).column("image_key").to_pylist())


def _images_of(group: pa.Table, wanted: Collection[str] | None) -> Iterator[Image]:
    for place, key in enumerate(group.column("image_key").to_pylist()):
        if wanted is None or key in wanted:
            yield from schema.images_from_table(group.slice(place, 1))
