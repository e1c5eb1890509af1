"""Simulates a world and its judges, as the arrays that every estimator takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from alignbench.errors import UsageError
from alignbench.metrics import FloatArray, IntArray
from alignbench.panel import ERROR_TYPES, INDICES, Panel
from alignbench.shuffling import arrangement
from alignbench.simulation.scores import Showing, draw_scores
from alignbench.simulation.sentences import (
    CORRECT,
    INCORRECT,
    UNKNOWN,
    Sentences,
    draw_sentences,
    pair_ids,
    sentence_ids,
)
from alignbench.simulation.world import SimulatedJudge, World
from alignbench.types import Direction, ModelRef


@dataclass(frozen=True, slots=True)
class Simulated:
    """A world that was drawn, and what its judges make of it.

    Attributes:
        world: What was planted.
        judges: The J judges.
        seed: Of all chance.
        sentences: All N sentences, those labelled `unknown` included.
        scores: (J, N) of sentences that are shown alone; NaN where a judge failed.
        panel: The n labelled sentences, as `alignbench.panel.read_panel` would read them from the dataset.
    """

    world: World
    judges: tuple[SimulatedJudge, ...]
    seed: int
    sentences: Sentences
    scores: FloatArray
    panel: Panel

    @property
    def score(self) -> FloatArray:
        """(J, n) the scores of the sentences of the panel."""
        return self.scores[:, self.panel.row]

    def in_caption(self, judge: int, shuffle: int | None = None) -> FloatArray:
        """(N,) what a judge makes of each sentence when it is shown in its caption.

        Args:
            judge: Its place.
            shuffle: Which order of `alignbench.shuffling` the captions are shown in; null for their own.
        """
        showing = Showing(1 if shuffle is None else 2 + shuffle, self.places(shuffle))
        return draw_scores(self.world, self.sentences, self.judges[judge], showing, [self.seed, judge])

    def places(self, shuffle: int | None = None) -> IntArray:
        """(N,) the place from 0 at which its caption shows each sentence."""
        if shuffle is None:
            return self.sentences.index
        length = self.world.sentences
        orders = np.array([arrangement(pair_id, length, shuffle) for pair_id in pair_ids(self.world)], np.int64)
        return np.asarray(orders.argsort(axis=1).ravel(), np.int64)


def simulate(world: World, judges: Sequence[SimulatedJudge], seed: int = 0) -> Simulated:
    """Draw a world and the scores of judges; the same arguments give the same arrays.

    A million sentences and ten judges take seconds. What the world draws does not depend on the judges, and what a
    judge draws only on its own properties and its place.

    Args:
        world: What is judged.
        judges: Each with its own name; there may be none.
        seed: Not negative.

    Raises:
        UsageError: A negative seed, two judges of a name, or an `auroc_of` for a producer that is not there.
    """
    if seed < 0:
        raise UsageError(f"the seed {seed} must be at least 0")
    _check(world, judges)
    sentences = draw_sentences(world, seed)
    scores = np.empty((len(judges), sentences.label.size))
    for place, judge in enumerate(judges):
        scores[place] = draw_scores(world, sentences, judge, Showing(0, None), [seed, place])
    return Simulated(world, tuple(judges), seed, sentences, scores, _panel(world, sentences))


def _check(world: World, judges: Sequence[SimulatedJudge]) -> None:
    names = [judge.name for judge in judges]
    if len(set(names)) < len(names):
        raise UsageError(f"each judge needs its own name, not {', '.join(names)}")
    producers = {producer.name for producer in world.producers}
    for judge in judges:
        if strange := judge.auroc_of.keys() - producers:
            raise UsageError(
                f"{judge.name} has an auroc of {', '.join(sorted(strange))}, but the producers are "
                f"{', '.join(sorted(producers))}"
            )


def _panel(world: World, sentences: Sentences) -> Panel:
    row = np.flatnonzero(sentences.label != UNKNOWN)
    names = np.array([producer.name for producer in world.producers], object)
    order = np.argsort(names)
    chosen = [world.producers[place] for place in order]
    label = sentences.label[row]
    used, cluster = np.unique(sentences.cluster[row], return_inverse=True)
    return Panel(
        all_ids=pa.array(sentence_ids(world)),
        row=row,
        is_correct=label == CORRECT,
        producer=np.argsort(order)[sentences.producer[row]],
        index=np.minimum(sentences.index[row], len(INDICES) - 1),
        pair=sentences.pair[row],
        agreement=np.full(row.size, np.nan),
        error_types=(label == INCORRECT)[:, None] & (sentences.kind[row][:, None] == np.arange(len(ERROR_TYPES))),
        cluster=cluster,
        stratum=_strata(world, sentences)[used],
        producers=tuple(names[order]),
        models=tuple(ModelRef(each.name, family=each.family) for each in chosen),
        directions=tuple(each.direction for each in chosen),
    )


def _strata(world: World, sentences: Sentences) -> IntArray:
    # Of every cluster the number that read_panel gives to its directions: 1 for prompts, 2 for images.
    draws_images = np.array([each.direction is Direction.TEXT_TO_IMAGE for each in world.producers])
    stratum = np.zeros(int(sentences.cluster.max()) + 1, np.int64)
    stratum[sentences.cluster] = np.where(draws_images[sentences.producer], 1, 2)
    return stratum
