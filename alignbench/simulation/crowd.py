"""Simulated annotators: label events of a crowd whose errors are known, over a dataset whose labels are the truth."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from alignbench.errors import UsageError
from alignbench.labelling.events import make_event
from alignbench.metrics import FloatArray
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, LabelEvent, Sentence, Span

TOOL = "simulation"
START = dt.datetime(2026, 1, 5, 9, tzinfo=dt.UTC)

_LABELS = tuple(Label)
_KINDS = tuple(ErrorType)
_SPREAD = 0.5
"""The standard deviation of the logarithm of a time; one in a thousand is under a fifth of the median."""
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class SimulatedAnnotator:
    """An annotator with planted errors.

    Attributes:
        name: Their pseudonym.
        accuracy: How often they say the true label; what is wrong falls on the two other labels alike.
        confusion: In place of `accuracy`: (3, 3) a row for each true label and a column for each said one, both in the
            order of `Label`; the share of each, so that rows sum to 1.
        jitter: How many characters the ends of their spans are off at most.
        mistyped: How often a true span gets another type.
        answered: The share of the sentences that they label.
        seconds: How long a sentence takes them, in the mean; log-normal, as response times are.
    """

    name: str
    accuracy: float | None = None
    confusion: tuple[tuple[float, float, float], ...] | None = None
    jitter: int = 0
    mistyped: float = 0.0
    answered: float = 1.0
    seconds: float = 12.0

    def __post_init__(self) -> None:
        if (self.accuracy is None) == (self.confusion is None):
            raise UsageError(f"annotator {self.name!r} has an accuracy or a confusion matrix, and not both")
        matrix = self.matrix()
        if matrix.shape != (3, 3) or (matrix < 0).any() or not np.allclose(matrix.sum(axis=1), 1):
            raise UsageError(f"the confusion of annotator {self.name!r} is no matrix of shares, 3 rows that sum to 1")
        if not (0 <= self.mistyped <= 1 and 0 <= self.answered <= 1 and self.jitter >= 0 and self.seconds > 0):
            raise UsageError(f"annotator {self.name!r} has a share outside [0, 1], or a negative jitter or time")

    def matrix(self) -> FloatArray:
        """(3, 3) the probability of each said label (columns) for each true one (rows)."""
        if self.confusion is not None:
            return np.array(self.confusion, np.float64)
        right = 1.0 if self.accuracy is None else self.accuracy
        return np.full((3, 3), (1 - right) / 2) + np.eye(3) * (right - (1 - right) / 2)


def simulated_crowd(*accuracies: float) -> tuple[SimulatedAnnotator, ...]:
    """Annotators of these accuracies, named `annotator-1` and so on."""
    return tuple(SimulatedAnnotator(f"annotator-{place}", right) for place, right in enumerate(accuracies, 1))


def simulate_labels(
    dataset: Dataset, crowd: Sequence[SimulatedAnnotator], *, seed: int = 0, start: dt.datetime = START
) -> list[LabelEvent]:
    """What a crowd says of every labelled sentence, one annotator after the other; they do not know of each other.

    Where an annotator rightly says `incorrect`, they mark the true spans, moved by their jitter; where they wrongly do,
    a word at random, of a type at random.

    Args:
        dataset: Its labels are the truth; sentences without a label are passed over.
        crowd: Who labels.
        seed: Of all chance. Each annotator draws by their place in the crowd, whoever else is in it.
        start: When each of them begins.

    Raises:
        UsageError: Two annotators have one name.
    """
    if len({one.name for one in crowd}) < len(crowd):
        raise UsageError("every simulated annotator needs a name of their own")
    truth = [sentence for sentence in dataset.sentences() if sentence.label is not None]
    return [
        event
        for place, annotator in enumerate(crowd)
        for event in _said(annotator, truth, np.random.default_rng([seed, place]), start)
    ]


def _said(
    annotator: SimulatedAnnotator, truth: Sequence[Sentence], rng: np.random.Generator, start: dt.datetime
) -> Iterator[LabelEvent]:
    cumulated = annotator.matrix().cumsum(axis=1)
    moment = start
    for sentence in truth:
        drawn = rng.random(3)
        if sentence.label is None or drawn[0] >= annotator.answered:
            continue
        row = cumulated[_LABELS.index(sentence.label)]
        label = _LABELS[min(int(np.searchsorted(row, drawn[1], side="right")), 2)]
        spread = float(np.exp(_SPREAD * special.ndtri(drawn[2]) - _SPREAD**2 / 2))
        seconds = round(annotator.seconds * spread, 3)
        moment += dt.timedelta(seconds=seconds)
        types, spans = _marks(annotator, sentence, rng) if label is Label.INCORRECT else ((), ())
        yield make_event(
            sentence_id=sentence.sentence_id,
            text=sentence.text,
            annotator=annotator.name,
            time=moment,
            label=label,
            error_types=types,
            spans=spans,
            tool=TOOL,
            seconds=seconds,
        )


def _marks(
    annotator: SimulatedAnnotator, sentence: Sentence, rng: np.random.Generator
) -> tuple[tuple[ErrorType, ...], tuple[Span, ...]]:
    if sentence.label is not Label.INCORRECT:
        spans: tuple[Span, ...] = (_random_word(sentence.text, rng),)
    else:
        spans = tuple(_moved(span, len(sentence.text), annotator, rng) for span in sentence.spans)
    kept = sentence.error_types if sentence.label is Label.INCORRECT and not spans else ()
    return kept, spans


def _moved(span: Span, length: int, annotator: SimulatedAnnotator, rng: np.random.Generator) -> Span:
    off = rng.integers(-annotator.jitter, annotator.jitter, 2, endpoint=True)
    start = min(max(span.start + int(off[0]), 0), length - 1)
    end = min(max(span.end + int(off[1]), start + 1), length)
    others = [kind for kind in _KINDS if kind is not span.error_type]
    kind = others[int(rng.integers(len(others)))] if rng.random() < annotator.mistyped else span.error_type
    return Span(start, end, kind)


def _random_word(text: str, rng: np.random.Generator) -> Span:
    ranges = [word.span() for word in _WORD.finditer(text)]
    start, end = ranges[int(rng.integers(len(ranges)))]
    return Span(start, end, _KINDS[int(rng.integers(len(_KINDS)))])
