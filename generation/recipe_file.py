"""Reads a recipe from a YAML file, with every problem told by its line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alignbench.errors import RecipeError
from generation.recipe import Domains, FilterChoice, Images, Loop, Model, NearDuplicates, Prompts, Recipe, nearest

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
    root, value = _parse(path, text)
    if not isinstance(value, dict):
        raise _refused(path, [(1, f"it is no mapping; its keys are {', '.join(Recipe.model_fields)}")])
    if isinstance(value.get("caption_prompt"), dict):
        value["caption_prompt"] = _prompt_of(path, root, value["caption_prompt"])
    if images is not None:
        said = value.get("images")
        folder = {"source": "folder", "options": {"path": str(images)}}
        value["images"] = (said if isinstance(said, dict) else {}) | folder
    try:
        return Recipe.model_validate(value if seed is None else value | {"seed": seed})
    except ValidationError as error:
        raise _refused(path, [_said(root, e) for e in error.errors(include_url=False)]) from error


def find_recipe(recipe: Path | str) -> Path:
    """The file of a recipe: the path itself, unless it is the bare name of one of ours and there is no such file."""
    path = Path(recipe)
    ours = SHIPPED / f"{path}.yaml"
    return ours if path.name == str(path) and not path.is_file() and ours.is_file() else path


def _prompt_of(recipe: Path, root: yaml.Node | None, said: Mapping[str, Any]) -> str:
    """The text of the file that `caption_prompt: {file: NAME}` names: one beside the recipe, or else one of ours."""
    line = _line_of(root, ("caption_prompt",))
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


def _parse(path: Path, text: str) -> tuple[yaml.Node | None, object]:
    """A document as nodes, which know their lines, with its values; refuses what YAML allows but no recipe needs."""
    try:
        aliases = [event for event in yaml.parse(text) if isinstance(event, yaml.AliasEvent)]
        if aliases:
            raise _refused(path, [(_line(alias.start_mark), "aliases (*name) are not allowed") for alias in aliases])
        root, value = yaml.compose(text, Loader=yaml.SafeLoader), yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        line, problem = _line(getattr(error, "problem_mark", None)), getattr(error, "problem", None) or error
        raise _refused(path, [(line, f"not YAML that can be read: {problem}")]) from error
    repeated = [(_line(key.start_mark), f"the key {key.value!r} stands here again") for key in _repeated_keys(root)]
    if repeated:
        raise _refused(path, repeated)
    return root, value


def _line(mark: Any) -> int:
    return mark.line + 1 if mark else 1


def _repeated_keys(node: yaml.Node | None) -> Iterator[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        keys = [key.value for key, _ in node.value]
        yield from (key for place, (key, _) in enumerate(node.value) if key.value in keys[:place])
        children: Sequence[yaml.Node] = [value for _, value in node.value]
    else:
        children = node.value if isinstance(node, yaml.SequenceNode) else []
    for child in children:
        yield from _repeated_keys(child)


def _refused(path: Path, said: Sequence[tuple[int, str]]) -> RecipeError:
    lines = "\n".join(f"  line {line}: {problem}" for line, problem in sorted(said))
    return RecipeError(f"the recipe {path} cannot be used:\n{lines}\nmend the recipe, then run the same command again")


def _said(root: yaml.Node | None, error: ErrorDetails) -> tuple[int, str]:
    """The line of the file that an error of pydantic is about, and the error in words of a recipe."""
    where = (*error["loc"], *_within(error))
    line, place = _line_of(root, where), ".".join(str(part) for part in where)
    if error["type"] == "extra_forbidden":
        return line, f"unknown key {place!r} ({nearest(str(error['loc'][-1]), _allowed_keys(error['loc']))})"
    if error["type"] == "missing":
        return line, f"the key {place!r} is missing"
    given = f", got {error['input']!r}" if isinstance(error["input"], str | int | float) and place else ""
    given = "" if error["type"] in {"unlisted", "lacking"} else given
    message = error["msg"][0].lower() + error["msg"][1:]
    return line, f"{place}: {message}{given}" if place else message


def _within(error: ErrorDetails) -> tuple[str, ...]:
    """Where in the part that an error names it is, if it is about one of its options."""
    told = error.get("ctx", {})
    if error["type"] == "lacking":
        return ("options",)
    if error["type"] == "unlisted" and str(told.get("what", "")).startswith("option of"):
        return ("options", str(told["given"]))
    return ()


def _line_of(node: yaml.Node | None, where: Sequence[int | str]) -> int:
    line = 1
    for part in where:
        if isinstance(node, yaml.MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == part), None)
            if found is None:
                return line
            line, node = _line(found[0].start_mark), found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = _line(node.start_mark)
    return line


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
