"""Draws: as many of each domain, whatever the order, and more for a larger quota."""

from __future__ import annotations

import random
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from generation.quota import Lot, draw

LOTS = st.lists(
    st.builds(Lot, st.integers(0, 20).map(str), st.sampled_from(["a", "b", "c", None]), st.uuids().map(str)),
    max_size=60,
    unique_by=lambda lot: lot.name,
).map(
    lambda lots: [
        lot._replace(domain=None if int(lot.cluster_id) % 4 == 3 else "abc"[int(lot.cluster_id) % 4]) for lot in lots
    ]
)


@given(lots=LOTS, count=st.integers(1, 60), seed=st.integers(0, 99))
def test_the_order_does_not_matter(lots: list[Lot], count: int, seed: int) -> None:
    drawn = {lots[place] for place in draw(lots, count, seed)}
    shuffled = random.Random(seed).sample(lots, len(lots))
    assert {shuffled[place] for place in draw(shuffled, count, seed)} == drawn
    assert len(drawn) == min(count, len(lots))


@given(lots=LOTS, count=st.integers(1, 60), seed=st.integers(0, 99))
def test_domains_give_alike_until_they_have_no_more(lots: list[Lot], count: int, seed: int) -> None:
    there = Counter(lot.domain for lot in lots)
    drawn = Counter(lots[place].domain for place in draw(lots, count, seed))
    most = max(drawn.values(), default=0)
    assert all(drawn[domain] >= min(most - 1, there[domain]) for domain in there)


@given(lots=LOTS, count=st.integers(1, 60), seed=st.integers(0, 99))
def test_a_cluster_gives_one_before_any_gives_two(lots: list[Lot], count: int, seed: int) -> None:
    there = Counter(lot.cluster_id for lot in lots)
    drawn = [lots[place] for place in draw(lots, count, seed)]
    for domain in {lot.domain for lot in lots}:
        within = Counter({lot.cluster_id: 0 for lot in lots if lot.domain == domain})
        within.update(lot.cluster_id for lot in drawn if lot.domain == domain)
        assert all(n >= min(max(within.values()) - 1, there[cluster]) for cluster, n in within.items())


@given(lots=LOTS, count=st.integers(1, 59), seed=st.integers(0, 99))
def test_a_larger_quota_adds_to_a_smaller(lots: list[Lot], count: int, seed: int) -> None:
    assert set(draw(lots, count, seed)) <= set(draw(lots, count + 1, seed))


def test_models_with_one_quota_get_the_same_clusters_and_seeds_others() -> None:
    one = [Lot(str(cluster), None, f"one {cluster}") for cluster in range(50)]
    two = [Lot(str(cluster), None, f"two {cluster}") for cluster in range(50)]
    assert draw(one, 10, 1) == draw(two, 10, 1)
    assert draw(one, 10, 1) != draw(one, 10, 2)
    assert draw(one, None, 1) == list(range(50))
