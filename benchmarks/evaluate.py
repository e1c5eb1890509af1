"""Times a whole evaluation against scikit-learn loops over the same resamples, and a small one against its imports.

The loops do the resampled numbers only: the AUROC of every producer, error type and index, average precision and the
share caught at 5 % false alarms. They are timed on a few replicates of one judge and extrapolated to all.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import special
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from alignbench.cells import MIN_PER_CLASS
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import ERROR_TYPES, INDICES, Panel
from alignbench.resample import Draws
from alignbench.simulation import SimulatedJudge, SimulatedProducer, World, simulate, write_dataset, write_run
from alignbench.types import Direction

# Base rates as in Table 1 of arXiv 2511.20515, six captioners, then two image models.
WRONG = {
    "cogvlm": 0.085,
    "gpt-4o": 0.082,
    "sharegpt": 0.266,
    "llama-4": 0.148,
    "llava-1.6": 0.191,
    "qwen-2": 0.112,
    "stable-diffusion-3.5": 0.659,
    "gpt-image-1": 0.203,
}
IMAGE_MODELS = ("stable-diffusion-3.5", "gpt-image-1")
SENTENCES = 7
JUDGES = 10
REPLICATES = 2000
GOALS = {"whole": 15, "small": 3, "peak_mb": 2048, "peak_mb_of_a_million": 4096}


class Run(NamedTuple):
    """What one process took: seconds on the wall, seconds of processors, and its largest resident memory in MB."""

    wall: float
    processor: float
    peak_mb: float


def world_of(images: int) -> World:
    """As many producers as the published benchmark has, all of `images` images or prompts."""
    producers = []
    for name, wrong in WRONG.items():
        direction = Direction.TEXT_TO_IMAGE if name in IMAGE_MODELS else Direction.IMAGE_TO_TEXT
        producers.append(SimulatedProducer(name, wrong, name.split("-")[0], direction))
    return World(tuple(producers), images, SENTENCES, icc=0.3, unknown=0.02)


def judges_of(count: int) -> list[SimulatedJudge]:
    """Judges of rising skill; half of them have a family."""
    families = [name.split("-")[0] for name in WRONG]
    return [
        SimulatedJudge(
            f"judge-{number}",
            0.6 + 0.03 * number,
            own=families[number % len(families)] if number % 2 else None,
            shared=0.3,
        )
        for number in range(count)
    ]


def write(folder: Path, images: int, judges: int) -> tuple[Panel, FloatArray]:
    """A dataset and finished runs whose scores are probabilities; the panel, and the scores of the first judge."""
    simulated = simulate(world_of(images), judges_of(judges), seed=0)
    simulated = dataclasses.replace(simulated, scores=special.ndtr(simulated.scores / 2))
    dataset = write_dataset(simulated, folder / "dataset")
    for place in range(judges):
        write_run(simulated, place, dataset, folder / "runs")
    return simulated.panel, simulated.scores[0][simulated.panel.row]


def timed(command: list[str]) -> Run:
    """Run a process of this interpreter to its end."""
    began = time.perf_counter()
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    wall = time.perf_counter() - began
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}")
    return Run(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def evaluation(folder: Path) -> list[str]:
    """The command that evaluates what `write` wrote, numbers and tables without the page."""
    report = ["--out", str(folder / "report"), "--replicates", str(REPLICATES), "--no-page"]
    return ["-m", "alignbench", "evaluate", str(folder / "dataset"), str(folder / "runs"), *report]


def scikit_learn_loop(panel: Panel, score: FloatArray, counts: IntArray) -> int:
    """The resampled numbers of one judge in one replicate, from repeated rows; returns how many there were."""
    rows = np.repeat(np.arange(score.size), counts[panel.cluster])
    number = 0
    for producer in range(len(panel.producers)):
        mine = rows[panel.producer[rows] == producer]
        is_correct, scores = panel.is_correct[mine], score[mine]
        wrong_types, index = panel.error_types[mine], panel.index[mine]
        chosen = [np.ones(mine.size, np.bool_)]
        chosen += [is_correct | wrong_types[:, kind] for kind in range(len(ERROR_TYPES))]
        chosen += [index == place for place in range(len(INDICES))]
        number += sum(_auroc(is_correct[those], scores[those]) for those in chosen)
        average_precision_score(~is_correct, -scores)
        fpr, tpr, _ = roc_curve(~is_correct, -scores, drop_intermediate=False)
        np.interp(0.05, fpr, tpr)
        number += 2
    return number


def _auroc(is_correct: BoolArray, score: FloatArray) -> bool:
    """Whether there are enough sentences for an AUROC, which is computed."""
    if min(is_correct.sum(), (~is_correct).sum()) < MIN_PER_CLASS:
        return False
    roc_auc_score(is_correct, score)
    return True


def seconds_a_replicate(panel: Panel, score: FloatArray, replicates: int) -> float:
    """Processor seconds of the loop for one judge and one replicate: the median."""
    counts = next(iter(Draws(panel.stratum, seed=0, replicates=replicates))).astype(np.int64)
    times = []
    for column in range(replicates):
        began = time.process_time()
        scikit_learn_loop(panel, score, counts[:, column])
        times.append(time.process_time() - began)
    return statistics.median(times)


def small(folder: Path, rounds: int) -> dict[str, float]:
    """Wall times of a small evaluation and of importing numpy, pandas and pyarrow, by turns: medians."""
    write(folder, images=20, judges=3)
    imports = ["-c", "import numpy, pandas, pyarrow"]
    ours, theirs = [], []
    for _ in range(rounds):
        theirs.append(timed(imports).wall)
        ours.append(timed(evaluation(folder)).wall)
    ours_s, theirs_s = statistics.median(ours), statistics.median(theirs)
    return {"evaluate_s": round(ours_s, 3), "imports_s": round(theirs_s, 3), "ratio": round(ours_s / theirs_s, 2)}


def main() -> int:
    """Print the figures and the JSON line; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sentences, no million; under a minute")
    quick = parser.parse_args().quick
    images = 160 if quick else 1600
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        panel, score = write(folder / "whole", images, JUDGES)
        loop = seconds_a_replicate(panel, score, replicates=3 if quick else 4)
        whole = timed(evaluation(folder / "whole"))
        loop += seconds_a_replicate(panel, score, replicates=3 if quick else 4)
        extrapolated = loop / 2 * JUDGES * REPLICATES
        ratio = extrapolated / whole.processor
        print(
            f"{images * SENTENCES * len(WRONG):,} sentences, {JUDGES} judges, {REPLICATES:,} replicates: "
            f"{whole.wall:.1f} s, {whole.peak_mb:,.0f} MB; scikit-learn loops (extrapolated) {extrapolated:,.0f} s; "
            f"{ratio:.0f} times as fast, goal {GOALS['whole']}"
        )
        little = small(folder / "small", rounds=3 if quick else 9)
        print(f"small: {little['ratio']} times the imports of numpy, pandas and pyarrow, goal {GOALS['small']} at most")
        detail = {"whole": whole._asdict(), "extrapolated_s": round(extrapolated, 1), "small": little, "goals": GOALS}
        missed = ratio < GOALS["whole"] or little["ratio"] > GOALS["small"] or whole.peak_mb > GOALS["peak_mb"]
        if not quick:
            write(folder / "million", images=17_858, judges=2)
            million = timed(evaluation(folder / "million"))
            print(f"1,000,048 sentences, 2 judges: {million.wall:.1f} s, {million.peak_mb:,.0f} MB")
            detail["million"] = million._asdict()
            missed = missed or million.peak_mb > GOALS["peak_mb_of_a_million"]
    summary = {"benchmark": "evaluate", "ratio": round(ratio, 1), "goal": GOALS["whole"], "max_abs_diff": None}
    print(json.dumps(summary | {"detail": detail}))
    return int(missed)


if __name__ == "__main__":
    raise SystemExit(main())
