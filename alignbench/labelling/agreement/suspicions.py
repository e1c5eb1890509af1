"""What speaks against an annotator, each as a sentence with its number, and how surely.

Every suspicion is a p-value for the hypothesis that the annotator is honest, with a margin, so that those who are only
less skilled, quicker or more lenient than others are not accused. All p-values of all annotators are adjusted together
(Holm 1979): where honest annotators are as these hypotheses have them, the chance that any is accused of anything is at
most 5 %. How simulated crowds fare, honest and not, is in tests/test_annotators.py.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from alignbench.analysis.copying import Pairs, compare_pairs
from alignbench.analysis.crowd import Crowd, against_others, kappa_of_sums, low_agreement, middle
from alignbench.analysis.long_runs import chance_of_run, longest_run
from alignbench.analysis.pace import burst, haste
from alignbench.labelling.agreement.same_marks import same_marks
from alignbench.labelling.agreement.standing_votes import LABELS, Frame, StandingVotes
from alignbench.metrics import FloatArray, IntArray
from alignbench.significance import ALPHA, holm

_NEARLY_ALL = 0.95
_PSEUDO = 5.0
_SURELY_LATER = 0.9


class Evidence(NamedTuple):
    """One look at one annotator.

    Attributes:
        kind: What was looked at; a key of the annotator's entry where there are numbers to say.
        facts: These numbers.
        p: For the hypothesis that they are honest; null where it could not be tested.
        says: What a coordinator reads if p stays small when adjusted.
    """

    kind: str
    facts: Mapping[str, Any] | None
    p: float | None
    says: str


def evidence_of(frame: Frame, votes: StandingVotes, crowd: Crowd, seed: int) -> list[list[Evidence]]:
    """All that was looked at, for each annotator."""
    marks = same_marks(frame, votes)
    agreement = list(_low_agreement(crowd, seed))
    twins = _twins(crowd, votes, seed)
    chances = _expected_labels(crowd)
    found = []
    for place in range(crowd.annotators):
        mine = np.flatnonzero(votes.annotator == place)
        mine = mine[np.argsort(votes.time[mine], kind="stable")]
        run = _run(votes, mine, chances, crowd.cluster)
        pace = (_haste(votes, mine), _burst(votes, mine))
        found.append([agreement[place], twins[place], run, *pace, _same_marks(marks[place])])
    return found


def suspicions_of(evidence: Sequence[Sequence[Evidence]]) -> list[list[dict[str, Any]]]:
    """For each annotator the suspicions that outlive Holm's correction over all evidence: kind, says, p, p_holm."""
    every = [each for of_one in evidence for each in of_one]
    adjusted = iter(holm([each.p for each in every]))
    return [
        [
            {"kind": each.kind, "says": f"{each.says} (p {_said(p)})", "p": each.p, "p_holm": p}
            for each, p in [(each, next(adjusted)) for each in of_one]
            if p is not None and p <= ALPHA
        ]
        for of_one in evidence
    ]


def _low_agreement(crowd: Crowd, seed: int) -> Iterator[Evidence]:
    columns = against_others(crowd)
    sums = _row_sums(columns, crowd.annotator)
    kappa = kappa_of_sums(sums).kappa
    usual = middle(kappa)
    p = low_agreement(crowd, seed)
    for place in range(crowd.annotators):
        number = int(sums[place, 0])
        own, others = (sums[place, 2 + side * len(LABELS) :][: len(LABELS)] / max(number, 1) for side in (0, 1))
        most = int(own.argmax())
        has = "no" if np.isnan(kappa[place]) else f"{kappa[place]:.2f}"
        says = (
            f"agrees with the others hardly beyond chance on {number} sentences: kappa {has}, in the middle {usual:.2f}"
        )
        if own[most] >= _NEARLY_ALL:
            says += f"; said `{LABELS[most]}` of {own[most]:.0%} of them, the others of {others[most]:.0%}"
        yield Evidence("low_agreement", None, _number(p[place]), says)


def _twins(crowd: Crowd, votes: StandingVotes, seed: int) -> list[Evidence]:
    pairs = compare_pairs(crowd, votes.time, seed)
    return [_twin(pairs, place, votes) for place in range(crowd.annotators)]


def _twin(pairs: Pairs, place: int, votes: StandingVotes) -> Evidence:
    tested = np.flatnonzero(((pairs.first == place) | (pairs.second == place)) & ~np.isnan(pairs.p))
    if not tested.size:
        return Evidence("twin", None, None, "")
    others = pairs.first[tested] + pairs.second[tested] - place
    later = np.where(pairs.first[tested] == place, pairs.first_later[tested], 1 - pairs.first_later[tested])
    # Whoever answered first copied nobody.
    second = later > 1 - _SURELY_LATER
    p = np.where(second | ~second.any(), pairs.p[tested], np.inf)
    nearest = int(np.argmin(p))
    pair, name, share_later = int(tested[nearest]), votes.annotators[int(others[nearest])], float(later[nearest])
    agreement, expected, shared = float(pairs.agreement[pair]), float(pairs.expected[pair]), int(pairs.shared[pair])
    facts = {"annotator": name, "sentences": shared, "agreement": agreement, "expected": expected, "later": share_later}
    says = (
        f"gave the same label as {name} on {agreement:.0%} of {shared} sentences, where two who agree with the others "
        f"as these do would on {expected:.0%}; answered later on {share_later:.0%}"
    )
    return Evidence("twin", facts, min(1.0, float(p[nearest]) * int(second.sum())) if second.any() else None, says)


