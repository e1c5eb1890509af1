"""Learns what is correct from the sentences of other clusters, so that no label is used on its own sentence."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from alignbench.metrics import BoolArray, FloatArray, IntArray

FOLDS = 5


class Known(NamedTuple):
    """What can be learnt from.

    Attributes:
        is_correct: (n,)
        is_labelled: (n,) whether a sentence is correct or incorrect; the others are scored, and never learnt from.
        cluster: (n,) from 0; the sentences of a cluster are in the same fold.
    """

    is_correct: BoolArray
    is_labelled: BoolArray
    cluster: IntArray


class TooFewError(ValueError):
    """There is too little to learn from: less than a correct and an incorrect sentence and a cluster for each fold."""


def cross_fitted(features: Any, known: Known) -> FloatArray:
    """The probability of `correct` by logistic regressions, each scoring a fold of whole clusters it never saw.

    The regressions are balanced, because folds differ in their base rate and a pooled AUROC would see that.

    Args:
        features: (n, columns), dense or a scipy sparse matrix.
        known: The labels and clusters of the n sentences.

    Returns:
        (n,) in [0, 1].

    Raises:
        TooFewError: See there.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedGroupKFold

    is_correct = known.is_correct & known.is_labelled
    sizes = (is_correct.sum(), (known.is_labelled & ~is_correct).sum(), np.unique(known.cluster).size)
    if min(sizes) < FOLDS:
        raise TooFewError
    scores = np.full(is_correct.size, np.nan)
    folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=0)
    for train, test in folds.split(features, is_correct, known.cluster):
        learnt_from = train[known.is_labelled[train]]
        if np.unique(is_correct[learnt_from]).size < 2:
            raise TooFewError
        model = LogisticRegression(class_weight="balanced", max_iter=1000)
        model.fit(features[learnt_from], is_correct[learnt_from])
        scores[test] = model.predict_proba(features[test])[:, 1]
    return scores
