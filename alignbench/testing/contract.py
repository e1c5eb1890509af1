"""The contract of a judge, as a class of tests to inherit from."""

# ruff: noqa: S101 - `assert` is the verb of a test.
from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, ClassVar, cast

import pyarrow.parquet as pq
import pytest

from alignbench.asking import Asking
from alignbench.registry import build_judge
from alignbench.rows import canonical_json
from alignbench.run import Progress, RunSummary, run_judge
from alignbench.schema import judgments_from_table
from alignbench.store import Dataset
from alignbench.testing import shown
from alignbench.types import (
    Answer,
    Briefed,
    Judge,
    JudgeSpec,
    Judgment,
    Mark,
    ModelRef,
    Query,
    Situated,
    Status,
    Verdict,
)

_Found = dict[tuple[int, int], Verdict]
_CUTS = (1, 7, 19)
"""After how many answers a run is cut off, then the one that resumes it, and so on."""


class JudgeContract:
    """Inherit from this, say which judge it is, and run pytest.

    Attributes:
        reference: What a user writes after `--judge`.
        options: Keyword arguments of the adapter's `from_reference`, over those of the reference.
        tolerance: By how much two scores of the same sentence may differ, however it was asked: rounding, or the spread
            of the draws of a judge that samples.
        ahead: How many queries the judge may take before its first answer.
        briefed: Whether the judge is a control or a planted judge, which is told labels and producers.

    To build the judge in another way, override `make_judge`; where that needs fixtures (a server, a folder), override
    the fixture `build`, which returns a function without arguments that builds the judge.

    A judge may raise on a query it cannot answer: a run makes that a status. A check that does not apply is skipped,
    with the reason.
    """

    reference: ClassVar[str] = ""
    options: ClassVar[Mapping[str, Any]] = {}
    tolerance: ClassVar[float] = 1e-5
    ahead: ClassVar[int] = 512
    briefed: ClassVar[bool] = False

    @classmethod
    def make_judge(cls) -> Judge:
        """Build the judge."""
        return build_judge(cls.reference, **cls.options)

    @pytest.fixture(scope="class")
    @classmethod
    def build(cls) -> Callable[[], Judge]:
        """What builds the judge."""
        return cls.make_judge

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
        """The dataset of the checks that run."""
        return shown.make_dataset(tmp_path_factory.mktemp("contract") / "dataset")

    @pytest.fixture(scope="class")
    @classmethod
    def judge(cls, build: Callable[[], Judge]) -> Judge:
        """The judge, built once for all checks."""
        return build()

    # What a verdict is

    def test_every_sentence_is_answered_once(self, judge: Judge) -> None:
        """One answer a sentence, at its place, whichever queries come together."""
        for numbers in ((0, 1, 2), (2, 0), (1,)):
            asked = shown.plain(judge.spec.context, *numbers)
            assert set(_ask(judge, asked)) == _places(asked)

    def test_a_verdict_is_a_finite_float_or_a_reason(self, judge: Judge) -> None:
        """A score is a finite float, anything else a status; the rest is JSON and no count is negative.

        Marks lie within their sentence. They are null in all verdicts with a score, or in none.
        """
        asked = shown.plain(judge.spec.context, 0, 1, 2)
        found = _ask(judge, asked)
        for at, verdict in found.items():
            _check(verdict, _sentence(asked, at))
        assert len({verdict.marks is None for verdict in found.values() if verdict.status is Status.OK}) < 2

    def test_no_queries_no_answers(self, judge: Judge) -> None:
        """A judge that is asked nothing says nothing."""
        assert list(judge.judge([])) == []

    # What must not matter

    def test_a_query_alone_is_answered_as_among_others(self, judge: Judge) -> None:
        """Batching changes no score by more than the tolerance."""
        together = _ask(judge, shown.plain(judge.spec.context, 0, 1, 2))
        alone = {at: each for number in (2, 1, 0) for at, each in self._alone(judge, number).items()}
        self._same(together, alone)

    def test_some_sentences_of_a_query_are_answered_as_among_all(self, judge: Judge) -> None:
        """A resumed run asks again only for what is missing, which must not change what comes."""
        (query,) = shown.plain(judge.spec.context, 0)
        places = [0, 2, 3]
        if self.briefed:
            pytest.skip("a judge that is briefed finds its rows by the place of a sentence")
        whole, some = _ask(judge, [query]), _ask(judge, [shown.only(query, places)])
        self._same({(0, at): whole[0, place] for at, place in enumerate(places)}, some)

    def test_the_order_of_sentences_does_not_matter(self, judge: Judge) -> None:
        """A query with its sentences turned round gets its scores turned round."""
        if self.briefed or judge.spec.context == "caption":
            pytest.skip("the order of sentences is part of what this judge is asked")
        (query,) = shown.plain("sentence", 2)
        turned = replace(query, sentences=query.sentences[::-1])
        last = len(query.sentences) - 1
        back = {(number, last - place): each for (number, place), each in _ask(judge, [turned]).items()}
        self._same(_ask(judge, [query]), back)

    def test_the_number_of_a_query_does_not_matter(self, judge: Judge) -> None:
        """What a judge says depends on the image and the sentences alone."""
        if self.briefed:
            pytest.skip("a judge that is briefed finds its rows by the number of a query")
        asked = shown.plain(judge.spec.context, 0, 1, 2)
        others = [replace(query, number=1000 - query.number) for query in asked]
        found = {(1000 - number, place): each for (number, place), each in _ask(judge, others).items()}
        self._same(_ask(judge, asked), found)

    def test_labels_and_producers_do_not_reach_the_judge(self, judge: Judge) -> None:
        """A judge that has a method `brief` is told labels and producers, so only controls and planted judges may."""
        assert isinstance(judge, Briefed) is self.briefed

    def test_the_same_again(self, judge: Judge, build: Callable[[], Judge]) -> None:
        """Asked again, or built again, a judge is the same and says the same."""
        asked = shown.plain(judge.spec.context, 0, 2)
        first = _ask(judge, asked)
        self._same(first, _ask(judge, asked))
        again = build()
        assert again.spec == judge.spec
        self._same(first, _ask(again, asked))

    # What goes wrong

    def test_an_image_that_cannot_be_decoded_has_no_score(self, judge: Judge) -> None:
        """It costs its own query the scores, and no other query anything."""
        if self.briefed or judge.spec.control is not None:
            pytest.skip("this judge looks at no image")
        (good,) = shown.plain(judge.spec.context, 0)
        bad = [shown.query(judge.spec.context, 1 + at, data, ["A dog."]) for at, data in enumerate(shown.UNREADABLE)]
        found = _tried(judge, [bad[0], good, *bad[1:]])
        assert {found[query.number, 0].score for query in bad} == {None}
        self._same({at: each for at, each in found.items() if at[0] == good.number}, _ask(judge, [good]))

    def test_a_strange_sentence_is_answered_or_fails_alone(self, judge: Judge) -> None:
        """Empty text, control tokens and the like get a finite float or a status, and change no other sentence's."""
        if self.briefed:
            pytest.skip("a judge that is briefed does not read sentences")
        image = shown.picture(0)
        asked = shown.query(judge.spec.context, 0, image, ["A dog.", *shown.STRANGE, "It is red."])
        found = _tried(judge, [asked])
        for at, verdict in found.items():
            _check(verdict, _sentence([asked], at))
        if judge.spec.context == "sentence":
            ends = _ask(judge, [Query(0, image, ("A dog.", "It is red."))])
            self._same({(0, 0): found[0, 0], (0, 1): found[0, len(asked.sentences) - 1]}, ends)

    def test_nothing_of_a_sentence_is_dropped_in_silence(self, judge: Judge) -> None:
        """Two long sentences that differ in their ends alone get different scores, or are marked, or fail."""
        if self.briefed:
            pytest.skip("a judge that is briefed does not read sentences")
        context, image = judge.spec.context, shown.picture(0)
        short, long = (
            _tried(judge, [shown.query(context, at, image, [before + end]) for at, end in enumerate(shown.ENDINGS)])
            for before in ("", shown.LONG)
        )
        if short[0, 0].score == short[1, 0].score:
            pytest.skip("the judge cannot tell the two ends apart when they stand alone")
        unmarked = [each.score for each in long.values() if each.status is Status.OK and not each.truncated]
        assert len(unmarked) < 2 or unmarked[0] != unmarked[1]

    # Running

    def test_queries_are_taken_as_they_are_needed(self, judge: Judge) -> None:
        """The first answer of an endless stream comes, and the judge can be left there and asked anew."""
        if self.briefed:
            pytest.skip("a judge that is briefed knows the queries beforehand")
        taken: list[int] = []

        def endless() -> Iterator[Query]:
            while True:
                taken.append(len(taken))
                if len(taken) > self.ahead:
                    pytest.fail(f"the judge took {self.ahead} queries and has not answered one")
                yield shown.query(judge.spec.context, taken[-1], shown.picture(0), ["A dog."])

        answers = judge.judge(endless())
        assert isinstance(next(answers), Answer)
        getattr(answers, "close", lambda: None)()
        assert set(_ask(judge, shown.plain(judge.spec.context, 1))) == {(1, 0)}

    def test_a_resumed_run_ends_like_an_uninterrupted_one(self, judge: Judge, dataset: Dataset, tmp_path: Path) -> None:
        """A run that is cut off, again and again, goes on to the same sentences, statuses and scores."""
        whole = run_judge(dataset, judge, tmp_path / "whole")
        for count in _CUTS:
            with pytest.raises(_Cut):
                run_judge(dataset, judge, tmp_path / "cut", progress=_cut_after(count))
        resumed = run_judge(dataset, judge, tmp_path / "cut")
        assert resumed.asked == whole.asked - sum(_CUTS)
        expected, found = _judgments(whole), _judgments(resumed)
        assert list(expected) == list(found)
        self._same(expected, found)

    # Who the judge is

    def test_the_spec_identifies_the_judge(self, judge: Judge) -> None:
        """It is complete, and the same after a way through JSON, as run.json keeps it."""
        spec = judge.spec
        assert spec.name and spec.kind and spec.model.name
        assert spec.model.revision is None or spec.model.revision
        assert spec.context in {"sentence", "caption"}
        assert _is_json(asdict(spec))
        said = json.loads(canonical_json(asdict(spec)))
        assert JudgeSpec(**{**said, "model": ModelRef(**said["model"])}).judge_id == spec.judge_id

    def test_where_it_runs_is_told_in_words(self, judge: Judge) -> None:
        """The environment, where a judge has one, maps text to text."""
        if not isinstance(judge, Situated):
            pytest.skip("this judge runs no library that could change its scores")
        assert all(isinstance(part, str) for pair in judge.environment.items() for part in pair)

    def _alone(self, judge: Judge, number: int) -> _Found:
        return _ask(judge, shown.plain(judge.spec.context, number))

    def _same(self, one: Mapping[Any, Verdict], other: Mapping[Any, Verdict]) -> None:
        """The same places, statuses and marks, and scores and suspicions within the tolerance."""
        assert one.keys() == other.keys()
        for at, verdict in one.items():
            said = other[at]
            assert (verdict.status, verdict.truncated) == (said.status, said.truncated), at
            if verdict.score is not None:
                assert verdict.score == pytest.approx(said.score, abs=self.tolerance, rel=0), at
            assert _ranges(verdict) == _ranges(said), at
            for mark, other_mark in zip(verdict.marks or (), said.marks or (), strict=True):
                assert mark.suspicion == pytest.approx(other_mark.suspicion, abs=self.tolerance, rel=0), at


