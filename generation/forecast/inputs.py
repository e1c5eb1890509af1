"""The images and the prompts of a recipe: how many, where that can be told, and what it takes to have them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.adapters import Role
from alignbench.errors import UsageError
from generation.forecast.amounts import Amount
from generation.forecast.asked import Asked, resolve_text
from generation.forecast.dollars import dollars_a_row
from generation.forecast.facts import Device, FactTable
from generation.forecast.lengths import IMAGE_PROMPT_TOKENS, PHOTOGRAPH_BYTES, SCENE_BYTES, Text, prompt_tokens
from generation.forecast.local import Found, in_file, in_folder, in_list, in_table
from generation.forecast.seconds import seconds_a_row
from generation.forecast.shape import Input
from generation.prompts import read_prompt
from generation.recipe import Recipe

_COUNTERS: Mapping[str, Callable[[Mapping[str, Any], Path], Found]] = {
    "folder": in_folder,
    "table": in_table,
    "urls": in_list,
    "file": in_file,
}


@dataclass(frozen=True, slots=True)
class Gathered:
    """The inputs, and the text model that writes the prompts, where one does."""

    images: Input | None
    prompts: Input | None
    writer: Asked | None

    @property
    def listed(self) -> tuple[Input, ...]:
        """Those that there are."""
        return tuple(each for each in (self.images, self.prompts) if each)


def gather(recipe: Recipe, recipe_folder: Path, images_folder: Path, table: FactTable, device: Device) -> Gathered:
    """What can be told of a recipe's inputs without fetching or making one."""
    writer = _writer(recipe, table)
    return Gathered(_images(recipe, images_folder), _prompts(recipe, recipe_folder, writer, device), writer)


def _images(recipe: Recipe, folder: Path) -> Input | None:
    wanted = recipe.images
    if wanted is None:
        return None
    found = _found(wanted.source, wanted.options, folder, wanted.count)
    usual = SCENE_BYTES if wanted.source == "scenes" else PHOTOGRAPH_BYTES
    size = Amount(usual if found.size is None else found.size)
    return Input("images", wanted.source, found.there, found.there.times(size))


def _prompts(recipe: Recipe, recipe_folder: Path, writer: Asked | None, device: Device) -> Input | None:
    wanted = recipe.prompts
    if wanted is None:
        return None
    count = _found(wanted.writer, wanted.options, recipe_folder, wanted.count).there
    if writer is None:
        return Input("prompts", wanted.writer, count, Amount(0))
    text = Text(_instruction(wanted.options, recipe_folder), IMAGE_PROMPT_TOKENS, looks=False)
    seconds, dollars = seconds_a_row(writer, device, text), dollars_a_row(writer, text)
    return Input("prompts", wanted.writer, count, Amount(0), count.times(seconds), count.times(dollars))


def _instruction(options: Mapping[str, Any], recipe_folder: Path) -> int:
    """The tokens of what a text model is asked."""
    try:
        return prompt_tokens(read_prompt(str(options.get("instruction", "scene")), recipe_folder))
    except (UsageError, OSError, ValueError):
        return prompt_tokens(read_prompt("scene", recipe_folder))


def _writer(recipe: Recipe, table: FactTable) -> Asked | None:
    if recipe.prompts is None or recipe.prompts.writer != "text_model":
        return None
    model, options = (recipe.prompts.options.get(name) for name in ("model", "options"))
    return resolve_text(Role.TEXT_MODELS, str(model), options if isinstance(options, dict) else {}, "writer", table)


def _found(name: str, options: Mapping[str, Any], recipe_folder: Path, count: int | None) -> Found:
    """What a recipe asks for, or what lies in its files; a folder also tells how large an image is."""
    counter = _COUNTERS.get(name)
    if count is not None:
        return Found(Amount(count), in_folder(options, recipe_folder).size if name == "folder" else None)
    if counter is None:
        return Found(Amount.unknown(f"how many {name!r} has is known only when it is asked; write a `count`"))
    return counter(options, recipe_folder)
