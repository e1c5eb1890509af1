"""Where a judge's scores part correct sentences from incorrect ones best."""

from __future__ import annotations

import numpy as np

from alignbench.metrics import BoolArray, Estimate, FloatArray, one_class_reason

NO_BETTER = "no threshold rejects a larger share of the incorrect sentences than of the correct ones"


def youden_threshold(is_correct: BoolArray, score: FloatArray) -> Estimate:
    """The score from which on a sentence is held correct, so that Youden's J is largest (Youden 1950, Cancer 3:32).

    J is the share of the incorrect sentences that score below the threshold minus that of the correct ones. Where
    several thresholds reach the largest J, the lowest of them: it calls the fewest sentences incorrect.

    Args:
        is_correct: (n,) which sentences are correct.
        score: (n,) finite.

    Returns:
        One of the scores; or a reason where a class is empty, or the largest J is 0.
    """
    n_correct = int(is_correct.sum())
    n_incorrect = is_correct.size - n_correct
    if not n_correct or not n_incorrect:
        return Estimate(None, one_class_reason(n_correct, n_incorrect))
    steps, place = np.unique(score, return_inverse=True)
    correct, incorrect = (
        np.cumsum(np.bincount(place[rows], minlength=steps.size))[:-1] for rows in (is_correct, ~is_correct)
    )
    # In whole numbers, so that equal J are equal.
    gain = incorrect * n_correct - correct * n_incorrect
    if not gain.size or gain.max() <= 0:
        return Estimate(None, NO_BETTER)
    return Estimate(float(steps[1 + int(np.argmax(gain))]), None)
