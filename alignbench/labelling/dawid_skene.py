"""Labels by Dawid and Skene (1979): every annotator has a confusion matrix, estimated along with the labels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from alignbench.errors import MissingDependencyError
from alignbench.labelling.resolution import most_chosen
from alignbench.types import Label

_TIE = 1e-9
_LABELS = tuple(Label)


def dawid_skene(votes: Iterable[tuple[str, str, Label]]) -> dict[str, Label]:
    """The most probable label of every sentence, by crowd-kit's expectation maximisation from the shares of votes.

    The result depends neither on the order of the votes nor on chance. Where labels are equally probable it is
    `unknown`. With one annotator it is what they said; where all say the same, it is that; without votes it is empty.
    Votes for `unknown` are votes for a third class. An annotator's confusion is learnt from all sentences given here,
    so that a new vote on one sentence can change another one; from a few hundred sentences it is learnt badly, and a
    majority may be righter.

    Args:
        votes: (sentence_id, annotator, label), at most one an annotator and sentence.

    Returns:
        The label of every sentence that has a vote, by sentence_id.

    Raises:
        MissingDependencyError: crowd-kit is not installed.
    """
    ordered = sorted(votes)
    if not ordered:
        return {}
    sentences, annotators, labels = zip(*ordered, strict=True)
    names, task = np.unique(np.array(sentences, dtype=object), return_inverse=True)
    _, worker = np.unique(np.array(annotators, dtype=object), return_inverse=True)
    chosen = np.array([_LABELS.index(label) for label in labels])
    probabilities = _fit(task, worker, chosen)
    columns = [_LABELS[code] for code in probabilities.columns]
    rows = probabilities.sort_index().to_numpy()
    return {
        name: most_chosen(dict(zip(columns, row, strict=True)), tolerance=_TIE)
        for name, row in zip(names.tolist(), rows.tolist(), strict=True)
    }


def _fit(task: Any, worker: Any, label: Any) -> Any:
    """The probability of every label (columns) for every task (rows), as a data frame."""
    try:
        import pandas as pd  # type: ignore[import-untyped]
        from crowdkit.aggregation import DawidSkene
    except ImportError as error:
        raise MissingDependencyError.of("crowd-kit", "labels") from error
    votes = pd.DataFrame({"task": task, "worker": worker, "label": label})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of pandas, about how crowd-kit calls it
        return DawidSkene(n_iter=100, tol=1e-5).fit_predict_proba(votes)
