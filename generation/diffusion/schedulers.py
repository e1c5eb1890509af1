"""Schedulers: the one that a pipeline is saved with, or another of its kind by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from alignbench.errors import UnknownNameError
from alignbench.schema import canonical_json


def load_scheduler(own: type[Any], folder: Path, name: str | None) -> Any:
    """The pipeline's own scheduler, or the named class made from its configuration.

    Raises:
        UnknownNameError: diffusers knows no such scheduler to be fit for the pipeline.
    """
    scheduler = own.from_pretrained(folder)
    known = {own.__name__: own, **{kind.__name__: kind for kind in scheduler.compatibles}}
    if name is None or name == own.__name__:
        return scheduler
    if name not in known:
        raise UnknownNameError.of(f"scheduler that can take the place of {own.__name__}", name, known, "mend its name")
    return known[name].from_config(scheduler.config)


def digest(scheduler: Any) -> str:
    """Twelve hex digits of the sha256 over the scheduler's configuration, without diffusers' version."""
    said = json.loads(scheduler.to_json_string())
    chosen = {key: value for key, value in said.items() if not key.startswith("_")}
    return hashlib.sha256(canonical_json(chosen).encode()).hexdigest()[:12]
