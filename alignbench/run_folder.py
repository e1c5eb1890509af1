"""The folder of a run, from its run.json to its judgments.parquet."""

from __future__ import annotations

import contextlib
import datetime as dt
import fcntl
import json
import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from alignbench import __version__
from alignbench.atomic import storage_errors, write_atomically
from alignbench.errors import DatasetChangedError, RunError
from alignbench.header import read_header
from alignbench.ledger import Recorded
from alignbench.schema import JUDGMENTS
from alignbench.store import Dataset
from alignbench.types import JudgeSpec

RUN_VERSION = 1
_CHUNK = 65_536
_FIXED = ("run_version", "judge_id", "seed", "permutation")


def folder_of(out: Path, dataset: Dataset, spec: JudgeSpec) -> Path:
    """Where the run of a judge over a dataset lives."""
    return out / f"{dataset.shown_digest[:8]}-{spec.judge_id}"


def house_of(folder: Path, shard: tuple[int, int]) -> Path:
    """Where a judge may keep files of its own: shards, which may run at the same time, do not share them."""
    number, count = shard
    return folder / "judge" if count == 1 else folder / "judge" / f"{number}-of-{count}"


def describe(
    dataset: Dataset,
    spec: JudgeSpec,
    *,
    seed: int,
    shards: int,
    briefed: bool,
    permutation: str | None,
    environment: Mapping[str, str],
) -> dict[str, Any]:
    """What run.json says of a run that begins now."""
    return {
        "run_version": RUN_VERSION,
        "judge_id": spec.judge_id,
        "spec": asdict(spec) | {"options": dict(spec.options)},
        "dataset": {
            "name": dataset.name,
            "version": dataset.version,
            "digest": dataset.digest,
            "shown_digest": dataset.shown_digest,
        },
        "briefed": briefed,
        "seed": seed,
        "shards": shards,
        "permutation": permutation,
        "environment": dict(environment),
        "versions": {"python": platform.python_version(), "alignbench": __version__},
        "started": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def begin_or_resume(folder: Path, description: Mapping[str, Any]) -> None:
    """Write run.json, or check that the run there was begun on the same dataset in the same way.

    Raises:
        DatasetChangedError: The dataset is not the one the run began with.
        RunError: The folder is damaged, or the run was begun with another seed.
        StorageError: The disk refused.
    """
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder):
        if (folder / "run.json").exists():
            _check_same(folder, read_description(folder), description)
            return
        _check_no_orphan(folder, description)
        said = json.dumps(description, indent=2, ensure_ascii=False, sort_keys=True)
        write_atomically(folder / "run.json", lambda path: _write_text(path, f"{said}\n"))


def read_description(folder: Path) -> dict[str, Any]:
    """What a run.json says; RunError where it cannot be read."""
    path = folder / "run.json"
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if not {"dataset", *_FIXED} <= said.keys():
            raise ValueError("fields are missing")
    except (OSError, ValueError, AttributeError) as error:
        raise RunError(f"{path} cannot be read: {error}; remove {folder}, then judge again") from error
    return dict(said)


def _check_same(folder: Path, begun: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    watched = ("shown_digest", "digest") if now["briefed"] else ("shown_digest",)
    for digest in watched:
        if begun["dataset"].get(digest) != now["dataset"][digest]:
            raise _changed(folder, now["dataset"]["name"])
    for key in _FIXED:
        if begun[key] != now[key]:
            raise RunError(
                f"the run in {folder} was begun with {key} {begun[key]!r}, not {now[key]!r}; "
                "use the same, or give another --out"
            )


def _check_no_orphan(folder: Path, description: Mapping[str, Any]) -> None:
    """Refuse to start over beside an unfinished run of the same judge on an earlier state of the dataset."""
    for other in sorted(folder.parent.glob(f"*-{description['judge_id']}/run.json")):
        begun = read_description(other.parent)
        finished = (other.parent / "judgments.parquet").exists()
        if not finished and begun["dataset"].get("name") == description["dataset"]["name"]:
            raise _changed(other.parent, description["dataset"]["name"])


def _changed(folder: Path, name: str) -> DatasetChangedError:
    return DatasetChangedError(
        f"the dataset {name!r} has changed since the run in {folder} began; bring back the dataset as it was, "
        "or give another --out, or remove that folder to judge from the start"
    )


def is_merged(folder: Path, recorded: Recorded) -> bool:
    """Whether judgments.parquet is there and holds the newest answers; one that cannot be read does not count."""
    try:
        attempts = pq.read_table(folder / "judgments.parquet", columns=["attempts"])["attempts"].to_numpy()
    except (OSError, pa.ArrowException):
        return False
    return np.array_equal(attempts, recorded.attempts)


def merge(folder: Path, recorded: Recorded, dataset: Dataset) -> None:
    """Write judgments.parquet, a row a sentence in the order of sentences.parquet.

    Raises:
        DatasetChangedError: The dataset was replaced while it was judged.
        StorageError: The disk refused; the ledgers keep every answer.
    """
    if read_header(dataset.path)["shown_digest"] != dataset.shown_digest:
        raise _changed(folder, dataset.name)

    def write(path: Path) -> None:
        with pq.ParquetWriter(path, JUDGMENTS, compression="zstd") as writer:
            for start in range(0, len(recorded.status), _CHUNK):
                writer.write_table(pa.Table.from_pylist(recorded.rows(start, start + _CHUNK), schema=JUDGMENTS))

    with _alone_in(folder):
        write_atomically(folder / "judgments.parquet", write)


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, waiting for it: shards start together and finish together."""
    with storage_errors(folder):
        descriptor = os.open(folder, os.O_RDONLY)
    try:
        with storage_errors(folder):
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
