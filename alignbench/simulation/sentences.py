"""Draws the sentences of a world and their labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from alignbench.metrics import FloatArray, IntArray
from alignbench.simulation.chance import generator
from alignbench.simulation.world import SimulatedProducer, World
from alignbench.store import sentence_id_of
from alignbench.types import Direction

INCORRECT, CORRECT, UNKNOWN = range(3)
N_KINDS = 8
_FEW = 1e-9


@dataclass(frozen=True, slots=True)
class Sentences:
    """All N sentences of a world, producer by producer, image by image, in the order of their captions.

    Attributes:
        producer: (N,) places in the world's producers.
        image: (N,) the number of the source image, or of the prompt.
        pair: (N,) from 0.
        cluster: (N,) from 0: the images, then the prompts.
        index: (N,) from 0.
        label: (N,) `INCORRECT`, `CORRECT` or `UNKNOWN`.
        kind: (N,) the error type of an incorrect sentence, one of the first `N_KINDS`; means nothing for others.
    """

    producer: IntArray
    image: IntArray
    pair: IntArray
    cluster: IntArray
    index: IntArray
    label: IntArray
    kind: IntArray


def draw_sentences(world: World, seed: int) -> Sentences:
    """The sentences of a world; the same seed gives the same ones."""
    rng = generator(seed)
    shape = (len(world.producers), world.images, world.sentences)
    producer, image, index = (each.ravel() for each in np.indices(shape, np.int64))
    draws_images = np.array([each.direction is Direction.TEXT_TO_IMAGE for each in world.producers])
    both = draws_images.any() and not draws_images.all()
    hardness = rng.random((2, world.images))  # of the images, of the prompts
    share = np.stack([_shares(world, each, hardness) for each in world.producers])
    label = np.where(rng.random(producer.size) < share.ravel(), INCORRECT, CORRECT)
    label[rng.random(producer.size) < world.unknown] = UNKNOWN
    return Sentences(
        producer=producer,
        image=image,
        pair=producer * world.images + image,
        cluster=image + (draws_images[producer] * world.images if both else 0),
        index=index,
        label=label,
        kind=rng.integers(N_KINDS, size=producer.size),
    )


def pair_ids(world: World) -> list[str]:
    """The id of every pair, in their order."""
    return [f"{producer.name}/{image}" for producer in world.producers for image in range(world.images)]


def sentence_ids(world: World) -> list[str]:
    """(N,) the id of every sentence, in their order."""
    return [sentence_id_of(pair_id, index) for pair_id in pair_ids(world) for index in range(world.sentences)]


def _shares(world: World, producer: SimulatedProducer, hardness: FloatArray) -> FloatArray:
    # (images, sentences): how likely each sentence is incorrect.
    quantile = hardness[int(producer.direction is Direction.TEXT_TO_IMAGE)]
    wrong = [world.wrong_at(producer, index) for index in range(world.sentences)]
    columns = {each: _beta(quantile, each, world.icc) for each in set(wrong)}
    return np.stack([columns[each] for each in wrong], axis=1)


def _beta(quantile: FloatArray, mean: float, icc: float) -> FloatArray:
    if mean in (0.0, 1.0) or icc < _FEW:
        return np.full(quantile.size, mean)
    if icc > 1 - _FEW:
        return (quantile < mean).astype(np.float64)
    strength = (1 - icc) / icc
    return np.asarray(special.betaincinv(strength * mean, strength * (1 - mean), 1 - quantile), np.float64)
