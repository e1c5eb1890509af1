"""How likely a long run of one outcome is."""

from __future__ import annotations

import numpy as np

from alignbench.metrics import FloatArray, IntArray


def longest_run(outcome: IntArray) -> tuple[int, int]:
    """Where the longest run of one outcome begins among (n,), the first of equals, and its length; (0, 0) of none."""
    if not outcome.size:
        return 0, 0
    begin = np.flatnonzero(np.concatenate([[True], outcome[1:] != outcome[:-1]]))
    length = np.diff(np.append(begin, outcome.size))
    place = int(np.argmax(length))
    return int(begin[place]), int(length[place])


def chance_of_run(probability: FloatArray, length: int) -> float:
    """The exact probability that independent trials hold a run of some outcome at least so long.

    A first such run that ends at trial t with outcome c has the probability of its `length` outcomes times that of
    t - length trials without such a run of which the last is not c. The sum over t and c is the answer; as no small
    difference of large numbers is taken, small answers are exact too.

    Args:
        probability: (n, k) of each outcome in each trial; a row may sum to less than 1, the rest being an outcome of
            which runs do not count.
        length: At least 1.
    """
    n, k = probability.shape
    whole = _all_of(probability, length).tolist()
    rows = probability.tolist()
    rest = np.maximum(0, 1 - probability.sum(axis=1)).tolist()
    none = [1.0] * (n + 1)  # no such run in the first t trials
    ending = [[0.0] * k] * (n + 1)  # nor in these, the last of which is c
    answer = 0.0
    for t in range(1, n + 1):
        before = none[t - 1]
        now = [share * before for share in rows[t - 1]]
        if t >= length:
            clear, ends = none[t - length], ending[t - length]
            first = [all_of * (clear - end) for all_of, end in zip(whole[t - length], ends, strict=True)]
            now = [share - new for share, new in zip(now, first, strict=True)]
            answer += sum(first)
        ending[t] = now
        none[t] = sum(now) + rest[t - 1] * before
    return min(1.0, answer)


def _all_of(probability: FloatArray, length: int) -> FloatArray:
    # (n - length + 1, k) the product of every `length` rows that follow each other.
    n, k = probability.shape
    if n < length:
        return np.empty((0, k))
    logs = np.cumsum(np.vstack([np.zeros(k), np.log(np.maximum(probability, 1e-300))]), axis=0)
    products: FloatArray = np.exp(logs[length:] - logs[:-length])
    return products
