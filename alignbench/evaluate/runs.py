"""Finds the finished runs of a dataset."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, NoReturn, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from alignbench import schema
from alignbench.errors import DatasetChangedError, RunError
from alignbench.metrics import FloatArray
from alignbench.run_folder import read_description
from alignbench.store import Dataset
from alignbench.types import JudgeSpec, ModelRef, Status

_COLUMNS = [name for name in schema.JUDGMENTS.names if name not in ("raw", "attempts")]
_STATUSES = [str(status) for status in Status]
_USAGE = ("seconds", "input_tokens", "cached_tokens", "output_tokens", "cost_usd")
_RATES = ("seconds", "cost_usd")
_PLAIN = "sentence"


@dataclass(frozen=True, slots=True)
class Run:
    """A finished run.

    Attributes:
        name: For people; no two runs of an evaluation share one.
        judge_id: The judge's identity.
        family: The lineage of its model.
        control: What kind of blind control it is, or null.
        spec: The judge as a value.
        judgments: A row a sentence, in the order of the dataset: score, status, truncated, marks and what it cost.
    """

    name: str
    judge_id: str
    family: str | None
    control: str | None
    spec: JudgeSpec
    judgments: pa.Table

    def scores(self) -> FloatArray:
        """(N,) the score of every sentence of the dataset, NaN where there is none."""
        return np.asarray(self.judgments["score"].to_numpy(), np.float64)

    def statuses(self) -> pa.Array:
        """(N,) the status of every sentence of the dataset."""
        return self.judgments["status"].combine_chunks()

    def marks(self) -> pa.ListArray:
        """(N,) where the judge holds every sentence to be wrong: lists of start, end, suspicion; null where unsaid."""
        return self.judgments["marks"].combine_chunks()

    def usage(self) -> dict[str, float | int | None]:
        """What the newest answers of the run cost: sums, and means times 1,000; null where nothing was measured.

        Sentences for which it was not measured, such as those of missing images, are in neither.
        """
        sums = {name: pc.sum(self.judgments[name]).as_py() for name in _USAGE}
        means = {name: pc.mean(self.judgments[name]).as_py() for name in _RATES}
        return sums | {f"{name}_per_1000": None if mean is None else 1000 * mean for name, mean in means.items()}


class Found(NamedTuple):
    """What a folder of runs holds for a dataset.

    Attributes:
        runs: The finished runs.
        refused: Why each other run of this dataset cannot be used and what to run next, by folder name.
        others: How many runs belong to datasets of another name: one folder may hold those of several.
    """

    runs: list[Run]
    refused: dict[str, str]
    others: int


class _Begun(NamedTuple):
    """What run.json says of a run, finished or not."""

    folder: Path
    judge_id: str
    spec: JudgeSpec
    briefed: bool
    dataset: str
    digest: str
    shown_digest: str

    @classmethod
    def read(cls, folder: Path) -> Self:
        said = read_description(folder)
        try:
            spec = JudgeSpec(**{**said["spec"], "model": ModelRef(**said["spec"]["model"])})
            judged = said["dataset"]
            return cls(
                folder,
                said["judge_id"],
                spec,
                said["briefed"],
                judged["name"],
                judged["digest"],
                judged["shown_digest"],
            )
        except (KeyError, TypeError) as error:
            raise RunError(f"{folder / 'run.json'} lacks {error}; remove {folder}, then judge again") from error

    @property
    def is_finished(self) -> bool:
        return (self.folder / "judgments.parquet").is_file()


def find_runs(folder: Path, dataset: Dataset, sentence_ids: pa.Array) -> Found:
    """Read every run of `dataset` under `folder`, in the order of their folders' names.

    Raises:
        RunError: No run can be used, or a finished one is damaged or has not one judgment for each sentence.
        DatasetChangedError: No run can be used, because the dataset has changed since.
    """
    begun = [_Begun.read(path.parent) for path in sorted(folder.glob("*/run.json"))]
    mine = [run for run in begun if dataset.name == run.dataset or dataset.shown_digest == run.shown_digest]
    stale = {run.folder.name: reason for run in mine if (reason := _why_stale(run, dataset))}
    current = [run for run in mine if run.folder.name not in stale]
    usable = [run for run in current if run.is_finished]
    refused = stale | {run.folder.name: _why_open(run, dataset) for run in current if not run.is_finished}
    if not usable:
        _raise_no_runs(folder, dataset, refused, all_stale=len(stale) == len(mine) > 0)
    _refuse_twins(usable)
    runs = [
        Run(name, run.judge_id, run.spec.model.family, run.spec.control, run.spec, _read_judgments(run, sentence_ids))
        for name, run in zip(_distinct_names(usable), usable, strict=True)
    ]
    return Found(runs, dict(sorted(refused.items())), len(begun) - len(mine))


def _why_stale(run: _Begun, dataset: Dataset) -> str | None:
    if run.shown_digest != dataset.shown_digest:
        changed = "images, captions or sentences"
    elif run.briefed and run.digest != dataset.digest:
        changed = "labels, which this judge was told,"
    else:
        return None
    return f"{run.spec.name}: {changed} have changed since it judged; run `alignbench judge` again"


def _why_open(run: _Begun, dataset: Dataset) -> str:
    command = f"alignbench judge {dataset.path} --judge ... --out {run.folder.parent}"
    return f"{run.spec.name}: it is not finished; run `{command}` as before, which goes on where it stopped"


def _raise_no_runs(folder: Path, dataset: Dataset, refused: Mapping[str, str], *, all_stale: bool) -> NoReturn:
    if refused:
        lines = "".join(f"\n  {run}: {reason}" for run, reason in refused.items())
        error = DatasetChangedError if all_stale else RunError
        raise error(f"{folder} has no run of {dataset.path} that can be evaluated:{lines}")
    what = "has no run of" if folder.is_dir() else "is no folder, so it has no run of"
    raise RunError(
        f"{folder} {what} {dataset.name!r}; run `alignbench judge {dataset.path} --judge JUDGE --out {folder}` first; "
        "`alignbench list judges` tells the names"
    )


def _refuse_twins(runs: Sequence[_Begun]) -> None:
    first: dict[str, Path] = {}
    for run in runs:
        other = first.setdefault(run.judge_id, run.folder)
        if other != run.folder:
            raise RunError(f"{other} and {run.folder} are runs of one judge on one dataset; move one of them away")


def _distinct_names(runs: Sequence[_Begun]) -> list[str]:
    # The judge's own name; what replaced its images, what it was shown and its identity's first digits where needed.
    names = _told_apart([run.spec.name for run in runs], [run.spec.control for run in runs])
    shown = [None if run.spec.context == _PLAIN else f"in {run.spec.context}s" for run in runs]
    names = _told_apart(names, shown)
    return _told_apart(names, [run.judge_id[:6] for run in runs])


def _told_apart(names: Sequence[str], marks: Sequence[str | None]) -> list[str]:
    times = Counter(names)
    return [f"{name} ({mark})" if mark and times[name] > 1 else name for name, mark in zip(names, marks, strict=True)]


def _read_judgments(run: _Begun, sentence_ids: pa.Array) -> pa.Table:
    path = run.folder / "judgments.parquet"
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            found = file.schema_arrow
            wrong = schema.differences(schema.JUDGMENTS, schema.with_later_columns(found.empty_table()).schema)
            table = schema.with_later_columns(file.read(columns=[name for name in _COLUMNS if name in found.names]))
    except (pa.ArrowException, OSError) as error:
        raise RunError(f"{path} cannot be read: {error}; remove it and judge again: no answer is lost") from error
    if wrong:
        raise RunError(f"{path} lacks judgments' columns: {'; '.join(wrong)}; remove {run.folder}, then judge again")
    _check_rows(path, table, run.judge_id)
    order = _order(path, table["sentence_id"].combine_chunks(), sentence_ids)
    return table.drop_columns(["sentence_id", "judge_id"]).take(order)


def _check_rows(path: Path, table: pa.Table, judge_id: str) -> None:
    ok = pc.equal(table["status"], str(Status.OK))
    scored = pc.fill_null(pc.is_finite(table["score"]), False)
    faults = {
        f"are of another judge than {judge_id}": pc.not_equal(table["judge_id"], judge_id),
        "have a status that is none": pc.invert(pc.is_in(table["status"], value_set=pa.array(_STATUSES))),
        "have no finite score though their status is ok": pc.and_not(ok, scored),
        "have a score though their status is not ok": pc.and_not(pc.is_valid(table["score"]), ok),
        "have marks though their status is not ok": pc.and_not(pc.is_valid(table["marks"]), ok),
        "have marks that are no ranges of finite suspicion": _with_wrong_marks(table["marks"].combine_chunks()),
    }
    found = [f"{pc.sum(rows).as_py()} rows {fault}" for fault, rows in faults.items() if pc.any(rows).as_py()]
    if found:
        raise RunError(f"{path} is damaged: {'; '.join(found)}; remove {path.parent}, then judge again")


def _with_wrong_marks(marks: pa.ListArray) -> pa.Array:
    # (rows,) whether a row has a mark that the type would refuse.
    start, end, suspicion = (pc.struct_field(marks.flatten(), name) for name in ("start", "end", "suspicion"))
    range_, finite = pc.and_(pc.greater_equal(start, 0), pc.less(start, end)), pc.is_finite(suspicion)
    right = pc.fill_null(pc.and_(range_, finite), False).to_numpy(zero_copy_only=False)
    wrong = np.zeros(len(marks), np.bool_)
    wrong[pc.list_parent_indices(marks).to_numpy()[~right]] = True
    return pa.array(wrong)


def _order(path: Path, found: pa.Array, wanted: pa.Array) -> pa.Array:
    # Which row of the judgments belongs to each sentence of the dataset.
    faults = {
        "sentences are judged more than once": len(found) - len(pc.unique(found)),
        "judgments are of sentences that the dataset does not have": pc.index_in(found, value_set=wanted).null_count,
        "sentences of the dataset have no judgment": pc.index_in(wanted, value_set=found).null_count,
    }
    said = [f"{count} {fault}" for fault, count in faults.items() if count]
    if said:
        raise RunError(f"{path} does not fit the dataset: {'; '.join(said)}; remove {path.parent}, then judge again")
    return pc.index_in(wanted, value_set=found)
