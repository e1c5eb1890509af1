"""The runs that are published: which ones, and what is told of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from alignbench.errors import RunError
from alignbench.evaluate.runs import find_runs
from alignbench.parquet import READ_ERRORS, open_parquet
from alignbench.run_folder import read_description
from alignbench.schema import with_later_columns
from alignbench.store import Dataset

ENVIRONMENT = (
    "device",
    "max_pixels",
    "members",
    "numpy",
    "open_clip",
    "openai",
    "pixels",
    "prefix",
    "prices",
    "probe",
    "prompt",
    "text",
    "torch",
    "transformers",
    "workers",
)
"""What is told of where a judge ran: versions, devices and what it was asked. What else a judge noted stays at home:
`endpoint` can be the name of a machine, and what a third party's judge writes is not known."""


class PublishedRun(NamedTuple):
    """A finished run of the dataset as it is.

    Attributes:
        name: The judge's name; no two runs share one.
        folder: Where the run is.
        description: What run.json says, less what stays at home.
    """

    name: str
    folder: Path
    description: Mapping[str, Any]

    def judgments(self, sentence_ids: pa.Array, batch: int) -> Iterator[pa.Table]:
        """The judgments in the order of the sentences, as tables of at most `batch` rows.

        Raises:
            RunError: The file cannot be read.
        """
        path = self.folder / "judgments.parquet"
        try:
            with open_parquet(path) as file:
                found = file.read(columns=["sentence_id"])["sentence_id"].combine_chunks()
                if found.equals(sentence_ids):
                    for rows in file.iter_batches(batch):
                        yield with_later_columns(pa.Table.from_batches([rows]))
                    return
                yield from _in_order(file, found, sentence_ids, batch)
        except READ_ERRORS as error:
            raise RunError(f"{path} cannot be read: {error}; remove it and judge again: no answer is lost") from error


def published_runs(
    dataset: Dataset, runs: Path, sentence_ids: pa.Array
) -> tuple[list[PublishedRun], Mapping[str, str]]:
    """Every finished run of the dataset in the order of their folders' names; why each other one is not published.

    Raises:
        RunError: No run can be used, or a finished one is damaged or has not one judgment for each sentence.
        DatasetChangedError: No run can be used, because the dataset has changed since.
    """
    found = find_runs(runs, dataset, sentence_ids)
    names = {run.judge_id: run.name for run in found.runs}
    published = []
    for path in sorted(runs.glob("*/run.json")):
        said = read_description(path.parent)
        is_mine = said["dataset"].get("shown_digest") == dataset.shown_digest and path.parent.name not in found.refused
        if is_mine and said["judge_id"] in names:
            published.append(PublishedRun(names[said["judge_id"]], path.parent, _told(said)))
    return published, found.refused


def _told(description: Mapping[str, Any]) -> dict[str, Any]:
    environment = description.get("environment")
    kept = environment if isinstance(environment, dict) else {}
    return {**description, "environment": {name: kept[name] for name in ENVIRONMENT if name in kept}}


def _in_order(file: pq.ParquetFile, found: pa.Array, wanted: pa.Array, batch: int) -> Iterator[pa.Table]:
    order = pa.compute.index_in(wanted, value_set=found)
    rows = with_later_columns(file.read()).take(order)
    for start in range(0, len(rows), batch):
        yield rows.slice(start, batch)
