"""Loads a text-to-image pipeline: safetensors only, whole, and no code of the model's author."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import diffusers
import torch
from safetensors import SafetensorError, safe_open

from alignbench.backends.loading import DTYPES, check_source, device_of, reference_of
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import ModelRef
from generation.diffusion.classes import MODELS, component_classes, pipeline_class
from generation.diffusion.drawing import Drawing
from generation.diffusion.quiet import no_progress_bars, quiet
from generation.diffusion.schedulers import load_scheduler

# What diffusers, transformers and safetensors raise for a folder that is not what it should be.
_CANNOT = (
    OSError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    ImportError,
    RuntimeError,
    SafetensorError,
)
_DENOISERS = ("transformer", "unet")
_STORED = {"BF16": "bfloat16", "F16": "float16"}


@dataclass(frozen=True)
class Loaded:
    """A pipeline of diffusers on its device; `dtype` is a key of `DTYPES`."""

    pipe: Any
    ref: ModelRef
    dtype: str
    device: str
    variant: str | None


def load_pipeline(  # noqa: PLR0913 - each argument is an option of a recipe
    source: str,
    drawing: Drawing,
    *,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    variant: str | None = None,
    scheduler: str | None = None,
    offload: bool = False,
) -> Loaded:
    """Load a pipeline from a folder or the hub; what is wrong with the options is told before the weights are read.

    Args:
        source: A folder that `save_pretrained` wrote, or `ORG/NAME` on the hub.
        drawing: What it will be asked for.
        revision: Of a hub model: a branch, tag or commit.
        name: What the model is called; by default the folder's name or `ORG/NAME`.
        family: The lineage it belongs to.
        dtype: A key of `DTYPES`; by default that of the denoiser's weights, but float32 for float16 without a GPU.
        device: Where torch runs it; by default `cuda` where there is one, else `cpu`.
        variant: Of the weights' files, such as `fp16`.
        scheduler: A class of diffusers in place of the pipeline's own.
        offload: Keep on an accelerator only the part that is at work.

    Raises:
        UsageError: No such model, device or variant, one that is not whole or not in safetensors, one with code of its
            own, or an option that its class does not take.
    """
    check_source(source, revision)
    device = device_of(device)
    if dtype is not None and dtype not in DTYPES:
        raise UnknownNameError.of("dtype", dtype, DTYPES, "mend the option dtype")
    no_progress_bars()
    try:
        with quiet():
            index, commit = diffusers.DiffusionPipeline.load_config(source, revision=revision, return_commit_hash=True)
            kind, parts = pipeline_class(index, source), component_classes(index, source)
            drawing.check(kind)
            folder = _folder(source, commit or revision, variant)
            dtype = dtype or _stored_dtype(folder, variant, device)
            given = _components(folder, parts, scheduler, dtype, variant)
            pipe = kind.from_pretrained(
                folder, use_safetensors=True, trust_remote_code=False, **given, **_settled(kind)
            )
    except _CANNOT as error:
        raise UsageError(f"{source} cannot be loaded as a text-to-image model: {error}") from error
    _check_size(pipe, drawing)
    _place(pipe, device, offload=offload)
    ref = reference_of(source, commit or revision, None, name=name, family=family)
    return Loaded(pipe, ref, dtype, device, variant)


def _folder(source: str, revision: str | None, variant: str | None) -> Path:
    if Path(source).is_dir():
        return Path(source)
    found = diffusers.DiffusionPipeline.download(source, revision=revision, variant=variant, use_safetensors=True)
    return Path(found)


def _components(
    folder: Path, parts: Mapping[str, type[Any] | None], scheduler: str | None, dtype: str, variant: str | None
) -> dict[str, Any]:
    """The scheduler, then what has weights; the rest is left to diffusers. What is left out has to be told as null."""
    present = {name: kind for name, kind in parts.items() if kind is not None}
    given: dict[str, Any] = dict.fromkeys(parts.keys() - present.keys())
    for name, kind in present.items():
        if issubclass(kind, diffusers.SchedulerMixin):
            given[name] = load_scheduler(kind, _within(folder, name), scheduler)
    weighty = {name: kind for name, kind in present.items() if issubclass(kind, MODELS)}
    there = {name for name in weighty if variant is not None and _has_variant(_within(folder, name), variant)}
    if variant is not None and not there:
        raise UsageError(f"no part of {folder} has weights of the variant {variant!r}; leave it out, or mend its name")
    for name, kind in weighty.items():
        given[name] = _model(_within(folder, name), kind, dtype, variant if name in there else None)
    return given


def _within(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_dir() else folder


def _has_variant(folder: Path, variant: str) -> bool:
    return any(path.name.split(".")[1].startswith(variant) for path in folder.glob("*.*.*"))


def _model(folder: Path, kind: type[Any], dtype: str, variant: str | None) -> Any:
    """A part with all its weights: what is missing, both libraries would make up at random."""
    more = {} if variant is None else {"variant": variant}
    model, found = kind.from_pretrained(
        folder, dtype=DTYPES[dtype], use_safetensors=True, output_loading_info=True, **more
    )
    missing = sorted(found["missing_keys"])
    if missing:
        raise UsageError(
            f"{folder} lacks {len(missing)} of the weights of {kind.__name__}, such as {missing[0]}; get it again"
        )
    return model.eval()


def _stored_dtype(folder: Path, variant: str | None, device: str) -> str:
    """The dtype that the denoiser's weights are stored in; no half precision without a device that is made for it."""
    for name in _DENOISERS:
        for path in sorted((folder / name).glob("*.safetensors")):
            if ("." in path.stem) == (variant is not None):
                with safe_open(path, framework="pt") as weights:
                    stored = _STORED.get(weights.get_slice(next(iter(weights.keys()))).get_dtype(), "float32")
                return "float32" if stored == "float16" and torch.device(device).type == "cpu" else stored
    return "float32"


def _settled(kind: type[Any]) -> dict[str, Any]:
    """What a pipeline would else decide by which packages are installed: whether to change pixels to mark a picture."""
    return {"add_watermarker": False} if "add_watermarker" in inspect.signature(kind.__init__).parameters else {}


def _check_size(pipe: Any, drawing: Drawing) -> None:
    factor = getattr(pipe, "vae_scale_factor", 1)
    for name in ("width", "height"):
        if (value := getattr(drawing, name)) is not None and value % factor:
            raise UsageError(f"{name} is {value}, and {type(pipe).__name__} draws multiples of {factor}; mend {name}")


def _place(pipe: Any, device: str, *, offload: bool) -> None:
    if offload and torch.device(device).type != "cpu":
        pipe.enable_model_cpu_offload(device=device)
    else:
        pipe.to(device)
    pipe.set_progress_bar_config(disable=True)
