"""The published pairs: each with its image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa

from alignbench.parquet import GROUP_BYTES, IMAGES_PER_GROUP, open_parquet, read_group
from alignbench.publish.folder.damage import reading_dataset
from alignbench.publish.folder.features import IMAGE, IMAGE_COLUMNS, IMAGE_ROW, PAIR_ROW
from alignbench.publish.folder.layout import PAIRS
from alignbench.publish.folder.row_groups import Place, RowGroups
from alignbench.publish.folder.splits import SplitNumbers
from alignbench.publish.folder.tables import SplitFiles
from alignbench.store import Dataset, table_files

_BATCH = 1024
# How the files of each of `alignbench.decode.FORMATS` begin; WEBP's length stands between its two marks.
_STARTS = {
    b"\x89PNG\r\n\x1a\n": ".png",
    b"\xff\xd8\xff": ".jpg",
    b"GIF8": ".gif",
    b"BM": ".bmp",
    b"II*\0": ".tiff",
    b"MM\0*": ".tiff",
}


def write_pairs(dataset: Dataset, folder: Path, splits: Sequence[str], split_of: SplitNumbers) -> list[int]:
    """Write the pairs of every split, in file order; returns how many each has.

    Not more than a few row groups of images are in memory at a time, whatever the order of the pairs.
    """
    images = _Images(dataset)
    with ExitStack() as stack:
        files = [stack.enter_context(_PairFiles(folder, split)) for split in splits]
        for number, row in enumerate(_pair_rows(dataset)):
            files[split_of[number]].add({**row, **images.columns(row["image_key"]), PAIR_ROW: number})
        for file in files:
            file.close()
    return [file.rows for file in files]


def neutral_name(sha256: str, encoded: bytes) -> str:
    """A file name for an image that tells nothing but its format."""
    ending = next((ending for start, ending in _STARTS.items() if encoded.startswith(start)), "")
    if encoded[:4] == b"RIFF" and encoded[8:12] == b"WEBP":
        ending = ".webp"
    return sha256[:16] + ending


class _PairFiles(SplitFiles):
    """Row groups of at most `IMAGES_PER_GROUP` pairs and `GROUP_BYTES` bytes of images, or one larger image."""

    def __init__(self, folder: Path, split: str) -> None:
        super().__init__(folder, PAIRS, split)
        self._waiting: list[dict[str, Any]] = []
        self._bytes = 0

    def add(self, row: dict[str, Any]) -> None:
        size = len(row[IMAGE]["bytes"]) if row[IMAGE] else 0
        if len(self._waiting) == IMAGES_PER_GROUP or self._bytes + size > GROUP_BYTES:
            self._flush()
        self._waiting.append(row)
        self._bytes += size

    def close(self) -> None:
        self._flush()
        super().close()

    def _flush(self) -> None:
        if self._waiting:
            self.add_group(pa.Table.from_pylist(self._waiting, schema=self.columns), self._bytes)
        self._waiting, self._bytes = [], 0


class _Images:
    """The images of a dataset, by key."""

    def __init__(self, dataset: Dataset) -> None:
        self._path, files = dataset.path, table_files(dataset.path)["images"]
        self._groups = RowGroups(files, ["image_key", "bytes", *IMAGE_COLUMNS])
        self._places: dict[str, tuple[int, Place]] = {}
        for number, path in enumerate(files):
            with reading_dataset(self._path), open_parquet(path) as file:
                for group in range(file.num_row_groups):
                    for row, key in enumerate(read_group(file, group, ["image_key"])["image_key"].to_pylist()):
                        self._places[key] = len(self._places), Place(number, group, row)

    def columns(self, key: str) -> dict[str, Any]:
        """What the pairs of an image say of it."""
        number, place = self._places[key]
        with reading_dataset(self._path):
            row = self._groups.row(place).to_pylist()[0]
        encoded = row["bytes"]
        image = None if encoded is None else {"bytes": encoded, "path": neutral_name(row["sha256"], encoded)}
        return {IMAGE: image, **{name: row[own] for own, name in IMAGE_COLUMNS.items()}, IMAGE_ROW: number}


def _pair_rows(dataset: Dataset) -> Iterator[dict[str, Any]]:
    with reading_dataset(dataset.path), open_parquet(dataset.path / "pairs.parquet") as file:
        for batch in file.iter_batches(_BATCH):
            yield from batch.to_pylist()
