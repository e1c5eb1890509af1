"""A published dataset, wherever it is, as a dataset folder."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.publish.back.restore import refuse_occupied, restore
from alignbench.publish.back.restored_runs import told_runs
from alignbench.publish.back.source import fetch
from alignbench.publish.folder.published import open_published
from alignbench.store import Dataset


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back.

    Attributes:
        dataset: The dataset.
        runs: The folders of its runs; none where they were not asked for.
        commit: What was fetched from the Hub; null for a folder.
    """

    dataset: Dataset
    runs: tuple[Path, ...]
    commit: str | None

    def to_json(self) -> dict[str, Any]:
        """All of it as JSON values."""
        dataset = self.dataset
        return {
            "dataset": str(dataset.path),
            "name": dataset.name,
            "version": dataset.version,
            "digest": dataset.digest,
            "counts": dict(dataset.counts),
            "runs": [str(run) for run in self.runs],
            "commit": self.commit,
        }


def restore_from(
    source: str,
    out: Path,
    *,
    runs: Path | None = None,
    revision: str | None = None,
    replace: bool = False,
    endpoint: str | None = None,
    token: str | None = None,
) -> Restored:
    """Write the dataset that was published at `source`, and its runs.

    A download stands beside `out` until it is restored; one that broke off stays there, and the next try goes on.

    Args:
        source: As `alignbench.publish.back.source.fetch` takes it; so `revision`, `endpoint` and `token`.
        out: The dataset folder to write.
        runs: The folder to write the runs' folders into.
        revision: See `source`.
        replace: Whether a dataset that stands at `out` is replaced.
        endpoint: See `source`.
        token: See `source`.

    Raises:
        PublishError: It cannot be fetched, or is not as it was published.
        DatasetError: `out` is occupied, or a run is there with other judgments.
        MissingDependencyError: The source is on the Hub and huggingface_hub is not installed.
        StorageError: The disk refused.
    """
    refuse_occupied(out, replace=replace)
    download = out.resolve().parent / f".{out.resolve().name}.download"
    folder, commit = fetch(source, download, revision=revision, endpoint=endpoint, token=token)
    try:
        dataset = restore(folder, out, runs=runs, replace=replace)
        told = () if runs is None else told_runs(open_published(folder))
    finally:
        if commit is not None:
            shutil.rmtree(download, ignore_errors=True)
    return Restored(dataset, tuple(runs / run.folder for run in told) if runs else (), commit)
