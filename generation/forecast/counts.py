"""How many rows each model of a recipe makes; the same numbers that `generation.plan` comes to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from alignbench.adapters import Role
from generation.forecast.amounts import Amount
from generation.forecast.shape import Stage
from generation.recipe import Loop, Model, Recipe


class Part(NamedTuple):
    """What one model of a recipe does in one stage."""

    stage: Stage
    role: Role
    model: Model
    rows: Amount


def count_rows(recipe: Recipe, images: Amount, prompts: Amount) -> list[Part]:
    """The parts of a recipe in the order in which they are made, for so many images and prompts."""
    captions = [
        Part(Stage.CAPTIONS, Role.CAPTIONERS, model, _quota(model.count, images)) for model in recipe.captioners
    ]
    drawn = [
        Part(Stage.IMAGES, Role.IMAGE_MODELS, model, _quota(model.count, prompts)) for model in recipe.image_models
    ]
    return [*captions, *drawn, *(_loop_rows(recipe.loop, captions) if recipe.loop else ())]


def _loop_rows(loop: Loop, captions: Sequence[Part]) -> Iterable[Part]:
    taken = _sum(_quota(loop.count, part.rows) for part in captions)
    drawn = [
        Part(Stage.LOOP_IMAGES, Role.IMAGE_MODELS, model, _quota(model.count, taken)) for model in loop.image_models
    ]
    again = _sum(part.rows for part in drawn)
    yield from drawn
    for model in loop.captioners:
        yield Part(Stage.LOOP_CAPTIONS, Role.CAPTIONERS, model, _quota(model.count, again))


def _quota(count: int | None, of: Amount) -> Amount:
    if count is None or of.value is None:
        return of
    return Amount(min(count, int(of.value)))


def _sum(amounts: Iterable[Amount]) -> Amount:
    total = Amount(0)
    for amount in amounts:
        total = total.plus(amount)
    return total
