"""What a vision-language model would say next after each of several prompts about one image."""

from __future__ import annotations

import inspect
import itertools
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from PIL import Image as Pillow
from transformers.modeling_outputs import BaseModelOutputWithPooling

from alignbench.backends.vlm import Vlm
from alignbench.errors import UsageError

_TOLERANCE = {"float32": 1e-4, "bfloat16": 0.05, "float16": 0.02}
_PROBES = ("Yes or No?", "What is to be seen in this image? Answer Yes or No.")
_UNSUITED = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


class NextTokens(NamedTuple):
    """Log-probabilities of the next token, (prompts, vocabulary), and how many tokens each prompt has, (prompts,)."""

    log_probabilities: torch.Tensor
    lengths: list[int]


class NextToken:
    """Asks a model for the distribution of the first token of its answer.

    All prompts of a call are about one image, which is prepared and encoded once where the model's class allows it.
    Whether it does is found out here, at the start, by comparing with the plain way; if not, a warning says so.

    Args:
        vlm: The model.
        batch: How many prompts go through the model at a time.

    Raises:
        UsageError: The model cannot be asked at all, for instance because it has no chat template.
    """

    def __init__(self, vlm: Vlm, batch: int = 32) -> None:
        self._vlm = vlm
        self._batch = batch
        self.shares_image = self._agrees()

    def ask(self, image: Pillow.Image, prompts: Sequence[str]) -> NextTokens:
        """The distributions after each prompt; a prompt's does not depend on the others beyond rounding."""
        way = self._shared if self.shares_image else self._plain
        with torch.inference_mode():
            parts = way(image, prompts)
        lengths = [length for part in parts for length in part.lengths]
        return NextTokens(torch.cat([part.log_probabilities for part in parts]), lengths)

    def _agrees(self) -> bool:
        probe = Pillow.new("RGB", (96, 64), (90, 120, 150))
        with torch.inference_mode():
            try:
                plain = self._plain(probe, _PROBES)[0].log_probabilities.exp()
            except _UNSUITED as error:
                raise UsageError(f"{self._vlm.ref.name} cannot be asked about an image: {error}") from error
            try:
                shared = self._shared(probe, _PROBES)[0].log_probabilities.exp()
                reason = f"probabilities differ by {(shared - plain).abs().max().item():.1g}"
                agrees = torch.allclose(shared, plain, rtol=0, atol=_TOLERANCE[self._vlm.dtype])
            except _UNSUITED as error:
                agrees, reason = False, f"{type(error).__name__}: {error}"
        if not agrees:
            warnings.warn(f"{self._vlm.ref.name} encodes an image anew for every sentence: {reason}", stacklevel=3)
        return agrees

    def _plain(self, image: Pillow.Image, prompts: Sequence[str]) -> list[NextTokens]:
        parts = []
        for start in range(0, len(prompts), self._batch):
            asked = prompts[start : start + self._batch]
            parts.append(self._forward(self._vlm.encode([image] * len(asked), asked)))
        return parts

    def _shared(self, image: Pillow.Image, prompts: Sequence[str]) -> list[NextTokens]:
        """Prepare the image with the first prompt, and write what that did to the tokens into the other prompts."""
        first = self._vlm.encode([image], prompts[:1])
        features = self._features(first)
        kinds = {name: value[0].tolist() for name, value in first.items() if value.shape == first["input_ids"].shape}
        texts = [self._vlm.encode_text(prompt) for prompt in prompts]
        rows = _expand(kinds, texts)
        parts = []
        for start in range(0, len(rows), self._batch):
            inputs = self._pad(rows[start : start + self._batch])
            count = len(inputs["input_ids"])
            grids = {name: value.repeat(count, 1) for name, value in first.items() if name.endswith("_grid_thw")}
            parts.append(self._forward({**inputs, **grids, "mm_encoder_outputs": {"image": _repeat(features, count)}}))
        return parts

    def _features(self, inputs: dict[str, torch.Tensor]) -> Any:
        encode = self._vlm.model.get_image_features
        wanted = inspect.signature(encode).parameters
        return encode(**{name: value for name, value in inputs.items() if name in wanted}, return_dict=True)

    def _pad(self, rows: list[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        blank = {"input_ids": self._vlm.tokenizer.pad_token_id}
        return {
            name: self._vlm.place(
                torch.tensor([[blank.get(name, 0)] * (longest - len(row[name])) + row[name] for row in rows])
            )
            for name in rows[0]
        }

    def _forward(self, inputs: dict[str, Any]) -> NextTokens:
        logits = self._vlm.model(**inputs, logits_to_keep=1, use_cache=False).logits[:, -1]
        return NextTokens(logits.float().log_softmax(-1), inputs["attention_mask"].sum(-1).tolist())


def _expand(first: dict[str, list[int]], texts: list[list[int]]) -> list[dict[str, list[int]]]:
    """Rows of token ids, and of what else there is per token, for every text.

    The front end turned `texts[0]` into `first` by replacing the image's placeholder with the tokens it takes. The
    same replacement is made in the other texts, which begin alike and differ only behind the image.
    """
    ids, text = first["input_ids"], texts[0]
    same = _agreeing(ids, text)
    end = _agreeing(ids[same:][::-1], text[same:][::-1])
    begin, behind = ids[: len(ids) - end], len(text) - end
    if any(other[:behind] != text[:behind] for other in texts):
        raise ValueError("the prompts differ before the image")
    rows = []
    for other in texts:
        tail = other[behind:]
        rows.append({name: values[: len(begin)] + [values[-1]] * len(tail) for name, values in first.items()})
        rows[-1]["input_ids"] = begin + tail
    return rows


def _agreeing(one: list[int], other: list[int]) -> int:
    """How many tokens at the beginning are the same."""
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _repeat(features: Any, count: int) -> BaseModelOutputWithPooling:
    """The features of one image for `count` rows."""
    if getattr(features, "deepstack_features", None) is not None:
        raise ValueError("features of several layers are not repeated")
    pooled = features.pooler_output
    rows: Any = pooled.repeat(count, *[1] * (pooled.ndim - 1)) if torch.is_tensor(pooled) else [*pooled] * count
    return BaseModelOutputWithPooling(pooler_output=rows)
