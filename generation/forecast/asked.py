"""What a recipe's models are, as far as that can be told without importing an adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from alignbench.adapters import NAMED, Role
from alignbench.backends.api.endpoint import Endpoint
from alignbench.backends.api.prices import is_loopback
from alignbench.errors import UsageError
from alignbench.references import Reference, is_spec_file, parse_reference, read_spec_file
from generation.forecast.facts import FactTable, ModelFacts
from generation.forecast.lengths import pixels
from generation.recipe import Model

_MOST = 1e12


@dataclass(frozen=True, slots=True)
class Asked:
    """One model of a recipe, resolved.

    Attributes:
        written: What the recipe calls it.
        key: The same for two mentions of one model with the same options.
        kind: Its adapter; null where `problem` says why that is not known.
        model: What the adapter loads or asks.
        options: Those of its name or spec file, and over them the recipe's.
        facts: What is known of it beforehand.
        problem: Why it cannot be resolved.
    """

    written: str
    key: str
    kind: str | None
    model: str
    options: Mapping[str, Any]
    facts: ModelFacts | None
    problem: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it has weights that are loaded here."""
        return self.kind in {"local_vlm", "local_llm", "diffusers", "clip", "filter"}

    @property
    def folder(self) -> Path | None:
        """The folder that holds its weights, where it is one."""
        path = Path(self.model.removeprefix("local-dir:"))
        return path if self.is_local and path.is_dir() else None

    @property
    def is_served_here(self) -> bool:
        """Whether it is asked of a server on this machine, which somebody has to run."""
        address = self.options.get("base_url")
        try:
            return self.kind == "api" and is_loopback(Endpoint(address if isinstance(address, str) else None).host)
        except UsageError:
            return False

    @property
    def called(self) -> str:
        """What people know it by: its name where the recipe gives one, else what is loaded or asked."""
        name = self.options.get("name")
        if name:
            return str(name)
        shown = self.kind in {None, "scenes", "clip", "filter"}
        return self.written if shown else self.model

    @property
    def at_endpoint(self) -> str:
        """What an API is asked for; it has no revisions, so that one belongs to the name."""
        revision = self.options.get("revision")
        return f"{self.model}@{revision}" if revision else self.model

    def option(self, name: str, default: float) -> float:
        """An option that is a number; the default where it is not said, or is nothing that the adapter would take."""
        said = self.options.get(name)
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 < said < _MOST:
            return default
        return float(said)

    def size(self, usual: str | None) -> tuple[int, int] | None:
        """Width and height of the images it makes; null where that is not known."""
        if self.kind == "api":
            said = self.options.get("size", usual)
            return pixels(usual if said == "auto" else said)
        sides = tuple(int(self.option(name, 0)) for name in ("width", "height"))
        return (sides[0], sides[1]) if all(sides) else pixels(usual)


def resolve(role: Role, model: Model, table: FactTable) -> Asked:
    """What a recipe's model is; never raises, since a forecast goes on where a run would stop."""
    return resolve_text(role, model.model, model.options, model.key, table)


def resolve_text(role: Role, text: str, options: Mapping[str, Any], key: str, table: FactTable) -> Asked:
    """As `resolve`, for a model that a writer of prompts names."""
    try:
        found = _reference(role, text)
    except (UsageError, ValueError) as error:
        return Asked(text, key, None, text, options, None, str(error))
    facts = table.models.get(text) or table.models.get(found.model)
    return Asked(text, key, found.kind, found.model, {**found.options, **options}, facts)


def _reference(role: Role, text: str) -> Reference:
    if text in NAMED[role]:
        return NAMED[role][text].reference
    if is_spec_file(text):
        return read_spec_file(Path(text))
    return parse_reference(text)
