"""Whether a model's weights are in the local cache of the Hugging Face hub; told without its library."""

from __future__ import annotations

import json
import os
from pathlib import Path

_INDEX = "model.safetensors.index.json"


def cache_folder() -> Path:
    """Where huggingface_hub keeps what it downloads; the same variables in the same order as in its `constants`."""
    for variable, below in (("HF_HUB_CACHE", ""), ("HUGGINGFACE_HUB_CACHE", ""), ("HF_HOME", "hub")):
        if os.environ.get(variable):
            return Path(os.path.expandvars(os.environ[variable])).expanduser() / below
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "huggingface" / "hub"


def has_weights(repository: str, revision: str | None = None) -> bool:
    """Whether all safetensors files of `ORG/NAME` are there, at a revision or, by default, at the last seen `main`."""
    folder = cache_folder() / f"models--{repository.replace('/', '--')}"
    try:
        said = folder / "refs" / (revision or "main")
        commit = said.read_text(encoding="utf-8").strip() if said.is_file() else revision
        snapshot = folder / "snapshots" / (commit or "none")
        if (snapshot / _INDEX).is_file():
            index = json.loads((snapshot / _INDEX).read_text(encoding="utf-8"))
            return all((snapshot / name).is_file() for name in set(index["weight_map"].values()))
        return any(path.is_file() for path in snapshot.glob("*.safetensors"))
    except (OSError, ValueError, KeyError, AttributeError):
        return False
