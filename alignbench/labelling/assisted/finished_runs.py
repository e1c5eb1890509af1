"""Which finished runs of a dataset speak of its labels, and which were told them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from alignbench.errors import UnknownNameError, UsageError
from alignbench.evaluate.runs import Found, Run, find_runs
from alignbench.run_folder import read_description
from alignbench.shuffling import SHUFFLED_CAPTION
from alignbench.store import Dataset

ENSEMBLE = "ensemble"
SHORTEST_ID = 6
"""An id may be cut to so many digits."""


def runs_of(dataset: Dataset, folder: Path) -> Found:
    """Every finished run of `dataset`; for what it raises see `alignbench.evaluate.runs.find_runs`."""
    return find_runs(folder, dataset, dataset.sentences_table(["sentence_id"])["sentence_id"].combine_chunks())


def run_named(wanted: str, found: Found) -> Run:
    """The run of the judge of that name, that id, or an id that begins so.

    Raises:
        UnknownNameError: There is none.
        UsageError: It is not finished, it judged an earlier state of the dataset, or several ids begin so.
    """
    exact = [run for run in found.runs if wanted in {run.name, run.judge_id}]
    if exact:
        return exact[0]
    begun = [run for run in found.runs if len(wanted) >= SHORTEST_ID and run.judge_id.startswith(wanted)]
    if len(begun) > 1:
        raise UsageError(f"several judges' ids begin with {wanted!r}: {_named(begun)}; give more digits, or a name")
    if begun:
        return begun[0]
    for reason in found.refused.values():
        if reason.startswith(f"{wanted}:"):
            raise UsageError(f"the judge {reason}")
    names = [run.name for run in found.runs]
    raise UnknownNameError.of("finished run of", wanted, names, "judge with it first, by `alignbench judge`")


def why_mute(run: Run, told_labels: bool) -> str | None:
    """Why a run is no second opinion on labels; null where it is one."""
    if run.control is not None:
        return "a blind control"
    if run.spec.kind == ENSEMBLE:
        return "an ensemble, whose members speak for themselves"
    if run.spec.context == SHUFFLED_CAPTION:
        return "an experiment with shuffled captions"
    return "it was told the labels" if told_labels else None


def told_labels(folder: Path, dataset: Dataset) -> frozenset[str]:
    """The ids of the judges that were told labels when they judged `dataset`, by what their run.json says."""
    said = [read_description(path.parent) for path in sorted(folder.glob("*/run.json"))]
    return frozenset(
        one["judge_id"] for one in said if one["briefed"] and one["dataset"]["shown_digest"] == dataset.shown_digest
    )


def _named(runs: Iterable[Run]) -> str:
    return ", ".join(f"{run.name} ({run.judge_id})" for run in runs)
