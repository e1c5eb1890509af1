"""Lays out every row of a dataset, with its key and its seed, before any model is loaded."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignbench.schema import canonical_json
from alignbench.types import Direction, Image
from generation.protocols import Prompt
from generation.recipe import Model, Recipe


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
    """

    pair_id: str
    seed: int
    direction: Direction
    model: Model
    prompt: str
    image: Image | None
    cluster_id: str
    domain: str | None
    written: Mapping[str, Any]


def plan(recipe: Recipe, inputs: Inputs) -> list[Row]:
    """Every row, in the order of the dataset: image by image, then prompt by prompt, the producers in recipe order."""
    return [*_caption_rows(recipe, inputs.images), *_image_rows(recipe, inputs.prompts)]


def _caption_rows(recipe: Recipe, images: Sequence[Image]) -> Iterator[Row]:
    direction, prompt = Direction.IMAGE_TO_TEXT, recipe.caption_prompt
    for image in images:
        for model in recipe.captioners:
            pair_id, seed = _identify(recipe.seed, direction, model, prompt, image.image_key)
            domain = image.provenance.get("domain")
            yield Row(pair_id, seed, direction, model, prompt, image, image.image_key, domain, {})


def _image_rows(recipe: Recipe, prompts: Sequence[Prompt]) -> Iterator[Row]:
    direction = Direction.TEXT_TO_IMAGE
    for prompt in prompts:
        cluster_id = hashlib.sha256(prompt.text.encode()).hexdigest()[:16]
        for model in recipe.image_models:
            pair_id, seed = _identify(recipe.seed, direction, model, prompt.text, None)
            domain = prompt.provenance.get("domain")
            yield Row(pair_id, seed, direction, model, prompt.text, None, cluster_id, domain, prompt.provenance)


def _identify(run_seed: int, direction: Direction, model: Model, prompt: str, image_key: str | None) -> tuple[str, int]:
    asked = [run_seed, direction, model.key, prompt, image_key]
    digest = hashlib.sha256(canonical_json(asked).encode()).hexdigest()
    # 31 bits, because some image models take no more.
    return digest[:16], int(digest[16:24], 16) >> 1