class _Cut(BaseException):
    """What ends a run in the middle."""


def _cut_after(count: int) -> Callable[[Progress], None]:
    def progress(state: Progress) -> None:
        if state.asked == count:
            raise _Cut

    return progress


def _ask(judge: Judge, asked: Sequence[Query]) -> _Found:
    """The judge's own answers, each at a place that was asked and was not answered before."""
    if isinstance(judge, Briefed):
        judge.brief(shown.briefing())
    found: _Found = {}
    for answer in judge.judge(iter(asked)):
        at = (answer.query, answer.sentence)
        assert at in _places(asked) and at not in found
        found[at] = answer.verdict
    return found


def _tried(judge: Judge, asked: Sequence[Query]) -> _Found:
    """What a run makes of the judge's answers, or of its exceptions."""
    with closing(cast("Any", Asking(judge, asked).answers())) as answers:
        found = {(answer.query, answer.sentence): answer.verdict for answer in answers}
    assert set(found) == _places(asked)
    return found


def _places(asked: Iterable[Query]) -> set[tuple[int, int]]:
    return {(query.number, place) for query in asked for place in range(len(query.sentences))}


def _sentence(asked: Iterable[Query], at: tuple[int, int]) -> str:
    return next(query.sentences[at[1]] for query in asked if query.number == at[0])


def _ranges(verdict: Verdict) -> list[tuple[int, int]] | None:
    return None if verdict.marks is None else [(mark.start, mark.end) for mark in verdict.marks]


def _check(verdict: Verdict, sentence: str) -> None:
    assert isinstance(verdict, Verdict)
    assert isinstance(verdict.status, Status)
    score: Any = verdict.score
    assert score is None or (isinstance(score, float) and math.isfinite(score))
    assert _is_json(dict(verdict.raw))
    for mark in verdict.marks or ():
        assert isinstance(mark, Mark)
        assert 0 <= mark.start < mark.end <= len(sentence)
        assert math.isfinite(mark.suspicion)
    for count in asdict(verdict.usage).values():
        assert count is None or count >= 0


def _is_json(value: object) -> bool:
    try:
        return bool(canonical_json(value))
    except TypeError:
        return False


def _judgments(summary: RunSummary) -> dict[str, Verdict]:
    assert summary.complete
    stored: list[Judgment] = judgments_from_table(pq.read_table(summary.folder / "judgments.parquet"))
    return {each.sentence_id: each.verdict for each in stored}
