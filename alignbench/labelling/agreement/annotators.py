"""What the label events tell about each annotator: their labels, speed, agreement with the others, suspicions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from alignbench.analysis.agreement import ClusterSums, cluster_interval, distinct
from alignbench.analysis.crowd import Crowd, against_others, kappa_of_sums, majority_agreement
from alignbench.analysis.resampled import resampled_interval
from alignbench.analysis.span_agreement import f1_of_sums, overlap
from alignbench.intervals import FEW_CLUSTERS, NO_SPREAD, Interval, Support
from alignbench.labelling.agreement.marked_votes import wrong_votes
from alignbench.labelling.agreement.standing_votes import LABELS, Frame, StandingVotes, read_frame, read_votes
from alignbench.labelling.agreement.suspicions import evidence_of, suspicions_of
from alignbench.metrics import FloatArray, IntArray
from alignbench.resample import Draws
from alignbench.store import Dataset

Entry = dict[str, Any]

_NO_MAJORITY = "more than half of the others never agree on a sentence of theirs"
_NO_OTHERS = "nobody else voted on their sentences, or all of them always said the same"
_NO_MARKS = "nobody else called a sentence incorrect that they did, or no words are marked"


def annotators_of(dataset: Dataset, *, seed: int = 0, replicates: int = 2000) -> list[dict[str, Any]]:
    """What the label events tell about each annotator, by name; the votes are those that stand.

    Args:
        dataset: With label events; of stored vote counts nobody knows whose they are.
        seed: Of the resampling.
        replicates: How often to resample.

    Returns:
        For each annotator: `votes`; `labels`, the share of each; `seconds`, the median, null where nothing was timed;
        `agreement`, the share of their votes that are those of more than half of the others; `kappa`, agreement with
        another annotator beyond chance; `span_f1` with the others: entries {value, low, high, reason, sentences,
        votes} with 95 % intervals over clusters. `longest_run` of one label in the order of time, with the probability
        `p` of such a run under their own shares, and, where that is at most .05,
        `p_by_sentence` under what the others said of the same sentences and `p_by_cluster` of whole images or prompts;
        `hasty`, `burst`, `same_marks`, `twin`: numbers, or null where there are none. `suspicions`: those that outlive
        Holm's correction over all that was looked at, each {kind, says, p, p_holm}. An empty list without events.

    Raises:
        DatasetError: A file is damaged, or the label events are not of this dataset.
    """
    frame = read_frame(dataset)
    return annotators_of_votes(frame, read_votes(dataset, frame), seed=seed, replicates=replicates)


def annotators_of_votes(frame: Frame, votes: StandingVotes, *, seed: int, replicates: int) -> list[dict[str, Any]]:
    """What `annotators_of` says, from arrays."""
    if not votes.annotators:
        return []
    known, cluster = np.unique(frame.cluster[votes.sentence], return_inverse=True)
    crowd = Crowd(votes.sentence, votes.annotator, votes.label, cluster, len(votes.annotators), len(LABELS))
    draws = Draws(frame.stratum[known], seed, replicates)
    agreement, kappa, f1 = _agreement(crowd, draws), _kappa(crowd, draws), _span_f1(frame, votes, crowd, draws)
    evidence = evidence_of(frame, votes, crowd, seed)
    suspicions = suspicions_of(evidence)
    found = []
    for place, name in enumerate(votes.annotators):
        mine = votes.annotator == place
        shares = np.bincount(votes.label[mine], minlength=len(LABELS)) / mine.sum()
        timed = votes.seconds[mine & ~np.isnan(votes.seconds)]
        found.append(
            {
                "annotator": name,
                "votes": int(mine.sum()),
                "labels": dict(zip(LABELS, shares.tolist(), strict=True)),
                "seconds": float(np.median(timed)) if timed.size else None,
                "agreement": agreement[place],
                "kappa": kappa[place],
                "span_f1": f1[place],
                **{each.kind: each.facts for each in evidence[place] if each.kind != "low_agreement"},
                "suspicions": suspicions[place],
            }
        )
    return found


def _agreement(crowd: Crowd, draws: Draws) -> list[Entry]:
    agrees = majority_agreement(crowd)
    there = np.flatnonzero(~np.isnan(agrees))
    columns = np.column_stack([agrees[there], np.ones(there.size)])
    return _entries(crowd, there, columns, draws, _share, _share_interval, _NO_MAJORITY)


def _kappa(crowd: Crowd, draws: Draws) -> list[Entry]:
    columns = against_others(crowd)
    there = np.flatnonzero(columns[:, 0] > 0)
    return _entries(
        crowd, there, columns[there], draws, lambda sums: kappa_of_sums(sums).kappa, _percentiles, _NO_OTHERS
    )


def _span_f1(frame: Frame, votes: StandingVotes, crowd: Crowd, draws: Draws) -> list[Entry]:
    wrong = wrong_votes(frame, votes)
    each = overlap(wrong.votes)
    columns = np.column_stack([each.shared, each.marked])[each.counts]
    return _entries(crowd, wrong.vote[each.counts], columns, draws, f1_of_sums, _percentiles, _NO_MARKS)


def _entries(
    crowd: Crowd,
    vote: IntArray,
    columns: FloatArray,
    draws: Draws,
    figure: Callable[[FloatArray], FloatArray],
    interval: Callable[[float, FloatArray, int], Interval],
    undefined: str,
) -> list[Entry]:
    """An entry an annotator, from what some votes add."""
    who, cluster = crowd.annotator[vote], crowd.cluster[vote]
    sums = ClusterSums(columns, who, cluster, (crowd.annotators, draws.stratum.size))
    value = figure(sums.once())
    drawn = np.concatenate([figure(sums.drawn(counts)) for counts in draws], axis=1)
    number = np.bincount(who, minlength=crowd.annotators)
    clusters = distinct(who, cluster, crowd.annotators)
    found = []
    for place in range(crowd.annotators):
        low, high, reason = (
            (None, None, undefined)
            if np.isnan(value[place])
            else interval(float(value[place]), drawn[place], int(clusters[place]))
        )
        said = None if np.isnan(value[place]) else float(value[place])
        rests_on = {"sentences": int(number[place]), "votes": int(number[place])}
        found.append({"value": said, "low": low, "high": high, "reason": reason, **rests_on})
    return found


def _share(sums: FloatArray) -> FloatArray:
    none = np.full(sums.shape[:-1], np.nan)
    share: FloatArray = np.divide(sums[..., 0], sums[..., 1], out=none, where=sums[..., 1] > 0)
    return share


def _share_interval(value: float, drawn: FloatArray, clusters: int) -> Interval:
    low, high, reason = resampled_interval(value, drawn, Support(clusters, clusters))
    if low is None:
        return Interval(None, None, "one cluster holds all their sentences" if reason == NO_SPREAD else reason)
    few = f"too few: these sentences lie in {clusters} clusters" if clusters < FEW_CLUSTERS else None
    return Interval(low, high, few)


def _percentiles(value: float, drawn: FloatArray, clusters: int) -> Interval:  # noqa: ARG001 - as `_share_interval`
    return cluster_interval(drawn, clusters)
