"""Lays out every row of a dataset, with its key and its seed, before any model is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from alignbench.adapters import Role
from alignbench.schema import canonical_json
from alignbench.types import Direction, Image
from generation.protocols import Prompt
from generation.quota import Lot, draw
from generation.recipe import Loop, Model, Recipe


class Stage(IntEnum):
    """When a row is made: all rows of a stage are there before the next begins."""

    CAPTIONS = 1
    IMAGES = 2
    CAPTIONS_AGAIN = 3

    @property
    def direction(self) -> Direction:
        """Which side of the pair is made."""
        return Direction.TEXT_TO_IMAGE if self is Stage.IMAGES else Direction.IMAGE_TO_TEXT

    @property
    def role(self) -> Role:
        """What the models of the stage are."""
        return Role.IMAGE_MODELS if self is Stage.IMAGES else Role.CAPTIONERS

    def __str__(self) -> str:
        """The stage in words."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the producers work on. The images are without their bytes, which stay on disk."""

    images: list[Image]
    prompts: list[Prompt]


@dataclass(frozen=True, slots=True)
class Row:
    """One pair to make: what `model` makes of `prompt`, and of `image` where it is a captioner.

    `pair_id` and `seed` come from one hash over the run's seed and all that the row asks for, so they are the same in
    every session and tell nobody who the producer is. `written` says how the prompt came about.

    A row of the loop has a `parent`, the pair_id of the row that it goes on from: the caption that is its prompt, which
    is null then, or the image that it describes.
    """

    pair_id: str
    seed: int
    stage: Stage
    model: Model
    prompt: str | None
    image: Image | None
    cluster_id: str
    domain: str | None
    written: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None

    @property
    def direction(self) -> Direction:
        """Which side of the pair is made."""
        return self.stage.direction


def plan(recipe: Recipe, inputs: Inputs) -> list[Row]:
    """Every row, in the order of the dataset, of which no more than the models' quotas.

    Image by image, then prompt by prompt, the producers in recipe order; then the images of the loop, caption by
    caption, and the captions of these. A row comes after its parent.
    """
    rows = _within_quotas(_caption_rows(recipe, inputs.images), recipe.captioners, recipe.seed)
    captions = list(rows)
    rows += _within_quotas(_image_rows(recipe, inputs.prompts), recipe.image_models, recipe.seed)
    if recipe.loop is not None:
        rows += _loop_rows(recipe, recipe.loop, captions)
    return rows


def of_shard(rows: Sequence[Row], shard: tuple[int, int]) -> list[Row]:
    """The rows of the i-th of n parts: every n-th cluster, with all of its rows."""
    number, count = shard
    places = {cluster_id: place for place, cluster_id in enumerate(dict.fromkeys(row.cluster_id for row in rows))}
    return [row for row in rows if places[row.cluster_id] % count == number]


def _caption_rows(recipe: Recipe, images: Sequence[Image]) -> Iterator[Row]:
    stage, prompt = Stage.CAPTIONS, recipe.caption_prompt
    for image in images:
        for model in recipe.captioners:
            pair_id, seed = _identify(recipe.seed, stage, model, prompt, image.image_key)
            yield Row(pair_id, seed, stage, model, prompt, image, image.image_key, image.provenance.get("domain"))


def _image_rows(recipe: Recipe, prompts: Sequence[Prompt]) -> Iterator[Row]:
    stage = Stage.IMAGES
    for prompt in prompts:
        cluster_id = hashlib.sha256(prompt.text.encode()).hexdigest()[:16]
        for model in recipe.image_models:
            pair_id, seed = _identify(recipe.seed, stage, model, prompt.text, None)
            domain = prompt.provenance.get("domain")
            yield Row(pair_id, seed, stage, model, prompt.text, None, cluster_id, domain, prompt.provenance)


def _loop_rows(recipe: Recipe, loop: Loop, captions: Sequence[Row]) -> list[Row]:
    parents = _within_quotas(
        captions, [m.model_copy(update={"count": loop.count}) for m in recipe.captioners], recipe.seed
    )
    drawn = _within_quotas(
        (_child(recipe.seed, parent, Stage.IMAGES, model, None) for parent in parents for model in loop.image_models),
        loop.image_models,
        recipe.seed,
    )
    again, prompt = Stage.CAPTIONS_AGAIN, recipe.caption_prompt
    described = _within_quotas(
        (_child(recipe.seed, parent, again, model, prompt) for parent in drawn for model in loop.captioners),
        loop.captioners,
        recipe.seed,
    )
    return drawn + described


def _child(run_seed: int, parent: Row, stage: Stage, model: Model, prompt: str | None) -> Row:
    pair_id, seed = _identify(run_seed, stage, model, prompt, f"made by {parent.pair_id}")
    return Row(pair_id, seed, stage, model, prompt, None, parent.cluster_id, parent.domain, parent=parent.pair_id)


def _within_quotas(rows: Iterable[Row], models: Sequence[Model], seed: int) -> list[Row]:
    """The rows, in their order, without those beyond the quota of their model."""
    rows = list(rows)
    kept: set[int] = set()
    for model in models:
        places = [place for place, row in enumerate(rows) if row.model.key == model.key]
        lots = [Lot(rows[place].cluster_id, rows[place].domain, rows[place].pair_id) for place in places]
        kept.update(places[drawn] for drawn in draw(lots, model.count, seed))
    return [row for place, row in enumerate(rows) if place in kept]


def _identify(run_seed: int, stage: Stage, model: Model, prompt: str | None, image_key: str | None) -> tuple[str, int]:
    """The id and the seed of a row; `image_key` is that of its image, or tells which row the row goes on from."""
    asked = [run_seed, stage.direction, model.key, prompt, image_key]
    digest = hashlib.sha256(canonical_json(asked).encode()).hexdigest()
    # 31 bits, because some image models take no more.
    return digest[:16], int(digest[16:24], 16) >> 1
