"""Finds the classes that a pipeline's model_index.json names; those of diffusers and transformers, and no others."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any

import diffusers
import transformers

from alignbench.errors import UsageError

MODELS = (diffusers.ModelMixin, transformers.PreTrainedModel)
"""What has weights."""
_LOADED = (
    *MODELS,
    diffusers.SchedulerMixin,
    transformers.PreTrainedTokenizerBase,
    transformers.FeatureExtractionMixin,
    transformers.ImageProcessingMixin,
    transformers.ProcessorMixin,
)
_LIBRARIES: Mapping[str, ModuleType] = MappingProxyType({"diffusers": diffusers, "transformers": transformers})
# A name in older models, which diffusers itself replaces.
_RENAMED: Mapping[str, str] = MappingProxyType({"CLIPFeatureExtractor": "CLIPImageProcessor"})
# What else than a prompt a pipeline may draw from, by the names of its arguments.
_SHOWN = frozenset({"image", "mask_image", "video", "num_frames"})


def pipeline_class(index: Mapping[str, Any], source: str) -> type[Any]:
    """The class of diffusers that `model_index.json` names, which draws pictures from prompts alone.

    Raises:
        UsageError: It names code of its own, no class of diffusers, or a pipeline for something else.
    """
    name = index.get("_class_name")
    if not isinstance(name, str):
        raise _foreign(source, "_class_name", name)
    found = getattr(diffusers, name, None)
    if not (inspect.isclass(found) and issubclass(found, diffusers.DiffusionPipeline)):
        raise UsageError(
            f"{source} names the pipeline {name!r}, which diffusers {diffusers.__version__} does not have here; "
            "use a model whose model_index.json names a class of diffusers"
        )
    _draws_from_prompts(found, source)
    return found


def component_classes(index: Mapping[str, Any], source: str) -> dict[str, type[Any] | None]:
    """The class of each part of the pipeline, by the part's name; null for a part that is left out.

    Raises:
        UsageError: A part is of no class that diffusers or transformers load, or comes with code of its own.
    """
    parts = {name: said for name, said in index.items() if isinstance(said, list | tuple) and not name.startswith("_")}
    return {name: None if _is_null(said) else _component_class(name, said, source) for name, said in parts.items()}


def _is_null(said: Sequence[Any]) -> bool:
    return len(said) == 2 and said[0] is None and said[1] is None


def _component_class(name: str, said: Any, source: str) -> type[Any]:
    if len(said) != 2 or not all(isinstance(each, str) for each in said) or name != Path(name).name:
        raise _foreign(source, name, said)
    library, class_name = said
    code = Path(source) / name / f"{library}.py"
    module = _LIBRARIES.get(library) or _own_module(library)
    found = getattr(module, _RENAMED.get(class_name, class_name), None)
    if not (inspect.isclass(found) and issubclass(found, _LOADED)) or code.is_file():
        raise _foreign(source, name, said)
    return found


def _own_module(library: str) -> ModuleType | None:
    """A package of diffusers' pipelines, such as `stable_diffusion`, where its safety checker is."""
    found = getattr(diffusers.pipelines, library, None)
    ours = isinstance(found, ModuleType) and found.__name__ == f"diffusers.pipelines.{library}"
    return found if ours and hasattr(found, "__path__") else None


def _foreign(source: str, name: str, said: Any) -> UsageError:
    return UsageError(
        f"{source} wants {name!r} to be {said!r}, which is no class that diffusers or transformers load; code that "
        "comes with a model is never run here: use a model whose model_index.json names classes of the two alone"
    )


def _draws_from_prompts(kind: type[Any], source: str) -> None:
    takes = set(inspect.signature(kind.__call__).parameters)
    steered = "controlnet" in inspect.signature(kind.__init__).parameters or "control_image" in takes
    blind = {"prompt", "generator", "output_type"} <= takes and not steered
    if not blind or (takes & _SHOWN and not _draws_without(kind)):
        raise UsageError(
            f"{source} is a {kind.__name__}, which does not draw a picture from a prompt alone; "
            "use a text-to-image model, such as one of Stable Diffusion, PixArt or Flux"
        )
    if getattr(kind, "_load_connected_pipes", False):
        raise UsageError(
            f"{source} is a {kind.__name__}, which takes a second model from the hub, of whatever revision is there; "
            "use a model that is whole"
        )


def _draws_without(kind: type[Any]) -> bool:
    """Whether diffusers lists a class that takes an image among those that need none."""
    # Takes seconds, because it imports all pipelines.
    from diffusers.pipelines.auto_pipeline import AUTO_TEXT2IMAGE_PIPELINES_MAPPING

    return kind in AUTO_TEXT2IMAGE_PIPELINES_MAPPING.values()
