"""Which two annotators agree more than their agreement with the others can explain."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from alignbench.analysis.agreement import distinct
from alignbench.analysis.crowd import Crowd, groups_of, kappa_of_sums, left_out, p_below_nothing
from alignbench.metrics import BoolArray, FloatArray, IntArray

LEAST_SHARED = 30
"""Two annotators with fewer sentences in common are not compared."""
MOST_ANNOTATORS = 400
"""Of more annotators nobody is compared: the work grows with the cube of their number."""
MARGIN = 0.25
"""Two whose labels are a quarter as far from correlating wholly as expected are not called out."""


class Pairs(NamedTuple):
    """Two annotators each who have sentences in common, `LEAST_SHARED` at least.

    Attributes:
        first: (p,) an annotator.
        second: (p,) another, whose number is higher.
        shared: (p,) sentences that both voted on.
        first_later: (p,) the share of these on which the first answered later; a tie counts one half.
        agreement: (p,) the share of these on which they agree.
        expected: (p,) the share on which two would who agree with the others as these do; NaN where the others do not
            tell.
        p: (p,) for the hypothesis that they are as far from correlating wholly as that, times `MARGIN`; NaN where
            untested.
    """

    first: IntArray
    second: IntArray
    shared: IntArray
    first_later: FloatArray
    agreement: FloatArray
    expected: FloatArray
    p: FloatArray


def compare_pairs(crowd: Crowd, time: IntArray, seed: int) -> Pairs:
    """Compare all pairs of annotators.

    Labels of annotators who judge apart correlate as far as their skills go: r_ij = s_i s_j, whatever their leanings,
    as both only depend on what is true. So the others tell what to expect of two: s_i^2 is the sum of r_ik r_il over
    the others k, l by the sum of their r_kl. Two who never err agree always, but then they agree well with the others
    too, which sets them apart from one who copies the other. Takes two others who have sentences in common with both
    and with each other, so at least four annotators. The correlation is that of the indicators of the labels, summed
    over the labels.

    Args:
        crowd: The votes.
        time: (v,) when each was given.
        seed: Of the groups that the jackknife leaves out.
    """
    votes, row, pairs = _pairs(crowd)
    first, second = pairs // max(crowd.annotators, 1), pairs % max(crowd.annotators, 1)
    if not pairs.size:
        none = np.empty(0)
        return Pairs(first, second, pairs, none, none, none, none)
    cluster = crowd.cluster[votes[0]]
    group = groups_of(int(crowd.cluster.max()) + 1, seed)[cluster]
    margins: list[FloatArray] = []
    expected = observed = np.empty(0)
    for sums in left_out(_columns(crowd, votes), row, group, pairs.size):
        each, spread = kappa_of_sums(sums), _spread(sums)
        correlation = np.divide(each.observed - each.chance, spread, out=np.full_like(spread, np.nan), where=spread > 0)
        foreseen = _foreseen(correlation, first, second, crowd.annotators)
        if not margins:
            observed, expected = each.observed, each.chance + foreseen * spread
        margins.append(spread * ((1 - correlation) - MARGIN * (1 - foreseen)))
    p = p_below_nothing(margins[0], np.array(margins[1:]), distinct(row, cluster, pairs.size))
    ahead = time[votes[0]] - time[votes[1]]
    shared = np.bincount(row)
    later = np.bincount(row, (ahead > 0) + 0.5 * (ahead == 0)) / shared
    return Pairs(first, second, shared, later, observed, expected, p)


def _pairs(crowd: Crowd) -> tuple[IntArray, IntArray, IntArray]:
    # Every two votes of one sentence, (2, e), of pairs with enough in common; their pair, (e,); what pairs these are.
    votes = _shared_votes(crowd)
    key = crowd.annotator[votes[0]] * crowd.annotators + crowd.annotator[votes[1]]
    pair, row, shared = np.unique(key, return_inverse=True, return_counts=True)
    enough = (shared >= LEAST_SHARED) & (crowd.annotators <= MOST_ANNOTATORS)
    kept = enough[row]
    return votes[:, kept], (np.cumsum(enough) - 1)[row[kept]], pair[enough]


def _shared_votes(crowd: Crowd) -> IntArray:
    """(2, e) every two votes of one sentence, that of the annotator with the lower number first."""
    order = np.lexsort((crowd.annotator, crowd.sentence))
    sentence = crowd.sentence[order]
    last = np.searchsorted(sentence, sentence, side="right")
    number = last - np.arange(sentence.size) - 1
    these = np.repeat(np.arange(sentence.size), number)
    those = these + 1 + np.arange(number.sum()) - np.repeat(np.cumsum(number) - number, number)
    return np.array([order[these], order[those]])


def _columns(crowd: Crowd, votes: IntArray) -> FloatArray:
    # What `kappa_of_sums` takes, the second annotator being all of the others.
    label = crowd.label[votes]
    one = np.eye(crowd.labels)
    return np.column_stack([np.ones(label.shape[1]), label[0] == label[1], one[label[0]], one[label[1]]])


def _spread(sums: FloatArray) -> FloatArray:
    # (p,) the product of the standard deviations of the two annotators' labels, by which their covariance correlates.
    shares = sums[:, 2:].reshape(sums.shape[0], 2, -1) / np.maximum(sums[:, :1, None], 1)
    variance = 1 - np.square(shares).sum(axis=2)
    spread: FloatArray = np.sqrt(np.clip(variance, 0, 1).prod(axis=1)) * (sums[:, 0] > 0)
    return spread


def _foreseen(correlation: FloatArray, first: IntArray, second: IntArray, annotators: int) -> FloatArray:
    """(p,) the correlation of each pair that those of all other pairs foresee, in [0, 1]; NaN where they do not."""
    table, known = np.zeros((2, annotators, annotators))
    there = ~np.isnan(correlation)
    table[first[there], second[there]] = correlation[there]
    known[first[there], second[there]] = 1
    table, known = table + table.T, known + known.T
    top, bottom = table @ known @ table, known @ table @ known
    step = table @ known
    skill = []
    for this, that in ((first, second), (second, first)):
        above = top[this, this] - 2 * table[this, that] * step[this, that]
        below = bottom[this, this] - 2 * known[this, that] * step[that, this]
        enough = _has_others(known, this, that) & (below > 0)
        skill.append(np.divide(above, below, out=np.full(this.size, np.nan), where=enough))
    product: FloatArray = np.sqrt(np.clip(skill[0], 0, 1) * np.clip(skill[1], 0, 1))
    return product


def _has_others(known: FloatArray, this: IntArray, that: IntArray) -> BoolArray:
    # Whether `this` is compared with two who are not `that`, and who are compared with each other.
    triangles = (known @ known) * known
    found: BoolArray = triangles.sum(axis=1)[this] / 2 - triangles[this, that] >= 1
    return found
