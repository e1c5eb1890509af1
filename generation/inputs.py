"""Collects the images and prompts that the producers of a recipe work on."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from alignbench.atomic import write_atomically
from alignbench.errors import RecipeError, RunError
from alignbench.types import Image, Origin
from generation import parts
from generation.plan import Inputs
from generation.protocols import Prompt
from generation.recipe import Recipe
from generation.work import Work


def gather(recipe: Recipe, work: Work) -> Inputs:
    """The inputs of a recipe, from the work folder once they are there, else from its source and its writer.

    Raises:
        RecipeError: the source or the writer has fewer than the recipe asks for, or gives one twice.
        RunError: what the work folder says cannot be read.
        StorageError: the disk refused.
    """
    if not work.inputs.exists():
        images, prompts = list(_images(recipe, work)), list(_prompts(recipe))
        rows = [{"image": _row(image)} for image in images] + [{"prompt": asdict(prompt)} for prompt in prompts]
        write_atomically(work.inputs, lambda file: _write(file, rows))
    return _read(work)


def _images(recipe: Recipe, work: Work) -> Iterator[Image]:
    wanted = recipe.images
    if wanted is None:
        return
    images = parts.image_source(wanted.source).images(wanted.count, recipe.seed)
    seen: set[str] = set()
    for image in images:
        if image.bytes is None:
            raise RecipeError(f"the image source {wanted.source!r} has no bytes for the image {image.image_key!r}")
        seen.add(work.keep(image.bytes))
        yield replace(image, bytes=None)
    _enough("images", wanted.source, len(seen), wanted.count)


def _prompts(recipe: Recipe) -> Iterator[Prompt]:
    wanted = recipe.prompts
    if wanted is None:
        return
    seen: set[str] = set()
    for prompt in parts.prompt_writer(wanted.writer).prompts(wanted.count, recipe.seed):
        seen.add(prompt.text)
        yield prompt
    _enough("prompts", wanted.writer, len(seen), wanted.count)


def _enough(what: str, source: str, found: int, wanted: int) -> None:
    if found != wanted:
        raise RecipeError(
            f"{source!r} has {found} different {what} for this seed where the recipe asks for {wanted}; "
            f"set {what}.count to at most {found}, or choose another seed"
        )


def _row(image: Image) -> dict[str, Any]:
    return {name: value for name, value in asdict(image).items() if name != "bytes"}


def _write(file: Path, rows: Iterable[dict[str, Any]]) -> None:
    file.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _read(work: Work) -> Inputs:
    inputs = Inputs([], [])
    try:
        with work.inputs.open(encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if "image" in row:
                    origin = Origin(row["image"]["origin"])
                    inputs.images.append(Image(**row["image"] | {"bytes": None, "origin": origin}))
                else:
                    inputs.prompts.append(Prompt(**row["prompt"]))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{work.inputs} cannot be read: {error}; remove {work.path} to begin again") from error
    return inputs
