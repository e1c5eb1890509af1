"""Measures how often 95 % intervals hold the truth, and how often fair judges are accused, on planted worlds.

Every interval is the one that `alignbench evaluate` prints. The truth of a world is what the same estimators say of
simulations of at least a million sentences of the same world.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import textwrap
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import special

from alignbench.analysis.position import position_bias
from alignbench.analysis.self_preference import Contender, self_preference
from alignbench.evaluate.comparisons import compare
from alignbench.evaluate.grids import grids_of
from alignbench.evaluate.judges import Judged
from alignbench.evaluate.runs import Run
from alignbench.families import Families
from alignbench.panel import Panel
from alignbench.resample import Draws
from alignbench.scored import Scored
from alignbench.simulation import Simulated, SimulatedJudge, SimulatedProducer, World, simulate
from alignbench.types import Direction, JudgeSpec, ModelRef

IMAGES, SENTENCES, REPLICATES = 150, 5, 499
LEVEL, ALPHA = 0.95, 0.05
COVERAGE_REACH, ACCUSED_REACH = 0.02, 0.015
WRONG = {"alpha": 0.15, "beta": 0.2, "gamma": 0.3, "delta": 0.4}
# The first judge is as good as the second and better than the third; each has a family among the producers.
AUROCS = (0.8, 0.8, 0.75, 0.7)
POSITION, PREFERENCE = -0.2, 0.3
# In the uneven world, how many times as far apart as elsewhere the correct and incorrect sentences of a producer are.
EASE = {"alpha": 0.7, "beta": 1.0, "gamma": 1.1, "delta": 1.2}
UNEVEN, SELF, POOLED = "uneven", "self-preference", "self-preference (d)"
WORLDS = ("fair", "biased", UNEVEN)

FloatArray = NDArray[np.float64]


class Said(NamedTuple):
    """What an estimator says of a data set; NaN where it says nothing.

    Attributes:
        value: The number.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: Its p-value; where it has none, 0 or 1: whether the interval leaves out what no effect would be.
    """

    value: float
    low: float
    high: float
    p: float


class Truth(NamedTuple):
    """What the truth of a world is made of: so many simulations of so many sentences."""

    simulations: int = 4
    sentences: int = 1_000_000


class Task(NamedTuple):
    """A data set to simulate."""

    world: str
    seed: int
    images: int
    replicates: int


@dataclass(frozen=True, slots=True)
class Row:
    """How an estimator did in a world.

    Attributes:
        world: Its name.
        estimator: Its name.
        truth: What it says of millions of sentences, the mean of several simulations.
        truth_error: The standard error of that; null where there is one simulation only.
        coverage: Share of its intervals that hold the truth.
        width: Mean width of its intervals.
        found: Share of the data sets in which its p is below 0.05.
        accused: Whether there is nothing to be found.
        undefined: Share of the data sets in which it has no interval.
        datasets: How many data sets.
    """

    world: str
    estimator: str
    truth: float
    truth_error: float | None
    coverage: float
    width: float
    found: float | None
    accused: bool
    undefined: float
    datasets: int

    def distance(self, slack: float) -> float:
        """How far its worst figure is from what is wanted, as a share of what is allowed; at most 1 is good.

        Args:
            slack: Standard errors of a share of `datasets` that are allowed on top.
        """
        figures = [(self.coverage, LEVEL, COVERAGE_REACH)]
        if self.found is not None and has_band(self.world, self.estimator):
            # A permutation test with few assignments may accuse less often than it is allowed to.
            found = max(self.found, ALPHA) if self.estimator.startswith(POOLED) else self.found
            figures.append((found, ALPHA, ACCUSED_REACH))
        return max(
            abs(share - wanted) / (reach + slack * (wanted * (1 - wanted) / self.datasets) ** 0.5)
            for share, wanted, reach in figures
        )


def planted(world: str, images: int) -> tuple[World, list[SimulatedJudge]]:
    """A world of four producers and four judges.

    Labels and scores have a correlation of 0.5 within an image, first sentences are wrong half as often as later ones,
    and judges have three tenths of their noise in common.

    Args:
        world: A name in `WORLDS`.
        images: How many.
    """
    producers = tuple(SimulatedProducer(name, wrong, f"family-{name}") for name, wrong in WRONG.items())
    judges = [
        SimulatedJudge(f"judge-{name}", auroc=auroc, icc=0.5, shared=0.3, own=f"family-{name}")
        for name, auroc in zip(WRONG, AUROCS, strict=True)
    ]
    if world == "biased":
        judges = [replace(judge, position=POSITION, preference=PREFERENCE) for judge in judges]
    if world == UNEVEN:
        judges = [replace(judge, auroc_of=_uneven(judge.auroc)) for judge in judges]
    return World(producers, images, SENTENCES, icc=0.5, first=0.5), judges


def _uneven(auroc: float) -> dict[str, float]:
    # Of a judge by producer; the mean ease is that of the even worlds.
    return {name: float(special.ndtr(special.ndtri(auroc) * ease)) for name, ease in EASE.items()}


def estimates(simulated: Simulated, replicates: int) -> dict[str, Said]:
    """What every estimator says of a data set, by its name."""
    panel = simulated.panel
    grids = grids_of(panel)
    draws = Draws(panel.stratum, simulated.seed, replicates)
    judged = [
        _judged(judge, score, Scored(grids.by_producer, score, panel.cluster, draws))
        for judge, score in zip(simulated.judges, simulated.score, strict=True)
    ]
    first = judged[0].overall
    said = {"AUROC, macro": _said(first.figure(grids.overall.comparable)._asdict())}
    for cell, name in enumerate(grids.producers):
        said[f"AUROC, {name} ({WRONG[name]:.0%} incorrect)"] = _said(first.figure([cell])._asdict())
    found = compare(judged[:3], grids.by_producer, panel.cluster, draws)
    said["difference, equal judges"] = _said(found[0], value="delta")
    said["difference, unequal judges"] = _said(found[1], value="delta")
    return said | _position(panel, judged[0].score) | _self_preference(judged, panel)


def _judged(judge: SimulatedJudge, score: FloatArray, scored: Scored) -> Judged:
    spec = JudgeSpec(judge.name, "simulated", ModelRef(judge.name, family=judge.own))
    return Judged(Run(judge.name, judge.name, judge.own, None, spec, pa.table({})), score, scored, {})


def _position(panel: Panel, score: FloatArray) -> dict[str, Said]:
    bias = position_bias(panel, score)
    return {
        "position (b), incorrect": _said(bias["incorrect"], null=0.5),
        "position (b), correct": _said(bias["correct"], null=0.5),
        "position (c), slope": _said(bias["slope"]),
    }


def _self_preference(judged: Sequence[Judged], panel: Panel) -> dict[str, Said]:
    contenders = [Contender(one.run.name, one.run.spec.model, one.score, one.overall) for one in judged]
    found = self_preference(contenders, panel, Families.read())["directions"][str(Direction.IMAGE_TO_TEXT)]
    effect = next(one for one in found["effects"] if one["judge"] == contenders[0].name)
    return {
        "self-preference (b), AUROC": _said(effect),
        "self-preference (b), AUROC, interaction": _said(effect["allowing_interaction"]),
        "self-preference (c), leniency": _said(effect["leniency"]),
        "self-preference (c), leniency, interaction": _said(effect["leniency"]["allowing_interaction"]),
        f"{POOLED}, AUROC": _said(found["pooled"]["auroc"]),
        f"{POOLED}, leniency": _said(found["pooled"]["leniency"]),
    }


def _said(figure: Mapping[str, Any], *, value: str = "value", null: float = 0.0) -> Said:
    number, low, high = (np.nan if figure[key] is None else float(figure[key]) for key in (value, "low", "high"))
    p = figure["p"] if "p" in figure else float(low <= null <= high)
    return Said(number, low, high, np.nan if p is None or np.isnan(low) else p)


def has_nothing(world: str, estimator: str) -> bool:
    """Whether there is nothing for that estimator to find."""
    return world != "biased" and not estimator.startswith("AUROC") and estimator != "difference, unequal judges"


def has_band(world: str, estimator: str) -> bool:
    """Whether a band is asked of how often that estimator finds what is not there."""
    return has_nothing(world, estimator) and not (world == UNEVEN and estimator.startswith(SELF))


def run_task(task: Task) -> tuple[Task, dict[str, Said]]:
    """Simulate a data set and estimate everything."""
    return task, estimates(simulate(*planted(task.world, task.images), seed=task.seed), task.replicates)


def measure(worlds: Iterable[str], datasets: int, truth: Truth, *, jobs: int = 1, log: bool = False) -> list[Row]:
    """Simulate data sets of every world and what its truth is.

    Args:
        worlds: Names in `WORLDS`.
        datasets: How many of each.
        truth: What the truths are made of.
        jobs: How many processes.
        log: Whether to tell on stderr how far it is.
    """
    names = tuple(worlds)
    large = truth.sentences // (len(WRONG) * SENTENCES)
    # Seeds from 0 for the data sets; those of the truths are none of theirs.
    tasks = [Task(world, 10**6 + number, large, 1) for world in names for number in range(truth.simulations)]
    tasks += [Task(world, number, IMAGES, REPLICATES) for number in range(datasets) for world in names]
    truths: dict[str, list[dict[str, Said]]] = {world: [] for world in names}
    small: dict[str, list[dict[str, Said]]] = {world: [] for world in names}
    began = time.monotonic()
    for finished, (task, said) in enumerate(_run_all(tasks, jobs), 1):
        (truths if task.images == large else small)[task.world].append(said)
        if log and finished % 200 == 0:
            print(f"{finished} of {len(tasks)}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
            if finished % 1000 == 0:
                print(*lines_of(_rows(truths, small)), sep="\n", file=sys.stderr, flush=True)
    return _rows(truths, small)


def _run_all(tasks: Sequence[Task], jobs: int) -> Iterable[tuple[Task, dict[str, Said]]]:
    if jobs == 1:
        yield from map(run_task, tasks)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(run_task, tasks)


def _rows(truth: Mapping[str, Sequence[dict[str, Said]]], small: Mapping[str, Sequence[dict[str, Said]]]) -> list[Row]:
    return [
        _row(world, name, np.array([each[name].value for each in truth[world]]), [each[name] for each in small[world]])
        for world in truth
        for name in truth[world][0]
    ]


def _row(world: str, estimator: str, truths: FloatArray, said: Sequence[Said]) -> Row:
    _, low, high, p = np.array(said).T
    known = ~np.isnan(low)
    truth = float(truths.mean())
    found = None if estimator.startswith("AUROC") else float((p < ALPHA).mean())
    return Row(
        world,
        estimator,
        truth,
        float(truths.std(ddof=1) / truths.size**0.5) if truths.size > 1 else None,
        coverage=float(((low <= truth) & (truth <= high))[known].mean()),
        width=float((high - low)[known].mean()),
        found=found,
        accused=has_nothing(world, estimator),
        undefined=float(1 - known.mean()),
        datasets=len(said),
    )


def percent(share: float) -> str:
    """A share in words."""
    return f"{100 * share:.1f} %"


def lines_of(rows: Sequence[Row]) -> list[str]:
    """The rows as a table in Markdown."""
    head = ("world", "estimator", "truth", "its s.e.", "coverage", "mean width", "found", "undefined")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * 2}{'---:|' * (len(head) - 2)}"]
    for row in rows:
        found = "" if row.found is None else f"{percent(row.found)}{' (false)' if row.accused else ''}"
        error = "" if row.truth_error is None else f"{row.truth_error:.4f}"
        figures = (f"{row.truth:.4f}", error, percent(row.coverage), f"{row.width:.3f}", found)
        lines.append(f"| {' | '.join((row.world, row.estimator, *figures, percent(row.undefined)))} |")
    return lines


def page(rows: Sequence[Row], truth: Truth, command: str) -> str:
    """The table as a page for docs/, with what it means."""
    datasets = rows[0].datasets
    before = f"""
