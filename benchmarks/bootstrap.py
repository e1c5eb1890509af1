"""Times resampled AUROCs against a scikit-learn loop over the same draws, at the size of AlignBench."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from alignbench.cells import Cells
from alignbench.resample import BLOCK, Draws, Presorted

# Table 1 of arXiv 2511.20515: sentences and share of correct ones, six captioners, then two image models.
SENTENCES = (7372, 12790, 17610, 14800, 15170, 15790, 2417, 3524)
CORRECT = (0.915, 0.918, 0.734, 0.852, 0.809, 0.888, 0.341, 0.797)
IMAGES, PROMPTS = 2000, 1007
REPLICATES = 2000
GOALS = {"real": 15, "integer": 150}

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Benchmark(NamedTuple):
    """89,473 sentences: their labels in a grid with a part a producer, and their clusters."""

    cells: Cells
    cluster: IntArray
    stratum: IntArray


class Times(NamedTuple):
    """Processor seconds a replicate, and the largest difference between the two ways."""

    scikit_learn: float
    alignbench: float
    sorting: float
    max_abs_diff: float

    @property
    def ratio(self) -> float:
        """How many times faster `REPLICATES` replicates are, sorting included."""
        return self.scikit_learn / (self.alignbench + self.sorting / REPLICATES)


def alignbench_like(rng: np.random.Generator) -> Benchmark:
    """Labels and clusters of the published benchmark's shape."""
    producer = np.repeat(np.arange(len(SENTENCES)), SENTENCES)
    is_correct = rng.random(producer.size) < np.array(CORRECT)[producer]
    cluster = np.where(
        producer < 6, rng.integers(IMAGES, size=producer.size), IMAGES + rng.integers(PROMPTS, size=producer.size)
    )
    stratum = (np.arange(IMAGES + PROMPTS) >= IMAGES).astype(np.int64)
    return Benchmark(Cells(is_correct, producer, len(SENTENCES), ~is_correct[:, None]), cluster, stratum)


def scikit_learn_loop(world: Benchmark, score: FloatArray, counts: FloatArray) -> FloatArray:
    """The AUROC of every producer in one replicate, (producers,), from repeated rows."""
    rows = np.repeat(np.arange(score.size), counts[world.cluster].astype(np.int64))
    producer = world.cells.part[rows]
    by_producer = [rows[producer == number] for number in range(world.cells.n_parts)]
    return np.array([roc_auc_score(world.cells.is_correct[those], score[those]) for those in by_producer])


def race(world: Benchmark, score: FloatArray, *, rounds: int, slow: int) -> Times:
    """Both ways by turns: a round is a block of our replicates, then the first `slow` of them by the loop."""
    began = time.process_time()
    presorted = Presorted(world.cells, score, world.cluster, world.stratum.size)
    sorting = time.process_time() - began
    loop, ours, differences = [], [], []
    for counts in Draws(world.stratum, seed=1, replicates=rounds * BLOCK):
        began = time.process_time()
        drawn = presorted.aurocs(counts)
        ours.append((time.process_time() - began) / BLOCK)
        for column in range(slow):
            began = time.process_time()
            expected = scikit_learn_loop(world, score, counts[:, column])
            loop.append(time.process_time() - began)
            differences.append(np.abs(drawn[:, column] - expected).max())
    return Times(statistics.median(loop), statistics.median(ours), sorting, float(max(differences)))


def seconds_to_draw(stratum: IntArray) -> float:
    """Processor seconds a replicate to draw the clusters, which both ways share and neither is charged."""
    began = time.process_time()
    blocks = list(Draws(stratum, seed=0, replicates=10 * BLOCK))
    return (time.process_time() - began) / (len(blocks) * BLOCK)


def said(kind: str, times: Times) -> dict[str, float]:
    """The times in milliseconds, with their ratio and goal."""
    return {
        "ratio": round(times.ratio, 1),
        "goal": GOALS[kind],
        "scikit_learn_ms": round(times.scikit_learn * 1e3, 3),
        "alignbench_ms": round(times.alignbench * 1e3, 4),
        "sorting_once_ms": round(times.sorting * 1e3, 1),
        "max_abs_diff": times.max_abs_diff,
    }


def main() -> int:
    """Run both kinds of scores; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute")
    rounds, slow = (10, 4) if parser.parse_args().quick else (60, 8)
    rng = np.random.default_rng(0)
    world = alignbench_like(rng)
    real = rng.normal(size=world.cluster.size) + 0.8 * world.cells.is_correct
    scores = {"real": real, "integer": np.clip(np.round(50 + 15 * real), 0, 100)}
    results = {kind: said(kind, race(world, score, rounds=rounds, slow=slow)) for kind, score in scores.items()}
    for kind, result in results.items():
        print(f"{kind} scores: {result['ratio']:.0f} times a scikit-learn loop, goal {result['goal']}")
    detail = {
        **results,
        "drawing_ms": round(seconds_to_draw(world.stratum) * 1e3, 4),
        "rows": int(world.cluster.size),
        "clusters": int(world.stratum.size),
    }
    summary = {
        "benchmark": "bootstrap",
        "ratio": results["real"]["ratio"],
        "goal": GOALS["real"],
        "max_abs_diff": max(result["max_abs_diff"] for result in results.values()),
        "detail": detail,
    }
    print(json.dumps(summary))
    return int(any(result["ratio"] < result["goal"] for result in results.values()))


if __name__ == "__main__":
    raise SystemExit(main())
