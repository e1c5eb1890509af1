"""Reads what a user writes to name a model: `NAME`, `KIND:MODEL[@REVISION]` or a spec file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench.errors import UnknownNameError, UsageError

_FIELDS = ("name", "kind", "model", "revision", "family", "provider", "note", "options")


@dataclass(frozen=True, slots=True)
class Reference:
    """A model to build: which kind of adapter, what it loads, and the options of its `from_reference`.

    `note` is what else people should know; it changes nothing.
    """

    kind: str
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    note: str | None = None


def parse_reference(text: str) -> Reference:
    """Read `KIND:MODEL[@REVISION]`; a path that exists is never cut at its `@`.

    Args:
        text: What the user wrote; anything after the first colon belongs to the model.

    Raises:
        UsageError: There is no kind or no model in it.
    """
    kind, _, model = text.partition(":")
    if not kind or not model:
        raise UsageError(f"{text!r} is not KIND:MODEL[@REVISION]; run `alignbench list judges` for names and kinds")
    name, at, revision = model.rpartition("@")
    if at and name and revision and not Path(model).exists():
        return Reference(kind, name, {"revision": revision})
    return Reference(kind, model)


def is_spec_file(text: str) -> bool:
    """Whether a reference names a spec file."""
    return text.endswith((".yaml", ".yml"))


def read_spec_file(path: Path) -> Reference:
    """Read a judge from a YAML file.

    It says `kind` and `model` and, if wanted, `name`, `revision`, `family`, `provider`, `note`, and as `options` what
    else the adapter's `from_reference` takes.

    Raises:
        UsageError: The file cannot be read, is not YAML, or does not say what it must.
    """
    said = _parse_yaml(path)
    unknown = sorted(str(key) for key in said if key not in _FIELDS)
    if unknown:
        raise UnknownNameError.of("field", unknown[0], _FIELDS, f"mend the spec file {path}")
    options = said.get("options") or {}
    if not isinstance(options, dict):
        raise UsageError(
            f"`options` in the spec file {path} is {options!r}, but must be a mapping such as `dtype: bfloat16`"
        )
    texts = {key: _text(said, key, path) for key in _FIELDS[:-1] if said.get(key) is not None}
    missing = [key for key in ("kind", "model") if key not in texts]
    if missing:
        raise UsageError(f"the spec file {path} lacks `{missing[0]}`; it needs `kind` and `model`, as in `kind: clip`")
    note = texts.pop("note", None)
    return Reference(texts.pop("kind"), texts.pop("model"), {**options, **texts}, note)


def _parse_yaml(path: Path) -> dict[Any, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the spec file {path} cannot be read: {error}; give the path of a .yaml file") from error
    except yaml.YAMLError as error:
        raise UsageError(f"the spec file {path} is not YAML: {error}") from error
    if not isinstance(said, dict):
        raise UsageError(f"the spec file {path} must hold a mapping with `kind` and `model`")
    return said


def _text(said: Mapping[Any, Any], key: str, path: Path) -> str:
    value = said[key]
    if not isinstance(value, str):
        raise UsageError(f"`{key}` in the spec file {path} is {value!r}, but must be text; put it in quotes")
    return value
