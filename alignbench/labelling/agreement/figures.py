"""How far the annotators of a dataset agree, on labels, error types and marked words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from alignbench.analysis.agreement import (
    ALL_THE_SAME,
    NO_PAIR,
    Agreement,
    ClusterSums,
    agreement_of_sums,
    agreement_sums,
    cluster_interval,
    distinct,
    pair_agreement,
    replicated_agreement,
)
from alignbench.analysis.span_agreement import f1_of_sums, overlap
from alignbench.labelling.agreement.marked_votes import wrong_votes
from alignbench.labelling.agreement.standing_votes import KINDS, Frame, StandingVotes, read_frame, read_votes
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.resample import Draws
from alignbench.store import Dataset

SENTENCE_COLUMNS = (
    *("sentence_id", "model", "n_correct", "n_incorrect", "n_unknown", "fleiss_Pi", "published_fleiss_Pi", "from"),
)
ROUNDING = 0.005
"""Published P_i are compared as if they were rounded to two places."""
_NO_MARKS = "no two annotators called a sentence incorrect and marked words of it"
_NOT_TOLD = "vote counts do not tell who marked which words"

Entry = dict[str, Any]
"""A figure: value, low, high, reason, and how many sentences and votes it rests on."""


class Counted(NamedTuple):
    """The votes on each sentence, told apart or not.

    Attributes:
        counts: (N, 3) how many chose each label.
        told: (N,) whether label events say who they are.
        has_pair: (N,) whether there are two votes at least.
    """

    counts: IntArray
    told: BoolArray
    has_pair: BoolArray


class _Basis(NamedTuple):
    """What the figures of each group rest on, (groups,) each."""

    sentences: IntArray
    votes: IntArray
    clusters: IntArray


@dataclass(frozen=True, slots=True)
class _Sampling:
    """How the clusters that hold a sentence with two votes are drawn.

    Attributes:
        cluster: (N,) that of each sentence; -1 where it has no two votes.
        draws: The clusters of every replicate.
        no_marks: Why there may be no figure of marked words.
    """

    cluster: IntArray
    draws: Draws
    no_marks: str

    @property
    def n_clusters(self) -> int:
        return int(self.draws.stratum.size)


def agreement_of(dataset: Dataset, *, seed: int = 0, replicates: int = 2000) -> dict[str, Any] | None:
    """How far annotators agree, with 95 % percentile intervals over clusters: images or prompts.

    Votes are those that stand in the label events; where a sentence has none, the counts that came with it.

    Args:
        dataset: With or without labels.
        seed: Of the resampling.
        replicates: How often to resample.

    Returns:
        JSON values, or None where no sentence has two votes. `fleiss_kappa`, `krippendorff_alpha`, `mean_agreement`
        and `chance_agreement` of the three labels, `span_f1` and `span_f1_typed` of marked characters, as entries
        {value, low, high, reason, sentences, votes}; the same `by_producer`; `by_error_type`, where the labels are
        whether an annotator said this type or not and `span_f1` is of marks of this type, empty without events;
        `annotators`, how many, null without events; `from`, "events" where any vote is from events, else "votes", and
        how many sentences each gave in `sentences_from`; `published_pi`, how many stored P_i were compared with those
        of the counts beside them and how many differ; `seed` and `replicates`.

    Raises:
        DatasetError: A file is damaged, or the label events are not of this dataset.
    """
    frame = read_frame(dataset)
    return agreement_of_votes(frame, read_votes(dataset, frame), seed=seed, replicates=replicates)


def agreement_of_votes(frame: Frame, votes: StandingVotes, *, seed: int, replicates: int) -> dict[str, Any] | None:
    """What `agreement_of` says, from arrays."""
    counted = counted_votes(frame, votes)
    if not counted.has_pair.any():
        return None
    told = counted.has_pair & counted.told
    sampling = _sampling(frame, counted, seed, replicates)
    labels = _labels(frame, counted, sampling)
    spans = _spans(frame, votes, sampling)
    every = [dict(zip(Agreement._fields, figures, strict=True)) for figures in labels]
    for said, (plain, typed) in zip(every, spans.by_group, strict=True):
        said |= {"span_f1": plain, "span_f1_typed": typed}
    return {
        **every[0],
        "by_producer": dict(zip(frame.producers, every[1:], strict=True)),
        "by_error_type": _by_type(frame, votes, told, sampling, spans.by_kind) if told.any() else {},
        "annotators": len(votes.annotators) if told.any() else None,
        "from": "events" if told.any() else "votes",
        "sentences_from": {"events": int(told.sum()), "votes": int((counted.has_pair & ~counted.told).sum())},
        "published_pi": _published(frame, counted.told),
        "seed": seed,
        "replicates": replicates,
    }


def counted_votes(frame: Frame, votes: StandingVotes) -> Counted:
    """The votes on each sentence: those of its label events, else the stored counts."""
    from_events = votes.counts(frame.cluster.size)
    told: BoolArray = from_events.sum(axis=1) > 0
    counts = np.where(told[:, None], from_events, frame.counts)
    return Counted(counts, told, counts.sum(axis=1) > 1)


def sentence_rows(frame: Frame, counted: Counted) -> Iterator[dict[str, Any]]:
    """A row a sentence with two votes: its counts, its P_i, and that which its publisher gave."""
    share = pair_agreement(counted.counts)
    ids = frame.sentence_ids.to_pylist()
    for place in np.flatnonzero(counted.has_pair).tolist():
        published = None if np.isnan(frame.published[place]) else float(frame.published[place])
        said = "events" if counted.told[place] else "votes"
        figures = (*counted.counts[place].tolist(), float(share[place]), published, said)
        model = frame.producers[frame.producer[place]]
        yield dict(zip(SENTENCE_COLUMNS, (ids[place], model, *figures), strict=True))


def _sampling(frame: Frame, counted: Counted, seed: int, replicates: int) -> _Sampling:
    there = counted.has_pair
    known, place = np.unique(frame.cluster[there], return_inverse=True)
    cluster = np.full(frame.cluster.size, -1)
    cluster[there] = place
    no_marks = _NO_MARKS if counted.told[there].any() else _NOT_TOLD
    return _Sampling(cluster, Draws(frame.stratum[known], seed, replicates), no_marks)


def _labels(frame: Frame, counted: Counted, sampling: _Sampling) -> list[list[Entry]]:
    """The four figures of all sentences, then of each producer."""
    there = np.flatnonzero(counted.has_pair)
    twice, group = _all_and_each(there, frame.producer[there])
    return _figures(counted.counts[twice], group, sampling.cluster[twice], 1 + len(frame.producers), sampling)


def _by_type(
    frame: Frame, votes: StandingVotes, told: BoolArray, sampling: _Sampling, f1: Sequence[Entry]
) -> dict[str, dict[str, Entry]]:
    there = np.flatnonzero(told)
    size = frame.cluster.size
    of_all = np.bincount(votes.sentence, minlength=size)[there]
    said = [np.bincount(votes.sentence[chosen], minlength=size)[there] for chosen in votes.kinds.T]
    counts = np.concatenate([np.column_stack([number, of_all - number]) for number in said])
    group = np.repeat(np.arange(len(KINDS)), there.size)
    figures = _figures(counts, group, np.tile(sampling.cluster[there], len(KINDS)), len(KINDS), sampling)
    return {
        kind: dict(zip(Agreement._fields, each, strict=True)) | {"span_f1": marked}
        for kind, each, marked in zip(KINDS, figures, f1, strict=True)
    }


def _figures(
    counts: IntArray, group: IntArray, cluster: IntArray, n_groups: int, sampling: _Sampling
) -> list[list[Entry]]:
    sums = ClusterSums(agreement_sums(counts), group, cluster, (n_groups, sampling.n_clusters))
    value, drawn = agreement_of_sums(sums.once()), replicated_agreement(sums, sampling.draws)
    basis = _basis(group, counts.sum(axis=1), cluster, n_groups)
    return [
        [
            _entry(float(each[place]), of_each[place], basis, place, ALL_THE_SAME)
            for each, of_each in zip(value, drawn, strict=True)
        ]
        for place in range(n_groups)
    ]


class _SpanFigures(NamedTuple):
    """F1 of all sentences, then of each producer: of any type, of the same type; and of the marks of each type."""

    by_group: list[tuple[Entry, Entry]]
    by_kind: list[Entry]


def _spans(frame: Frame, votes: StandingVotes, sampling: _Sampling) -> _SpanFigures:
    n_groups = 1 + len(frame.producers)
    wrong = wrong_votes(frame, votes)
    plain = overlap(wrong.votes)
    by_kind = [overlap(wrong.votes.only(wrong.votes.kind == kind)) for kind in range(len(KINDS))]
    shared = np.column_stack([each.shared for each in by_kind])
    marked = np.column_stack([each.marked for each in by_kind])
    sentence = wrong.place[wrong.votes.sentence]
    place, group = _all_and_each(np.arange(sentence.size), frame.producer[sentence])
    figures = [
        _f1(columns[place], group, sentence[place], plain.counts[place], n_groups, sampling)
        for columns in (np.column_stack([plain.shared, plain.marked]), np.column_stack([shared.sum(1), marked.sum(1)]))
    ]
    kind = np.repeat(np.arange(len(KINDS)), sentence.size)
    of_kinds = np.column_stack([shared.T.ravel(), marked.T.ravel()])
    counts = np.concatenate([each.counts for each in by_kind])
    kinds = _f1(of_kinds, kind, np.tile(sentence, len(KINDS)), counts, len(KINDS), sampling)
    return _SpanFigures(list(zip(*figures, strict=True)), kinds)


def _f1(
    columns: FloatArray, group: IntArray, sentence: IntArray, counts: BoolArray, n_groups: int, sampling: _Sampling
) -> list[Entry]:
    # An entry a vote: `sentence` and `group` of each, and whether it counts.
    cluster = sampling.cluster[sentence]
    sums = ClusterSums(columns, group, cluster, (n_groups, sampling.n_clusters))
    value = f1_of_sums(sums.once())
    drawn = np.concatenate([f1_of_sums(sums.drawn(count)) for count in sampling.draws], axis=1)
    held, where = group[counts], sentence[counts]
    basis = _Basis(
        distinct(held, where, n_groups),
        np.bincount(held, minlength=n_groups),
        distinct(held, cluster[counts], n_groups),
    )
    return [_entry(float(value[place]), drawn[place], basis, place, sampling.no_marks) for place in range(n_groups)]


def _all_and_each(place: IntArray, producer: IntArray) -> tuple[IntArray, IntArray]:
    # Every place in group 0, and again in that of its producer.
    return np.tile(place, 2), np.concatenate([np.zeros_like(producer), 1 + producer])


def _basis(group: IntArray, votes: IntArray, cluster: IntArray, n_groups: int) -> _Basis:
    total = np.bincount(group, weights=votes, minlength=n_groups).astype(np.int64)
    return _Basis(np.bincount(group, minlength=n_groups), total, distinct(group, cluster, n_groups))


def _entry(value: float, drawn: FloatArray, basis: _Basis, place: int, undefined: str) -> Entry:
    rests_on = {"sentences": int(basis.sentences[place]), "votes": int(basis.votes[place])}
    if np.isnan(value):
        why = NO_PAIR if undefined == ALL_THE_SAME and not rests_on["sentences"] else undefined
        return {"value": None, "low": None, "high": None, "reason": why, **rests_on}
    low, high, reason = cluster_interval(drawn, int(basis.clusters[place]))
    return {"value": value, "low": low, "high": high, "reason": reason, **rests_on}


def _published(frame: Frame, told: BoolArray) -> Mapping[str, int]:
    # Where there are events the stored P_i is our own.
    share = pair_agreement(frame.counts)
    both = ~np.isnan(share) & ~np.isnan(frame.published) & ~told
    differs = np.abs(share[both] - frame.published[both]) > ROUNDING
    return {"compared": int(both.sum()), "different": int(differs.sum())}
