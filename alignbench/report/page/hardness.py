"""Which sentences judges are most wrong about."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle
from typing import NamedTuple

import numpy as np

from alignbench.metrics import BoolArray, FloatArray, IntArray, placements
from alignbench.panel import Panel

HALF = 0.5


class Hardest(NamedTuple):
    """Sentences to look at, the hardest first.

    Attributes:
        accepts: Rows of the panel: incorrect sentences that a judge takes for correct ones.
        rejects: The reverse.
        n_accepts: How many there are, chosen or not.
        n_rejects: The same for the reverse.
    """

    accepts: IntArray
    rejects: IntArray
    n_accepts: int
    n_rejects: int


def hardness(panel: Panel, score: FloatArray) -> FloatArray:
    """What share of the other class each sentence is on the wrong side of, among those of its producer; ties one half.

    For an incorrect sentence that is the share of the correct ones that it outscores, for a correct one the share of
    the incorrect ones that outscore it. Over either class of a producer its mean is 1 - AUROC.

    Args:
        panel: n sentences.
        score: (n,) of one judge, NaN where missing.

    Returns:
        (n,) in [0, 1]; NaN without a score, or without a scored sentence of the other class.
    """
    hard = np.full(score.size, np.nan)
    known = ~np.isnan(score)
    for producer in range(len(panel.producers)):
        here = known & (panel.producer == producer)
        correct, incorrect = (np.flatnonzero(here & (panel.is_correct == good)) for good in (True, False))
        if correct.size and incorrect.size:
            hard[incorrect] = placements(score[incorrect], score[correct]) / correct.size
            hard[correct] = 1 - placements(score[correct], score[incorrect]) / incorrect.size
    return hard


def mean_hardness(by_judge: FloatArray) -> FloatArray:
    """(n,) the mean over the judges (J, n) that have one, NaN where none has."""
    known = ~np.isnan(by_judge)
    total, count = np.where(known, by_judge, 0.0).sum(axis=0), known.sum(axis=0)
    mean: FloatArray = np.divide(total, count, out=np.full(count.size, np.nan), where=count > 0)
    return mean


def hardest(panel: Panel, by_judge: FloatArray, limit: int) -> Hardest:
    """The hardest sentences, as many false accepts as false rejects where there are enough of both.

    A sentence is one where a judge puts it on the wrong side of more than half of the other class. Every other one is
    taken by its mean over the judges; those between by each judge's and each producer's own order in turn, so that all
    of them have some.

    Args:
        panel: n sentences.
        by_judge: (J, n) as `hardness` says.
        limit: How many at most.
    """
    mean = mean_hardness(by_judge)
    wrong = np.nan_to_num(by_judge) > HALF
    candidates = [np.flatnonzero(wrong.any(axis=0) & (panel.is_correct == good)) for good in (False, True)]
    n_accepts, n_rejects = (rows.size for rows in candidates)
    accepted = min(n_accepts, max(limit - limit // 2, limit - n_rejects))
    quotas = accepted, min(n_rejects, limit - accepted)
    accepts, rejects = (
        _falling(_chosen(_orders(panel, by_judge, mean, wrong, rows), quota), mean)
        for rows, quota in zip(candidates, quotas, strict=True)
    )
    return Hardest(accepts, rejects, n_accepts, n_rejects)


def _orders(
    panel: Panel, by_judge: FloatArray, mean: FloatArray, wrong: BoolArray, rows: IntArray
) -> Iterator[IntArray]:
    yield _falling(rows, mean)
    for own, is_wrong in zip(by_judge, wrong, strict=True):
        yield _falling(rows[is_wrong[rows]], own)
    for producer in range(len(panel.producers)):
        yield _falling(rows[panel.producer[rows] == producer], mean)


def _falling(rows: IntArray, key: FloatArray) -> IntArray:
    return rows[np.argsort(-key[rows], kind="stable")]


def _chosen(orders: Iterable[IntArray], quota: int) -> IntArray:
    # The first order holds all rows; every second turn is its. No turn has to pass over more rows than are chosen.
    first, *others = (iter(order[:quota].tolist()) for order in orders)
    chosen: dict[int, None] = {}
    for turn in cycle([turn for other in others for turn in (first, other)]):
        if len(chosen) == quota:
            break
        chosen |= _next(turn, chosen)
    return np.array(list(chosen), np.int64)


def _next(turn: Iterator[int], chosen: dict[int, None]) -> dict[int, None]:
    row = next((row for row in turn if row not in chosen), None)
    return {} if row is None else {row: None}
