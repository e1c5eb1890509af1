"""Puts the results together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alignbench import __version__
from alignbench.errors import UsageError
from alignbench.evaluate.comparisons import compare, ranks
from alignbench.evaluate.ensembles import ensemble_entries
from alignbench.evaluate.grids import Grids, grids_of
from alignbench.evaluate.judges import Judged, judge_numbers
from alignbench.evaluate.panel import ERROR_TYPES, Panel, read_panel
from alignbench.evaluate.runs import find_runs
from alignbench.resample import Draws
from alignbench.store import Dataset

RESULTS_VERSION = 1


class Evaluation(NamedTuple):
    """The results with what they were computed from, for what shows single sentences.

    Attributes:
        results: What results.json says.
        dataset: What was judged.
        panel: Its labelled sentences.
        judged: The judges in the order of the results, with a score for each sentence of the panel.
    """

    results: dict[str, Any]
    dataset: Dataset
    panel: Panel
    judged: Sequence[Judged]


def evaluate(dataset: Dataset, runs: Path, *, seed: int = 0, replicates: int = 2000) -> dict[str, Any]:
    """What results.json says of a dataset and its runs; see `evaluation_of`."""
    return evaluation_of(dataset, runs, seed=seed, replicates=replicates).results


def evaluation_of(dataset: Dataset, runs: Path, *, seed: int = 0, replicates: int = 2000) -> Evaluation:
    """How well every judge with a finished run tells the correct sentences of a dataset from the incorrect ones.

    The same dataset, runs, seed and replicates give the same bytes.

    Args:
        dataset: With labels; sentences that are unlabelled or `unknown` are left out and counted.
        runs: The folder of run folders.
        seed: Of the resampling, not negative.
        replicates: How often clusters are resampled.

    Returns:
        The judges by falling macro AUROC, then the blind controls in the same way.

    Raises:
        UsageError: The seed or the number of replicates makes no sense.
        DatasetError: The dataset lacks labels.
        DatasetChangedError: All runs judged an earlier state of the dataset.
        RunError: There is no finished run, or one is damaged.
    """
    if seed < 0 or replicates < 1:
        raise UsageError(f"the seed {seed} must be at least 0, the replicates {replicates} at least 1")
    panel = read_panel(dataset)
    found = find_runs(runs, dataset, panel.all_ids)
    grids = grids_of(panel)
    draws = Draws(panel.stratum, seed, replicates)
    judged = sorted((judge_numbers(run, panel, grids, draws) for run in found.runs), key=_place)
    comparisons = compare(judged, grids.by_producer, panel.cluster, draws)
    rank = ranks(judged, comparisons)
    ensembles = ensemble_entries(judged, comparisons)
    results = {
        "schema_version": RESULTS_VERSION,
        "signature": _signature(dataset, judged, seed, replicates),
        "dataset": _dataset(dataset, panel, grids),
        "seed": seed,
        "replicates": replicates,
        "judges": [one.entry | {"rank": rank[one.run.name]} | ensembles.get(one.run.name, {}) for one in judged],
        "comparisons": comparisons,
        "refused": found.refused,
        "runs_of_other_datasets": found.others,
    }
    return Evaluation(results, dataset, panel, judged)


def _place(judged: Judged) -> tuple[bool, float, str]:
    value = judged.entry["auroc"]["value"]
    return judged.run.control is not None, 1.0 if value is None else -value, judged.run.name


def _signature(dataset: Dataset, judged: Sequence[Judged], seed: int, replicates: int) -> str:
    judges = " ".join(sorted(one.run.judge_id[:6] for one in judged))
    return (
        f"alignbench {__version__}; dataset {dataset.name} {dataset.version} {dataset.digest[:12]}; "
        f"judges {judges}; seed {seed}; {replicates} replicates"
    )


def _dataset(dataset: Dataset, panel: Panel, grids: Grids) -> dict[str, Any]:
    names = ("images", "images_missing", "pairs", "sentences", "correct", "incorrect", "unknown", "unlabelled")
    return {
        "name": dataset.name,
        "version": dataset.version,
        "digest": dataset.digest,
        "shown_digest": dataset.shown_digest,
        **{name: dataset.counts[name] for name in names},
        "clusters": int(panel.stratum.size),
        "producers": grids.sizes(),
        "error_types": dict(zip(ERROR_TYPES, panel.error_types.sum(axis=0).tolist(), strict=True)),
    }
