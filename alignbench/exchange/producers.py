"""The models of the published benchmark, by the names its files use."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from alignbench.types import Direction, ModelRef


@dataclass(frozen=True, slots=True)
class Producer:
    """A model together with the side of the pair it makes; `published` where it is one of the benchmark's own."""

    model: ModelRef
    direction: Direction
    published: bool


def _of(
    name: str, family: str, provider: str, direction: Direction, *spellings: str
) -> tuple[Producer, tuple[str, ...]]:
    model = ModelRef(name, family=family, provider=provider)
    return Producer(model, direction, published=True), (name, *spellings)


_TO_TEXT, _TO_IMAGE = Direction.IMAGE_TO_TEXT, Direction.TEXT_TO_IMAGE

# Names as in the tables of the paper, so that ours can be laid beside them; families are the lineages that a judge may
# share. The first spelling after the provider's direction is that of the release (arXiv 2511.20515, 2603.15253).
_PUBLISHED = (
    _of("sharegpt", "sharegpt4v", "shanghai-ai-lab", _TO_TEXT, "sharegpt4v", "share-gpt-4v", "s-gpt"),
    _of("llava-1.6", "llava", "llava", _TO_TEXT, "llava", "llava-v1.6", "llava-next"),
    _of("qwen-2", "qwen", "alibaba", _TO_TEXT, "qwen", "qwen2-vl", "qwen2-vl-7b", "qwen2-vl-7b-instruct"),
    _of("gpt-4o", "gpt", "openai", _TO_TEXT, "gpt4o", "chatgpt-4o"),
    _of("gpt-5", "gpt", "openai", _TO_TEXT, "gpt5"),
    _of("cogvlm", "cogvlm", "zhipu", _TO_TEXT, "cogvlm", "cogv"),
    _of("llama-4", "llama", "meta", _TO_TEXT, "llama-4", "llama-4-scout"),
    _of("gemini-3", "gemini", "google", _TO_TEXT, "gemini-3", "gemini-3-pro"),
    _of(
        "stable-diffusion-3.5", "stable-diffusion", "stability-ai", _TO_IMAGE, "sd", "sd3.5", "sd3", "stable-diffusion"
    ),
    _of("gpt-image-1", "gpt", "openai", _TO_IMAGE, "gpt4o-imagen", "gpt-gen", "gpt4o-image", "gpt-imagen"),
)
# What the names of image models have in them.
_IMAGE_MARKS = ("imagen", "diffusion", "gptimage")


def _compact(name: str) -> str:
    return "".join(char for char in name.casefold() if char.isalnum())


_BY_SPELLING = {_compact(spelling): producer for producer, spellings in _PUBLISHED for spelling in spellings}


@functools.lru_cache(maxsize=1024)
def producer_of(name: str) -> Producer:
    """The producer that a file calls `name`; an unknown name is a producer and a family of its own."""
    compact = _compact(name)
    if compact in _BY_SPELLING:
        return _BY_SPELLING[compact]
    draws = any(mark in compact for mark in _IMAGE_MARKS)
    return Producer(ModelRef(name, family=name), _TO_IMAGE if draws else _TO_TEXT, published=False)
