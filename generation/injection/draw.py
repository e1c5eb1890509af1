"""Draws which caption gets which error, so that every type gets as many."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from alignbench.types import ErrorType


def rank(seed: int, *parts: str) -> int:
    """A number of 63 bits that is as good as random, and the same for the same seed and parts."""
    said = "/".join((str(seed), *parts))
    return int.from_bytes(hashlib.sha256(said.encode()).digest()[:8]) >> 1


def balanced(
    offers: Mapping[str, frozenset[ErrorType]], types: Sequence[ErrorType], per_type: int, per_pair: int, seed: int
) -> dict[str, tuple[ErrorType, ...]]:
    """For each chosen pair the types that are planted into copies of its caption.

    The types take turns, the one that the fewest captions offer first, so that common types do not use up what a rare
    one needs, nor one rare type what another does.

    Args:
        offers: By pair, the types that its caption can carry.
        types: Those that are wanted.
        per_type: How many of each.
        per_pair: How many at most from one pair, each of another type.
        seed: Of the draw.
    """
    offering = {t: [pair_id for pair_id, offered in offers.items() if t in offered] for t in types}
    waiting = {t: iter(_shuffled(ids, t, seed)) for t, ids in offering.items()}
    chosen: dict[str, list[ErrorType]] = {}
    for _ in range(per_type):
        for error_type in sorted(types, key=lambda t: (len(offering[t]), t)):
            pair_id = next((p for p in waiting[error_type] if len(chosen.get(p, ())) < per_pair), None)
            if pair_id is not None:
                chosen.setdefault(pair_id, []).append(error_type)
    return {pair_id: tuple(sorted(each)) for pair_id, each in chosen.items()}


def _shuffled(pair_ids: Sequence[str], error_type: ErrorType, seed: int) -> list[str]:
    return sorted(pair_ids, key=lambda pair_id: rank(seed, error_type, pair_id))