def _expected_labels(crowd: Crowd) -> FloatArray:
    """(v, labels) how often the annotator of a vote chooses each label where the others voted as they did here.

    From the annotator's own votes; where these are few, mostly what all do, fitted to the annotator's shares.
    """
    _, pattern = np.unique(crowd.others(), axis=0, return_inverse=True)
    own = np.eye(crowd.labels)[crowd.label]
    pooled = own.mean(axis=0)
    of_all = _row_sums(own, pattern) + _PSEUDO * pooled
    of_each = _row_sums(own, crowd.annotator)
    leaning = of_each / of_each.sum(axis=1, keepdims=True) / np.where(pooled > 0, pooled, 1)
    usual = (of_all / of_all.sum(axis=1, keepdims=True))[pattern] * leaning[crowd.annotator]
    usual /= usual.sum(axis=1, keepdims=True)
    _, cell = np.unique(crowd.annotator * (pattern.max() + 1) + pattern, return_inverse=True)
    expected = _row_sums(own, cell)[cell] + _PSEUDO * usual
    shares: FloatArray = expected / expected.sum(axis=1, keepdims=True)
    return shares


def _row_sums(columns: FloatArray, row: IntArray) -> FloatArray:
    return np.column_stack([np.bincount(row, column) for column in columns.T]).astype(np.float64)


def _run(votes: StandingVotes, mine: IntArray, expected: FloatArray, cluster: IntArray) -> Evidence:
    """The longest run of one label, and how likely it is in three ways, of which the accusation takes the kindest.

    Under the annotator's own shares; where that is unlikely, also under what they say where the others vote so, for
    sentences of one kind may follow each other; and of whole images, or prompts, for the sentences of one are alike.
    """
    label = votes.label[mine]
    begin, length = longest_run(label)
    p = by_shares = chance_of_run(np.tile(_shares(label, len(LABELS)), (label.size, 1)), length)
    by_sentences = by_clusters = None
    if by_shares <= ALPHA:
        by_sentences, by_clusters = chance_of_run(expected[mine], length), _chance_by_cluster(label, cluster[mine])
        p = max(by_shares, by_sentences, by_clusters)
    name, since = LABELS[int(label[begin])], _moment(votes.time[mine][begin])
    facts = {
        "label": name,
        "length": length,
        "from": since,
        "p": by_shares,
        "p_by_sentence": by_sentences,
        "p_by_cluster": by_clusters,
    }
    says = f"said `{name}` {length} times in a row, from {since} on, with {label.size} votes in all"
    return Evidence("longest_run", facts, p, says)


def _chance_by_cluster(label: IntArray, cluster: IntArray) -> float:
    # Votes in a row on one cluster are one trial; its outcome is their label where they have but one.
    begin = np.flatnonzero(np.append(True, cluster[1:] != cluster[:-1]))
    low, high = np.minimum.reduceat(label, begin), np.maximum.reduceat(label, begin)
    if not (low == high).any():
        return 1.0
    alike = np.where(low == high, low, len(LABELS) + np.arange(begin.size))  # what differs makes no run
    _, length = longest_run(alike)
    shares = _shares(low[low == high], len(LABELS)) * np.mean(low == high)
    return chance_of_run(np.tile(shares, (begin.size, 1)), length)


def _shares(values: IntArray, number: int) -> FloatArray:
    shares: FloatArray = np.bincount(values, minlength=number) / max(values.size, 1)
    return shares


def _haste(votes: StandingVotes, mine: IntArray) -> Evidence:
    found = haste(votes.time[mine], votes.seconds[mine])
    if found is None:
        return Evidence("hasty", None, None, "")
    share = found.hasty / found.answers
    facts = {"share": share, "answers": found.answers, "limit": found.limit, "p": found.p}
    says = (
        f"gave {share:.0%} of {found.answers} timed answers in less than {found.limit:.1f} s, "
        f"which is 1 s or a fifth of their own median of {found.median:.1f} s"
    )
    return Evidence("hasty", facts, found.p, says)


def _burst(votes: StandingVotes, mine: IntArray) -> Evidence:
    found = burst(votes.time[mine])
    if found is None:
        return Evidence("burst", None, None, "")
    since = _moment(found.first)
    says = f"gave {found.answers} answers in a row less than a second apart, from {since} on"
    return Evidence("burst", {"answers": found.answers, "from": since, "p": found.p}, found.p, says)


def _same_marks(found: Mapping[str, Any] | None) -> Evidence:
    if found is None:
        return Evidence("same_marks", None, None, "")
    says = (
        f"marked {found['marks']} in {found['share']:.0%} of {found['sentences']} sentences that others marked too, "
        f"the others in {found['others']:.0%}"
    )
    return Evidence("same_marks", found, found["p"], says)


def _moment(microseconds: int) -> str:
    return dt.datetime.fromtimestamp(int(microseconds) // 1_000_000, dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _said(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"
