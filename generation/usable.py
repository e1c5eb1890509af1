"""Tells an image or a prompt that something can be made of from one that is to be left out."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

from alignbench.decode import decode
from alignbench.errors import RecipeError
from alignbench.types import Image, Status
from generation.protocols import Candidate, Prompt, Unusable
from generation.recipe import Prompts
from generation.screening import Screening
from generation.work import Work


class ImageCheck:
    """Stores the bytes of an image that is new and passes the filters; another is unusable."""

    def __init__(self, source: str, screening: Screening, work: Work) -> None:
        self._source, self._screening, self._work = source, screening, work
        self._names: dict[str, str] = {}

    @property
    def taken(self) -> int:
        """How many different images came, those that the filters dropped included."""
        return len(self._names)

    def __call__(self, image: Image) -> Image | Unusable | None:
        """The image without its bytes, which are stored, or why it is left out; null where it came before."""
        encoded, name = image.bytes, name_of(image)
        if encoded is None or image.sha256 is None:
            raise RecipeError(f"the image source {self._source!r} has no bytes for the image {image.image_key!r}")
        first = self._names.get(image.sha256)
        if first is not None:
            copied = Unusable(name, Status.FILTERED, f"a copy: it has the same bytes as {first}")
            return None if first == name else copied
        self._names[image.sha256] = name
        candidate = Candidate(name, image.image_key, picture=cache(lambda: decode(encoded)))
        screened = self._screening.look(candidate)
        if screened.drop:
            return Unusable(name, screened.drop.status, f"the filter {screened.drop.filter!r}: {screened.drop.reason}")
        self._work.keep(encoded)
        if not screened.findings:
            return replace(image, bytes=None)
        return replace(image, bytes=None, provenance={**image.provenance, "filters": screened.findings})


class PromptCheck:
    """Lets a prompt pass that is new, and not too like an earlier one."""

    def __init__(self, wanted: Prompts, recipe_folder: Path) -> None:
        from generation.near_duplicates import likeness

        self._near = wanted.near_duplicates
        self._likeness = likeness(self._near, recipe_folder) if self._near else None
        self._seen: set[str] = set()

    @property
    def taken(self) -> int:
        """How many different prompts came, those that are too like an earlier one included."""
        return len(self._seen)

    def __call__(self, prompt: Prompt) -> Prompt | Unusable | None:
        """The prompt, or why it is left out; null where it came before."""
        if prompt.text in self._seen:
            return None
        self._seen.add(prompt.text)
        if self._near is None or self._likeness is None:
            return prompt
        nearest = self._likeness.most_like(prompt.text)
        if nearest is not None and nearest[0] > self._near.above:
            value, earlier = nearest
            return Unusable(prompt.text, Status.FILTERED, f"by {self._near.by} it is {value:.2f} like {earlier!r}")
        self._likeness.keep(prompt.text)
        return prompt


def name_of(image: Image) -> str:
    """What people find a source image by: its file and row, its address, or else its key."""
    file, row = image.provenance.get("file"), image.provenance.get("row")
    if file is None:
        return image.url or image.image_key
    return str(file) if row is None else f"{file} row {row}"
