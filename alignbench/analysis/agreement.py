"""How far annotators agree on labels beyond chance: Fleiss' kappa and Krippendorff's alpha, with replicates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from alignbench.analysis.resampled import undefined_reason
from alignbench.intervals import FEW_CLUSTERS, LEVEL, Interval
from alignbench.metrics import FloatArray, IntArray
from alignbench.resample import Draws

NO_PAIR = "no sentence has two votes"
ALL_THE_SAME = "all votes say the same, so there is nothing beyond chance to measure"
_ONE_CLUSTER = "one cluster holds them all, so there is no spread between clusters to measure"
_NO_SPREAD = "every replicate says the same, so there is no spread to measure"


class Agreement(NamedTuple):
    """Agreement on labels; arrays of one shape, NaN where undefined.

    Attributes:
        fleiss_kappa: (mean - chance) / (1 - chance).
        krippendorff_alpha: 1 - observed / expected disagreement.
        mean_agreement: P: the mean over sentences of the share of their pairs of annotators who agree.
        chance_agreement: P_e: the sum of squares of the labels' shares of all votes.
    """

    fleiss_kappa: FloatArray
    krippendorff_alpha: FloatArray
    mean_agreement: FloatArray
    chance_agreement: FloatArray


def pair_agreement(counts: IntArray) -> FloatArray:
    """P_i of Fleiss (1971): the share of the pairs of annotators of a sentence who agree.

    Args:
        counts: (s, k) how many annotators of each sentence chose each of k labels.

    Returns:
        (s,) in [0, 1], NaN where fewer than two voted.
    """
    total = counts.sum(axis=1)
    pairs = (total * (total - 1)).astype(np.float64)
    alike = (counts * (counts - 1)).sum(axis=1)
    shares: FloatArray = np.divide(alike, pairs, out=np.full(total.size, np.nan), where=pairs > 0)
    return shares


def agreement_sums(counts: IntArray) -> FloatArray:
    """What each sentence adds to the sums that agreement is made of, nothing where fewer than two voted.

    Args:
        counts: (s, k) how many annotators of each sentence chose each of k labels.

    Returns:
        (s, 3 + k): 1; P_i; the diagonal of Krippendorff's coincidences, which is P_i times the votes; the k counts.
    """
    share = pair_agreement(counts)
    has_pair = ~np.isnan(share)
    share = np.where(has_pair, share, 0.0)
    return np.column_stack([has_pair, share, share * counts.sum(axis=1), counts * has_pair[:, None]])


def agreement_of_sums(sums: FloatArray) -> Agreement:
    """Agreement from sums of what `agreement_sums` says, over any sentences.

    Fleiss (1971, Psychological Bulletin 76:378-382); where sentences have different numbers of votes, each sentence
    counts once in P and each vote once in P_e. Krippendorff (2011, Computing Krippendorff's alpha-reliability,
    nominal): o_cc from the coincidences, n_c the votes of each label, n all of them:
    1 - (n - 1) (n - sum o_cc) / (n^2 - sum n_c^2).

    Args:
        sums: (..., 3 + k).

    Returns:
        Arrays (...).
    """
    sentences, shares, coincidences, votes = sums[..., 0], sums[..., 1], sums[..., 2], sums[..., 3:]
    total, squares = votes.sum(axis=-1), np.square(votes).sum(axis=-1)
    mean = _quotient(shares, sentences)
    chance = _quotient(squares, np.square(total))
    # All sums of votes are whole numbers, so that a single label makes the difference exactly nothing.
    room = np.square(total) - squares
    kappa = _quotient(mean - chance, np.where(room > 0, 1 - chance, 0))
    alpha = 1 - _quotient((total - 1) * (total - coincidences), room)
    return Agreement(kappa, alpha, mean, chance)


class ClusterSums:
    """Sums of some columns over the sentences of each group, of which a replicate weighs every cluster.

    Args:
        columns: (e, w) what each entry adds.
        group: (e,) the group it adds to, from 0.
        cluster: (e,) its cluster, from 0.
        sizes: How many groups and how many clusters there are.
    """

    def __init__(self, columns: FloatArray, group: IntArray, cluster: IntArray, sizes: tuple[int, int]) -> None:
        self._shape = (sizes[0], columns.shape[1])
        entry, column = np.nonzero(columns)
        row = group[entry] * columns.shape[1] + column
        self._sums = sparse.coo_array(
            (columns[entry, column], (row, cluster[entry])), shape=(sizes[0] * columns.shape[1], sizes[1])
        ).tocsr()

    def once(self) -> FloatArray:
        """(groups, w) with every cluster counted once."""
        return self._reshaped(self._sums @ np.ones((self._sums.shape[1], 1)))[:, 0]

    def drawn(self, counts: FloatArray) -> FloatArray:
        """(groups, r, w) from (m, r) counts of how often each replicate drew each cluster."""
        return self._reshaped(self._sums @ counts)

    def _reshaped(self, sums: FloatArray) -> FloatArray:
        return np.moveaxis(sums.reshape(*self._shape, -1), 1, -1)


def replicated_agreement(sums: ClusterSums, draws: Draws) -> Agreement:
    """The agreement in every group and replicate, (groups, replicates), block by block."""
    blocks = [agreement_of_sums(sums.drawn(counts)) for counts in draws]
    return Agreement(*(np.concatenate(block, axis=1) for block in zip(*blocks, strict=True)))


def distinct(row: IntArray, value: IntArray, n_rows: int) -> IntArray:
    """(n_rows,) how many different values, (e,) and not negative, stand in each row, (e,)."""
    size = int(value.max(initial=0)) + 1
    return np.bincount(np.unique(row * size + value) // size, minlength=n_rows)


def cluster_interval(replicates: FloatArray, clusters: int) -> Interval:
    """The 95 % percentile interval of replicates, (b,) and NaN where undefined, that rest on so many clusters.

    It is null, with the reason, for a single cluster, where more than 1 % of the replicates are undefined, and where
    all of them are equal: agreement that never failed has no spread to go by.
    """
    if clusters < 2:
        return Interval(None, None, _ONE_CLUSTER)
    if reason := undefined_reason(replicates):
        return Interval(None, None, reason)
    low, high = (float(end) for end in np.nanquantile(replicates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]))
    if np.nanmax(replicates) - np.nanmin(replicates) < 1e-12:
        return Interval(None, None, _NO_SPREAD)
    few = f"too few: these sentences lie in {clusters} clusters" if clusters < FEW_CLUSTERS else None
    return Interval(low, high, few)


def _quotient(top: FloatArray, bottom: FloatArray) -> FloatArray:
    top, bottom = np.broadcast_arrays(top, bottom)
    found: FloatArray = np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0)
    return found
