"""The words that a query shows: sentences alone, in their caption, or in a caption of the same in another order."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from alignbench.errors import DatasetError
from alignbench.types import Context


class Wording(Protocol):
    """The words of a dataset's sentences, by their rows in sentences.parquet."""

    def of(self, whole: Sequence[int], asked: Sequence[int]) -> tuple[tuple[str, ...], Context | None]:
        """The sentences `asked`, and their caption where it is shown; `whole` are all those of the planned query."""
        ...


class Alone:
    """Sentences without their captions; `texts` holds those of all sentences."""

    def __init__(self, texts: pa.ChunkedArray) -> None:
        self._texts = texts

    def of(self, whole: Sequence[int], asked: Sequence[int]) -> tuple[tuple[str, ...], None]:  # noqa: ARG002 - see Wording
        """As in `Wording`; the context is always null."""
        return tuple(self._texts[row].as_py() for row in asked), None


class InCaption:
    """Sentences in their captions, of which nothing but the captions is in memory: the sentences are cut out of them.

    Args:
        captions: Of all pairs.
        pair_of: The pair of each sentence as its row in `captions`, (sentences,).
        start: The offset of each sentence's first character in its caption, (sentences,).
        end: The offset after its last one, (sentences,).
        advice: What to run where a range does not lie in its caption.
    """

    def __init__(
        self,
        captions: pa.ChunkedArray,
        pair_of: NDArray[np.int64],
        start: NDArray[np.int32],
        end: NDArray[np.int32],
        advice: str,
    ) -> None:
        self._captions = captions
        self._pair_of = pair_of
        self._start = start
        self._end = end
        self._advice = advice

    def of(self, whole: Sequence[int], asked: Sequence[int]) -> tuple[tuple[str, ...], Context]:
        """As in `Wording`; `whole` are the sentences of one pair, in the order of the caption.

        Raises:
            DatasetError: A range does not lie in the caption.
        """
        caption: str = self._captions[int(self._pair_of[whole[0]])].as_py()
        rows = list(whole)
        ranges = tuple(zip(self._start[rows].tolist(), self._end[rows].tolist(), strict=True))
        if not all(0 <= start < end <= len(caption) for start, end in ranges):
            raise DatasetError(f"a sentence does not lie in its caption {caption[:40]!r}...; {self._advice}")
        place_of = {row: place for place, row in enumerate(rows)}
        places = tuple(place_of[row] for row in asked)
        sentences = tuple(caption[slice(*ranges[place])] for place in places)
        return sentences, Context(caption, ranges, places)


class Rearranged:
    """Sentences in a caption of their own making: those of one caption in another order, joined by single spaces.

    What stood between the sentences of the caption, such as newlines or the marks of a list, is not shown.

    Args:
        original: The wording of the captions as they are.
    """

    def __init__(self, original: Wording) -> None:
        self._original = original

    def of(self, whole: Sequence[int], asked: Sequence[int]) -> tuple[tuple[str, ...], Context]:
        """As in `Wording`; `whole` are the sentences of one pair, in the order in which they are shown.

        Raises:
            DatasetError: A range does not lie in the caption.
        """
        texts, _ = self._original.of(whole, whole)
        ends = list(accumulate(len(text) + 1 for text in texts))
        ranges = tuple((end - len(text) - 1, end - 1) for text, end in zip(texts, ends, strict=True))
        place_of = {row: place for place, row in enumerate(whole)}
        places = tuple(place_of[row] for row in asked)
        return tuple(texts[place] for place in places), Context(" ".join(texts), ranges, places)
