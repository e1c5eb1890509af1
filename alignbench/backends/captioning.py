"""Captions by a vision-language model, each a function of its own image, prompt and seed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import transformers
from PIL import Image as Pillow

from alignbench.backends.vlm import Vlm
from alignbench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Decoding:
    """How words are chosen: at `temperature` 0 the likeliest, else a draw from the likeliest `top_p` of the mass."""

    max_new_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or not 0 <= self.temperature < 100 or not 0 < self.top_p <= 1:
            raise UsageError(f"{self} is not possible: max_new_tokens >= 1, temperature >= 0 and 0 < top_p <= 1")


class CaptionRequest(NamedTuple):
    """One caption to write."""

    image: Pillow.Image
    prompt: str
    seed: int


class Caption(NamedTuple):
    """The text, how many tokens it took, and whether the model ended it rather than `max_new_tokens`."""

    text: str
    tokens: int
    finished: bool


class CaptionWriter:
    """Writes captions with one model; a caption depends on its request alone, never on its batch.

    Requests whose inputs have the same shape go through the model together. A short batch is filled up with copies and
    nothing is ever padded, so the arithmetic of a row is the same whatever its neighbours are.

    Args:
        vlm: The model; its own defaults for decoding are set aside.
        decoding: How words are chosen.
        batch: How many captions are written at a time.

    Raises:
        UsageError: The model has no token that ends a text.
    """

    def __init__(self, vlm: Vlm, decoding: Decoding, batch: int = 16) -> None:
        self._vlm = vlm
        self._decoding = decoding
        self._batch = batch
        self._ends = vlm.end_tokens()
        if not self._ends:
            raise UsageError(f"{vlm.ref.name} has no token that ends a text, so it cannot caption; use another model")
        before = vlm.model.generation_config
        # What a call leaves open, transformers takes from here: cuts and penalties that the model's author liked.
        vlm.model.generation_config = transformers.GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=sorted(self._ends),
            pad_token_id=vlm.tokenizer.pad_token_id,
            bos_token_id=before.bos_token_id,
            decoder_start_token_id=before.decoder_start_token_id,
        )

    def write(self, requests: Sequence[CaptionRequest]) -> list[Caption]:
        """A caption for each request, in their order."""
        inputs = [self._vlm.encode([request.image], [request.prompt]) for request in requests]
        captions: dict[int, Caption] = {}
        for rows in _alike(inputs, self._batch):
            filled = [*rows, *[rows[-1]] * (self._batch - len(rows))]
            stacked = {name: torch.cat([inputs[row][name] for row in filled]) for name in inputs[rows[0]]}
            written = self._write(stacked, [requests[row].seed for row in filled])
            captions.update(zip(rows, written, strict=False))
        return [captions[row] for row in range(len(requests))]

    @torch.inference_mode()
    def _write(self, inputs: dict[str, torch.Tensor], seeds: Sequence[int]) -> list[Caption]:
        steps = transformers.LogitsProcessorList(_steps(self._decoding, seeds))
        ids = self._vlm.model.generate(**inputs, logits_processor=steps)
        begin = 0 if self._vlm.model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [self._caption(row) for row in ids[:, begin:].tolist()]

    def _caption(self, ids: list[int]) -> Caption:
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        said = ids if end is None else ids[: end + 1]
        text = self._vlm.tokenizer.decode(said, skip_special_tokens=True).strip()
        return Caption(text, len(said), finished=end is not None)


def _alike(inputs: Sequence[dict[str, torch.Tensor]], batch: int) -> Iterator[list[int]]:
    """Batches of rows whose inputs have the same shapes."""
    groups: dict[Any, list[int]] = {}
    for row, each in enumerate(inputs):
        groups.setdefault(tuple((name, tuple(value.shape)) for name, value in each.items()), []).append(row)
    for rows in groups.values():
        yield from (rows[start : start + batch] for start in range(0, len(rows), batch))


def _steps(decoding: Decoding, seeds: Sequence[int]) -> Iterable[Any]:
    if decoding.temperature == 0:
        return
    yield transformers.TemperatureLogitsWarper(decoding.temperature)
    if decoding.top_p < 1:
        yield transformers.TopPLogitsWarper(decoding.top_p)
    yield _SeededNoise(seeds)


class _SeededNoise(transformers.LogitsProcessor):
    """Gumbel noise, from a generator a row: the largest sum is a draw from the distribution (Maddison et al. 2014)."""

    def __init__(self, seeds: Sequence[int]) -> None:
        self._generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:  # noqa: ARG002 - their protocol
        size = scores.shape[1]
        waits = [torch.empty(size).exponential_(generator=generator) for generator in self._generators]
        return scores - torch.stack(waits).log().to(scores.device)
