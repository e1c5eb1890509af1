"""A vision-language model as transformers loads it, with its own way of preparing images and chat."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
import transformers
from PIL import Image as Pillow

from alignbench.backends.decoding import end_tokens
from alignbench.backends.loading import DTYPES, check_source, device_of, dtype_of, loading, reference_of
from alignbench.errors import UsageError
from alignbench.types import ModelRef


@dataclass(frozen=True)
class Vlm:
    """A loaded model. `front` is what transformers calls its processor; `dtype` is a key of `DTYPES`.

    Images of more than `max_pixels` pixels are scaled down to as many, by the front end itself where it has a bound.
    """

    model: Any
    front: Any
    ref: ModelRef
    dtype: str
    device: str
    max_pixels: int | None = None

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.front.tokenizer

    @property
    def environment(self) -> dict[str, str]:
        """Where the model runs and how large an image it is shown, for run.json."""
        bound = _own_bound(self.front) or self.max_pixels
        return {
            "device": self.device,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "max_pixels": "set by the front end alone" if bound is None else str(bound),
        }

    def encode(self, images: Sequence[Pillow.Image], prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """The model's inputs for one user turn a row, image first, up to where the answer begins.

        Rows are padded on the left, so that the answer begins at the same place in all of them.
        """
        inputs = self.front.apply_chat_template(
            [_turn(prompt, self._shrink(image)) for image, prompt in zip(images, prompts, strict=True)],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        )
        return {name: self.place(value) for name, value in inputs.items()}

    def encode_text(self, prompt: str) -> list[int]:
        """The token ids of the same turn with the image's placeholder as the chat template writes it."""
        text = self.front.apply_chat_template(_turn(prompt), add_generation_prompt=True, tokenize=False)
        starts = self.tokenizer.bos_token is not None and text.startswith(self.tokenizer.bos_token)
        return list(self.tokenizer(text, add_special_tokens=not starts)["input_ids"])

    def _shrink(self, image: Pillow.Image) -> Pillow.Image:
        """The image, scaled down where it is too large and the front end would not see to it."""
        pixels = image.width * image.height
        if self.max_pixels is None or pixels <= self.max_pixels or _own_bound(self.front):
            return image
        scale = math.sqrt(self.max_pixels / pixels)
        size = (max(1, int(image.width * scale)), max(1, int(image.height * scale)))
        return image.resize(size, Pillow.Resampling.BICUBIC)

    def place(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor where the model is; pixels also in its dtype."""
        return tensor.to(self.device, DTYPES[self.dtype] if tensor.is_floating_point() else tensor.dtype)

    def end_tokens(self) -> frozenset[int]:
        """The tokens that end a text, by the model's word as well as its tokenizer's; there may be none."""
        return end_tokens(self.model, self.tokenizer)

    def control_tokens(self) -> frozenset[str]:
        """Texts that the tokenizer would take for a command rather than for text."""
        added = self.tokenizer.added_tokens_decoder.values()
        placeholder = getattr(self.front, "image_token", None)
        special = {str(token) for token in added if token.special}
        return frozenset(special | {str(placeholder)} if placeholder else special)


def _turn(prompt: str, image: Pillow.Image | None = None) -> list[dict[str, Any]]:
    shown = {"type": "image"} if image is None else {"type": "image", "image": image}
    return [{"role": "user", "content": [shown, {"type": "text", "text": prompt}]}]


def _own_bound(front: Any) -> int | None:
    """The most pixels that the front end leaves of an image; Qwen-VL's, of all kinds, keep it as the longest edge."""
    kinds = type(front.image_processor).__mro__
    if any(kind.__name__.startswith("Qwen2VLImageProcessor") for kind in kinds):
        return int(front.image_processor.size["longest_edge"])
    return None


def _bound(front: Any, max_pixels: int) -> None:
    """Set the front end's own bound, where it has one."""
    if max_pixels < 1:
        raise UsageError(f"max_pixels is {max_pixels}; it must be at least 1")
    if _own_bound(front) is not None:
        size = front.image_processor.size
        smallest = min(size["shortest_edge"], max_pixels)
        edges = {**dict(size), "shortest_edge": smallest, "longest_edge": max_pixels}
        front.image_processor.size = type(size)(**edges)


def load_vlm(
    source: str,
    *,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
    max_pixels: int | None = None,
) -> Vlm:
    """Load a model from a folder or the hub: safetensors only, and no code of the model's author.

    Args:
        source: A folder that `save_pretrained` wrote, or `ORG/NAME` on the hub.
        revision: Of a hub model: a branch, tag or commit.
        name: What the model is called; by default the folder's name or `ORG/NAME`.
        family: The lineage it belongs to.
        dtype: A key of `DTYPES`; by default bfloat16 for weights stored so, else float32. It changes scores.
        device: Where torch runs it; by default `cuda` where there is one, else `cpu`.
        max_pixels: The most pixels of an image that the model is shown, by default what its front end leaves. It
            changes scores.

    Raises:
        UsageError: No such model, one of another kind, one without safetensors weights, or a bound below 1.
    """
    check_source(source, revision)
    device = device_of(device)
    with loading(source, "vision-language model"):
        model, front, dtype = _load(source, revision, dtype)
    if max_pixels is not None:
        _bound(front, max_pixels)
    front.tokenizer.padding_side = "left"
    if front.tokenizer.pad_token_id is None:
        front.tokenizer.pad_token = front.tokenizer.eos_token
    ref = reference_of(source, revision, model.config, name=name, family=family)
    return Vlm(model.eval().to(device), front, ref, dtype, device, max_pixels)


def _load(source: str, revision: str | None, dtype: str | None) -> tuple[Any, Any, str]:
    """The model, its front end and its dtype; the class of both is the one its configuration names."""
    find: Any = transformers
    config = find.AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    dtype = dtype_of(dtype, config)
    front = find.AutoProcessor.from_pretrained(source, revision=revision, trust_remote_code=False)
    model = find.AutoModelForImageTextToText.from_pretrained(
        source, revision=revision, trust_remote_code=False, use_safetensors=True, dtype=DTYPES[dtype]
    )
    return model, front, dtype
