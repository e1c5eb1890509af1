"""Permutation tests over which row of a table has which marks."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.significance import ALPHA

LIMIT = 5000
_SLACK = 1e-9
"""Relative; statistics that are equal but for rounding are as extreme."""


class Permuted(NamedTuple):
    """What a permutation test says.

    Attributes:
        p: Two-sided, the observed assignment included; null where it could not be small enough.
        p_min: The smallest value that `p` could have had.
        assignments: How many went into it.
        left_out: How many were left out because they have no statistic.
        reason: Why `p` is null.
    """

    p: float | None
    p_min: float | None
    assignments: int
    left_out: int
    reason: str | None


def assignments(marks: BoolArray, seed: int) -> BoolArray:
    """The distinct ways in which the rows of a table can share its rows of marks, the observed one first.

    Args:
        marks: (J, P) of every row.
        seed: Not negative; it matters only above `LIMIT` ways.

    Returns:
        (b, J, P): all of them where there are at most `LIMIT`, else the observed one and `LIMIT` - 1 drawn at random.
    """
    kinds, kind = np.unique(marks, axis=0, return_inverse=True)
    kind = kind.reshape(-1)
    if _ways(np.bincount(kind)) > LIMIT:
        rng = np.random.default_rng(seed)
        others = rng.permuted(np.broadcast_to(kind, (LIMIT - 1, kind.size)), axis=1)
    else:
        every = np.array(list(_orders(tuple(np.bincount(kind).tolist()))), np.int64).reshape(-1, kind.size)
        others = every[(every != kind).any(axis=1)]
    chosen: BoolArray = kinds[np.concatenate([kind[None], others])]
    return chosen


def permutation_test(statistic: FloatArray, known: BoolArray) -> Permuted:
    """How rarely an assignment is as far from 0 as the observed one.

    Args:
        statistic: (b,) of the assignments, the observed one first.
        known: (b,) which of them have one; the observed one has.
    """
    kept = statistic[known]
    left_out = int(statistic.size - kept.size)
    p_min = 1 / kept.size
    if p_min > ALPHA:
        reason = f"only {kept.size} assignments of families to judges: p could not go below {p_min:.2g}"
        return Permuted(None, p_min, int(kept.size), left_out, reason)
    as_extreme = np.abs(kept) >= abs(kept[0]) * (1 - _SLACK)
    return Permuted(float(as_extreme.mean()), p_min, int(kept.size), left_out, None)


def _ways(times: IntArray) -> int:
    return math.factorial(int(times.sum())) // math.prod(math.factorial(int(each)) for each in times)


def _orders(left: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    # Every distinct order of kinds of which so many each are left.
    if not any(left):
        yield ()
    for kind, times in enumerate(left):
        if times:
            for order in _orders((*left[:kind], times - 1, *left[kind + 1 :])):
                yield (kind, *order)
