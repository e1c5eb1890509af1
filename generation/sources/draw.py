"""Seeded orders that no directory listing, file system or library version changes."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections.abc import Iterator


def rank(seed: int, name: str) -> bytes:
    """The place of a name in the order of a seed: taken alone, so that other names come and go without moving it.

    Names that differ in how a letter is composed have the same place, because file systems change that.
    """
    composed = unicodedata.normalize("NFC", name)
    return hashlib.sha256(f"{seed}\n{composed}".encode("utf-8", "surrogatepass")).digest()


def indices(size: int, seed: int) -> Iterator[int]:
    """The numbers below `size` in an order of the seed, each once; takes memory for what was drawn only."""
    rng = random.Random(f"rows/{seed}")
    moved: dict[int, int] = {}
    for place in range(size):
        drawn, number = rng.randrange(place, size), moved.pop(place, place)
        if drawn != place:
            number, moved[drawn] = moved.get(drawn, drawn), number
        yield number
