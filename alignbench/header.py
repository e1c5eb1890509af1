"""dataset.json, the file that says what a dataset folder holds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from alignbench.atomic import old_of
from alignbench.digest import COUNTS
from alignbench.errors import DatasetError
from alignbench.labelling.resolution import RULES
from alignbench.schema import SCHEMA_VERSION

HEADER = "dataset.json"
HEADER_FIELDS = ("name", "version", "schema_version", "counts", "digest", "shown_digest", "splitter")
LABELS_FILE = "labels.parquet"
"""The label events; there exactly where dataset.json has an entry `labels`."""

GIVE = "give a folder that `alignbench generate` or `alignbench import` wrote"
AGAIN = "generate or import the dataset again"


def read_header(path: Path) -> dict[str, Any]:
    """What dataset.json of the dataset folder `path` says.

    Raises:
        DatasetError: There is no such folder or file, it is not what it should be, or of another schema version.
    """
    file = path / HEADER
    if not file.is_file():
        raise not_a_dataset(path)
    try:
        header = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise DatasetError(f"{file} cannot be read: {error}; {AGAIN}") from error
    wrong = list(header_faults(header))
    if wrong:
        raise DatasetError(f"{file} is not what it should be: {'; '.join(wrong)}; {AGAIN}")
    return dict(header)


def write_header(folder: Path, header: Mapping[str, Any]) -> None:
    """Write dataset.json into a dataset folder that is not in its place yet."""
    (folder / HEADER).write_text(json.dumps(header, indent=2) + "\n", encoding="utf-8")


def header_faults(header: Any) -> Iterator[str]:
    """What is wrong with the content of a dataset.json, one phrase a fault."""
    if not isinstance(header, dict):
        yield "it is not a JSON object"
        return
    if header.get("schema_version", SCHEMA_VERSION) != SCHEMA_VERSION:
        version = header["schema_version"]
        yield f"schema_version is {version!r}, this alignbench reads {SCHEMA_VERSION}: use the one that wrote it"
        return
    yield from (f"{name} is missing" for name in HEADER_FIELDS if name not in header)
    for name in ("name", "version", "digest", "shown_digest"):
        if name in header and not (isinstance(header[name], str) and header[name]):
            yield f"{name} is not a string, or empty"
    if not _is_counts(header.get("counts", dict.fromkeys(COUNTS, 0))):
        yield f"counts does not have a number for each of {', '.join(COUNTS)}"
    splitter = header.get("splitter")
    if splitter is not None and not (isinstance(splitter, dict) and {"name", "version"} <= splitter.keys()):
        yield "splitter is neither null nor has a name and a version"
    yield from _labels_faults(header.get("labels"))


def not_a_dataset(path: Path) -> DatasetError:
    """The error for a `path` that is no dataset folder."""
    if old_of(path).is_dir() and not path.exists():
        old = old_of(path)
        return DatasetError(f"there is no dataset folder {path}; a write that was cut short left {old}: move it back")
    if not path.is_dir():
        return DatasetError(f"there is no dataset folder {path}; {GIVE}")
    return DatasetError(f"{path} is not a dataset: it has no {HEADER}; {GIVE}")


def _labels_faults(labels: Any) -> Iterator[str]:
    if labels is None:
        return
    if not isinstance(labels, dict):
        yield "labels is not a JSON object"
        return
    if labels.get("rule") not in RULES:
        yield f"labels.rule is {labels.get('rule')!r}, not one of {', '.join(RULES)}"
    if type(labels.get("events")) is not int or labels["events"] < 0:
        yield "labels.events is not the number of label events"
    if not (isinstance(labels.get("digest"), str) and labels["digest"]):
        yield "labels.digest is not a string, or empty"


def _is_counts(counts: Any) -> bool:
    return isinstance(counts, dict) and all(isinstance(counts.get(name), int) for name in COUNTS)
