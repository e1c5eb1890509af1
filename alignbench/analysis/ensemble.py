"""Several judges' scores combined into one: by mean rank, by mean logit, or by stacking that is cross-fitted."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum

import numpy as np
from scipy import special

from alignbench.analysis.cross_fitting import FOLDS, Known, TooFewError, cross_fitted
from alignbench.errors import UsageError
from alignbench.metrics import BoolArray, FloatArray, normalised_ranks

EDGE = 1e-6
"""0 and 1 have no logit: scores are brought this near to the ends of [0, 1]."""


class Rule(StrEnum):
    """How scores are combined; the value is what `alignbench ensemble --rule` takes."""

    MEAN_RANK = "mean-rank"
    MEAN_LOGIT = "mean-logit"
    STACKING = "stacking"


def mean_rank(scores: FloatArray) -> FloatArray:
    """The mean over members of (rank - 1/2) / n, where ties share the mean of their ranks.

    The ranks are those among the n sentences that all members scored, so no rising function of a member's scores, and
    nothing it says of other sentences, changes the result.

    Args:
        scores: (members, N) NaN where a member gave none.

    Returns:
        (N,) in (0, 1), NaN where a member gave no score.
    """
    scored_by_all = _scored_by_all(scores)
    ranks = [normalised_ranks(score) for score in scores[:, scored_by_all]]
    return _spread(np.mean(ranks, axis=0), scored_by_all)


def mean_logit(scores: FloatArray, names: Sequence[str]) -> FloatArray:
    """The mean over members of log(p / (1 - p)), the logarithm of the geometric mean of their odds.

    Args:
        scores: (members, N) in [0, 1], clipped to [`EDGE`, 1 - `EDGE`]; NaN where a member gave none.
        names: The members', for the error.

    Returns:
        (N,) NaN where a member gave no score.

    Raises:
        UsageError: A score lies outside [0, 1].
    """
    for name, score in zip(names, scores, strict=True):
        if not _lies_in_unit(score):
            raise UsageError(
                f"the scores of {name!r} lie from {np.nanmin(score):.4g} to {np.nanmax(score):.4g}, and only scores in "
                f"[0, 1] have a logit; give --rule {Rule.MEAN_RANK}, which combines scores of any scale"
            )
    scored_by_all = _scored_by_all(scores)
    return _spread(_logits(scores[:, scored_by_all]).mean(axis=0), scored_by_all)


def stacking(scores: FloatArray, known: Known) -> FloatArray:
    """The probability of `correct` from the members' scores, by logistic regressions that never saw the sentence.

    A member's scores enter as logits where all of them lie in [0, 1], else as normal scores of their ranks, and are
    scaled without a look at labels; see `alignbench.analysis.cross_fitting` for the rest.

    Where members know nothing, so that the fits are noise, the AUROC of the result is a little under 0.5 and spreads
    more widely than its interval, which takes the fits as given, says: simulated with 80 clusters of 5 sentences, its
    mean is 0.494, and one in seven 95 % intervals leaves out 0.5.

    Args:
        scores: (members, N) NaN where a member gave none.
        known: The labels and clusters of the N sentences.

    Returns:
        (N,) in [0, 1], NaN where a member gave no score.

    Raises:
        UsageError: Too few labels or clusters to learn from.
    """
    scored_by_all = _scored_by_all(scores)
    within = Known(known.is_correct[scored_by_all], known.is_labelled[scored_by_all], known.cluster[scored_by_all])
    try:
        combined = cross_fitted(_features(scores[:, scored_by_all]), within)
    except TooFewError as error:
        raise UsageError(
            f"stacking learns from labels, in {FOLDS} folds: it needs at least {FOLDS} correct sentences, as many "
            "incorrect ones and as many clusters that all members scored; "
            f"give --rule {Rule.MEAN_RANK}, which needs none"
        ) from error
    return _spread(combined, scored_by_all)


def digest_of(scores: FloatArray) -> str:
    """Sixteen hex digits that change when one of the (N,) scores does; a missing score is NaN."""
    # One byte order, one zero and one NaN on every machine.
    plain = np.where(np.isnan(scores), np.nan, scores + 0.0).astype("<f8")
    return hashlib.sha256(plain.tobytes()).hexdigest()[:16]


def _scored_by_all(scores: FloatArray) -> BoolArray:
    return np.asarray(~np.isnan(scores).any(axis=0), np.bool_)


def _spread(values: FloatArray, where: BoolArray) -> FloatArray:
    spread = np.full(where.size, np.nan)
    spread[where] = values
    return spread


def _lies_in_unit(score: FloatArray) -> bool:
    known = score[~np.isnan(score)]
    return bool(((known >= 0) & (known <= 1)).all())


def _logits(scores: FloatArray) -> FloatArray:
    logits: FloatArray = special.logit(np.clip(scores, EDGE, 1 - EDGE))
    return logits


def _features(scores: FloatArray) -> FloatArray:
    """What the regression sees, (n, members): columns of mean 0 and standard deviation 1, a constant one all 0."""
    columns = [
        _logits(score) if _lies_in_unit(score) else special.ndtri(normalised_ranks(score))
        for score in scores  # (n,)
    ]
    features = np.stack(columns, axis=1)
    spread = features.std(axis=0)
    centred: FloatArray = features - features.mean(axis=0)
    return centred / np.where(spread > 0, spread, 1)
