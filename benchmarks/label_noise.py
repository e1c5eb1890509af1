"""Measures what the queue finds of planted label noise, and what correcting its top is worth, against chance.

Labels are turned round at random; the queue is made from the scores as `alignbench label queue` makes it; its first N,
N being the number of wrong labels, are set right. Printed are the share of wrong labels among the first N, how many
times that is the base rate, and how much of the AUROC that the noise cost is won back, by the queue and by correcting
N at random. A judge that was not heard tells how much of the gain is flattery: judges choose the labels on which they
and people differ, so what is left wrong agrees with them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special

from alignbench.analysis.cross_fitting import Known
from alignbench.analysis.label_noise import VOTE_ACCURACY, correct_odds, wrong_odds
from alignbench.families import Families
from alignbench.labelling.assisted.finished_runs import runs_of, told_labels, why_mute
from alignbench.metrics import auroc, normalised_ranks
from alignbench.panel import Panel, read_panel
from alignbench.simulation import SimulatedJudge, SimulatedProducer, World, simulate
from alignbench.store import Dataset

NOISE, GOAL, ANNOTATORS = 0.05, 8.0, 3
SHARES = {"alpha": 0.1, "beta": 0.2, "gamma": 0.35, "delta": 0.6}
JUDGES = tuple(SimulatedJudge(f"judge at {strength}", strength, shared=0.3) for strength in (0.9, 0.85, 0.8, 0.75))

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]


class Judged(NamedTuple):
    """What is known of n sentences before any noise.

    Attributes:
        name: What people call it.
        panel: With labels that are taken for true.
        judges: The judges' names.
        scores: (judges, n) NaN where missing.
        own: (judges, n) whether a sentence's producer is of the judge's family.
    """

    name: str
    panel: Panel
    judges: Sequence[str]
    scores: FloatArray
    own: BoolArray

    def heard(self, judges: Sequence[int]) -> FloatArray:
        """The scores of some judges where they count."""
        return np.where(self.own, np.nan, self.scores)[list(judges)]

    def aurocs(self, is_correct: BoolArray) -> FloatArray:
        """(judges,) macro AUROC by these labels."""
        return np.array([self._macro(is_correct, score) for score in self.scores])

    def _macro(self, is_correct: BoolArray, score: FloatArray) -> float:
        there = ~np.isnan(score)
        rows = [there & (self.panel.producer == place) for place in range(len(self.panel.producers))]
        values = [auroc(is_correct[those], score[those]).value for those in rows]
        return float(np.mean([value for value in values if value is not None]))


class Labels(NamedTuple):
    """Labels with noise: (n,) each."""

    is_correct: BoolArray
    votes_for: IntArray
    votes_against: IntArray


def turned(truth: BoolArray, wrong: BoolArray) -> Labels:
    """Labels that nobody voted on."""
    nobody = np.zeros(truth.size, np.int64)
    return Labels(truth ^ wrong, nobody, nobody)


def at_random(truth: BoolArray, rng: np.random.Generator) -> Labels:
    """So many labels turned round, wherever they are."""
    wrong = np.zeros(truth.size, np.bool_)
    wrong[rng.permutation(truth.size)[: round(NOISE * truth.size)]] = True
    return turned(truth, wrong)


def overlooked(truth: BoolArray, rng: np.random.Generator) -> Labels:
    """Errors that people did not see, as many, but no more than half of them: no correct sentence is called wrong."""
    errors = rng.permutation(np.flatnonzero(~truth))
    wrong = np.zeros(truth.size, np.bool_)
    wrong[errors[: min(round(NOISE * truth.size), errors.size // 2)]] = True
    return turned(truth, wrong)


def careless(truth: BoolArray, rng: np.random.Generator) -> Labels:
    """One annotator who overlooks one error in five and calls one correct sentence in fifty wrong."""
    return turned(truth, rng.random(truth.size) < np.where(truth, 0.02, 0.2))


def voted(truth: BoolArray, rng: np.random.Generator) -> Labels:
    """Three annotators, each right with the probability that the queue takes them for; their majority."""
    right = (rng.random((ANNOTATORS, truth.size)) < VOTE_ACCURACY).sum(axis=0)
    wrong = 2 * right < ANNOTATORS
    most = np.maximum(right, ANNOTATORS - right)
    return Labels(truth ^ wrong, most, ANNOTATORS - most)


KINDS: dict[str, Callable[[BoolArray, np.random.Generator], Labels]] = {
    "at random": at_random,
    "overlooked errors": overlooked,
    "a careless annotator": careless,
    "majority of three": voted,
}


def doubts(judged: Judged, labels: Labels, judges: Sequence[int]) -> tuple[FloatArray, FloatArray]:
    """The log-odds that each label is wrong, by the scores of some judges, and by votes too; NaN where unknown."""
    panel = judged.panel
    known = Known(labels.is_correct, np.ones(panel.row.size, np.bool_), panel.cluster)
    odds = correct_odds(judged.heard(judges), known, panel.producer)
    return np.where(labels.is_correct, -odds, odds), wrong_odds(odds, *labels)


def by_frequency(judged: Judged, labels: Labels) -> FloatArray:
    """The doubt if the labels weighed by how frequent they are."""
    right = labels.is_correct
    doubt = doubts(judged, labels, range(len(judged.judges)))[1]
    return np.asarray(doubt - np.where(right, 1, -1) * special.logit(right.mean()), np.float64)


def by_mean_rank(judged: Judged, labels: Labels) -> FloatArray:
    """The plain way: how far the mean rank of the scores is on the wrong side."""
    rank = np.nanmean([normalised_ranks(score) for score in judged.scores], axis=0)
    return np.asarray(np.where(labels.is_correct, -rank, rank - 1), np.float64)


def first(doubt: FloatArray, size: int) -> IntArray:
    """The places of the most doubtful labels."""
    return np.argsort(-np.where(np.isnan(doubt), -np.inf, doubt), kind="stable")[:size]


def won_back(judged: Judged, labels: Labels, rows: IntArray) -> FloatArray:
    """(judges,) the share of the lost AUROC that setting these labels right wins back."""
    truth = judged.panel.is_correct
    mended = labels.is_correct.copy()
    mended[rows] = truth[rows]
    clean, noisy, after = (judged.aurocs(each) for each in (truth, labels.is_correct, mended))
    return np.asarray((after - noisy) / (clean - noisy), np.float64)


def trial(judged: Judged, kind: str, seed: int) -> dict[str, Any]:
    """One planting of noise."""
    rng = np.random.default_rng([seed, list(KINDS).index(kind)])
    truth, everyone = judged.panel.is_correct, range(len(judged.judges))
    labels = KINDS[kind](truth, rng)
    wrong = labels.is_correct != truth
    size, base = int(wrong.sum()), float(wrong.mean())
    by_scores, by_all = doubts(judged, labels, everyone)
    top = first(by_all, size)
    unheard = [
        won_back(judged, labels, first(doubts(judged, labels, [one for one in everyone if one != left])[1], size))[left]
        for left in everyone
        if len(everyone) > 1
    ]
    lost = judged.aurocs(truth) - judged.aurocs(labels.is_correct)
    precision = float(wrong[top].mean())
    return {
        "kind": kind,
        "seed": seed,
        "n": size,
        "base_rate": base,
        "precision": precision,
        "lift": precision / base,
        "precision_without_votes": float(wrong[first(by_scores, size)].mean()),
        "precision_by_frequency": float(wrong[first(by_frequency(judged, labels), size)].mean()),
        "precision_mean_rank": float(wrong[first(by_mean_rank(judged, labels), size)].mean()),
        "auroc_lost": float(lost.mean()),
        "won_back": float(won_back(judged, labels, top).mean()),
        "won_back_unheard": float(np.mean(unheard)) if unheard else None,
        "won_back_at_random": float(won_back(judged, labels, rng.permutation(truth.size)[:size]).mean()),
        "doubt_over_half": float(np.nanmean(special.expit(by_all) > 0.5)),
    }


def without_noise(judged: Judged) -> dict[str, Any]:
    """What the queue says where every label is right."""
    panel = judged.panel
    labels = turned(panel.is_correct, np.zeros(panel.row.size, np.bool_))
    doubt = doubts(judged, labels, range(len(judged.judges)))[1]
    top = first(doubt, round(NOISE * panel.row.size))
    again = doubts(judged, labels, range(len(judged.judges)))[1]
    return {
        "n": int(top.size),
        "doubt_over_half": float(np.nanmean(special.expit(doubt) > 0.5)),
        "incorrect_at_the_top": float((~panel.is_correct[top]).mean()),
        "incorrect": float((~panel.is_correct).mean()),
        "producers_at_the_top": {
            name: float((panel.producer[top] == place).mean()) for place, name in enumerate(panel.producers)
        },
        "max_abs_diff": float(np.nanmax(np.abs(doubt - again), initial=0)),
    }


def simulated(images: int, seed: int) -> Judged:
    """A world of four producers and four judges."""
    world = World(tuple(SimulatedProducer(name, share) for name, share in SHARES.items()), images, 5)
    drawn = simulate(world, JUDGES, seed)
    own = np.zeros(drawn.score.shape, np.bool_)
    return Judged(f"simulated, seed {seed}", drawn.panel, [judge.name for judge in JUDGES], drawn.score, own)


def on_disk(dataset: Path, runs: Path) -> Judged:
    """A dataset whose labels are taken for true, with the judges that `alignbench label queue` hears."""
    opened = Dataset.open(dataset)
    panel, found, kin = read_panel(opened), runs_of(opened, runs), Families.read()
    told = told_labels(runs, opened)
    heard = [run for run in found.runs if why_mute(run, run.judge_id in told) is None]
    own = [[kin.kinship(run.spec.model, model) is not None for model in panel.models] for run in heard]
    scores = np.stack([run.scores()[panel.row] for run in heard])
    return Judged(opened.name, panel, [run.name for run in heard], scores, np.array(own)[:, panel.producer])


def lines(judged: Judged, trials: Sequence[dict[str, Any]], clean: dict[str, Any]) -> Iterator[str]:
    """What people read."""
    yield f"{judged.name}: {judged.panel.row.size:,} sentences; judges: {', '.join(judged.judges)}"
    for one in trials:
        unheard = "" if one["won_back_unheard"] is None else f", {one['won_back_unheard']:.0%} of one not heard"
        yield (
            f"  {one['kind']}, seed {one['seed']}: {one['n']} wrong labels ({one['base_rate']:.1%}); of the first "
            f"{one['n']} are wrong {one['precision']:.0%}, {one['lift']:.1f} times the base rate "
            f"(scores alone {one['precision_without_votes']:.0%}, by frequency {one['precision_by_frequency']:.0%}, "
            f"mean rank {one['precision_mean_rank']:.0%}); AUROC lost {one['auroc_lost']:.3f}, won back "
            f"{one['won_back']:.0%}{unheard}, at random {one['won_back_at_random']:.0%}; "
            f"doubt over one half: {one['doubt_over_half']:.1%} of the labels"
        )
    shares = ", ".join(f"{name} {share:.0%}" for name, share in clean["producers_at_the_top"].items())
    yield (
        f"  no noise: doubt over one half: {clean['doubt_over_half']:.1%} of the labels; of the first {clean['n']}, "
        f"all of them right, {clean['incorrect_at_the_top']:.0%} are labelled incorrect (of all "
        f"{clean['incorrect']:.0%}); {shares}"
    )


def main() -> int:
    """Measure; 1 where the median lift of noise at random misses its goal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "dataset", type=Path, nargs="?", help="a dataset whose labels are right, instead of simulations"
    )
    parser.add_argument("runs", type=Path, nargs="?", help="its runs")
    parser.add_argument("--quick", action="store_true", help="under a minute")
    asked = parser.parse_args()
    if (asked.dataset is None) != (asked.runs is None):
        parser.error("give DATASET and RUNS, or neither")
    seeds = range(2 if asked.quick else 5)
    images = 100 if asked.quick else 300
    worlds = [on_disk(asked.dataset, asked.runs)] if asked.dataset else [simulated(images, seed) for seed in seeds]
    found: list[dict[str, Any]] = []
    for number, judged in enumerate(worlds):
        mine = seeds if asked.dataset else [number]
        trials = [trial(judged, kind, seed) for kind in KINDS for seed in mine]
        clean = without_noise(judged)
        print("\n".join(lines(judged, trials, clean)))
        found.append({"name": judged.name, "trials": trials, "without_noise": clean})
    lifts = [one["lift"] for world in found for one in world["trials"] if one["kind"] == "at random"]
    ratio = float(np.median(lifts))
    summary = {
        "benchmark": "label_noise",
        "ratio": ratio,
        "goal": GOAL,
        "max_abs_diff": max(world["without_noise"].pop("max_abs_diff") for world in found),
        "detail": {"lifts": lifts, "worlds": found},
    }
    print(json.dumps(summary))
    return int(ratio < GOAL)


if __name__ == "__main__":
    raise SystemExit(main())
