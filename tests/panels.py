"""Panels of sentences without a dataset on disk."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from alignbench.panel import Panel
from alignbench.types import Direction, ModelRef
from tests.oracles import BoolArray, FloatArray, IntArray, draw_world


def panel_of(is_correct: BoolArray, producer: IntArray, cluster: IntArray) -> Panel:
    """A panel of sentences about which nothing else is known."""
    n, n_producers = is_correct.size, int(producer.max(initial=0)) + 1
    names = tuple(f"producer-{place}" for place in range(n_producers))
    return Panel(
        all_ids=pa.array([str(place) for place in range(n)]),
        row=np.arange(n),
        is_correct=is_correct,
        producer=producer,
        index=np.zeros(n, int),
        pair=np.arange(n),
        agreement=np.full(n, np.nan),
        error_types=np.zeros((n, 9), bool),
        cluster=cluster,
        stratum=np.zeros(int(cluster.max(initial=0)) + 1, int),
        producers=names,
        models=tuple(ModelRef(name) for name in names),
        directions=(Direction.IMAGE_TO_TEXT,) * n_producers,
    )


def draw_panel(
    images: int, *, aurocs: tuple[float, ...] = (0.65, 0.75, 0.85), wrong: float = 0.3, seed: int = 0
) -> tuple[Panel, FloatArray]:
    """A panel of producers that caption the same images, and scores."""
    rng = np.random.default_rng(seed)
    worlds = [draw_world(rng, images=images, auroc=auroc, wrong=wrong) for auroc in aurocs]
    producer = np.repeat(np.arange(len(worlds)), [world.score.size for world in worlds])
    is_correct, score, cluster = (np.concatenate([world[place] for world in worlds]) for place in range(3))
    return panel_of(is_correct, producer, cluster), score
