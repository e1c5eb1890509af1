"""How like the earlier texts a new one is, by the words they share or by what a CLIP model makes of them."""

from __future__ import annotations

import re
from array import array
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import UsageError
from alignbench.text import split_sentences
from generation.clip_model import load_beside
from generation.recipe import NearDuplicates

if TYPE_CHECKING:
    from alignbench.backends.clip import Clip

_WORDS_OF_A_GRAM = 3
# Chinese and Japanese stand without spaces, so that each character counts as a word.
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]|\w+(?:'\w+)*")
_FIRST_ROOM = 1024


class Likeness(Protocol):
    """Remembers texts, and finds the one most like a new text."""

    def most_like(self, text: str) -> tuple[float, str] | None:
        """How like the text the most like of the kept ones is, and which it is: of equals the first.

        Null where none was kept, and by n-grams where none shares any.
        """
        ...

    def keep(self, text: str) -> None:
        """Remember a text for those that come later."""
        ...


def likeness(choice: NearDuplicates, recipe_folder: Path = Path()) -> Likeness:
    """The likeness that a recipe names; a relative path of a `local-dir:` model begins at the recipe's folder.

    Raises:
        UsageError: The CLIP model cannot be loaded.
        MissingDependencyError: open_clip is not installed.
    """
    if choice.by == "ngrams":
        return SharedWords()
    return SharedMeaning(load_beside(recipe_folder, choice.model or ""))


class SharedWords:
    """The share of a text's word 3-grams, each counted once, that stand in an earlier text.

    Case and punctuation do not count. A text of fewer words is one gram, which only a text of the same words shares.
    """

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._places: dict[tuple[str, ...], array[int]] = {}

    def most_like(self, text: str) -> tuple[float, str] | None:
        """See `Likeness`."""
        grams = _grams(text)
        found = [np.frombuffer(self._places[gram], np.uint32) for gram in grams if gram in self._places]
        if not found:
            return None
        shared = np.bincount(np.concatenate(found))
        place = int(shared.argmax())
        return int(shared[place]) / len(grams), self._texts[place]

    def keep(self, text: str) -> None:
        """See `Likeness`."""
        for gram in _grams(text):
            self._places.setdefault(gram, array("I")).append(len(self._texts))
        self._texts.append(text)


class SharedMeaning:
    """The cosine of what the text tower of a CLIP model makes of two texts.

    A text beyond the tower's context is the mean of its sentences instead, so that its end counts too.

    Attributes:
        truncated: How many texts have a sentence that is itself beyond the context; of it only the beginning counts.
    """

    def __init__(self, clip: Clip) -> None:
        from alignbench.backends.clip import TextTower

        # One text at a time, so that no neighbour changes the last digits.
        self._tower = TextTower(clip, 1)
        self._name = clip.ref.name
        self._texts: list[str] = []
        self._vectors = np.empty((0, 0), np.float32)
        self._last: tuple[str, NDArray[np.float32]] | None = None
        self.truncated = 0

    def most_like(self, text: str) -> tuple[float, str] | None:
        """See `Likeness`."""
        vector = self._encode(text)
        if not self._texts:
            return None
        cosines = self._vectors[: len(self._texts)] @ vector
        place = int(cosines.argmax())
        return float(cosines[place]), self._texts[place]

    def keep(self, text: str) -> None:
        """See `Likeness`."""
        vector = self._encode(text)
        kept = len(self._texts)
        if kept == len(self._vectors):
            room = np.empty((max(_FIRST_ROOM, 2 * kept), len(vector)), np.float32)
            room[:kept] = self._vectors[:kept].reshape(kept, len(vector))
            self._vectors = room
        self._vectors[kept] = vector
        self._texts.append(text)

    def _encode(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a text, (d,); that of the last one is not made anew."""
        if self._last is None or self._last[0] != text:
            self._last = text, self._mean(text)
        return self._last[1]

    def _mean(self, text: str) -> NDArray[np.float32]:
        (whole,) = self._tower.encode([text])
        vector = whole.vector
        if whole.truncated:
            parts = self._tower.encode([text[start:end] for start, end in split_sentences(text)] or [text])
            self.truncated += any(part.truncated for part in parts)
            total = np.sum([part.vector for part in parts], axis=0)
            vector = (total / np.linalg.norm(total)).astype(np.float32)
        if not np.isfinite(vector).all():
            raise UsageError(
                f"the CLIP model {self._name} makes no numbers of texts; choose another under prompts.near_duplicates"
            )
        return vector


def _grams(text: str) -> set[tuple[str, ...]]:
    """The word 3-grams of a text, or all its words as one gram; a text without words is a gram of its characters."""
    words = _WORD.findall(text.casefold().replace("\u2019", "'")) or [text.strip()]
    if len(words) < _WORDS_OF_A_GRAM:
        return {tuple(words)}
    return set(zip(*(words[start:] for start in range(_WORDS_OF_A_GRAM)), strict=False))
