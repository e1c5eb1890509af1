"""How well a judge finds which words of a sentence are wrong, beside whether any are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import sparse

from alignbench.analysis.characters import Ranges, Text, matched, runs, tiles
from alignbench.analysis.measures import Measure, Members
from alignbench.analysis.precision_steps import PrecisionSteps
from alignbench.metrics import BoolArray, FloatArray, IntArray
from alignbench.resample import Draws

LEVELS = 500
"""The most thresholds of a cell that replicates tell apart."""
_NO_AREA = "every character is in a span of the annotators, or none is"
_NO_MARK = "nothing is marked in these sentences"


@dataclass(frozen=True, slots=True)
class Located:
    """The sentences of a panel that a judge answered with marks, and their spans.

    Attributes:
        text: Their characters.
        is_correct: (s,)
        producer: (s,) from 0.
        cluster: (s,) from 0.
        spans: What annotators hold to be wrong, (g,); no range twice, and none in a correct sentence.
        kinds: (g, k) the error types of each span.
        marks: What the judge holds to be wrong, (r,).
        suspicion: (r,) of each mark, higher for more surely wrong.
    """

    text: Text
    is_correct: BoolArray
    producer: IntArray
    cluster: IntArray
    spans: Ranges
    kinds: BoolArray
    marks: Ranges
    suspicion: FloatArray


class Localization(NamedTuple):
    """What `localization` finds.

    Attributes:
        average_precision: Of characters; column 0 for spans of all error types, column t for those of the t-th.
        span_f1: Of the predicted spans.
        precision: Of the predicted spans.
        recall: Of the annotators' spans; columns as before.
        flagged_correct: The share of correct sentences with a predicted span.
    """

    average_precision: Measure
    span_f1: Measure
    precision: Measure
    recall: Measure
    flagged_correct: Measure


class _Ratios:
    """Quotients of sums over the entries of each cell, of which a replicate weighs every cluster.

    Args:
        cell: (e,) of each entry.
        top: (e,) what is added above the line.
        bottom: (e,) what is added below it.
        cluster: (e,) of each entry.
        sizes: How many cells and how many clusters there are.
    """

    def __init__(
        self, cell: IntArray, top: IntArray, bottom: IntArray, cluster: IntArray, sizes: tuple[int, int]
    ) -> None:
        self._top, self._bottom = (
            sparse.coo_array((amount.astype(np.float64), (cell, cluster)), shape=sizes).tocsr()
            for amount in (top, bottom)
        )

    def values(self, counts: FloatArray) -> FloatArray:
        """(cells, r) from (m, r) counts, NaN where nothing stands below the line."""
        top, bottom = self._top @ counts, self._bottom @ counts
        quotients: FloatArray = np.divide(top, bottom, out=np.full_like(top, np.nan), where=bottom > 0)
        return quotients


def localization(located: Located, n_producers: int, draws: Draws, least: int) -> Localization:
    """How well a judge finds wrong words, with the replicates for intervals.

    Average precision: in the incorrect sentences with a span, every character that is no white space is a case, one
    to be found if a span covers it. It scores the highest suspicion of the marks over it, and below all others where
    there are none. Cases are pooled within a producer. Of an error type: the same in the sentences with a span of that
    type, without the characters that only spans of other types cover.

    Precision, recall and F1: predicted spans are right where they match one of the annotators, as
    `alignbench.analysis.characters.matched` says; sums of the same sentences within a producer. Predicted spans are
    the marks; of a judge whose marks tile every sentence, the runs of characters with a suspicion of at least 0.5.

    Args:
        located: What was answered.
        n_producers: How many there are, those without such a sentence included.
        draws: The clusters of every replicate.
        least: How many sentences a producer needs to count in a mean over producers.
    """
    wrong = Members.of(_with_spans(located), located.producer, located.cluster, n_producers)
    right = Members.of(located.is_correct[:, None], located.producer, located.cluster, n_producers)
    exact, on_levels = _curves(located, wrong, draws)
    ratios = _ratios(located, wrong, right, draws)
    resampled: list[PrecisionSteps | _Ratios] = [on_levels, *ratios.values()]
    blocks = [[each.values(counts) for each in resampled] for counts in draws]
    area, *shares = (np.concatenate(block, axis=1) for block in zip(*blocks, strict=True))
    once = np.ones((draws.stratum.size, 1))
    value = exact.values(once)
    # What the levels merge moves the replicates and their centre alike.
    area += value - on_levels.values(once)
    of_shares = {
        name: Measure(ratio.values(once)[:, 0], share, right if name == "flagged_correct" else wrong, least, _NO_MARK)
        for (name, ratio), share in zip(ratios.items(), shares, strict=True)
    }
    return Localization(Measure(value[:, 0], area, wrong, least, _NO_AREA), **of_shares)


def _with_spans(located: Located) -> BoolArray:
    """(s, 1 + k) which sentences have a span, then which have one of each type."""
    found = np.zeros((located.is_correct.size, 1 + located.kinds.shape[1]), np.bool_)
    found[located.spans.sentence, 0] = True
    span, kind = np.nonzero(located.kinds)
    found[located.spans.sentence[span], 1 + kind] = True
    return found


def _curves(located: Located, wrong: Members, draws: Draws) -> tuple[PrecisionSteps, PrecisionSteps]:
    """The average precision of every cell of `wrong`: exact, and on the levels of the replicates."""
    text, size = located.text, located.text.is_space.size
    counts = np.zeros((wrong.n_columns, text.first.size - 1), np.bool_)
    counts[wrong.cell // wrong.n_producers, wrong.sentence] = True
    among = np.flatnonzero(~text.is_space & np.repeat(counts[0], np.diff(text.first)))
    suspicion = located.marks.highest(located.suspicion, size)[among]
    sentence, in_span = text.sentence_at(among), located.spans.covered(size)[among]
    cells, cases, wanted = [], [], []
    of_kinds = (located.spans.only(kind).covered(size)[among] for kind in located.kinds.T)
    for column, of_column in enumerate([in_span, *of_kinds]):
        those = np.flatnonzero(counts[column][sentence] & (of_column | ~in_span))
        cells.append(column * wrong.n_producers + located.producer[sentence[those]])
        cases.append(those)
        wanted.append(of_column[those])
    case = np.concatenate(cases)
    sorting = (np.concatenate(cells), np.concatenate(wanted), suspicion[case], located.cluster[sentence[case]])
    sizes = (wrong.n_cells, draws.stratum.size)
    return PrecisionSteps(*sorting, sizes), PrecisionSteps(*sorting, sizes, LEVELS)


def _ratios(located: Located, wrong: Members, right: Members, draws: Draws) -> Mapping[str, _Ratios]:
    """The other fields of `Localization`, by name."""
    predicted = _predicted(located)
    hit = matched(located.spans, predicted)
    hits, spans, said = (
        np.bincount(each, minlength=located.is_correct.size)
        for each in (located.spans.sentence[hit], located.spans.sentence, predicted.sentence)
    )
    every = wrong.cell < wrong.n_producers
    producer, sentence, cluster = wrong.cell[every], wrong.sentence[every], wrong.cluster[every]
    span, column = np.nonzero(np.column_stack([np.ones(hit.size, np.bool_), located.kinds]))
    of_span = located.spans.sentence[span]
    of_producers, of_all = ((n_cells, draws.stratum.size) for n_cells in (wrong.n_producers, wrong.n_cells))
    return {
        "span_f1": _Ratios(producer, 2 * hits[sentence], said[sentence] + spans[sentence], cluster, of_producers),
        "precision": _Ratios(producer, hits[sentence], said[sentence], cluster, of_producers),
        "recall": _Ratios(
            column * wrong.n_producers + located.producer[of_span],
            hit[span].astype(np.int64),
            np.ones_like(span),
            located.cluster[of_span],
            of_all,
        ),
        "flagged_correct": _Ratios(
            right.cell, np.minimum(said[right.sentence], 1), np.ones_like(right.cell), right.cluster, of_producers
        ),
    }


def _predicted(located: Located) -> Ranges:
    text, marks = located.text, located.marks
    if not tiles(text, marks):
        return marks
    return runs(text, marks.highest(located.suspicion, text.is_space.size))
