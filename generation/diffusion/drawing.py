"""What a pipeline is asked for beside the prompt: the options of a recipe, held against what its class takes."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

from alignbench.errors import UnknownNameError, UsageError

_CALLED: Mapping[str, str] = MappingProxyType(
    {
        "steps": "num_inference_steps",
        "guidance": "guidance_scale",
        "true_guidance": "true_cfg_scale",
        "negative_prompt": "negative_prompt",
        "width": "width",
        "height": "height",
        "max_sequence_length": "max_sequence_length",
    }
)
# The text as it was written, whether or not the packages are there that some classes would clean it with.
_FIXED: Mapping[str, Any] = MappingProxyType({"clean_caption": False})


@dataclass(frozen=True, slots=True)
class Drawing:
    """The options of a recipe; null leaves a choice to the pipeline's class.

    `guidance` is the class's `guidance_scale`, `true_guidance` its `true_cfg_scale` where it has both. Sizes are in
    pixels, `max_sequence_length` in tokens of the encoder that can be told.
    """

    steps: int | None = None
    guidance: float | None = None
    true_guidance: float | None = None
    negative_prompt: str | None = None
    width: int | None = None
    height: int | None = None
    max_sequence_length: int | None = None

    def __post_init__(self) -> None:
        for name in ("steps", "width", "height", "max_sequence_length"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 1):
                raise UsageError(f"{name} is {value!r}; it must be a whole number from 1")
        for name in ("guidance", "true_guidance"):
            value = getattr(self, name)
            if value is not None and (type(value) not in {int, float} or not math.isfinite(value) or value < 0):
                raise UsageError(f"{name} is {value!r}; it must be a number from 0")
        if self.negative_prompt is not None and not isinstance(self.negative_prompt, str):
            raise UsageError(f"negative_prompt is {self.negative_prompt!r}; it must be a text")
        if (self.width is None) != (self.height is None):
            raise UsageError("a size needs both width and height; give both or neither")

    def check(self, kind: type[Any]) -> None:
        """Make sure that pipelines of a class heed every option.

        Raises:
            UnknownNameError: The class does not take an option.
            UsageError: The class would not heed the negative prompt.
        """
        takes = {option for option, called in _CALLED.items() if called in _parameters(kind)}
        for option, value in asdict(self).items():
            if value is not None and option not in takes:
                raise UnknownNameError.of(f"option of {kind.__name__}", option, takes, "leave it out")
        scale = "true_guidance" if "true_guidance" in takes else "guidance"
        strength = self.told(kind).get(scale)
        if self.negative_prompt and strength is not None and strength <= 1:
            raise UsageError(
                f"{kind.__name__} heeds a negative_prompt only where {scale} is above 1, and it is {strength}; "
                f"set {scale}, or leave out the negative_prompt"
            )

    def arguments(self, kind: type[Any], rows: int) -> dict[str, Any]:
        """What a pipeline of that class is called with for so many prompts, beside them and their noise."""
        takes = _parameters(kind)
        given = {_CALLED[option]: value for option, value in asdict(self).items() if value is not None}
        if self.negative_prompt is not None:
            given["negative_prompt"] = [self.negative_prompt] * rows
        return {**{name: value for name, value in _FIXED.items() if name in takes}, **given}

    def told(self, kind: type[Any]) -> dict[str, Any]:
        """Every option that the class takes, but the size, as given or else by the class's default."""
        takes = _parameters(kind)
        there = {option: called for option, called in _CALLED.items() if called in takes}
        given = asdict(self)
        return {
            option: _default(takes[called]) if given[option] is None else given[option]
            for option, called in there.items()
            if option not in {"width", "height"}
        }


def _default(parameter: inspect.Parameter) -> Any:
    return None if parameter.default is parameter.empty else parameter.default


def _parameters(kind: type[Any]) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(kind.__call__).parameters