Written by `{command}`, which prints the table too; seeds count from 0.

Each of {datasets:,} simulated data sets of a world has {IMAGES} images, {len(WRONG)} producers and {SENTENCES}
sentences a caption. Labels and scores have a correlation of 0.5 within an image, first sentences are wrong half as
often as later ones, and judges have three tenths of their noise in common. The judges of the world `fair` have no
effect at all. Those of `biased` like first sentences ({POSITION:g} standard deviations for each step of the index) and
their own family's errors ({PREFERENCE:+g} standard deviations). Those of `uneven`
are fair again, but producers' errors are not equally hard to see, alpha's most and delta's least, so that good judges
gain more on some producers than on others.

Every interval is nominally a 95 % one, from {REPLICATES} replicates where it is resampled. The **truth** is what the
same estimator says of {truth.simulations} simulations of {truth.sentences:,} sentences of the same world each.
**Coverage** is the share of the intervals that hold it; {percent(LEVEL - COVERAGE_REACH)} to
{percent(LEVEL + COVERAGE_REACH)} is wanted, and the share itself has a standard error of
{percent((LEVEL * (1 - LEVEL) / datasets) ** 0.5)}. **Found** is how often p is below 0.05, or, where an estimator has
no p, how often its interval leaves out no difference. Where there is nothing to find it is false,
and {percent(ALPHA - ACCUSED_REACH)} to {percent(ALPHA + ACCUSED_REACH)} is wanted; elsewhere it is the power.
**Undefined** is how often there is no interval.
"""
    after = """
