"""Marks on their way from a judge to a table: what the type refuses, what a run makes of it, what the contract sees."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from alignbench.asking import Asking
from alignbench.decode import decode
from alignbench.run import run_judge
from alignbench.schema import judgments_from_table
from alignbench.testing import JudgeContract
from alignbench.types import Answer, Judge, JudgeSpec, Mark, ModelRef, Query, Status, Verdict
from tests.datasets import make_dataset


class Marking:
    """Marks the first word of every sentence, and what a test adds."""

    spec = JudgeSpec("marking", "marking", ModelRef("marking", "1"))

    def __init__(self, more: Callable[[str], tuple[Mark, ...] | None] = lambda sentence: ()) -> None:
        self._more = more
        self._asked = 0

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        for query in queries:
            decode(query.image)
            for place, sentence in enumerate(query.sentences):
                self._asked += 1
                yield Answer(query.number, place, Verdict(len(sentence) / 2, marks=self.marks(sentence)))

    def marks(self, sentence: str) -> tuple[Mark, ...] | None:
        more = self._more(sentence)
        word = sentence.split(" ", maxsplit=1)[0]
        return None if more is None else ((Mark(0, len(word)),) if word else ()) + more


class Wavering(Marking):
    def marks(self, sentence: str) -> tuple[Mark, ...] | None:
        return (Mark(0, 1, float(self._asked)),)


class Wandering(Marking):
    def marks(self, sentence: str) -> tuple[Mark, ...] | None:
        return (Mark(0, 1 + self._asked % 2),)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (2, 2), (3, 2), (0, 0)])
def test_a_mark_is_a_range(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="a mark is a range of its sentence"):
        Mark(start, end)


@pytest.mark.parametrize("suspicion", [math.nan, math.inf, -math.inf])
def test_a_suspicion_is_finite(suspicion: float) -> None:
    with pytest.raises(ValueError, match="suspicion of a mark is finite"):
        Mark(0, 1, suspicion)


def test_what_has_no_score_has_no_marks() -> None:
    with pytest.raises(ValueError, match="without a score has no marks"):
        Verdict(None, Status.FAILED, marks=())


def asked(marks: tuple[Mark, ...] | None, score: float = 0.5) -> Verdict:
    """What a run makes of this answer to a sentence of five characters."""

    class Saying(Marking):
        def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
            for query in queries:
                yield Answer(query.number, 0, Verdict(score, marks=marks))

    (answer,) = Asking(Saying(), [Query(0, b"", ("a dog",))]).answers()
    return answer.verdict


def test_a_mark_beyond_its_sentence_is_a_failure() -> None:
    assert asked((Mark(0, 5),)).marks == (Mark(0, 5),)
    verdict = asked((Mark(0, 1), Mark(2, 6)))
    assert (verdict.status, verdict.score, verdict.marks) == (Status.FAILED, None, None)
    assert verdict.raw["reason"] == "the mark [2, 6) ends beyond its sentence of 5 characters"


def test_code_points_are_counted() -> None:
    class Emoji(Marking):
        def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
            for query in queries:
                yield from (
                    Answer(query.number, place, Verdict(0.5, marks=(Mark(0, len(sentence)),)))
                    for place, sentence in enumerate(query.sentences)
                )

    answers = list(Asking(Emoji(), [Query(0, b"", ("😀 cafe\u0301", "👩\u200d🚒"))]).answers())
    assert [answer.verdict.marks for answer in answers] == [(Mark(0, 7),), (Mark(0, 3),)]


def test_a_score_that_is_not_finite_takes_the_marks_with_it() -> None:
    verdict = asked((Mark(0, 1),), score=math.nan)
    assert (verdict.status, verdict.marks) == (Status.NOT_FINITE, None)


def test_numbers_of_numpy_become_plain(tmp_path: Path) -> None:
    (mark,) = asked((Mark(np.int64(0), np.int32(2), np.float32(0.5)),)).marks or ()
    assert [type(each) for each in (mark.start, mark.end, mark.suspicion)] == [int, int, float]
    dataset = make_dataset(tmp_path / "dataset")
    judge = Marking(lambda sentence: (Mark(np.int64(1), np.int64(2), np.float32(0.25)),))
    summary = run_judge(dataset, judge, tmp_path / "runs")
    stored = judgments_from_table(pq.read_table(summary.folder / "judgments.parquet"))
    for judgment, sentence in zip(stored, dataset.sentences(), strict=True):
        assert judgment.verdict.marks == (Mark(0, sentence.text.index(" ")), Mark(1, 2, 0.25))


def test_a_failed_mark_is_asked_again_with_retry_failed(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "dataset")
    first = run_judge(dataset, Marking(lambda sentence: (Mark(0, 10_000),)), tmp_path / "runs")
    stored = judgments_from_table(pq.read_table(first.folder / "judgments.parquet"))
    assert {judgment.verdict.status for judgment in stored} == {Status.FAILED}
    again = run_judge(dataset, Marking(), tmp_path / "runs", retry_failed=True)
    stored = judgments_from_table(pq.read_table(again.folder / "judgments.parquet"))
    assert all(judgment.verdict.marks and judgment.attempts == 2 for judgment in stored)


# The contract


class TestMarking(JudgeContract):
    @classmethod
    def make_judge(cls) -> Judge:
        return Marking()


class TestPlantedMarks(JudgeContract):
    reference = "planted:spans=0.6,failures=0.1"
    briefed = True


def breaks(judge: Callable[[], Judge], check: str) -> bool:
    """Whether a check of the contract fails."""

    class Suite(JudgeContract):
        make_judge = staticmethod(judge)  # type: ignore[assignment]

    method = getattr(Suite(), check)
    try:
        method(**{name: judge() for name in inspect.signature(method).parameters if name == "judge"})
    except AssertionError:
        return True
    return False


@pytest.mark.parametrize(
    ("judge", "check"),
    [
        (
            lambda: Marking(lambda sentence: (Mark(0, len(sentence) + 1),)),
            "test_a_verdict_is_a_finite_float_or_a_reason",
        ),
        (
            lambda: Marking(lambda sentence: None if "dog" in sentence else ()),
            "test_a_verdict_is_a_finite_float_or_a_reason",
        ),
        (Wavering, "test_a_query_alone_is_answered_as_among_others"),
        (Wandering, "test_a_query_alone_is_answered_as_among_others"),
    ],
    ids=["beyond the end", "not in every answer", "other suspicions", "other ranges"],
)
def test_the_contract_sees_wrong_marks(judge: Callable[[], Judge], check: str) -> None:
    assert breaks(judge, check)
    assert not breaks(Marking, check)
