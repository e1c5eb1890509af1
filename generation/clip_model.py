"""Loads the CLIP model that a recipe names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.errors import MissingDependencyError

if TYPE_CHECKING:
    from alignbench.backends.clip import Clip

_LOCAL = "local-dir:"


def load_beside(recipe_folder: Path, model: str, revision: str | None = None) -> Clip:
    """Load a model as `load_clip` does; a relative path after `local-dir:` begins at the recipe's folder.

    Raises:
        UsageError: No such model, or one that cannot be loaded.
        MissingDependencyError: open_clip is not installed.
    """
    try:
        from alignbench.backends.clip import load_clip
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(error.name or "open_clip", "clip") from error
    if model.startswith(_LOCAL):
        model = f"{_LOCAL}{recipe_folder / model.removeprefix(_LOCAL)}"
    return load_clip(model, revision=revision)
