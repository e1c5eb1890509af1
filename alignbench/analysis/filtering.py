"""What a judge is worth as a filter: the threshold for a wanted precision, and what it really gives."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np

from alignbench.analysis.alike import Alike, Fraction, Share, alike, no_share, share
from alignbench.cells import NOT_COMPARABLE
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.panel import Panel

PRECISIONS = (0.9, 0.95, 0.99)
"""Which shares of correct sentences, among those kept, are asked for."""
MIN_KEPT = 20
"""A threshold that keeps fewer sentences is not considered: their precision would be luck."""

_ROUNDING = 1e-9
_STREAM = 1_000_003  # the blocks of the resampling, which begin with the same seed, never get so far


class _Ladder(NamedTuple):
    """The thresholds that keep at least `MIN_KEPT` of some sentences, from the highest down.

    Attributes:
        sentences: Those that they are chosen on.
        threshold: (k,)
        precision: (k,) of what each keeps.
    """

    sentences: Alike
    threshold: FloatArray
    precision: FloatArray

    @classmethod
    def of(cls, sentences: Alike) -> Self:
        order = np.argsort(-sentences.score, kind="stable")
        score, weight = sentences.score[order], sentences.weight[order]
        kept, correct = np.cumsum(weight), np.cumsum(weight * sentences.is_correct[order])
        last = np.append(score[1:] < score[:-1], True)[: score.size]  # of the sentences that share a score
        rungs = np.flatnonzero(last)
        rungs = rungs[rungs + 1 >= MIN_KEPT]
        return cls(sentences, score[rungs], correct[rungs] / kept[rungs])

    def choose(self, wanted: float) -> float | None:
        """The lowest threshold that has the wanted precision; null where none has."""
        reached = np.flatnonzero(self.precision >= wanted - _ROUNDING)
        return float(self.threshold[reached[-1]]) if reached.size else None


def filters(panel: Panel, score: FloatArray, seed: int) -> list[dict[str, Any]]:
    """For each of `PRECISIONS` the threshold to filter captions with, and the precision to expect of it.

    The precision of a threshold is the share of correct sentences among those that score at least as high; every
    producer counts alike, a sentence having the weight one over the number of producers and over that of the sentences
    of its own. The threshold chosen is the one that keeps the most at the wanted precision. Its precision on the
    sentences that it was chosen on is too good to be true, so the clusters are split in two halves, the same for all
    judges: a threshold is chosen on one half and measured on the other, then the halves change places, and the two
    measurements are averaged. What is measured are thresholds from half of the sentences; `threshold` itself is from
    all of them. The intervals take the thresholds as given.

    Args:
        panel: n labelled sentences.
        score: (n,) on any scale, NaN where missing; those sentences, and producers with fewer than 10 scored
            sentences of each class, are left out.
        seed: Of the split, not negative.

    Returns:
        For each precision `{"precision", "threshold", "achieved": share, "kept": share, "base_rate", "reason"}`, a
        share being value, low, high and reason. `base_rate` is the precision of keeping everything. `threshold` is
        null where none reaches the precision, which `reason` says.
    """
    sentences = alike(panel, score)
    if sentences is None:
        return [_unreached(wanted, None, NOT_COMPARABLE) for wanted in PRECISIONS]
    base_rate = float(sentences.weight @ sentences.is_correct)
    whole = _Ladder.of(sentences)
    first = _first_half(panel.stratum, seed)[sentences.cluster]
    halves = [_Ladder.of(sentences.only(rows)) for rows in (first, ~first)]
    entries = []
    for wanted in PRECISIONS:
        threshold = whole.choose(wanted)
        if threshold is None:
            reason = f"no threshold that keeps at least {MIN_KEPT} sentences reaches this precision"
            entries.append(_unreached(wanted, base_rate, reason))
        else:
            achieved, kept = _crossed(halves, wanted, sentences.n_producers)
            entries.append(_entry(wanted, threshold, achieved, kept, base_rate, None))
    return entries


def _first_half(stratum: IntArray, seed: int) -> BoolArray:
    """(m,) which clusters are in the first half: every second one of each stratum, in random order."""
    order = np.random.default_rng([seed, _STREAM]).permutation(stratum.size)
    order = order[np.argsort(stratum[order], kind="stable")]
    first = np.zeros(stratum.size, np.bool_)
    first[order[::2]] = True
    return first


def _crossed(halves: Sequence[_Ladder], wanted: float, n_producers: int) -> tuple[Share, Share]:
    """The precision, and the share kept, of the threshold of each half on the other half."""
    if any(half.sentences.n_producers < n_producers for half in halves):
        return (no_share("a producer has no sentence in one half of the clusters"),) * 2
    thresholds = [half.choose(wanted) for half in halves]
    achieved, kept = [], []
    for threshold, other in zip(thresholds, reversed(halves), strict=True):
        if threshold is None:
            return (no_share("no threshold reaches this precision on one half of the clusters"),) * 2
        sentences = other.sentences
        keeps = sentences.score >= threshold
        if not keeps.any():
            return (no_share("the threshold of one half keeps no sentence of the other"),) * 2
        achieved.append(Fraction(sentences, keeps & sentences.is_correct, keeps))
        kept.append(Fraction(sentences, keeps, np.ones(keeps.size, np.bool_)))
    return share(*achieved), share(*kept)


def _unreached(wanted: float, base_rate: float | None, reason: str) -> dict[str, Any]:
    return _entry(wanted, None, no_share(reason), no_share(reason), base_rate, reason)


def _entry(
    wanted: float, threshold: float | None, achieved: Share, kept: Share, base_rate: float | None, reason: str | None
) -> dict[str, Any]:
    return {
        "precision": wanted,
        "threshold": threshold,
        "achieved": achieved._asdict(),
        "kept": kept._asdict(),
        "base_rate": base_rate,
        "reason": reason,
    }
