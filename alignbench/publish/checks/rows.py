"""Whether others can read the parquet files: the Hub's viewer, and libraries that want a page of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.parquet import IMAGES_PER_GROUP, READ_ERRORS, open_parquet
from alignbench.publish.checks.finding import Finding
from alignbench.publish.folder.layout import CONFIGS, PAIRS, Shard, configs_in, shards, splits_in

CHECK = "rows"
GROUP_LIMIT = 300_000_000
"""Bytes, uncompressed, of a row group that the Hub's viewer still reads, as is generally known; not looked up.
Row groups that it cannot read are told in https://github.com/huggingface/dataset-viewer/issues/1771."""
CHUNK_LIMIT = 2**31 - 1
"""Bytes of a column in a row group: more does not fit the 32-bit offsets of Arrow's strings and bytes."""
_BUILD = "build the folder again with this version of alignbench"


def find_rows(folder: Path) -> Iterator[Finding]:
    """Every data file is whole, its row groups are small, it has a page index, and its images are known as images.

    Every split of the pairs has sentences, and no numbered part of a split is missing. Only footers are read.
    """
    for shard in shards(folder):
        where = shard.path.relative_to(folder).as_posix()
        try:
            with open_parquet(shard.path) as file:
                faults = list(_faults(shard, file))
        except READ_ERRORS as error:
            faults = [("unreadable", f"cannot be read: {error}")]
        yield from (Finding(CHECK, f"{where} {kind}", f"{where} {fault}; {_BUILD}") for kind, fault in faults)
    yield from _missing(folder)


def _faults(shard: Shard, file: pq.ParquetFile) -> Iterator[tuple[str, str]]:
    groups = [file.metadata.row_group(place) for place in range(file.metadata.num_row_groups)]
    largest = max((group.total_byte_size for group in groups), default=0)
    if largest > GROUP_LIMIT:
        yield "group", f"has a row group of {largest:,} bytes; the Hub's viewer reads at most {GROUP_LIMIT:,}"
    longest = max((group.num_rows for group in groups), default=0)
    if shard.config == PAIRS and longest > IMAGES_PER_GROUP:
        yield "rows", f"has a row group of {longest:,} pairs; at most {IMAGES_PER_GROUP} go into one"
    chunks = [group.column(place) for group in groups for place in range(group.num_columns)]
    widest = max((chunk.total_uncompressed_size for chunk in chunks), default=0)
    if widest > CHUNK_LIMIT:
        yield "column", f"has a column of {widest:,} bytes in one row group; at most {CHUNK_LIMIT:,} can be read"
    if not all(chunk.has_offset_index for chunk in chunks):
        yield "index", "has no page index, so that a reader of one row reads them all"
    if shard.config == PAIRS and not _is_image(file.schema_arrow):
        yield "image", "does not say that its column `image` holds images, so that it shows as bytes"


def _is_image(columns: pa.Schema) -> bool:
    said: Any = (columns.metadata or {}).get(b"huggingface", b"{}")
    try:
        said = json.loads(said)
    except ValueError:
        return False
    for key in ("info", "features", "image"):
        said = said.get(key) if isinstance(said, dict) else None
    return isinstance(said, dict) and said.get("_type") == "Image"


def _missing(folder: Path) -> Iterator[Finding]:
    found: dict[tuple[str, str], list[Shard]] = {}
    for shard in shards(folder):
        found.setdefault((shard.config, shard.split), []).append(shard)
    for (config, split), parts in found.items():
        wanted = list(range(parts[0].count))
        if any(part.count != len(wanted) for part in parts) or [part.number for part in parts] != wanted:
            message = f"the files of {config}/{split} are not the parts 0 to {len(wanted) - 1} of one whole"
            yield Finding(CHECK, f"{config}/{split} parts", f"{message}; {_BUILD}")
    if PAIRS not in configs_in(folder):
        yield Finding(CHECK, "pairs missing", f"there are no pairs in {folder}; {_BUILD}")
    for config in CONFIGS[:2]:
        without = [split for split in splits_in(folder) if (config, split) not in found]
        if without:
            message = f"the splits {', '.join(without)} have pairs but no {config}"
            yield Finding(CHECK, f"{config} missing", f"{message}; {_BUILD}")
