"""How the macro AUROC changes with what is done about doubtful labels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from alignbench.cells import MIN_PER_CLASS, NOT_COMPARABLE
from alignbench.clustered import Scores, influence, standard_error
from alignbench.intervals import Interval, Support, auroc_interval, logit_interval, support_of
from alignbench.metrics import BoolArray, FloatArray, IntArray, one_class_reason, placements
from alignbench.panel import Panel, read_panel
from alignbench.types import Label

if TYPE_CHECKING:
    from alignbench.store import Dataset

AGREEMENTS = ((0.75, "agreement at least 0.75"), (1.0, "full agreement"))
"""The shares of annotators that have to agree on a label, and the names of these rules, strictest last."""

_ROUNDING = 1e-9


class Side(NamedTuple):
    """The correct or the incorrect sentences of one producer: their places among all N and their clusters."""

    row: IntArray
    cluster: IntArray

    def scores(self, all_scores: FloatArray) -> Scores:
        """What one judge says of those it scored."""
        score = all_scores[self.row]
        known = ~np.isnan(score)
        return Scores(score[known], self.cluster[known])


class Cell(NamedTuple):
    """The sentences of one producer that count under a rule."""

    correct: Side
    incorrect: Side


class Variant(NamedTuple):
    """The labelled sentences under another rule.

    Attributes:
        rule: Its name.
        cells: The producers that count in the macro mean under it.
        n_clusters: How many clusters there are.
    """

    rule: str
    cells: tuple[Cell, ...]
    n_clusters: int


def variants(dataset: Dataset, panel: Panel) -> list[Variant]:
    """The rules under which other sentences would count, or with another label; none where no label is in doubt.

    Sentences labelled `unknown`, which the headline leaves out, count as incorrect, then as correct. Then only those
    count on whose label enough annotators agree, and none without votes. A rule that changes nothing is left out, and
    so is one that says the same as a stricter one.

    Args:
        dataset: What was judged.
        panel: Its labelled sentences.
    """
    return [*_of_unknown(dataset), *_of_agreement(panel)]


def sensitivity(all_scores: FloatArray, variants: Sequence[Variant]) -> list[dict[str, Any]]:
    """The macro AUROC of one judge under every rule, with analytic intervals: t on the logit scale, clustered.

    Args:
        all_scores: (N,) of all sentences of the dataset, NaN where missing.
        variants: What `variants` returned.

    Returns:
        rule, value, low, high, reason, n_correct and n_incorrect of each.
    """
    return [{"rule": variant.rule, **_figure(all_scores, variant)} for variant in variants]


def _of_unknown(dataset: Dataset) -> Iterator[Variant]:
    if dataset.counts["unknown"]:
        for label in (Label.INCORRECT, Label.CORRECT):
            panel = read_panel(dataset, unknown_as=label)
            yield _variant(f"unknown as {label}", panel, np.ones(panel.row.size, np.bool_))


def _of_agreement(panel: Panel) -> Iterator[Variant]:
    kept = [(rule, panel.agreement >= least - _ROUNDING) for least, rule in AGREEMENTS]
    for place, (rule, keep) in enumerate(kept):
        stricter = kept[place + 1 :]
        says_more = not any(np.array_equal(keep, other) for _, other in stricter)
        if says_more and not keep.all() and not np.isnan(panel.agreement).all():
            yield _variant(rule, panel, keep)


def _variant(rule: str, panel: Panel, keep: BoolArray) -> Variant:
    cells = []
    for producer in range(len(panel.producers)):
        mine = keep & (panel.producer == producer)
        correct, incorrect = (mine & (panel.is_correct == side) for side in (True, False))
        if min(correct.sum(), incorrect.sum()) >= MIN_PER_CLASS:
            cells.append(Cell(*(Side(panel.row[those], panel.cluster[those]) for those in (correct, incorrect))))
    return Variant(rule, tuple(cells), panel.stratum.size)


def _figure(all_scores: FloatArray, variant: Variant) -> dict[str, Any]:
    contests = [(cell.correct.scores(all_scores), cell.incorrect.scores(all_scores)) for cell in variant.cells]
    n_correct, n_incorrect = (sum(sides[place].score.size for sides in contests) for place in (0, 1))
    sizes = {"n_correct": n_correct, "n_incorrect": n_incorrect}
    if not contests:
        return _nothing(NOT_COMPARABLE) | sizes
    for correct, incorrect in contests:
        if not correct.score.size or not incorrect.score.size:
            reason = one_class_reason(correct.score.size, incorrect.score.size)
            return _nothing(f"{reason} with a score") | sizes
    value = float(np.mean([_auroc(*sides) for sides in contests]))
    influences = np.mean([influence(*sides, variant.n_clusters) for sides in contests], axis=0)
    support = support_of([(correct.cluster, incorrect.cluster) for correct, incorrect in contests])
    return {"value": value, **_interval(value, standard_error(influences), support)._asdict()} | sizes


def _auroc(correct: Scores, incorrect: Scores) -> float:
    won = placements(correct.score, incorrect.score).sum()
    return float(won / (correct.score.size * incorrect.score.size))


def _interval(value: float, se: float | None, support: Support) -> Interval:
    if value in (0.0, 1.0):
        return auroc_interval(value, se, support, np.empty(0))
    return logit_interval(value, se, support)


def _nothing(reason: str) -> dict[str, Any]:
    return {"value": None, "low": None, "high": None, "reason": reason}
