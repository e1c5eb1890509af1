"""The vectors of the sentences that a judge was asked about last."""

from __future__ import annotations

import hashlib
from collections import OrderedDict

from alignbench.backends.clip.text import Encoded

_FLAT = 512
"""About what Python needs to keep a vector, its key and its place, in bytes, beside the numbers."""


class Remembered:
    """The vectors that were asked for last, as many as fit into `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._kept: OrderedDict[bytes, Encoded] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, sentence: str) -> Encoded | None:
        """What was kept of this sentence."""
        key = _key(sentence)
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def keep(self, sentence: str, encoded: Encoded) -> None:
        """Keep a sentence's vector, and forget the oldest ones where there is no room."""
        self._kept[_key(sentence)] = encoded
        while len(self._kept) * (encoded.vector.nbytes + _FLAT) > self._limit:
            self._kept.popitem(last=False)


def _key(sentence: str) -> bytes:
    """Of one size, so that long sentences take no more room than short ones."""
    return hashlib.blake2b(sentence.encode("utf-8", "surrogatepass"), digest_size=16).digest()
