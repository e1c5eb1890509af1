"""What the card's YAML tells loaders and the Hub's viewer of the data."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from alignbench.parquet import open_parquet
from alignbench.publish.folder import layout
from alignbench.publish.folder.damage import reading_published
from alignbench.publish.folder.features import yaml_features


def front_matter(folder: Path) -> dict[str, Any]:
    """The keys `configs` and `dataset_info` of the card of a Hub folder, read from its data files' footers.

    `num_bytes` is what the rows take before compression, `download_size` what the files do.
    """
    configs = layout.configs_in(folder)
    return {
        "configs": [_config(folder, config) for config in configs],
        "dataset_info": [_info(folder, config) for config in configs],
    }


def _config(folder: Path, config: str) -> dict[str, Any]:
    files = [{"split": split, "path": layout.split_glob(config, split)} for split in _splits_of(folder, config)]
    return {"config_name": config, "data_files": files} | ({"default": True} if config == layout.PAIRS else {})


def _info(folder: Path, config: str) -> dict[str, Any]:
    splits = [_split(folder, config, split) for split in _splits_of(folder, config)]
    return {
        "config_name": config,
        "features": yaml_features(config),
        "splits": splits,
        "download_size": sum(shard.path.stat().st_size for shard in layout.shards(folder, config)),
        "dataset_size": sum(split["num_bytes"] for split in splits),
    }


def _split(folder: Path, config: str, split: str) -> dict[str, Any]:
    with reading_published(folder):
        footers = [_footer(path) for path in layout.split_files(folder, config, split)]
    sizes = [footer.row_group(group).total_byte_size for footer in footers for group in range(footer.num_row_groups)]
    return {"name": split, "num_bytes": sum(sizes), "num_examples": sum(footer.num_rows for footer in footers)}


def _splits_of(folder: Path, config: str) -> list[str]:
    """Those with rows of the config: a split without has no file."""
    return sorted({shard.split for shard in layout.shards(folder, config)})


def _footer(path: Path) -> pq.FileMetaData:
    with open_parquet(path) as file:
        return file.metadata
