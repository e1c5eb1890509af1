"""Runs torch on as many threads as a row was made with, on which the last bits of sums on a processor depend."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_MOST = 1024


def threads_of(provenance: Mapping[str, Any]) -> int | None:
    """How many threads a row was made with; null where its producer does not say, or runs elsewhere."""
    made = provenance.get("made")
    told = made.get("threads") if isinstance(made, Mapping) else None
    return told if type(told) is int and 1 <= told <= _MOST else None


@contextmanager
def on_threads(count: int | None) -> Iterator[None]:
    """Let torch, where it is loaded, use so many threads for the time of the block; null changes nothing."""
    torch = sys.modules.get("torch")
    if torch is None or count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
