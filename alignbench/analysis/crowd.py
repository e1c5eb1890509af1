"""How each annotator agrees with the others, and who agrees far less than the rest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy import special

from alignbench.analysis.agreement import distinct
from alignbench.metrics import FloatArray, IntArray

GROUPS = 40
"""How many groups of clusters the jackknife leaves out, one at a time."""
LEAST_CLUSTERS = 20
"""An annotator, or a pair of them, whose votes lie in fewer clusters is not tested."""
MARGIN = 0.5
"""Who agrees beyond chance half as well as the middle annotator is not called out."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """Votes of annotators who can be told apart; nobody has two on one sentence.

    Attributes:
        sentence: (v,) from 0.
        annotator: (v,) from 0.
        label: (v,) from 0.
        cluster: (v,) of the sentence, from 0.
        annotators: How many there are.
        labels: How many there are.
    """

    sentence: IntArray
    annotator: IntArray
    label: IntArray
    cluster: IntArray
    annotators: int
    labels: int

    def others(self) -> IntArray:
        """(v, labels) how many others chose each label of the sentence of each vote."""
        cell = self.sentence * self.labels + self.label
        n_sentences = int(self.sentence.max(initial=-1)) + 1
        counts = np.bincount(cell, minlength=n_sentences * self.labels).reshape(-1, self.labels)[self.sentence]
        counts[np.arange(counts.shape[0]), self.label] -= 1
        return counts


def majority_agreement(crowd: Crowd) -> FloatArray:
    """(v,) 1 where a vote is that of more than half of the others, 0 where it is another; NaN where they have none."""
    others = crowd.others()
    has_majority = 2 * others.max(axis=1, initial=0) > others.sum(axis=1)
    return np.where(has_majority, others.argmax(axis=1) == crowd.label, np.nan)


def against_others(crowd: Crowd) -> FloatArray:
    """What each vote adds to the sums that `kappa_of_sums` takes; nothing where nobody else voted.

    Returns:
        (v, 2 + 2 labels): 1; the share of the others who chose the same; the own label; the others' shares.
    """
    others = crowd.others()
    total = others.sum(axis=1, keepdims=True)
    shares = np.divide(others, total, out=np.zeros(others.shape), where=total > 0)
    own = np.eye(crowd.labels)[crowd.label] * (total > 0)
    return np.column_stack([total[:, 0] > 0, (own * shares).sum(axis=1), own, shares])


class Kappa(NamedTuple):
    """Agreement of one side with another; arrays of one shape, NaN where undefined.

    Attributes:
        observed: The share that agrees.
        chance: The share that would if each side kept its own shares of the labels (Cohen 1960).
    """

    observed: FloatArray
    chance: FloatArray

    @property
    def kappa(self) -> FloatArray:
        """(observed - chance) / (1 - chance)."""
        room = 1 - self.chance
        top = self.observed - self.chance
        kappa: FloatArray = np.divide(top, room, out=np.full(room.shape, np.nan), where=room > 1e-12)
        return kappa


def kappa_of_sums(sums: FloatArray) -> Kappa:
    """Agreement from sums of what `against_others` says, (..., 2 + 2 labels)."""
    number = sums[..., 0]
    labels = (sums.shape[-1] - 2) // 2
    own, others = sums[..., 2 : 2 + labels], sums[..., 2 + labels :]
    none = np.full(number.shape, np.nan)
    observed = np.divide(sums[..., 1], number, out=none.copy(), where=number > 0)
    chance = np.divide((own * others).sum(axis=-1), number**2, out=none, where=number > 0)
    return Kappa(observed, chance)


def middle(kappas: FloatArray) -> float:
    """The median of the annotators' figures, (annotators,) and NaN where undefined; NaN of none."""
    known = kappas[~np.isnan(kappas)]
    return float(np.median(known)) if known.size else float("nan")


def groups_of(n_clusters: int, seed: int) -> IntArray:
    """(n_clusters,) the group of each cluster for a jackknife: equally large ones, at random."""
    return np.random.default_rng([seed, 1]).permutation(n_clusters) % GROUPS


def left_out(columns: FloatArray, row: IntArray, group: IntArray, n_rows: int) -> Iterator[FloatArray]:
    """The sums of some columns in each row: of all, then without each group.

    Args:
        columns: (e, w) what each entry adds.
        row: (e,) to which row.
        group: (e,) its group, below `GROUPS`.
        n_rows: How many rows there are.

    Yields:
        `GROUPS` + 1 times (n_rows, w).
    """
    whole = _sums(columns, row, n_rows)
    yield whole
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(GROUPS + 1))
    for first, last in pairwise(bounds):
        part = order[first:last]
        yield whole - _sums(columns[part], row[part], n_rows)


def p_below_nothing(value: FloatArray, without: FloatArray, clusters: IntArray) -> FloatArray:
    """One-sided p-values for the hypothesis that numbers are at least 0, from a jackknife over groups of clusters.

    Args:
        value: (n,) NaN where undefined.
        without: (g, n) the same without each group.
        clusters: (n,) how many clusters each rests on.

    Returns:
        (n,) against t; NaN where it is undefined or rests on fewer than `LEAST_CLUSTERS` clusters.
    """
    g = without.shape[0]
    variance = (g - 1) / g * np.square(without - without.mean(axis=0)).sum(axis=0)
    se = np.sqrt(variance)
    t = np.divide(value, se, out=np.full(value.shape, np.nan), where=se > 0)
    p: FloatArray = special.stdtr(np.minimum(clusters, g) - 1.0, t)
    return np.where(clusters >= LEAST_CLUSTERS, p, np.nan)


def low_agreement(crowd: Crowd, seed: int) -> FloatArray:
    """P-values for the hypothesis that an annotator agrees beyond chance half as well as the middle one, or better.

    Annotators differ in skill, so being below the others is no fault; one who answers at random, or always alike, is
    near 0. The test is on the scale of the agreement itself, observed - chance - `MARGIN` middle (1 - chance), which
    has a spread also where somebody always says the same.

    Returns:
        (annotators,) NaN where there is too little to test, or the middle annotator does no better than chance.
    """
    n_clusters = int(crowd.cluster.max(initial=-1)) + 1
    columns = against_others(crowd)
    group = groups_of(n_clusters, seed)[crowd.cluster]
    found = []
    for sums in left_out(columns, crowd.annotator, group, crowd.annotators):
        each = kappa_of_sums(sums)
        usual = middle(each.kappa)
        usual = usual if usual > 0 else float("nan")
        found.append(each.observed - each.chance - MARGIN * usual * (1 - each.chance))
    there = columns[:, 0] > 0
    clusters = distinct(crowd.annotator[there], crowd.cluster[there], crowd.annotators)
    return p_below_nothing(found[0], np.array(found[1:]), clusters)


def _sums(columns: FloatArray, row: IntArray, n_rows: int) -> FloatArray:
    return np.column_stack([np.bincount(row, weights=column, minlength=n_rows) for column in columns.T])
