"""Reads a recipe from a YAML file, with every problem told by its line."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from alignbench.errors import RecipeError
from generation.recipe import Images, Model, Prompts, Recipe, nearest

SHIPPED = Path(__file__).with_name("recipes")


def read_recipe(path: Path, *, seed: int | None = None) -> Recipe:
    """The recipe of a YAML file, with `seed` in place of its own where one is given.

    Raises:
        RecipeError: the file is missing, is not YAML, or breaks a rule; names every line that does.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        shipped = ", ".join(sorted(str(p) for p in SHIPPED.glob("*.yaml")))
        raise RecipeError(f"cannot read the recipe {path}: {error}; give a YAML file such as {shipped}") from error
    root, value = _parse(path, text)
    if not isinstance(value, dict):
        raise _refused(path, [(1, f"it is no mapping; its keys are {', '.join(Recipe.model_fields)}")])
    try:
        return Recipe.model_validate(value if seed is None else value | {"seed": seed})
    except ValidationError as error:
        raise _refused(path, [_said(root, e) for e in error.errors(include_url=False)]) from error


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
    line, place = _line_of(root, error["loc"]), ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        return line, f"unknown key {place!r} ({nearest(str(error['loc'][-1]), _allowed_keys(error['loc']))})"
    if error["type"] == "missing":
        return line, f"the key {place!r} is missing"
    given = f", got {error['input']!r}" if isinstance(error["input"], str | int | float) and place else ""
    given = "" if error["type"] == "unlisted" else given
    message = error["msg"][0].lower() + error["msg"][1:]
    return line, f"{place}: {message}{given}" if place else message


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


def _allowed_keys(where: Sequence[int | str]) -> Collection[str]:
    within: dict[int | str, type[BaseModel]] = {
        "images": Images,
        "prompts": Prompts,
        "captioners": Model,
        "image_models": Model,
    }
    part = within.get(where[0], Recipe) if len(where) > 1 else Recipe
    return list(part.model_fields)
