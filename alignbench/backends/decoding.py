"""Texts that a model writes on, each a function of its own input and seed: greedy, or drawn by noise of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
import transformers

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


class Continuation(NamedTuple):
    """The text, how many tokens it took, and whether the model ended it rather than `max_new_tokens`."""

    text: str
    tokens: int
    finished: bool


def end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """The tokens that end a text, by the model's word as well as its tokenizer's; there may be none."""
    told = model.generation_config.eos_token_id
    return frozenset({tokenizer.eos_token_id, *(told if isinstance(told, list) else [told])} - {None})


class Continuing:
    """Lets one model write on; its own defaults for decoding are set aside.

    Args:
        model: A model of transformers that generates.
        tokenizer: Its tokenizer, which pads on the left and has a token to pad with.
        decoding: How words are chosen.
        name: What the model is called in messages.

    Raises:
        UsageError: The model has no token that ends a text.
    """

    def __init__(self, model: Any, tokenizer: Any, decoding: Decoding, name: str) -> None:
        self._model, self._tokenizer, self._decoding = model, tokenizer, decoding
        self._ends = end_tokens(model, tokenizer)
        if not self._ends:
            raise UsageError(f"{name} has no token that ends a text, so it cannot write any; use another model")
        before = model.generation_config
        # What a call leaves open, transformers takes from here: cuts and penalties that the model's author liked.
        model.generation_config = transformers.GenerationConfig(
            do_sample=False,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=sorted(self._ends),
            pad_token_id=tokenizer.pad_token_id,
            bos_token_id=before.bos_token_id,
            decoder_start_token_id=before.decoder_start_token_id,
        )

    @torch.inference_mode()
    def write(self, inputs: Mapping[str, torch.Tensor], seeds: Sequence[int]) -> list[Continuation]:
        """What follows each row of the inputs, each drawn by its own seed."""
        steps = transformers.LogitsProcessorList(_steps(self._decoding, seeds))
        ids = self._model.generate(**inputs, logits_processor=steps)
        begin = 0 if self._model.config.is_encoder_decoder else inputs["input_ids"].shape[1]
        return [self._cut(row) for row in ids[:, begin:].tolist()]

    def _cut(self, ids: list[int]) -> Continuation:
        end = next((place for place, token in enumerate(ids) if token in self._ends), None)
        said = ids if end is None else ids[: end + 1]
        text = self._tokenizer.decode(said, skip_special_tokens=True).strip()
        return Continuation(text, len(said), finished=end is not None)


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
