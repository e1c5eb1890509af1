"""How large a model's weights are and whether they are here, told without loading them or asking anybody."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import NamedTuple

from alignbench.hub_cache import cache_folder, has_weights
from generation.forecast.amounts import Amount
from generation.forecast.asked import Asked

_LONGEST_HEADER = 100_000_000
_ALMOST_ALL = 0.98
"""Of the bytes in models.yaml, which are rounded to three digits."""


class Weights(NamedTuple):
    """Parameters and bytes of a model's weights, and the bytes that are still to be fetched."""

    parameters: Amount
    size: Amount
    fetch: Amount


def weigh(asked: Asked) -> Weights:
    """What can be said of a local model's weights."""
    if asked.folder is not None:
        return _in_folder(asked.folder)
    facts = asked.facts
    absent = Amount.unknown(
        asked.problem or f"the facts of {asked.model} are not in generation/forecast/models.yaml; give a folder with it"
    )
    parameters = Amount(facts.parameters) if facts and facts.parameters is not None else absent
    stored = (facts.fp16 if asked.options.get("variant") == "fp16" else facts.weights) if facts else None
    size = Amount(stored) if stored is not None else absent
    return Weights(parameters, size, Amount(0) if _is_cached(asked, size) else size)


def _is_cached(asked: Asked, size: Amount) -> bool:
    repository = (asked.facts.repository if asked.facts else None) or asked.model.removeprefix("hf-hub:")
    if repository.count("/") != 1 or repository.startswith((".", "/")):
        return False
    revision = asked.options.get("revision")
    revision = revision if isinstance(revision, str) else None
    if asked.kind != "diffusers":
        return has_weights(repository, revision)
    # A pipeline's weights lie in a folder a component, none of which lists the others.
    snapshot = _snapshot(repository, revision)
    here = _bytes_below(snapshot) if (snapshot / "model_index.json").is_file() else 0
    return size.value is not None and here >= _ALMOST_ALL * size.value


def _snapshot(repository: str, revision: str | None) -> Path:
    folder = cache_folder() / f"models--{repository.replace('/', '--')}"
    said = folder / "refs" / (revision or "main")
    try:
        commit = said.read_text(encoding="utf-8").strip() if said.is_file() else revision
    except (OSError, ValueError):
        commit = None
    return folder / "snapshots" / (commit or "none")


def _bytes_below(folder: Path) -> int:
    try:
        return sum(path.stat().st_size for path in folder.glob("**/*.safetensors"))
    except (OSError, ValueError):
        return 0


def _in_folder(folder: Path) -> Weights:
    files = sorted(folder.glob("**/*.safetensors"))
    if not files:
        absent = Amount.unknown(f"{folder} holds no safetensors weights")
        return Weights(absent, absent, Amount(0))
    try:
        counted = Amount(sum(_parameters(path) for path in files))
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        counted = Amount.unknown(f"the weights in {folder} cannot be read: {error}")
    return Weights(counted, Amount(_bytes_below(folder)), Amount(0))


def _parameters(path: Path) -> int:
    """The numbers in a safetensors file, counted from the shapes in its header.

    https://huggingface.co/docs/safetensors/index#format
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if length > _LONGEST_HEADER:
            raise ValueError(f"{path.name} has a header of {length} bytes")
        header = json.loads(file.read(length))
    shapes = [entry["shape"] for name, entry in header.items() if name != "__metadata__"]
    return sum(math.prod(int(side) for side in shape) for shape in shapes)
