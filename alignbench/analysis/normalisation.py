"""AUROCs relative to what each judge reaches on the standard producers, as AlignBench looks for self-preference."""

from __future__ import annotations

import numpy as np

from alignbench.metrics import BoolArray, FloatArray


def normalised(aurocs: FloatArray, standard: BoolArray) -> FloatArray:
    """Each judge's AUROCs over its mean AUROC on the standard producers, its own captions included.

    A value under 1 is a producer whose errors this judge finds less well than it finds errors on the whole. This is
    the normalisation of AlignBench (arXiv 2511.20515), which its published tables confirm: the divisor is the average
    of the row, over the eight standard subsets, also for captions of producers that are none of the eight.

    Args:
        aurocs: (J, P) of each judge on each producer, NaN where unknown.
        standard: (P,) which producers make up the mean.

    Returns:
        (J, P), NaN where the AUROC is unknown, and in the whole row of a judge whose AUROC on one standard producer
        is, or whose mean is 0; all NaN where no producer is standard.
    """
    if not standard.any():
        return np.full(aurocs.shape, np.nan)
    means = aurocs[:, standard].mean(axis=1, keepdims=True)
    relative: FloatArray = aurocs / np.where(means > 0, means, np.nan)
    return relative