Position (b) is the probability that a first sentence outscores a later one of the same label, (c) the slope of the
normalised rank over the index. Self-preference (b) is the AUROC on own captions minus what an additive fit on the
others predicts, (c) the same of the leniency towards incorrect sentences, both for the first judge, (d) their means
over all judges. The p of (d) is that of a permutation test with 24 assignments, so it can be below 0.05 in one case of
24 only: it may be false less often than is wanted of the others.

In the world `uneven` a plain additive fit takes what good judges lose on hard errors for an effect. What it finds there
is false, and no band is asked of it; the rows with `interaction` allow for that as far as one number for all cells
can. `alignbench evaluate` says both.

`alignbench simulate` makes such worlds of any size. How surely effects are found in larger ones is in
`tests/test_planted_effects.py`.
"""
    filled = ["\n\n".join(textwrap.fill(each.strip(), 118) for each in part.split("\n\n")) for part in (before, after)]
    title = "# Do the intervals hold what they promise?"
    return "\n\n".join([title, filled[0], "\n".join(lines_of(rows)), filled[1]]) + "\n"


def main() -> int:
    """Measure, print the table; 1 where a figure is outside its band."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--datasets", type=int, default=2000, help="data sets of each world")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--quick", action="store_true", help="under a minute: few data sets, bands wider by 3 s.e.")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table, with what it means, to a page")
    given = parser.parse_args()
    datasets, truth, slack = (100, Truth(1), 3.0) if given.quick else (given.datasets, Truth(), 0.0)
    began = time.monotonic()
    rows = measure(WORLDS, datasets, truth, jobs=given.jobs, log=True)
    print(*lines_of(rows), sep="\n")
    if given.write:
        command = f"python benchmarks/coverage.py --datasets {datasets} --write {given.write.as_posix()}"
        given.write.write_text(page(rows, truth, command), encoding="utf-8")
    outside = [row for row in rows if not row.distance(slack) <= 1]
    for row in outside:
        print(f"outside its band: {row.world}, {row.estimator}: coverage {row.coverage:.1%}, found {row.found}")
    worst = max(row.distance(slack) for row in rows)
    detail = {
        "datasets": datasets,
        "seconds": round(time.monotonic() - began),
        "coverage_band": [round(LEVEL - COVERAGE_REACH, 3), round(LEVEL + COVERAGE_REACH, 3)],
        "false_positive_band": [round(ALPHA - ACCUSED_REACH, 3), round(ALPHA + ACCUSED_REACH, 3)],
        "standard_errors_allowed_on_top": slack,
        "rows": [asdict(row) for row in rows],
    }
    # What is allowed over what the worst figure is away: at least 1 where all are within their bands.
    summary = {
        "benchmark": "coverage",
        "ratio": round(1 / worst, 2),
        "goal": 1,
        "max_abs_diff": round(max(abs(row.coverage - LEVEL) for row in rows), 4),
        "detail": detail,
    }
    print(json.dumps(summary, allow_nan=False))
    return int(bool(outside))


if __name__ == "__main__":
    raise SystemExit(main())
