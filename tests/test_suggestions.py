"""What a judge suggests to annotators."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench import schema
from alignbench.analysis.threshold import NO_BETTER, youden_threshold
from alignbench.errors import UnknownNameError, UsageError
from alignbench.labelling.assisted.suggestions import spans_of, suggestions_of
from alignbench.store import Dataset
from alignbench.types import ErrorType, Label, Mark, Span, Verdict
from tests.datasets import make_dataset
from tests.planted_runs import write_run


def slow_youden(is_correct: Sequence[bool], score: Sequence[float]) -> float | None:
    """The lowest score with the largest J, by trying them all."""
    n_correct, n_incorrect = sum(is_correct), len(is_correct) - sum(is_correct)
    best, chosen = 0, None
    for threshold in sorted(set(score)):
        rejected = [good for good, one in zip(is_correct, score, strict=True) if one < threshold]
        j = (len(rejected) - sum(rejected)) * n_correct - sum(rejected) * n_incorrect
        if j > best:
            best, chosen = j, threshold
    return chosen


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([-1.0, 0.0, 0.25, 0.5, 3.0])), min_size=1, max_size=30))
def test_the_default_threshold_has_the_largest_j(rows: list[tuple[bool, float]]) -> None:
    is_correct, score = [row[0] for row in rows], [row[1] for row in rows]
    found = youden_threshold(np.array(is_correct), np.array(score))
    if all(is_correct) or not any(is_correct):
        assert found.value is None
        assert found.reason is not None
    else:
        assert found.value == slow_youden(is_correct, score)
        assert (found.reason == NO_BETTER) is (found.value is None)


def ladder(dataset: Dataset) -> np.typing.NDArray[np.float64]:
    """Scores that rise by one a sentence."""
    return np.arange(dataset.counts["sentences"], dtype=np.float64)


def test_sentences_below_the_threshold_are_suggested_incorrect(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", labelled=False)
    scores = ladder(dataset)
    scores[2] = np.nan
    folder = write_run(tmp_path / "runs", dataset, "ladder", scores)
    suggestions, threshold = suggestions_of(dataset, tmp_path / "runs", "ladder", threshold=5)
    ids = [sentence.sentence_id for sentence in dataset.sentences()]
    assert threshold == 5.0
    assert list(suggestions) == [one for place, one in enumerate(ids) if place != 2]
    incorrect = [one for one, said in suggestions.items() if said.label is Label.INCORRECT]
    assert incorrect == [ids[0], ids[1], ids[3], ids[4]]
    assert suggestions[ids[5]].label is Label.CORRECT
    assert suggestions[ids[7]].score == 7.0
    assert {said.judge_id for said in suggestions.values()} == {folder.name.split("-")[1]}
    assert all(not said.spans and not said.error_types for said in suggestions.values())


def test_without_a_threshold_the_labels_tell_one(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=6)
    correct = np.array([sentence.label is Label.CORRECT for sentence in dataset.sentences()])
    write_run(tmp_path / "runs", dataset, "oracle", np.where(correct, 0.9, 0.2))
    suggestions, threshold = suggestions_of(dataset, tmp_path / "runs", "oracle")
    assert threshold == 0.9
    for sentence in dataset.sentences():
        if sentence.label in (Label.CORRECT, Label.INCORRECT):
            assert suggestions[sentence.sentence_id].label is sentence.label


def test_a_judge_goes_by_its_name_its_id_or_the_beginning_of_its_id(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    judge_id = write_run(tmp_path / "runs", dataset, "ladder", ladder(dataset)).name.split("-")[1]
    write_run(tmp_path / "runs", dataset, "other", -ladder(dataset))
    by_name = suggestions_of(dataset, tmp_path / "runs", "ladder", threshold=5)
    assert suggestions_of(dataset, tmp_path / "runs", judge_id, threshold=5) == by_name
    assert suggestions_of(dataset, tmp_path / "runs", judge_id[:6], threshold=5) == by_name
    for wrong in ("laddre", judge_id[:3], ""):
        with pytest.raises(UnknownNameError, match="ladder"):
            suggestions_of(dataset, tmp_path / "runs", wrong, threshold=5)


def test_blind_controls_suggest_nothing(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    write_run(tmp_path / "runs", dataset, "length", ladder(dataset), control="length")
    with pytest.raises(UsageError, match="'length' is a blind control"):
        suggestions_of(dataset, tmp_path / "runs", "length", threshold=5)


def test_a_run_of_labels_that_have_changed_is_refused_by_name(tmp_path: Path) -> None:
    old = make_dataset(tmp_path / "old", labelled=False)
    dataset = make_dataset(tmp_path / "data")
    write_run(tmp_path / "runs", old, "told", ladder(old), briefed=True)
    write_run(tmp_path / "runs", old, "ladder", ladder(old))
    with pytest.raises(UsageError, match="the judge told: labels, which this judge was told, have changed"):
        suggestions_of(dataset, tmp_path / "runs", "told", threshold=5)


@pytest.mark.parametrize(
    ("labelled", "scores", "reason"),
    [
        (False, "ladder", "no sentence"),
        (True, "equal", "no threshold rejects a larger share"),
        (True, "nothing", "it has no score at all"),
    ],
)
def test_where_labels_do_not_tell_a_threshold_one_is_asked_for(
    tmp_path: Path, labelled: bool, scores: str, reason: str
) -> None:
    dataset = make_dataset(tmp_path / "data", labelled=labelled)
    given = {"ladder": ladder(dataset), "equal": ladder(dataset) * 0, "nothing": ladder(dataset) * np.nan}[scores]
    write_run(tmp_path / "runs", dataset, "judge", given)
    with pytest.raises(UsageError, match=f"{reason}.*give --threshold|give --threshold.*{reason}"):
        suggestions_of(dataset, tmp_path / "runs", "judge")


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_threshold_is_a_number(tmp_path: Path, threshold: float) -> None:
    dataset = make_dataset(tmp_path / "data")
    write_run(tmp_path / "runs", dataset, "judge", ladder(dataset))
    with pytest.raises(UsageError, match="must be a finite number"):
        suggestions_of(dataset, tmp_path / "runs", "judge", threshold=threshold)


def test_marks_become_spans_where_incorrect_is_suggested(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data")
    scores = ladder(dataset)
    folder = write_run(tmp_path / "runs", dataset, "marker", scores)
    file = folder / "judgments.parquet"
    judgments = schema.judgments_from_table(pq.read_table(file))
    texts = [sentence.text for sentence in dataset.sentences()]
    marked = [
        replace(each, verdict=Verdict(score, marks=(Mark(0, 4), Mark(len(text) - 2, len(text) + 9))))
        for each, score, text in zip(judgments, scores.tolist(), texts, strict=True)
    ]
    pq.write_table(schema.judgments_to_table(marked), file)
    suggestions, _ = suggestions_of(dataset, tmp_path / "runs", "marker", threshold=3)
    for text, said in zip(texts, suggestions.values(), strict=True):
        expected = (Span(0, 4, ErrorType.OTHER), Span(len(text) - 2, len(text), ErrorType.OTHER))
        assert said.spans == (expected if said.label is Label.INCORRECT else ())


def mark(start: int, end: int, suspicion: float = 1.0) -> dict[str, float]:
    """A mark as judgments.parquet has it."""
    return {"start": start, "end": end, "suspicion": suspicion}


@pytest.mark.parametrize(
    ("marks", "ranges"),
    [
        ([], []),
        ([mark(3, 5), mark(0, 2)], [(0, 2), (3, 5)]),
        ([mark(0, 4), mark(2, 6), mark(6, 7)], [(0, 7)]),
        ([mark(8, 30)], [(8, 10)]),
        ([mark(10, 12), mark(40, 50)], []),
        ([mark(0, 10)], [(0, 10)]),
        ([mark(0, 4, 0.1), mark(4, 6, 0.9), mark(6, 8, 0.2), mark(8, 12, 0.9)], [(4, 6), (8, 10)]),
        ([mark(0, 5, 0.0), mark(5, 10, 0.0)], [(0, 10)]),
    ],
)
def test_what_marks_amount_to(marks: list[dict[str, float]], ranges: list[tuple[int, int]]) -> None:
    assert spans_of(marks, 10) == tuple(Span(*each, ErrorType.OTHER) for each in ranges)


@given(
    st.lists(st.tuples(st.integers(0, 12), st.integers(1, 12), st.sampled_from([0.0, 0.5, 1.0])), max_size=6),
    st.integers(0, 10),
)
def test_spans_are_apart_and_inside_and_hold_nothing_unmarked(marks: list[tuple[int, int, float]], length: int) -> None:
    given_marks = [mark(start, start + size, suspicion) for start, size, suspicion in marks]
    spans = spans_of(given_marks, length)
    edges = [edge for span in spans for edge in (span.start, span.end)]
    assert edges == sorted(set(edges))
    assert all(0 <= edge <= length for edge in edges)
    marked = {place for start, size, _ in marks for place in range(start, start + size)}
    assert all(place in marked for span in spans for place in range(span.start, span.end))
    assert bool(spans) is any(place < length for place in marked)
