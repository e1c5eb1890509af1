"""The image side of a CLIP judge: queries to pixels, prepared ahead of the model by threads."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from torch import Tensor

from alignbench.backends.clip.images import prepared_ahead, workers_by_default
from alignbench.decode import decode
from alignbench.errors import ImageError
from alignbench.types import Query, Status, Verdict


class Block(NamedTuple):
    """Queries whose images go through the model together, each (3, height, width), and those without pixels.

    `seconds` is how long the model had to wait for them.
    """

    queries: list[Query]
    pixels: list[Tensor]
    failed: list[tuple[Query, Verdict]]
    seconds: float


class Preparing:
    """Decodes and prepares images while the model works on those before.

    Args:
        prepare: A picture to pixels, (3, height, width).
        batch: Queries of a block: those whose numbers divided by it agree.
        workers: How many threads; by default one a core, at most eight.
    """

    def __init__(self, prepare: Callable[[Any], Tensor], batch: int, workers: int | None = None) -> None:
        self._prepare = prepare
        self._batch = batch
        self.workers = workers or workers_by_default()

    def blocks(self, queries: Iterable[Query]) -> Iterator[Block]:
        """Yield block after block in the order of the queries, which are pulled one block ahead."""
        numbered = itertools.groupby(queries, key=lambda query: query.number // self._batch)
        for block in prepared_ahead((block for _, block in numbered), self._pixels, self.workers):
            failed = [(query, _failed(error)) for query, error in block.failed]
            yield Block(block.ready, block.pixels, failed, block.seconds)

    def _pixels(self, query: Query) -> Tensor:
        return self._prepare(decode(query.image))


def _failed(error: BaseException) -> Verdict:
    if isinstance(error, ImageError):
        return Verdict.failed(Status.IMAGE_UNREADABLE, str(error))
    return Verdict.failed(Status.FAILED, f"{type(error).__name__}: {error}")
