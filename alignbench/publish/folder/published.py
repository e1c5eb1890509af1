"""A Hub folder that is read: checked for being whole, then as a stream."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from alignbench import schema
from alignbench.errors import PublishError
from alignbench.header import HEADER_FIELDS, header_faults
from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.publish.folder import layout
from alignbench.publish.folder.damage import AGAIN, reading_published
from alignbench.publish.folder.features import TABLES
from alignbench.rows import Row

PUBLICATION_KEY = "publication"
"""What dataset.json of a Hub folder has beside what that of the dataset says."""
_GIVE = "give a folder that `alignbench publish` wrote, or ORG/NAME on the Hub"
_BATCH = 4096


@dataclass(frozen=True, slots=True)
class Published:
    """A Hub folder whose files are all there, with the columns and as many rows as it says.

    Attributes:
        folder: Where it is.
        header: dataset.json as it was in the dataset folder.
        rows: How many rows each config has in each split, as `rows[config][split]`.
    """

    folder: Path
    header: Mapping[str, Any]
    rows: Mapping[str, Mapping[str, int]]

    @property
    def splits(self) -> list[str]:
        """The names of the splits, in the order in which they were given."""
        return list(self.rows[layout.PAIRS])

    def files(self, config: str, split: str) -> list[Path]:
        """The files of a split in reading order."""
        return layout.split_files(self.folder, config, split)

    def tables(self, config: str, split: str, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rows of a split in their order, as small tables."""
        for path in self.files(config, split):
            with reading_published(self.folder), open_parquet(path) as file:
                for batch in file.iter_batches(_BATCH, columns=None if columns is None else list(columns)):
                    yield pa.Table.from_batches([batch])

    def plain_rows(self, config: str, split: str, columns: Sequence[str] | None = None) -> Iterator[Row]:
        """The rows of a split in their order, as plain values."""
        for table in self.tables(config, split, columns):
            yield from table.to_pylist()


def open_published(folder: Path) -> Published:
    """Open a Hub folder; of the data files, only the footers are read.

    Raises:
        PublishError: There is no such folder, it is none that `alignbench publish` wrote, or files are missing, cut
            off, changed or too many; all problems are listed.
    """
    header = _header(folder)
    rows = _said_rows(folder, header.pop(PUBLICATION_KEY))
    problems = [problem for config in rows for problem in _faults(folder, config, rows[config])]
    problems += _strangers(folder, rows)
    for config, told, what in (
        (layout.LABELS, header.get("labels") is not None, f"labels in {layout.DATASET}"),
        (layout.JUDGMENTS, (folder / layout.JUDGES).is_file(), layout.JUDGES),
    ):
        if told != (config in rows):
            problems.append(f"there are {what}, but no {config}" if told else f"there are {config}, but no {what}")
    if problems:
        lines = "".join(f"\n  {problem}" for problem in problems)
        raise PublishError(f"{folder} is not as it was published:{lines}\n{AGAIN}")
    return Published(folder, header, rows)


def _header(folder: Path) -> dict[str, Any]:
    path = folder / layout.DATASET
    if not path.is_file():
        what = f"it has no {layout.DATASET}" if folder.is_dir() else "there is no such folder"
        raise PublishError(f"{folder} is no dataset that `alignbench publish` wrote: {what}; {_GIVE}")
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise PublishError(f"{path} cannot be read: {error}; {AGAIN}") from error
    if isinstance(header, dict) and PUBLICATION_KEY not in header and header.keys() >= set(HEADER_FIELDS):
        raise PublishError(f"{folder} is a dataset that was not published yet: use it as it is, or {_GIVE}")
    wrong = list(header_faults(header))
    if isinstance(header, dict) and not isinstance(header.get(PUBLICATION_KEY), dict):
        wrong.append(f"{PUBLICATION_KEY} is not a JSON object")
    if wrong:
        raise PublishError(f"{path} is none that `alignbench publish` wrote: {'; '.join(wrong)}; {_GIVE}")
    return dict(header)


def _said_rows(folder: Path, publication: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """How many rows dataset.json counts, by config and split."""
    if publication.get("layout") != layout.LAYOUT_VERSION:
        raise PublishError(
            f"{folder} has the layout {publication.get('layout')!r}, this alignbench reads {layout.LAYOUT_VERSION}: "
            "use the one that published it"
        )
    splits = publication.get("splits")
    if not (isinstance(splits, dict) and splits and all(map(_is_split, splits.items()))):
        raise PublishError(f"{folder / layout.DATASET} does not tell the splits and how many rows each has; {AGAIN}")
    told = [config for config in layout.CONFIGS if any(config in counts for counts in splits.values())]
    return {config: {split: counts.get(config, 0) for split, counts in splits.items()} for config in told}


def _is_split(said: tuple[str, Any]) -> bool:
    name, counts = said
    return (
        layout.SPLIT_NAME.fullmatch(name) is not None
        and isinstance(counts, dict)
        and {layout.PAIRS, layout.SENTENCES} <= counts.keys()
        and all(type(counts[config]) is int and counts[config] >= 0 for config in layout.CONFIGS if config in counts)
    )


def _faults(folder: Path, config: str, rows: Mapping[str, int]) -> Iterator[str]:
    for split, count in rows.items():
        shards = [shard for shard in layout.shards(folder, config) if shard.split == split]
        whole = max((shard.count for shard in shards), default=min(1, count))
        there = Counter(shard.number for shard in shards if shard.count == whole)
        missing = [layout.shard_name(split, number, whole) for number in range(whole) if not there[number]]
        yield from (f"{layout.DATA}/{config}/{name} is missing" for name in missing)
        found, broken = 0, bool(missing)
        for shard in shards:
            fault, number = _fault(folder, config, shard.path)
            found += number
            broken = broken or fault is not None
            if fault is not None or shard.count != whole:
                yield f"{shard.path.relative_to(folder)} {fault or 'is of another number of files than the others'}"
        if not broken and found != count:
            yield f"the split {split} has {found} {config}, {layout.DATASET} counts {count}"


def _fault(folder: Path, config: str, path: Path) -> tuple[str | None, int]:
    """What is wrong with a data file, and how many rows it has."""
    try:
        with open_parquet(path) as file:
            wrong = schema.differences(TABLES[config], file.schema_arrow)
            return (f"has other columns: {'; '.join(wrong)}" if wrong else None), file.metadata.num_rows
    except READ_ERRORS as error:
        return f"cannot be read, it may be cut off: {error}".replace(str(folder), "..."), 0


def _strangers(folder: Path, rows: Mapping[str, Mapping[str, int]]) -> Iterator[str]:
    for shard in layout.shards(folder):
        if shard.split not in rows.get(shard.config, {}):
            yield f"{shard.path.relative_to(folder)} is of a split that {layout.DATASET} does not tell of"
