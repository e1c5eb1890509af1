"""Chooses the rows that are made again; the pairs pass by once, and only those chosen are kept."""

from __future__ import annotations

import difflib
import hashlib
import heapq
from collections.abc import Collection, Iterable, Sequence

from alignbench.errors import UnknownNameError
from alignbench.store import Dataset
from alignbench.types import ModelRef, Pair

_SHOWN = 3


def named(dataset: Dataset, pair_ids: Collection[str]) -> list[Pair]:
    """The pairs with these ids, in the order of the dataset.

    Raises:
        UnknownNameError: There is no pair of that id; names the nearest ones.
    """
    wanted = set(pair_ids)
    found = [pair for pair in dataset.pairs() if pair.pair_id in wanted]
    unknown = sorted(wanted - {pair.pair_id for pair in found})
    if unknown:
        raise _unknown(dataset, unknown[0])
    return found


def drawn(pairs: Iterable[Pair], each: int, seed: int) -> list[Pair]:
    """`each` pairs of every producer, or all where it has fewer, the same for the same seed whatever their order."""
    kept: dict[ModelRef, list[tuple[int, int, Pair]]] = {}
    for place, pair in enumerate(pairs):
        heap = kept.setdefault(pair.producer, [])
        entry = (-_rank(seed, pair.pair_id), place, pair)
        if len(heap) < each:
            heapq.heappush(heap, entry)
        else:
            heapq.heappushpop(heap, entry)
    chosen = sorted((entry for heap in kept.values() for entry in heap), key=lambda entry: entry[1])
    return [pair for _, _, pair in chosen]


def _rank(seed: int, pair_id: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{pair_id}".encode()).digest()[:8])


def _unknown(dataset: Dataset, given: str) -> UnknownNameError:
    known: Sequence[str] = dataset.pairs_table(["pair_id"]).column("pair_id").to_pylist()
    near = difflib.get_close_matches(given, known, n=_SHOWN, cutoff=0.6)
    hint = f"nearest: {', '.join(near)}" if near else f"they look like {', '.join(known[:_SHOWN])}"
    return UnknownNameError(
        f"there is no pair {given!r} in {dataset.path} ({hint}); give ids from its pairs.parquet, or --each N"
    )
