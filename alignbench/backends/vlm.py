"""A vision-language model as transformers loads it, with its own way of preparing images and chat."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import transformers
from PIL import Image as Pillow

from alignbench.backends.folder import folder_revision
from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import ModelRef

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Vlm:
    """A loaded model. `front` is what transformers calls its processor; `dtype` is a key of `DTYPES`."""

    model: Any
    front: Any
    ref: ModelRef
    dtype: str
    device: str

    @property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return self.front.tokenizer

    @property
    def environment(self) -> dict[str, str]:
        """Where the model runs, for run.json."""
        return {"device": self.device, "torch": torch.__version__, "transformers": transformers.__version__}

    def encode(self, images: Sequence[Pillow.Image], prompts: Sequence[str]) -> dict[str, torch.Tensor]:
        """The model's inputs for one user turn a row, image first, up to where the answer begins.

        Rows are padded on the left, so that the answer begins at the same place in all of them.
        """
        inputs = self.front.apply_chat_template(
            [_turn(prompt, image) for image, prompt in zip(images, prompts, strict=True)],
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

    def place(self, tensor: torch.Tensor) -> torch.Tensor:
        """The tensor where the model is; pixels also in its dtype."""
        return tensor.to(self.device, DTYPES[self.dtype] if tensor.is_floating_point() else tensor.dtype)

    def control_tokens(self) -> frozenset[str]:
        """Texts that the tokenizer would take for a command rather than for text."""
        added = self.tokenizer.added_tokens_decoder.values()
        placeholder = getattr(self.front, "image_token", None)
        special = {str(token) for token in added if token.special}
        return frozenset(special | {str(placeholder)} if placeholder else special)


def _turn(prompt: str, image: Pillow.Image | None = None) -> list[dict[str, Any]]:
    shown = {"type": "image"} if image is None else {"type": "image", "image": image}
    return [{"role": "user", "content": [shown, {"type": "text", "text": prompt}]}]


def load_vlm(
    source: str,
    *,
    revision: str | None = None,
    name: str | None = None,
    family: str | None = None,
    dtype: str | None = None,
    device: str | None = None,
) -> Vlm:
    """Load a model from a folder or the hub: safetensors only, and no code of the model's author.

    Args:
        source: A folder that `save_pretrained` wrote, or `ORG/NAME` on the hub.
        revision: Of a hub model: a branch, tag or commit.
        name: What the model is called; by default the folder's name or `ORG/NAME`.
        family: The lineage it belongs to.
        dtype: A key of `DTYPES`; by default bfloat16 for weights stored so, else float32. It changes scores.
        device: Where torch runs it; by default `cuda` where there is one, else `cpu`.

    Raises:
        UsageError: No such model, one of another kind, or one without safetensors weights.
    """
    folder = Path(source)
    _check_source(source, revision)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    logs: Any = transformers.utils.logging
    logs.disable_progress_bar()
    try:
        model, front, dtype = _load(source, revision, dtype)
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise UsageError(f"{source} cannot be loaded as a vision-language model: {error}") from error
    front.tokenizer.padding_side = "left"
    if front.tokenizer.pad_token_id is None:
        front.tokenizer.pad_token = front.tokenizer.eos_token
    ref = ModelRef(source, getattr(model.config, "_commit_hash", None) or revision, family)
    if folder.is_dir():
        ref = replace(ref, name=folder.resolve().name, revision=folder_revision(folder))
    return Vlm(model.eval().to(device), front, replace(ref, name=name or ref.name), dtype, device)


def _check_source(source: str, revision: str | None) -> None:
    if Path(source).is_dir():
        if revision is not None:
            raise UsageError(f"the folder {source} has no revisions; leave out @{revision}")
    elif source.count("/") != 1 or source.startswith((".", "/", "~")):
        raise UsageError(f"there is no model folder {source}; give one that save_pretrained wrote, or ORG/NAME")


def _load(source: str, revision: str | None, dtype: str | None) -> tuple[Any, Any, str]:
    """The model, its front end and its dtype; the class of both is the one its configuration names."""
    find: Any = transformers
    config = find.AutoConfig.from_pretrained(source, revision=revision, trust_remote_code=False)
    dtype = _check_dtype(dtype or ("bfloat16" if config.dtype == torch.bfloat16 else "float32"))
    front = find.AutoProcessor.from_pretrained(source, revision=revision, trust_remote_code=False)
    model = find.AutoModelForImageTextToText.from_pretrained(
        source, revision=revision, trust_remote_code=False, use_safetensors=True, dtype=DTYPES[dtype]
    )
    return model, front, dtype


def _check_dtype(dtype: str) -> str:
    if dtype not in DTYPES:
        raise UnknownNameError.of("dtype", dtype, DTYPES, "mend the option dtype")
    return dtype
