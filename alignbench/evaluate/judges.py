"""What the results say of each judge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from alignbench.cells import NOT_COMPARABLE
from alignbench.evaluate.grids import Grids, Row
from alignbench.evaluate.runs import Run
from alignbench.metrics import FloatArray, auroc, macro
from alignbench.panel import Panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.types import Status


@dataclass(frozen=True, slots=True)
class Judged:
    """A judge with its numbers.

    Attributes:
        run: Where they come from.
        score: (n,) of the sentences of the panel, NaN where missing.
        overall: Its AUROC of each producer.
        entry: What results.json says of it, without its rank.
    """

    run: Run
    score: FloatArray
    overall: Scored
    entry: dict[str, Any]


def judge_numbers(run: Run, panel: Panel, grids: Grids, draws: Draws) -> Judged:
    """All numbers of one judge that no other judge has a part in."""
    score = run.scores()[panel.row]
    overall, of_types, of_indices = (
        Scored(cells, score, panel.cluster, draws) for cells in (grids.by_producer, grids.by_type, grids.by_index)
    )
    entry = {
        "judge_id": run.judge_id,
        "name": run.name,
        "family": run.family,
        "control": run.control,
        "coverage": float(np.mean(~np.isnan(score))),
        "failures": _failures(run, panel),
        "truncated": int(run.judgments["truncated"].to_numpy()[panel.row].sum()),
        "auroc": _figure(overall, grids.overall),
        "bounds": _bounds(score, grids),
        "by_producer": {name: overall.figure([cell])._asdict() for cell, name in enumerate(grids.producers)},
        "by_error_type": {name: _figure(of_types, row) for name, row in grids.error_types.items()},
        "by_index": {name: _figure(of_indices, row) for name, row in grids.indices.items()},
        "usage": run.usage(),
    }
    return Judged(run, score, overall, entry)


def _figure(scored: Scored, row: Row) -> dict[str, Any]:
    if row.comparable:
        return scored.figure(row.comparable)._asdict()
    return scored.nothing(row.cells, NOT_COMPARABLE)._asdict()


def _failures(run: Run, panel: Panel) -> dict[str, int]:
    """How many of the panel's sentences have each status other than ok."""
    counted = pc.value_counts(run.statuses().take(panel.row)).to_pylist()
    said = {entry["values"]: entry["counts"] for entry in counted if entry["values"] != str(Status.OK)}
    return dict(sorted(said.items()))


def _bounds(score: FloatArray, grids: Grids) -> dict[str, float | None]:
    """The macro AUROC if every missing score were the worst possible, then the best."""
    known = ~np.isnan(score)
    rank = np.full(score.size, np.nan)
    rank[known] = np.unique(score[known], return_inverse=True)[1]
    is_correct = grids.by_producer.is_correct
    worst, best = (np.where(known, rank, np.where(is_correct == good, score.size, -1.0)) for good in (False, True))
    return {"low": _macro(worst, grids), "high": _macro(best, grids)}


def _macro(score: FloatArray, grids: Grids) -> float | None:
    cells = grids.by_producer
    rows = [np.concatenate([cells.correct_in(cell), cells.incorrect_in(cell)]) for cell in grids.overall.comparable]
    return macro(auroc(cells.is_correct[those], score[those]) for those in rows).value
