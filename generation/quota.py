"""Draws which rows of many are made, so that every domain has as many as any other and no order matters."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from alignbench.schema import canonical_json


class Lot(NamedTuple):
    """What is drawn: something of a cluster; `name` tells the lots of one cluster apart."""

    cluster_id: str
    domain: str | None
    name: str


def draw(lots: Sequence[Lot], count: int | None, seed: int) -> list[int]:
    """The places of at most `count` lots, in their order; all of them where `count` is null.

    The draw goes round the domains, so that each gives as many as the others until it has no more; within a domain
    every cluster gives one before any gives two. It depends on the seed and on what there is to draw from, not on its
    order, and models with one quota get the same clusters: a larger quota adds to what a smaller one has.
    """
    if count is None or count >= len(lots):
        return list(range(len(lots)))
    by_domain: dict[str | None, list[tuple[int, str, int]]] = defaultdict(list)
    seen: Counter[str] = Counter()
    for place in sorted(range(len(lots)), key=lambda place: _chance(seed, "lot", *lots[place])):
        lot = lots[place]
        by_domain[lot.domain].append((seen[lot.cluster_id], _chance(seed, "cluster", lot.cluster_id), place))
        seen[lot.cluster_id] += 1
    turns = [
        (turn, _chance(seed, "domain", domain), entry[-1])
        for domain, entries in by_domain.items()
        for turn, entry in enumerate(sorted(entries))
    ]
    return sorted(place for _, _, place in sorted(turns)[:count])


def _chance(seed: int, *named: str | None) -> str:
    return hashlib.sha256(canonical_json([seed, *named]).encode()).hexdigest()
