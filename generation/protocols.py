"""What a recipe names besides models: where images come from, who writes prompts, who labels sentences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from alignbench.types import Image, Pair, Sentence


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text that every image model of a recipe draws; `provenance` says how it came about."""

    text: str
    provenance: Mapping[str, Any] = field(default_factory=dict)


class Labelled(NamedTuple):
    """Sentences with their labels, and what else the labeller knows of them, such as the correction of each error.

    `provenance` holds JSON values and goes to the pair's provenance under `labels`.
    """

    sentences: Sequence[Sentence]
    provenance: Mapping[str, Any]


class ImageSource(Protocol):
    """Where the images come from that captioners describe."""

    def images(self, count: int, seed: int) -> Iterator[Image]:
        """Yield `count` images, no two with the same bytes, the same for the same seed; fewer if there are no more.

        A domain, where the source knows it, stands in the image's provenance as `domain`.
        """
        ...


class PromptWriter(Protocol):
    """Writes the prompts that image models draw."""

    def prompts(self, count: int, seed: int) -> Iterator[Prompt]:
        """Yield `count` prompts, no two with the same text, the same for the same seed; fewer if there are no more.

        A domain, where the writer knows it, stands in the prompt's provenance as `domain`.
        """
        ...


class Labeller(Protocol):
    """Decides which sentences are true of an image."""

    def label(self, image: Image, pair: Pair, sentences: Sequence[Sentence]) -> Labelled:
        """Label the sentences of one pair, all of them and in order; `image` has its bytes and its provenance."""
        ...
