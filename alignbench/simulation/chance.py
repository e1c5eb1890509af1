"""Where the chance of simulations comes from."""

from __future__ import annotations

import numpy as np

_OURS = 0x51


def generator(*key: int) -> np.random.Generator:
    """The random numbers of a key, which starts with the seed and does not end in 0 after it.

    A simulation and a resampling of it may have the same seed; what they draw has nothing in common.
    """
    return np.random.default_rng([_OURS, *key])
