"""How many images or prompts lie in the files that a recipe names, where that is cheap to tell."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from alignbench.errors import AlignbenchError
from generation.forecast.amounts import Amount
from generation.protocols import Prompt, Site
from generation.sources.enclosure import Enclosure
from generation.sources.manifest import read_manifest
from generation.sources.options import place, text_or_null
from generation.sources.table import TableSource
from generation.writers.file import FileWriter

_COLUMNS = ("url", "sha256", "licence", "domain", "id")


class Found(NamedTuple):
    """How many there are at most, and the bytes of one on average; null where that is not known."""

    there: Amount
    size: float | None = None


def in_folder(options: Mapping[str, Any], recipe_folder: Path) -> Found:
    """The regular files of a folder, hidden ones aside; which of them are images is seen when they are read."""
    try:
        path = recipe_folder / Path(str(options.get("path"))).expanduser()
        with Enclosure(path) as inside:
            listed = [
                each.parts
                for each in inside.names(recursive=bool(options.get("recursive", True)))
                if each.obstacle is None
            ]
        sizes = [os.lstat(path.joinpath(*parts)).st_size for parts in listed]
    except (OSError, ValueError, RuntimeError) as error:
        return Found(Amount.unknown(f"no folder of images can be opened ({error}); `--images DIR` names another"))
    return Found(Amount(len(sizes)), sum(sizes) / len(sizes) if sizes else None)


def in_table(options: Mapping[str, Any], recipe_folder: Path) -> Found:
    """The rows of parquet files, as their ends tell them."""
    try:
        rows = TableSource.from_options(Site(recipe_folder, recipe_folder), **options).table.rows
    except (AlignbenchError, TypeError, OSError) as error:
        return Found(Amount.unknown(f"the table of images cannot be read: {error}"))
    return Found(Amount(rows))


def in_list(options: Mapping[str, Any], recipe_folder: Path) -> Found:
    """The addresses of a list; which of them still answer is seen when they are asked."""
    try:
        path = place(Site(recipe_folder, recipe_folder), "path", options.get("path"))
        column = text_or_null("url_column", options.get("url_column"))
        listed = read_manifest(path, dict.fromkeys(_COLUMNS) | {"url": column})
    except (AlignbenchError, OSError) as error:
        return Found(Amount.unknown(f"the list of images cannot be read: {error}"))
    return Found(Amount(sum(each.url is not None for each in listed)))


def in_file(options: Mapping[str, Any], recipe_folder: Path) -> Found:
    """The different prompts of a file, near duplicates included."""
    try:
        writer = FileWriter.from_options(Site(recipe_folder, recipe_folder), **options)
        found = sum(isinstance(each, Prompt) for each in writer.prompts(None, 0))
    except (AlignbenchError, TypeError, OSError) as error:
        return Found(Amount.unknown(f"the file of prompts cannot be read: {error}"))
    return Found(Amount(found))
