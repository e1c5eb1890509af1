"""Finds and loads a CLIP model with its own preparation of images and its own tokenizer."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import open_clip
import torch

from alignbench.backends.folder import folder_revision
from alignbench.errors import MissingDependencyError, UnknownNameError, UsageError
from alignbench.types import ModelRef

_LOCAL, _HUB = "local-dir:", "hf-hub:"
_CONFIG, _WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
_CHECKPOINTS = (".safetensors", ".pt", ".pth", ".bin")
_PRECISION = {"float32": "fp32", "bfloat16": "pure_bf16", "float16": "pure_fp16"}
_PIXELS = ("mean", "std", "interpolation", "resize_mode")
_CANNOT = (OSError, ValueError, RuntimeError, KeyError, TypeError, AttributeError, pickle.UnpicklingError)


@dataclass(frozen=True)
class Clip:
    """A loaded model with its own preparation of images and its tokenizer; `pixels` says what the preparation does."""

    model: Any
    prepare: Any
    tokenizer: Any
    ref: ModelRef
    dtype: str
    device: str
    pixels: str


class _Found(NamedTuple):
    """What open_clip calls a model, what else it has to be told, and what identifies the model."""

    architecture: str
    pretrained: str | None
    ref: ModelRef
    said: Mapping[str, Any]


def load_clip(source: str, *, revision: str | None = None, dtype: str = "float32", device: str | None = None) -> Clip:
    """Load a CLIP model with open_clip.

    A checkpoint is read from safetensors, or by `torch.load(weights_only=True)`, which runs no code of the file; what
    training wrote around the weights ("state_dict", "module.") is taken off. It does not say which activation it was
    trained with: what comes from OpenAI's weights, as NegCLIP does, needs an architecture ending in `-quickgelu`.

    Args:
        source: `ARCHITECTURE/PRETRAINED` as open_clip lists them, `ARCHITECTURE/PATH` of a checkpoint ending in
            .safetensors, .pt, .pth or .bin, `local-dir:PATH` or `hf-hub:ORG/NAME` with safetensors weights.
        revision: Of a hub model: a branch, tag or commit.
        dtype: `float32`, `bfloat16` or `float16`; it changes scores, so it is `float32` on every device.
        device: Where torch runs it; by default `cuda` where there is one, else `cpu`.

    Raises:
        UsageError: No such model, or one that open_clip cannot load.
        MissingDependencyError: Its tokenizer needs a package that is not installed.
    """
    if dtype not in _PRECISION:
        raise UnknownNameError.of("dtype", dtype, _PRECISION, "mend the option dtype")
    if revision is not None and not source.startswith(_HUB):
        raise UsageError(f"{source} has no revisions; leave out @{revision}, or load it from the hub as {_HUB}ORG/NAME")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        found = _find(source, revision)
        model, prepare = open_clip.create_model_from_pretrained(
            found.architecture, found.pretrained, precision=_PRECISION[dtype], device=device, **found.said
        )
        tokenizer = open_clip.get_tokenizer(found.architecture)
    except ModuleNotFoundError as error:
        raise MissingDependencyError.of(error.name or str(error), "clip") from error
    except _CANNOT as error:
        raise UsageError(f"{source} cannot be loaded as a CLIP model: {error}") from error
    return Clip(model.eval(), prepare, tokenizer, found.ref, dtype, device, _described(model.visual.preprocess_cfg))


def _described(pixels: Mapping[str, Any]) -> str:
    mean, std = (" ".join(f"{value:.4g}" for value in pixels[key]) for key in ("mean", "std"))
    return f"size {pixels['size']}, {pixels['resize_mode']}, {pixels['interpolation']}, mean {mean}, std {std}"


def _find(source: str, revision: str | None) -> _Found:
    if source.startswith(_LOCAL):
        folder = Path(source.removeprefix(_LOCAL))
        _check_folder(folder)
        return _Found(source, None, ModelRef(folder.resolve().name, folder_revision(folder)), {})
    if source.startswith(_HUB):
        name = source.removeprefix(_HUB)
        kept = ["*.json", "*.txt", "*.model", _WEIGHTS]
        folder = Path(huggingface_hub.snapshot_download(name, revision=revision, allow_patterns=kept))
        _check_folder(folder)
        return _Found(f"{_LOCAL}{folder}", None, ModelRef(name, folder.name), {})
    architecture, _, rest = source.partition("/")
    if rest.endswith(_CHECKPOINTS):
        return _find_checkpoint(architecture, Path(rest))
    return _find_listed(source, architecture, rest)


def _check_folder(folder: Path) -> None:
    for name in (_CONFIG, _WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"there is no file {name} in {folder}; pickled weights are not loaded from a folder: name the file "
                "itself, as ARCHITECTURE/PATH"
            )


def _find_listed(source: str, architecture: str, tag: str) -> _Found:
    known = [f"{name}/{each}" for name, each in open_clip.list_pretrained()]
    if source not in known:
        then = f"or give {_LOCAL}PATH, {_HUB}ORG/NAME or ARCHITECTURE/PATH of a checkpoint"
        raise UnknownNameError.of("pretrained CLIP model", source, known, then)
    published = open_clip.get_pretrained_cfg(architecture, tag)
    weights = Path(open_clip.download_pretrained(published))
    if weights.suffix != ".safetensors":
        raise ValueError("its weights are published as a pickle only; download them and name the file itself")
    commit = weights.parent.name if weights.parent.parent.name == "snapshots" else None
    # open_clip 3.3 only warns where the weights were trained with another activation than the architecture's name says.
    return _Found(architecture, tag, ModelRef(source, commit), {"force_quick_gelu": bool(published.get("quick_gelu"))})


def _find_checkpoint(architecture: str, path: Path) -> _Found:
    known = open_clip.list_models()
    if architecture not in known:
        raise UnknownNameError.of("architecture of open_clip", architecture, known, f"mend what stands before /{path}")
    if not path.is_file():
        raise FileNotFoundError(f"there is no checkpoint {path}")
    with path.open("rb") as file:
        revision = hashlib.file_digest(file, "sha256").hexdigest()[:12]
    ref = ModelRef(f"{architecture}/{path.name}", revision)
    return _Found(architecture, str(path), ref, {"weights_only": True, **_pixels_of(architecture)})


def _pixels_of(architecture: str) -> dict[str, Any]:
    """How images are prepared for a fine-tuned model: like for the published ones where these agree."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    published = [open_clip.get_pretrained_cfg(architecture, tag) for tag in tags]
    return {
        f"image_{key}": said[0]
        for key in _PIXELS
        if (said := [each.get(key) for each in published]) and all(each == said[0] for each in said)
    }
