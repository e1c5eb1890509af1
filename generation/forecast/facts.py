"""Reads what is known of models and devices beforehand, from models.yaml."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from alignbench.errors import UnknownNameError, UsageError

SHIPPED = Path(__file__).with_name("models.yaml")
_NUMBERS = "parameters active weights fp16 image_tokens forward decode steps guidance seconds".split()
_TEXTS = "name repository revision licence ended size source".split()
_FORM = "its form is that of generation/forecast/models.yaml"


@dataclass(frozen=True, slots=True)
class Device:
    """What a model would run on: memory in bytes, bandwidth in bytes a second, dense bfloat16 operations a second."""

    name: str
    memory: float
    bandwidth: float
    operations: float


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What is known of one model; the fields are those that models.yaml explains, null where nobody wrote them."""

    name: str
    repository: str | None = None
    revision: str | None = None
    parameters: float | None = None
    active: float | None = None
    weights: float | None = None
    fp16: float | None = None
    licence: str | None = None
    gated: bool | None = None
    ended: str | None = None
    image_tokens: float | None = None
    forward: float | None = None
    decode: float | None = None
    steps: float | None = None
    guidance: float | None = None
    size: str | None = None
    seconds: float | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class FactTable:
    """Devices and models by name."""

    devices: Mapping[str, Device]
    models: Mapping[str, ModelFacts]

    @classmethod
    def read(cls, path: Path | None = None) -> Self:
        """The shipped table, extended by the one at `path`: an entry there replaces the shipped one whole.

        Raises:
            UsageError: The file cannot be read, or an entry is not what it must be.
        """
        devices, models = _shipped()
        theirs = _read(path) if path else ({}, {})
        return cls({**devices, **theirs[0]}, {**models, **theirs[1]})

    def device(self, name: str) -> Device:
        """The device of that name.

        Raises:
            UnknownNameError: There is none.
        """
        if name not in self.devices:
            raise UnknownNameError.of("device", name, self.devices, "write one of them, or its facts into a file")
        return self.devices[name]


@functools.cache
def _shipped() -> tuple[dict[str, Device], dict[str, ModelFacts]]:
    return _read(SHIPPED)


def _read(path: Path) -> tuple[dict[str, Device], dict[str, ModelFacts]]:
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(f"the facts file {path} cannot be read: {error}; {_FORM}") from error
    parts = _mapping(said, ("devices", "models"), f"the facts file {path}")
    devices, models = (_named(parts.get(part), f"`{part}` in {path}") for part in ("devices", "models"))
    return (
        {name: _device(name, entry, path) for name, entry in devices.items()},
        {name: _model(name, entry, path) for name, entry in models.items()},
    )


def _device(name: str, entry: Any, path: Path) -> Device:
    what = f"the device {name} in {path}"
    said = _mapping(entry, [field.name for field in dataclasses.fields(Device)], what)
    numbers = {key: _number(said.get(key), key, what) for key in ("memory", "bandwidth", "operations")}
    return Device(str(said.get("name", name)), **numbers)


def _model(name: str, entry: Any, path: Path) -> ModelFacts:
    what = f"the model {name} in {path}"
    said = _mapping(entry, [field.name for field in dataclasses.fields(ModelFacts)], what)
    for key in _NUMBERS:
        if key in said:
            said[key] = _number(said[key], key, what)
    for key in _TEXTS:
        if said.get(key) is not None:
            said[key] = str(said[key])
    if said.get("gated") is not None and not isinstance(said["gated"], bool):
        raise UsageError(f"`gated` of {what} is {said['gated']!r}, but must be true or false")
    return ModelFacts(**{"name": name, **said})


def _named(said: Any, what: str) -> dict[str, Any]:
    if said is None:
        return {}
    if not isinstance(said, dict):
        raise UsageError(f"{what} is {said!r:.40}, but must be a mapping; {_FORM}")
    return {str(name): entry for name, entry in said.items()}


def _mapping(said: Any, allowed: Collection[str], what: str) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise UsageError(f"{what} is {said!r:.40}, but must be a mapping; {_FORM}")
    for key in said:
        if key not in allowed:
            raise UnknownNameError.of("field", str(key), allowed, f"mend {what}")
    return dict(said)


def _number(value: Any, key: str, what: str) -> float:
    # YAML takes 8e9 for a text.
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = -1.0
    if isinstance(value, bool) or not 0 <= number < float("inf"):
        raise UsageError(f"`{key}` of {what} is {value!r}, but must be a number, 0 or more")
    return number
