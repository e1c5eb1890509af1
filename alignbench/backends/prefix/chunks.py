"""How many rows go through a model at once, and fewer of them where its memory does not suffice."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch

from alignbench.backends.prefix.cache import Prefilled
from alignbench.backends.prefix.tokens import Row

_MASK_CELLS = 2048
_COPIED = 2
_LOGITS = 1 << 14

Fits = Callable[[Sequence[Row], int], bool]
"""Whether rows are within a number of tokens at once."""
Result = TypeVar("Result")


class Chunks:
    """Cuts rows into chunks of at most `tokens_at_once` tokens, but at least one row.

    Args:
        tokens_at_once: Halved where a chunk does not fit into memory, for all that comes after.
    """

    def __init__(self, tokens_at_once: int) -> None:
        self.tokens_at_once = tokens_at_once

    def run(
        self, rows: Sequence[Row], fits: Fits, work: Callable[[Sequence[Row]], Result]
    ) -> Iterator[tuple[Sequence[Row], Result]]:
        """Each chunk of rows and what `work` made of it, in order.

        Raises:
            torch.OutOfMemoryError: A single row does not fit.
        """
        done = 0
        while done < len(rows):
            end = done + 1
            while end < len(rows) and fits(rows[done : end + 1], self.tokens_at_once):
                end += 1
            try:
                result = work(rows[done:end])
            except torch.OutOfMemoryError:
                if end == done + 1:
                    raise
                while fits(rows[done:end], self.tokens_at_once):
                    self.tokens_at_once //= 2
                continue
            yield rows[done:end], result
            done = end


def fits_packed(prefilled: Prefilled, grown: int = 0) -> Fits:
    """For rows in one sequence: also their mask, whose size grows with its square, and the logits that are read.

    Args:
        prefilled: The prefix.
        grown: How many tokens each row will grow by.
    """
    vocabulary = _vocabulary(prefilled)

    def fits(rows: Sequence[Row], at_once: int) -> bool:
        tokens = sum(len(row.tokens) + grown for row in rows)
        cells = tokens * (prefilled.tokens + tokens)
        logits = sum(len(row.reads) for row in rows) * vocabulary
        return tokens <= at_once and cells <= at_once * _MASK_CELLS and logits <= at_once * _LOGITS

    return fits


def fits_batch(prefilled: Prefilled, grown: int = 0) -> Fits:
    """For rows with a copy of the prefix each: also these copies, and the logits that are read.

    Args:
        prefilled: The prefix.
        grown: How many tokens each row will grow by.
    """
    vocabulary = _vocabulary(prefilled)

    def fits(rows: Sequence[Row], at_once: int) -> bool:
        longest = max(len(row.tokens) for row in rows) + grown
        copied = len(rows) * (prefilled.tokens + longest)
        logits = sum(len(row.reads) for row in rows) * vocabulary
        return len(rows) * longest <= at_once and copied <= at_once * _COPIED and logits <= at_once * _LOGITS

    return fits


def _vocabulary(prefilled: Prefilled) -> int:
    return int(prefilled.model.config.get_text_config(decoder=True).vocab_size)
