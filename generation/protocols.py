"""What a recipe names besides models: sources of images, writers of prompts, filters, labellers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol, Self

from PIL import Image as Pillow

from alignbench.types import Image, Pair, Sentence, Status


@dataclass(frozen=True, slots=True)
class Site:
    """Where an image source or a prompt writer works.

    Relative paths in its options begin at `recipe_folder`. `folder` is its own, may not exist yet, and outlives a kill:
    what took money or a network to get is kept there, so that a resumed session does not get it again.
    """

    recipe_folder: Path
    folder: Path


@dataclass(frozen=True, slots=True)
class Prompt:
    """A text that every image model of a recipe draws; `provenance` says how it came about."""

    text: str
    provenance: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Unusable:
    """An image or a prompt that a source or a writer came upon and that nothing is made of.

    `name` is what people find it by: a path in its folder, an address, a row, the prompt itself.
    """

    name: str
    status: Status
    reason: str


class Labelled(NamedTuple):
    """Sentences with their labels, and what else the labeller knows of them, such as the correction of each error.

    `provenance` holds JSON values and goes to the pair's provenance under `labels`.
    """

    sentences: Sequence[Sentence]
    provenance: Mapping[str, Any]


class ImageSource(Protocol):
    """Where the images come from that captioners describe."""

    @classmethod
    def from_options(cls, site: Site, **options: Any) -> Self:
        """The source with the options of a recipe, which are keyword-only.

        Raises:
            UsageError: an option makes no sense, or what it names is not there.
        """
        ...

    def images(self, count: int | None, seed: int) -> Iterator[Image | Unusable]:
        """Yield `count` images, no two with the same bytes, the same for the same seed; fewer if there are no more.

        A null count asks for all. What cannot be used is yielded too, with the reason, and does not count. A domain,
        where the source knows it, stands in the image's provenance as `domain`.
        """
        ...


class PromptWriter(Protocol):
    """Writes the prompts that image models draw."""

    @classmethod
    def from_options(cls, site: Site, **options: Any) -> Self:
        """The writer with the options of a recipe; as `ImageSource.from_options`."""
        ...

    def prompts(self, count: int | None, seed: int) -> Iterator[Prompt | Unusable]:
        """Yield prompts, no two with the same text, the same for the same seed; fewer than `count` if no more.

        A null count asks for all, of a writer that ends by itself. What cannot be used is yielded too, with the reason,
        and does not count. A domain, where the writer knows it, stands in the prompt's provenance as `domain`. The
        caller may stop early.
        """
        ...


class Labeller(Protocol):
    """Decides which sentences are true of an image."""

    def label(self, image: Image, pair: Pair, sentences: Sequence[Sentence]) -> Labelled:
        """Label the sentences of one pair, all of them and in order; `image` has its bytes and its provenance."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a filter looks at: a source image, or the side of a row that its producer made; the other side is null.

    `picture` decodes the image when it is called, in RGB. `producer` is null for a source image. Candidates of one
    `cluster_id` come from one source image or prompt.
    """

    name: str
    cluster_id: str
    producer: str | None = None
    caption: str | None = None
    picture: Callable[[], Pillow.Image] | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """What a filter says of a candidate, kept whether it passes or not.

    `value` is what was measured; `status` is what becomes of a candidate that does not pass.
    """

    passed: bool
    value: float | None = None
    reason: str | None = None
    status: Status = Status.FILTERED


class Filter(Protocol):
    """Tells what is fit for a benchmark. It may remember earlier candidates, which come in the order of the dataset."""

    @classmethod
    def from_options(cls, site: Site, **options: Any) -> Self:
        """The filter with the options of a recipe; as `ImageSource.from_options`."""
        ...

    def look(self, candidate: Candidate) -> Finding | None:
        """What there is to say of a candidate; null where the filter is for the other sort of candidates."""
        ...
