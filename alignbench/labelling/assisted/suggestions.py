"""What a judge would say of sentences, for people to start from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignbench.analysis.threshold import youden_threshold
from alignbench.errors import UsageError
from alignbench.evaluate.runs import Run
from alignbench.exchange.labelling_tasks import Suggestion
from alignbench.labelling.assisted.finished_runs import run_named, runs_of
from alignbench.metrics import FloatArray
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Span

_DECIDED = (Label.CORRECT, Label.INCORRECT)


def suggestions_of(
    dataset: Dataset, runs: Path, judge: str, *, threshold: float | None = None
) -> tuple[dict[str, Suggestion], float]:
    """What a judge suggests of every sentence that it scored: `incorrect` below a threshold, else `correct`.

    By default the threshold is the one with the largest Youden's J over all sentences that are labelled and scored
    (`alignbench.analysis.threshold`). It is chosen plainly, not cross-fitted: it is one number from all labels, so
    hardly any label decides its own suggestion; and thresholds that differ between folds would suggest different
    labels for the same score, and none for what nobody has labelled yet.

    The judge's marks become spans of type `other`, clipped to the sentence, where `incorrect` is suggested; marks that
    meet become one. Where they cover the whole sentence, only those of the highest suspicion do: such a judge says how
    suspicious every character is, not which ones are wrong.

    Args:
        dataset: What is to be labelled.
        runs: The folder of run folders.
        judge: A judge's name, its judge_id, or at least six digits that this begins with.
        threshold: On the judge's own scale.

    Returns:
        Suggestions by sentence_id, in the order of the dataset; the threshold.

    Raises:
        UnknownNameError: No finished run is of this judge.
        UsageError: It is a blind control; the threshold is not finite; or none is given and labels do not tell one.
        RunError: A run is damaged.
    """
    run = run_named(judge, runs_of(dataset, runs))
    if run.control is not None:
        raise UsageError(
            f"{run.name!r} is a blind control, which does not see what it judges; let a judge suggest labels"
        )
    if threshold is not None and not math.isfinite(threshold):
        raise UsageError(f"the threshold {threshold} must be a finite number")
    table = dataset.sentences_table(["sentence_id", "text", "label"])
    score = run.scores()
    used = _threshold_of(run, score, table["label"].to_pylist()) if threshold is None else float(threshold)
    marks = run.marks()
    suggestions = {}
    for row, (sentence_id, text) in enumerate(
        zip(table["sentence_id"].to_pylist(), table["text"].to_pylist(), strict=True)
    ):
        if not np.isnan(score[row]):
            wrong = bool(score[row] < used)
            suggestions[sentence_id] = Suggestion(
                run.judge_id,
                Label.INCORRECT if wrong else Label.CORRECT,
                spans=spans_of(marks[row].as_py() or (), len(text)) if wrong else (),
                score=float(score[row]),
            )
    return suggestions, used


def spans_of(marks: Sequence[Mapping[str, Any]], length: int) -> tuple[Span, ...]:
    """The spans of a sentence of so many characters that a judge's marks amount to; see `suggestions_of`."""
    inside = [
        (max(0, mark["start"]), min(length, mark["end"]), mark["suspicion"]) for mark in marks if mark["start"] < length
    ]
    whole = [(0, length)]
    if inside and list(_joined((start, end) for start, end, _ in inside)) == whole:
        highest = max(suspicion for _, _, suspicion in inside)
        inside = [mark for mark in inside if mark[2] == highest]
    return tuple(Span(*run, ErrorType.OTHER) for run in _joined((start, end) for start, end, _ in inside))


def _joined(ranges: Iterator[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """The runs of characters that some ranges cover, in their order."""
    begun: tuple[int, int] | None = None
    for start, end in sorted(ranges):
        if begun is not None and start <= begun[1]:
            begun = (begun[0], max(begun[1], end))
        else:
            if begun is not None:
                yield begun
            begun = (start, end)
    if begun is not None:
        yield begun


def _threshold_of(run: Run, score: FloatArray, labels: Sequence[str | None]) -> float:
    label = np.array(labels, object)
    decided = np.isin(label, [str(each) for each in _DECIDED]) & ~np.isnan(score)
    found = youden_threshold(label[decided] == str(Label.CORRECT), score[decided])
    if found.value is None:
        raise UsageError(
            f"labels do not tell a threshold for {run.name!r}: among its scored sentences that are labelled, "
            f"{found.reason}; give --threshold X, on its own scale: {_scale(score)}"
        )
    return found.value


def _scale(score: FloatArray) -> str:
    known = score[~np.isnan(score)]
    return f"its scores lie from {known.min():.4g} to {known.max():.4g}" if known.size else "it has no score at all"
