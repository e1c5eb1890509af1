"""Simulated worlds whose labels are partly wrong, on disk: the same sentences with true and with noisy labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from alignbench.simulation import Simulated, SimulatedJudge, SimulatedProducer, World, simulate
from alignbench.simulation import write_dataset as write_world
from alignbench.simulation.sentences import CORRECT, INCORRECT
from alignbench.store import Dataset
from tests.planted_runs import write_run

SHARES = {"alpha": 0.1, "beta": 0.2, "gamma": 0.35, "delta": 0.6}
JUDGES = (
    SimulatedJudge("strong", 0.9, shared=0.3),
    SimulatedJudge("good", 0.85, shared=0.3),
    SimulatedJudge("weak", 0.75, shared=0.3),
)


class Noisy(NamedTuple):
    """A world on disk.

    Attributes:
        true: With the true labels.
        noisy: With some labels turned round.
        runs: What the judges, who were told nothing, make of both.
        flipped: (N,) which labels are wrong in `noisy`.
        simulated: Where it comes from.
    """

    true: Dataset
    noisy: Dataset
    runs: Path
    flipped: NDArray[np.bool_]
    simulated: Simulated

    def flipped_ids(self) -> set[str]:
        """The sentences whose label is wrong in `noisy`."""
        ids = self.true.sentences_table(["sentence_id"])["sentence_id"].to_pylist()
        return {ids[row] for row in np.flatnonzero(self.flipped)}


def world_of(images: int = 80, shares: dict[str, float] | None = None) -> World:
    """A world of producers with these shares of incorrect sentences, five sentences a caption."""
    producers = tuple(SimulatedProducer(name, share, name) for name, share in (shares or SHARES).items())
    return World(producers, images, 5)


def write_noisy(
    folder: Path,
    world: World | None = None,
    judges: tuple[SimulatedJudge, ...] = JUDGES,
    *,
    noise: float = 0.05,
    seed: int = 0,
) -> Noisy:
    """Draw a world, turn round that share of its labels, and write both with the judges' runs."""
    simulated = simulate(world or world_of(), judges, seed)
    label = simulated.sentences.label
    flipped = np.zeros(label.size, np.bool_)
    chosen = np.random.default_rng([seed, 99]).permutation(label.size)[: round(noise * label.size)]
    flipped[chosen] = True
    noisy = replace(simulated.sentences, label=np.where(flipped, CORRECT + INCORRECT - label, label))
    true_set = write_world(simulated, folder / "true", name="world")
    noisy_set = write_world(replace(simulated, sentences=noisy), folder / "noisy", name="world")
    for judge, scores in zip(judges, simulated.scores, strict=True):
        write_run(folder / "runs", true_set, judge.name, scores)
    return Noisy(true_set, noisy_set, folder / "runs", flipped, simulated)
