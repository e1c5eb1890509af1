"""What is not as it was when a row was made: versions of libraries, the device, how a model was run."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import alignbench

# What a producer says of how it ran, as opposed to what came out.
_SETTINGS = (
    *("device", "device_name", "dtype", "exact", "batch", "decoding", "steps", "guidance", "scheduler", "size"),
    *("max_pixels", "chat_template"),
)


def changed(then: Mapping[str, Any], made: Mapping[str, Any]) -> dict[str, Any]:
    """What is otherwise than a pair's provenance says, as {"then", "now"} by name.

    Bytes repeat where neither versions nor the kind of device changed; what a producer does not tell is left out.

    Args:
        then: The stored provenance of the pair.
        made: What the producer says of the row that it made now.
    """
    before, told = _mapping(then.get("versions")), _mapping(then.get("made"))
    found = {f"version of {name}": (before[name], _version(name)) for name in sorted(before)}
    found |= {name: (_kind(name, told[name]), _kind(name, made.get(name))) for name in _SETTINGS if name in told}
    return {name: {"then": was, "now": now} for name, (was, now) in found.items() if was != now}


def _kind(name: str, value: Any) -> Any:
    """A setting; of a device its kind, which is what bytes depend on: `cuda` of `cuda:1`."""
    return value.partition(":")[0] if name == "device" and isinstance(value, str) else value


def _version(library: str) -> str | None:
    if library == "alignbench":
        return alignbench.__version__
    with contextlib.suppress(PackageNotFoundError, ValueError):
        return version(library)
    return None


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
