"""Draws what simulated judges make of sentences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from alignbench.metrics import FloatArray, IntArray
from alignbench.simulation.chance import generator
from alignbench.simulation.sentences import INCORRECT, Sentences
from alignbench.simulation.world import SimulatedJudge, World

# Of incorrect, correct and unknown sentences, in units of how far apart the first two are.
_SHIFTS = np.array([0.0, 1.0, 0.5])


class Showing(NamedTuple):
    """A way to show every sentence once.

    Attributes:
        number: Two showings share all noise but the restless part.
        place: (N,) the place from 0 at which a caption shows each sentence; null where each is shown alone.
    """

    number: int
    place: IntArray | None


def draw_scores(
    world: World, sentences: Sentences, judge: SimulatedJudge, showing: Showing, entropy: Sequence[int]
) -> FloatArray:
    """(N,) what a judge makes of each sentence; NaN where it fails.

    Args:
        world: Where the sentences come from.
        sentences: All N.
        judge: Whose scores.
        showing: How they are shown.
        entropy: The seed of the simulation and the place of the judge, which are all that its noise depends on.
    """
    score = _noise(sentences, judge, showing, entropy)
    score += _separation(world, judge)[sentences.producer] * _SHIFTS[sentences.label]
    score += judge.position * sentences.index
    if showing.place is not None:
        score += judge.presentation * showing.place
    if judge.own is not None:
        owned = np.array([producer.family == judge.own for producer in world.producers])[sentences.producer]
        score += owned * (judge.favour + judge.preference * (sentences.label == INCORRECT))
    if judge.step:
        score = np.round(score / judge.step) * judge.step
    if judge.failures:
        score[generator(*entropy, 4, showing.number + 1).random(score.size) < judge.failures] = np.nan
    return score


def _noise(sentences: Sentences, judge: SimulatedJudge, showing: Showing, entropy: Sequence[int]) -> FloatArray:
    # (N,) standard normal, with the correlation `icc` within a cluster.
    image, sentence = _normals(sentences, generator(*entropy, 2))
    if judge.restless:
        again = generator(*entropy, 3, showing.number + 1).standard_normal(sentence.size)
        sentence = math.sqrt(1 - judge.restless) * sentence + math.sqrt(judge.restless) * again
    if judge.shared:
        with_others = _normals(sentences, generator(entropy[0], 1))
        image, sentence = (
            math.sqrt(1 - judge.shared) * own + math.sqrt(judge.shared) * other
            for own, other in zip((image, sentence), with_others, strict=True)
        )
    return math.sqrt(judge.icc) * image + math.sqrt(1 - judge.icc) * sentence


def _normals(sentences: Sentences, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    # Standard normal numbers for each sentence: one that all of its cluster have, one of its own.
    image = rng.standard_normal(int(sentences.cluster.max()) + 1)[sentences.cluster]
    return image, rng.standard_normal(sentences.cluster.size)


def _separation(world: World, judge: SimulatedJudge) -> FloatArray:
    # Two normals of equal variance that are sqrt(2) * quantile(auroc) apart have that AUROC.
    aurocs = [judge.auroc_of.get(producer.name, judge.auroc) for producer in world.producers]
    return np.asarray(math.sqrt(2) * special.ndtri(aurocs), np.float64)
