"""The versions of the libraries that the bytes of a row can depend on."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import alignbench
from alignbench.adapters import NAMED, Kind, Role
from alignbench.references import is_spec_file, read_spec_file
from alignbench.registry import kinds
from generation.plan import Stage

_TORCH = ("accelerate", "tokenizers", "torch", "transformers")
_OF_EXTRA: Mapping[str, tuple[str, ...]] = {
    "api": ("openai",),
    "clip": (*_TORCH, "open_clip_torch"),
    "t2i": (*_TORCH, "diffusers"),
    "vlm": _TORCH,
}
_ALL = tuple(sorted({library for libraries in _OF_EXTRA.values() for library in libraries}))


def versions() -> dict[str, str]:
    """The versions of all that the bytes of any row can depend on, as far as it is installed here."""
    announced = {kind.distribution for role in (Role.CAPTIONERS, Role.IMAGE_MODELS) for kind in kinds(role).values()}
    return _installed([*_ALL, *(name for name in announced if name)])


def versions_for(stage: Stage, model: str) -> dict[str, str]:
    """The versions of alignbench and of what a model's adapter is made of, as far as they are installed here.

    Of an adapter of somebody else nobody knows what it is made of, so all are told, and the version of its own
    distribution.

    Args:
        stage: Which says whether the model is a captioner or an image model.
        model: The model as a recipe names it.
    """
    kind = _kind_of(stage.role, model)
    if kind.distribution == "alignbench":
        return _installed(_OF_EXTRA.get(kind.extra or "", ()))
    return _installed([*_ALL, *([kind.distribution] if kind.distribution else [])])


def _installed(libraries: Iterable[str]) -> dict[str, str]:
    found = {"alignbench": alignbench.__version__}
    for library in sorted({"pillow", *libraries} - {"alignbench"}):
        with contextlib.suppress(PackageNotFoundError):
            found[library] = version(library)
    return found


def _kind_of(role: Role, model: str) -> Kind:
    if model in NAMED[role]:
        name = NAMED[role][model].reference.kind
    elif is_spec_file(model):
        name = read_spec_file(Path(model)).kind
    else:
        name = model.partition(":")[0]
    return kinds(role)[name]
