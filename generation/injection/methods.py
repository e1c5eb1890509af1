"""Finds the method of planting that a user names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from alignbench.errors import UsageError
from generation.injection.again import METHOD_RULES
from generation.injection.by_rules import ByRules
from generation.injection.by_text_model import ByTextModel, by_text_model


@contextmanager
def method_of(
    name: str,
    out: Path,
    *,
    seed: int = 0,
    definite: bool = False,
    text_model: str | None = None,
    options: Mapping[str, Any] | None = None,
    max_cost: float | None = None,
) -> Iterator[ByRules | ByTextModel]:
    """The method of that name, `rules` or `text-model`, for the time of the block.

    Raises:
        UsageError: What the method needs is missing, or what it does not take is given.
        AlignbenchError: The text model cannot be loaded.
    """
    if name == METHOD_RULES:
        if text_model or options or max_cost is not None:
            raise UsageError("rules take no text model, no --option and no --max-cost; give --method text-model")
        yield ByRules(seed, definite)
        return
    if text_model is None:
        raise UsageError("give the model with --text-model KIND:MODEL; run `alignbench list text-models`")
    if definite:
        raise UsageError("--definite is for rules; leave it out, or give --method rules")
    with by_text_model(text_model, options or {}, out, seed=seed, max_cost=max_cost) as method:
        yield method
