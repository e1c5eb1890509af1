"""The planted judge has what was planted, no more and no less."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import (
    Direction,
    ErrorType,
    Label,
    Mark,
    ModelRef,
    Pair,
    Query,
    Sentence,
    Span,
    Status,
    Verdict,
)
from judges.planted import Planted, PlantedJudge

IMAGES, LENGTH = 1500, 6
Rows = Mapping[tuple[int, int], tuple[Pair, Sentence]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Half of the sentences incorrect, half of the pairs by a producer of family `ours`."""
    rng = random.Random(0)
    made = {}
    for image in range(IMAGES):
        producer = ModelRef("a", family="ours") if image % 2 else ModelRef("b", family="theirs")
        pair = Pair(f"p{image}", f"i{image}", "", producer, Direction.IMAGE_TO_TEXT, None, f"i{image}")
        for index in range(LENGTH):
            label = rng.choice([Label.CORRECT, Label.INCORRECT])
            made[image, index] = (pair, Sentence(f"p{image}#{index}", pair.pair_id, index, 0, 1, "x", label))
    return made


def verdicts(rows: Rows, reference: str) -> list[Verdict]:
    judge = PlantedJudge.from_reference(reference)
    judge.brief(rows)
    queries = [Query(image, b"", ("x",) * LENGTH) for image in range(IMAGES)]
    return [answer.verdict for answer in judge.judge(queries)]


def scores(rows: Rows, reference: str) -> np.ndarray:
    return np.array([verdict.score for verdict in verdicts(rows, reference)])  # (images * length,)


def correct(rows: Rows) -> np.ndarray:
    return np.array([sentence.label is Label.CORRECT for _, sentence in rows.values()])


@pytest.mark.parametrize("auroc", [0.5, 0.65, 0.8, 0.95])
def test_auroc(rows: Rows, auroc: float) -> None:
    found = roc_auc_score(correct(rows), scores(rows, f"auroc={auroc},seed=1"))
    assert found == pytest.approx(auroc, abs=0.012)


