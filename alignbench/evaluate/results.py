"""Puts the results together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from alignbench import __version__
from alignbench.errors import RunError, UsageError
from alignbench.evaluate.analyses import analyses_of
from alignbench.evaluate.comparisons import compare, ranks
from alignbench.evaluate.ensembles import ensemble_entries
from alignbench.evaluate.grids import Grids, grids_of
from alignbench.evaluate.judges import Judged, judge_numbers
from alignbench.evaluate.positions import SHUFFLED_ONLY, position_entries
from alignbench.evaluate.preferences import preference_entries
from alignbench.evaluate.reference import reference_entry
from alignbench.evaluate.runs import Run, find_runs
from alignbench.families import Families
from alignbench.panel import ERROR_TYPES, Panel, read_panel
from alignbench.resample import Draws
from alignbench.shuffling import SHUFFLED_CAPTION
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


def evaluate(dataset: Dataset, runs: Path, **settings: Any) -> dict[str, Any]:
    """What results.json says of a dataset and its runs; `settings` are those of `evaluation_of`."""
    return evaluation_of(dataset, runs, **settings).results


def evaluation_of(
    dataset: Dataset,
    runs: Path,
    *,
    seed: int = 0,
    replicates: int = 2000,
    families: Path | None = None,
    reference: str | None = None,
) -> Evaluation:
    """How well every judge with a finished run tells the correct sentences of a dataset from the incorrect ones.

    The same dataset, runs, seed and replicates give the same bytes.

    Args:
        dataset: With labels; sentences that are unlabelled or `unknown` are left out and counted.
        runs: The folder of run folders.
        seed: Of the resampling, not negative.
        replicates: How often clusters are resampled.
        families: A file that says which models are of one lineage, on top of what is known.
        reference: The name of a published table to lay beside the results.

    Returns:
        The judges by falling macro AUROC, then the blind controls in the same way.

    Raises:
        UsageError: The seed or the number of replicates makes no sense.
        DatasetError: The dataset lacks labels.
        DatasetChangedError: All runs judged an earlier state of the dataset.
        RunError: There is no finished run, or one is damaged.
        UsageError: The file of families cannot be read, or is none.
        UnknownNameError: There is no such published table.
    """
    if seed < 0 or replicates < 1:
        raise UsageError(f"the seed {seed} must be at least 0, the replicates {replicates} at least 1")
    kin, published = Families.read(families), reference_entry(reference) if reference else None
    panel = read_panel(dataset)
    found = find_runs(runs, dataset, panel.all_ids)
    grids = grids_of(panel)
    draws = Draws(panel.stratum, seed, replicates)
    shown, arrangements = _apart(found.runs, runs)
    judged = sorted((judge_numbers(run, panel, grids, draws) for run in shown), key=_place)
    comparisons = compare(judged, grids.by_producer, panel.cluster, draws)
    rank = ranks(judged, comparisons)
    ensembles = ensemble_entries(judged, comparisons)
    analyses = analyses_of(dataset, panel, judged, grids, draws)
    positions = position_entries(dataset, panel, judged, arrangements)
    results = {
        "schema_version": RESULTS_VERSION,
        "signature": _signature(dataset, judged, seed, replicates),
        "dataset": _dataset(dataset, panel, grids),
        "seed": seed,
        "replicates": replicates,
        "judges": [
            {
                **one.entry,
                **analyses[one.run.name],
                "position_bias": positions[one.run.name],
                "rank": rank[one.run.name],
                **ensembles.get(one.run.name, {}),
            }
            for one in judged
        ],
        "comparisons": comparisons,
        "shuffled_only": positions[SHUFFLED_ONLY],
        "self_preference": preference_entries(judged, panel, kin, seed),
        "reference": published,
        "refused": found.refused,
        "runs_of_other_datasets": found.others,
    }
    return Evaluation(results, dataset, panel, judged)


def _apart(found: Sequence[Run], folder: Path) -> tuple[list[Run], list[Run]]:
    """The runs of judges, and those that showed captions in shuffled orders, which are experiments on judges."""
    arrangements = [run for run in found if run.spec.context == SHUFFLED_CAPTION]
    judges = [run for run in found if run.spec.context != SHUFFLED_CAPTION]
    if not judges:
        raise RunError(
            f"{folder} has only runs with shuffled captions, which show what a place does to a judge's scores, and no "
            "run of a judge; run `alignbench judge` without --context shuffled-caption too"
        )
    return judges, arrangements


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
