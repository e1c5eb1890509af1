"""Which labels are least likely to be right, given the scores of judges and the votes of people."""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from alignbench.analysis.cross_fitting import Known
from alignbench.analysis.ensemble import stacking
from alignbench.errors import UsageError
from alignbench.metrics import BoolArray, FloatArray, IntArray

VOTE_ACCURACY = 0.8
"""How often one annotator is taken to be right of a sentence, whatever its label and whatever others say."""
VOTE_WEIGHT = math.log(VOTE_ACCURACY / (1 - VOTE_ACCURACY))
"""The log-odds of one vote."""


def correct_odds(scores: FloatArray, known: Known, producer: IntArray) -> FloatArray:
    """The log-odds of `correct` given judges' scores, by regressions that never saw the sentence's cluster.

    The regressions are those of `alignbench.analysis.ensemble.stacking`, cross-fitted by cluster, with the judges as
    members and each producer as one member more, whose score says which sentences are its own: so every producer has
    an intercept, because shares of correct sentences differ between producers far more than judges can see.

    Both labels weigh alike, as stacking has it, however rare one of them is: as if each were wrong equally often. By
    their frequencies most doubt would fall on the rarer label, which is right only where labels are turned round
    blindly. With a twentieth of the labels turned round so, the top of the queue would hold 3 to 8 wrong labels in a
    hundred more by frequencies; where people overlooked as many errors, 17 to 35 fewer (`benchmarks/label_noise.py`).

    Sentences are not all scored by the same judges. Those that a set of judges scored get a regression on this set,
    learnt from all sentences that the whole set scored; nothing is imputed. Where there is too little to learn from,
    the judge of the set with the fewest scores is left out, until there is enough or no judge is left.

    Args:
        scores: (judges, n) NaN where a judge gave none or does not count.
        known: The labels and clusters of the n sentences.
        producer: (n,) from 0.

    Returns:
        (n,) NaN where no judge counts, or no set of those that do has enough to learn from.
    """
    there = ~np.isnan(scores)
    patterns, pattern = np.unique(there, axis=1, return_inverse=True)
    pattern = pattern.ravel()
    odds = np.full(known.is_correct.size, np.nan)
    fitted: dict[bytes, FloatArray | None] = {}
    for place in range(patterns.shape[1]):
        chosen = np.flatnonzero(patterns[:, place])
        found = _odds_of(chosen, scores, known, producer, fitted)
        if found is not None:
            rows = pattern == place
            odds[rows] = found[rows]
    return odds


def wrong_odds(odds: FloatArray, is_correct: BoolArray, votes_for: IntArray, votes_against: IntArray) -> FloatArray:
    """The log-odds that a label is wrong, given scores and votes.

    The model: each annotator is right with the probability `VOTE_ACCURACY`, independently of each other and, given the
    truth, of the judges. So every vote for the label takes `VOTE_WEIGHT` from the log-odds that it is wrong, and every
    vote against it adds as much; votes for `unknown` change nothing. A label without votes counts as one vote for it.

    Args:
        odds: (n,) those of `correct_odds`.
        is_correct: (n,) the labels.
        votes_for: (n,) how many annotators chose the label.
        votes_against: (n,) how many chose the opposite.
    """
    against = np.where(is_correct, -odds, odds)
    unvoted = votes_for + votes_against == 0
    return np.asarray(against + VOTE_WEIGHT * (votes_against - np.where(unvoted, 1, votes_for)), np.float64)


def _odds_of(
    chosen: IntArray, scores: FloatArray, known: Known, producer: IntArray, fitted: dict[bytes, FloatArray | None]
) -> FloatArray | None:
    """(n,) the log-odds by the `chosen` judges, or by those of them that there is enough to learn of; else null."""
    while chosen.size:
        key = chosen.tobytes()
        if key not in fitted:
            fitted[key] = _stacked(scores[chosen], known, producer)
        if fitted[key] is not None:
            return fitted[key]
        held = (~np.isnan(scores[chosen])).sum(axis=1)
        chosen = np.delete(chosen, np.argmin(held))
    return None


def _stacked(scores: FloatArray, known: Known, producer: IntArray) -> FloatArray | None:
    rows = ~np.isnan(scores).any(axis=0)
    learnt = rows & known.is_labelled
    if not learnt.any():
        return None
    owners = np.unique(producer[rows])
    own = (producer == owners[:, None]).astype(np.float64)  # (producers, n)
    try:
        combined = stacking(np.concatenate([scores, own]), known)
    except UsageError:  # there is too little to learn from
        return None
    return np.asarray(special.logit(combined), np.float64)
