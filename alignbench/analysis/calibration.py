"""Whether a judge's scores can be read as probabilities that the sentence is correct."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from alignbench.analysis.alike import Alike, Fraction, Share, alike, no_share, share
from alignbench.analysis.resampled import undefined_reason
from alignbench.cells import NOT_COMPARABLE
from alignbench.clustered import standard_error
from alignbench.intervals import FEW_CLUSTERS, LEVEL, NO_SPREAD, t_interval
from alignbench.metrics import FloatArray, IntArray
from alignbench.panel import Panel
from alignbench.resample import Draws

N_BINS = 10
"""Bins of the reliability diagram, of equal width; the last one holds the score 1."""
NO_PROBABILITIES = "its scores do not all lie in [0, 1], so they are no probabilities"


class _Gaps(NamedTuple):
    """In every replicate, what correct sentences a bin has beyond what its scores promise.

    Attributes:
        observed: (bins,) share of correct sentences minus mean score, times the share of the sentences in the bin.
        drawn: (bins, replicates) the same, NaN where a replicate drew no sentence of some producer.
    """

    observed: FloatArray
    drawn: FloatArray


def calibration(panel: Panel, score: FloatArray, draws: Draws) -> dict[str, Any]:
    """The reliability diagram, the expected calibration error and the Brier score of one judge.

    Producers have very different base rates, so every producer counts alike: a sentence has the weight one over the
    number of producers and over that of the scored sentences of its own. All shares and means are under these weights.
    The expected calibration error (ECE) is the sum over `N_BINS` bins of equal width of the share of the sentences in
    the bin times the distance between the share of correct ones and the mean score there (Guo et al. 2017, arXiv
    1706.04599, equation 3). It depends on the bins, and is above 0 for a calibrated judge too, by chance; the low end
    of its interval is not, see `_ece`. The Brier score is the mean squared distance of score and truth.

    That the scores lie in [0, 1] does not make them probabilities: for a similarity the figures say how far from them
    it is.

    Args:
        panel: n labelled sentences.
        score: (n,) NaN where missing; those sentences, and producers with fewer than 10 scored sentences of each
            class, are left out.
        draws: The clusters of every replicate.

    Returns:
        `{"ece": figure, "brier": figure, "bins": [{"low", "high", "mean_score", "share_correct", "share_low",
        "share_high", "reason", "n"}], "reason"}`, a figure being value, low, high and reason. An empty bin has nulls.
        Where there is nothing to say, `reason` says why, and there are no bins.
    """
    if ((score < 0) | (score > 1)).any():
        return _nothing(NO_PROBABILITIES)
    sentences = alike(panel, score)
    if sentences is None:
        return _nothing(NOT_COMPARABLE)
    place = np.minimum((sentences.score * N_BINS).astype(np.int64), N_BINS - 1)
    return {
        "ece": _ece(_gaps(sentences, place, draws), sentences.support().distinct)._asdict(),
        "brier": _brier(sentences)._asdict(),
        "bins": [_bin(sentences, place, number) for number in range(N_BINS)],
        "reason": None,
    }


def _gaps(sentences: Alike, place: IntArray, draws: Draws) -> _Gaps:
    # What a replicate makes of a bin is a product with its counts: nothing is looked at sentence by sentence again.
    n_rows, shape = sentences.n_producers, (sentences.n_producers * N_BINS, sentences.n_clusters)
    excess = sparse.csr_array(
        (sentences.is_correct - sentences.score, (sentences.producer * N_BINS + place, sentences.cluster)), shape
    )
    sizes = sparse.csr_array(
        (np.ones(place.size), (sentences.producer, sentences.cluster)), (n_rows, sentences.n_clusters)
    )

    def gaps(counts: FloatArray) -> FloatArray:
        drawn = sizes @ counts
        drawn[drawn == 0] = np.nan
        by_producer = (excess @ counts).reshape(n_rows, N_BINS, -1) / drawn[:, None]
        return np.asarray(by_producer.mean(axis=0), np.float64)

    observed = gaps(np.ones((sentences.n_clusters, 1)))[:, 0]
    return _Gaps(observed, np.concatenate([gaps(counts) for counts in draws], axis=1))


def _ece(gaps: _Gaps, clusters: int) -> Share:
    """The sum of the distances, with an interval that knows that chance can only add to it.

    The ECE of sentences is larger than the true one, and that of a replicate larger still. So percentiles of the
    replicates, [low, high], never cover a true ECE of 0, and small ones too seldom, while the pivotal interval,
    [2 value - high, 2 value - low] clipped at 0, covers 0 in 72 to 74 %. Each is right on one side: the interval is
    [2 value - high, high], and from 0 where the value is no larger than in 95 % of the replicates of a calibrated
    judge, whose distances are those between a replicate and what was observed. Simulated with 50, 150 and 500 clusters
    (600 data sets each) it covers a true ECE of 0 in 93 to 94 %, of 0.03 to 0.08 in 96 to 98 %, above 0.1 in 93 to
    96 %; percentiles cover these in 0 %, 61 to 94 % and 93 to 95 %.
    """
    value, drawn = float(np.abs(gaps.observed).sum()), np.abs(gaps.drawn).sum(axis=0)
    reason = undefined_reason(drawn)
    if reason is None and np.ptp(gaps.drawn[:, ~np.isnan(drawn)], axis=1).max() == 0:
        reason = NO_SPREAD
    if reason:
        return Share(value, None, None, reason)
    by_chance = float(np.nanquantile(np.abs(gaps.drawn - gaps.observed[:, None]).sum(axis=0), LEVEL))
    high = float(np.nanquantile(drawn, (1 + LEVEL) / 2))
    low = 0.0 if value <= by_chance else max(0.0, 2 * value - high)
    warning = None if clusters >= FEW_CLUSTERS else f"too few: {clusters} clusters"
    return Share(value, low, max(value, min(1.0, high)), warning)


def _brier(sentences: Alike) -> Share:
    loss = np.square(sentences.score - sentences.is_correct)
    value = float(sentences.weight @ loss)
    low, high, reason = t_interval(value, standard_error(sentences.influence(loss)) or None, sentences.support())
    if low is None or high is None:
        return Share(value, None, None, reason)
    return Share(value, max(0.0, low), min(1.0, high), reason)


def _bin(sentences: Alike, place: IntArray, number: int) -> dict[str, Any]:
    here = place == number
    inside: dict[str, Any] = {"mean_score": None} | _as_bin(no_share("no score lies here"))
    if here.any():
        mean = float(np.average(sentences.score[here], weights=sentences.weight[here]))
        inside = {"mean_score": mean} | _as_bin(share(Fraction(sentences, here & sentences.is_correct, here)))
    return {"low": number / N_BINS, "high": (number + 1) / N_BINS, **inside, "n": int(here.sum())}


def _as_bin(correct: Share) -> dict[str, Any]:
    names = ("share_correct", "share_low", "share_high", "reason")
    return dict(zip(names, correct, strict=True))


def _nothing(reason: str) -> dict[str, Any]:
    nothing = no_share(reason)._asdict()
    return {"ece": nothing, "brier": dict(nothing), "bins": [], "reason": reason}
