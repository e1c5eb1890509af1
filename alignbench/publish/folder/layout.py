"""The names of what a Hub folder holds: one place that says where everything is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LAYOUT_VERSION = 1

README = "README.md"
DATASET = "dataset.json"
JUDGES = "judges.json"
RESULTS = "results.json"
FACTS = "facts.json"
PUBLICATION = "publication.yaml"
GUIDELINES = "annotation_guidelines.md"
ERROR_TYPES = "error_types.md"
CHANGELOG = "CHANGELOG.md"
ERRATA = "errata.csv"
CHECKSUMS = "checksums.sha256"
FILES = (
    README,
    DATASET,
    JUDGES,
    RESULTS,
    FACTS,
    PUBLICATION,
    GUIDELINES,
    ERROR_TYPES,
    CHANGELOG,
    ERRATA,
    CHECKSUMS,
)
"""Every file beside the data; JUDGES and RESULTS only with runs, ERRATA only once a label has changed."""

DATA = "data"
PAIRS = "pairs"
SENTENCES = "sentences"
JUDGMENTS = "judgments"
LABELS = "labels"
CONFIGS = (PAIRS, SENTENCES, JUDGMENTS, LABELS)
"""Every config in the order of the card; JUDGMENTS only with runs, LABELS only where there are label events."""
DEFAULT_SPLIT = "test"

PATTERNS = (*FILES, f"{DATA}/*")
"""What is fetched from the Hub: paths as `fnmatch` reads them."""

SPLIT_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")
"""What a split may be called, as the `datasets` library wants it; a file's name comes from it, so no path can."""
_SHARD = re.compile(rf"(?P<split>{SPLIT_NAME.pattern})-(?P<number>\d{{5}})-of-(?P<count>\d{{5}})\.parquet")


@dataclass(frozen=True, slots=True)
class Shard:
    """What the path of a data file says.

    Attributes:
        config: One of CONFIGS.
        split: The split's name.
        number: Its place among the split's files, from 0.
        count: How many files the split has.
        path: Where it is.
    """

    config: str
    split: str
    number: int
    count: int
    path: Path


def shard_name(split: str, number: int, count: int) -> str:
    """The file name of a part of a split, such as `test-00000-of-00001.parquet`."""
    return f"{split}-{number:05d}-of-{count:05d}.parquet"


def shard_path(folder: Path, config: str, split: str, number: int = 0, count: int = 1) -> Path:
    """Where a part of a split is."""
    return folder / DATA / config / shard_name(split, number, count)


def split_glob(config: str, split: str) -> str:
    """The pattern of all files of a split, from the folder, as the card's YAML says it."""
    return f"{DATA}/{config}/{split}-*.parquet"


def shards(folder: Path, config: str | None = None) -> list[Shard]:
    """Every data file of the folder, or of one config, by config in the order of CONFIGS, then by name."""
    wanted = CONFIGS if config is None else (config,)
    return [shard for name in wanted for shard in _shards_of(folder / DATA / name, name)]


def split_files(folder: Path, config: str, split: str) -> list[Path]:
    """The files of a split in reading order; empty where there are none."""
    return [shard.path for shard in shards(folder, config) if shard.split == split]


def configs_in(folder: Path) -> list[str]:
    """The configs that the folder has files of, in the order of CONFIGS."""
    return [config for config in CONFIGS if shards(folder, config)]


def splits_in(folder: Path) -> list[str]:
    """The splits that the folder has pairs of, by name; a config without rows in one of them has no file of it."""
    return sorted({shard.split for shard in shards(folder, PAIRS)})


def published_files(folder: Path) -> list[Path]:
    """Every file of the folder, by its path; hidden files and folders are none of the publication."""
    found = (path for path in folder.rglob("*") if path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


def _shards_of(folder: Path, config: str) -> Iterator[Shard]:
    for path in sorted(folder.glob("*.parquet")):
        said = _SHARD.fullmatch(path.name)
        if said is not None:
            yield Shard(config, said["split"], int(said["number"]), int(said["count"]), path)
