"""Reads a recipe from a YAML file, with every problem told by its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alignbench.errors import RecipeError
from alignbench.yaml_lines import Document, Problem, YamlError, listed, nearest, parse, told
from generation.recipe import Domains, FilterChoice, Images, Loop, Model, NearDuplicates, Prompts, Recipe

SHIPPED = Path(__file__).with_name("recipes")


PROMPTS = Path(__file__).with_name("prompts")


def read_recipe(recipe: Path | str, *, seed: int | None = None, images: Path | None = None) -> Recipe:
    """The recipe of a YAML file.

    Args:
        recipe: Its path, or the name of one of ours.
        seed: In place of its own.
        images: A folder in place of its image source.

    Raises:
        RecipeError: the file is missing, is not YAML, or breaks a rule; names every line that does.
    """
    path = find_recipe(recipe)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        shipped = ", ".join(sorted(p.stem for p in SHIPPED.glob("*.yaml")))
        raise RecipeError(
            f"cannot read the recipe {path}: {error}; give a YAML file, or the name of one of ours: {shipped}"
        ) from error
    try:
        document = parse(text)
    except YamlError as error:
        raise _refused(path, error.problems) from error
    value = document.value
    if not isinstance(value, dict):
        raise _refused(path, [(1, f"it is no mapping; its keys are {', '.join(Recipe.model_fields)}")])
    if isinstance(value.get("caption_prompt"), dict):
        value["caption_prompt"] = _prompt_of(path, document, value["caption_prompt"])
    if images is not None:
        said = value.get("images")
        folder = {"source": "folder", "options": {"path": str(images)}}
        value["images"] = (said if isinstance(said, dict) else {}) | folder
    try:
        return Recipe.model_validate(value if seed is None else value | {"seed": seed})
    except ValidationError as error:
        raise _refused(path, [_said(document, e) for e in error.errors(include_url=False)]) from error


def find_recipe(recipe: Path | str) -> Path:
    """The file of a recipe: the path itself, unless it is the bare name of one of ours and there is no such file."""
    path = Path(recipe)
    ours = SHIPPED / f"{path}.yaml"
    return ours if path.name == str(path) and not path.is_file() and ours.is_file() else path


def _prompt_of(recipe: Path, document: Document, said: Mapping[str, Any]) -> str:
    """The text of the file that `caption_prompt: {file: NAME}` names: one beside the recipe, or else one of ours."""
    line = document.line_of(("caption_prompt",))
    if set(said) != {"file"} or not isinstance(said["file"], str) or not said["file"]:
        raise _refused(recipe, [(line, "caption_prompt: it is a text, or a file to read it from: {file: NAME}")])
    name = said["file"]
    places = [recipe.parent / name, PROMPTS / name, PROMPTS / f"{name}.txt"]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        ours = sorted(place.stem for place in PROMPTS.glob("*.txt"))
        said_ours = f"nor one of ours ({nearest(name, ours)})" if ours else "nor is there any of ours"
        told = f"caption_prompt.file: there is no file {name!r} beside the recipe, {said_ours}"
        raise _refused(recipe, [(line, told)])
    try:
        return found.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise _refused(recipe, [(line, f"caption_prompt.file: {found} cannot be read: {error}")]) from error


def _refused(path: Path, said: Sequence[Problem]) -> RecipeError:
    return RecipeError(
        f"the recipe {path} cannot be used:\n{listed(said)}\nmend the recipe, then run the same command again"
    )


def _said(document: Document, error: ErrorDetails) -> Problem:
    """The line of the file that an error of pydantic is about, and the error in words of a recipe."""
    return told(document, error, (*error["loc"], *_within(error)), _allowed_keys(error["loc"]))


def _within(error: ErrorDetails) -> tuple[str, ...]:
    """Where in the part that an error names it is, if it is about one of its options."""
    told = error.get("ctx", {})
    if error["type"] == "lacking":
        return ("options",)
    if error["type"] == "unlisted" and str(told.get("what", "")).startswith("option of"):
        return ("options", str(told["given"]))
    return ()


_PARTS: Mapping[str, type[BaseModel]] = {
    "images": Images,
    "domains": Domains,
    "prompts": Prompts,
    "near_duplicates": NearDuplicates,
    "captioners": Model,
    "image_models": Model,
    "loop": Loop,
    "filters": FilterChoice,
}


def _allowed_keys(where: Sequence[int | str]) -> Collection[str]:
    """The keys of the part of a recipe that the last of these is no key of."""
    within = [_PARTS[step] for step in where[:-1] if isinstance(step, str) and step in _PARTS]
    return list((within[-1] if within else Recipe).model_fields)