def test_scores_are_a_function_of_the_seed(rows: Rows) -> None:
    first, again, other = (scores(rows, f"seed={seed}") for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    residuals = [
        each - np.where(correct(rows), each[correct(rows)].mean(), each[~correct(rows)].mean())
        for each in (first, other)
    ]
    assert abs(np.corrcoef(*residuals)[0, 1]) < 0.05


@pytest.mark.parametrize("icc", [0.0, 0.5, 1.0])
def test_sentences_of_an_image_correlate(rows: Rows, icc: float) -> None:
    noise = scores(rows, f"auroc=0.5,icc={icc}").reshape(IMAGES, LENGTH)
    assert noise.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(noise[:, 0], noise[:, 1])[0, 1] == pytest.approx(icc, abs=0.08)


def test_position(rows: Rows) -> None:
    base, tilted = scores(rows, "auroc=0.8"), scores(rows, "auroc=0.8,position=-0.25")
    assert (tilted - base).reshape(IMAGES, LENGTH) == pytest.approx(np.tile(-0.25 * np.arange(LENGTH), (IMAGES, 1)))


def test_preference(rows: Rows) -> None:
    added = scores(rows, "own=ours,preference=0.7") - scores(rows, "own=ours")
    wrong = ~correct(rows).reshape(IMAGES, LENGTH)
    expected = np.where(wrong & (np.arange(IMAGES) % 2 == 1)[:, None], 0.7, 0.0)
    assert added.reshape(IMAGES, LENGTH) == pytest.approx(expected)


def test_ties(rows: Rows) -> None:
    base, rounded = scores(rows, "auroc=0.8"), scores(rows, "step=0.5")
    assert len(set(rounded)) < 25
    assert np.abs(base - rounded).max() <= 0.25


def test_failures(rows: Rows) -> None:
    found = verdicts(rows, "failures=0.2")
    failed = [verdict.status is Status.FAILED for verdict in found]
    assert np.mean(failed) == pytest.approx(0.2, abs=0.02)
    assert all((verdict.score is None) == fails for verdict, fails in zip(found, failed, strict=True))


def test_the_pace_changes_no_score(rows: Rows) -> None:
    slow, fast = PlantedJudge.from_reference("delay=0.01"), PlantedJudge.from_reference("auroc=0.8")
    assert slow.spec.judge_id == fast.spec.judge_id
    slow.brief(rows)
    before = time.perf_counter()
    list(slow.judge([Query(0, b"", ("x",) * LENGTH)]))
    assert time.perf_counter() - before >= 0.01 * LENGTH


def test_everything_else_changes_the_judge() -> None:
    planted = [
        "auroc=0.7",
        "icc=0.1",
        "position=1",
        "own=a",
        "preference=1",
        "step=1",
        "failures=0.1",
        "seed=1",
        "spans=0",
    ]
    ids = [PlantedJudge.from_reference(each).spec.judge_id for each in ["auroc=0.8", *planted]]
    assert len(set(ids)) == len(ids)


def test_ids_of_planted_judges_from_before_there_were_marks_hold() -> None:
    assert PlantedJudge.from_reference("auroc=0.8").spec.judge_id == "7bc8112e96ec"
    assert PlantedJudge.from_reference("spans=0.8").spec.options["spans"] == 0.8


SPANNED = tuple(
    Sentence(
        f"p#{number}",
        "p",
        0,
        0,
        19,
        "a \U0001f600 dog on the left",
        Label.INCORRECT,
        (ErrorType.OBJECT, ErrorType.TEXT),
        (Span(2, 7, ErrorType.OBJECT), Span(2, 7, ErrorType.TEXT), Span(9, 12, ErrorType.OBJECT)),
    )
    for number in range(2000)
)


def marked(quality: float, **planted: float) -> list[Verdict]:
    pair = Pair("p", "i", "", ModelRef("m"), Direction.IMAGE_TO_TEXT, None, "i")
    judge = PlantedJudge(Planted(spans=quality, **planted))
    judge.brief({(0, place): (pair, sentence) for place, sentence in enumerate(SPANNED)})
    return [answer.verdict for answer in judge.judge([Query(0, b"", tuple(each.text for each in SPANNED))])]


def test_marks_of_set_quality() -> None:
    spans, strays = {(2, 7), (9, 12)}, {(0, 1), (15, 19)}
    assert {verdict.marks for verdict in marked(1)} == {(Mark(2, 7), Mark(9, 12))}
    assert {verdict.marks for verdict in marked(0)} == {(Mark(0, 1), Mark(15, 19))}, "words that no span touches"
    found = [{(mark.start, mark.end) for mark in verdict.marks or ()} for verdict in marked(0.7)]
    assert all(each <= spans | strays for each in found)
    for ranges, share in ((spans, 0.7), (strays, 0.3)):
        for each in ranges:
            assert np.mean([each in marks for marks in found]) == pytest.approx(share, abs=0.03)


def test_marks_change_no_score_and_a_failure_has_none() -> None:
    pair = Pair("p", "i", "", ModelRef("m"), Direction.IMAGE_TO_TEXT, None, "i")
    plain = PlantedJudge(Planted())
    plain.brief({(0, place): (pair, sentence) for place, sentence in enumerate(SPANNED)})
    without = [answer.verdict for answer in plain.judge([Query(0, b"", ("",) * len(SPANNED))])]
    assert {verdict.marks for verdict in without} == {None}
    assert [verdict.score for verdict in without] == [verdict.score for verdict in marked(0.5)]
    assert all(verdict.marks is None for verdict in marked(0.5, failures=0.5) if verdict.score is None)


def test_the_family_is_the_planted_one() -> None:
    assert PlantedJudge.from_reference("own=ours").spec.model.family == "ours"
    assert PlantedJudge.from_reference("auroc=0.8").spec.model.family is None


def test_labels_that_are_not_known_stand_between() -> None:
    pair = Pair("p", "i", "", ModelRef("m"), Direction.IMAGE_TO_TEXT, None, "i")
    found = []
    for label in (Label.INCORRECT, None, Label.UNKNOWN, Label.CORRECT):
        judge = PlantedJudge.from_reference("auroc=0.8")
        judge.brief({(0, 0): (pair, Sentence("p#0", "p", 0, 0, 1, "x", label))})
        found += [answer.verdict.score for answer in judge.judge([Query(0, b"", ("x",))])]
    assert found[0] < found[1] == found[2] < found[3]


@pytest.mark.parametrize(
    "wrong",
    [
        "auroc=1.5",
        "auroc=1",
        "auroc=nan",
        "icc=-1",
        "failures=2",
        "seed=1.5",
        "auroc",
        "position=inf",
        "delay=-1",
        "spans=1.5",
    ],
)
def test_wrong_values(wrong: str) -> None:
    with pytest.raises(UsageError, match="planted judge"):
        Planted.parse(wrong)


def test_wrong_names() -> None:
    with pytest.raises(UnknownNameError, match="nearest: auroc"):
        Planted.parse("aurok=0.8")
