"""The image controls: blank and shuffled images in the place of the right ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.controls import derange
from alignbench.decode import decode
from alignbench.errors import UnknownNameError, UsageError
from alignbench.run import run_judge
from alignbench.store import Dataset
from alignbench.types import Status
from judges.blind import BlindJudge
from tests.datasets import make_dataset
from tests.fake_judges import FakeJudge
from tests.run_results import expected, scores, statuses, stop_after


def test_blank_images_have_the_size_and_nothing_else(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    run_judge(dataset, judge, tmp_path / "runs", control="blank")
    pictures = [decode(query.image) for query in judge.asked]
    assert {picture.size for picture in pictures} == {(8, 6)}
    assert all(picture.getcolors() == [(48, (128, 128, 128))] for picture in pictures)


def test_shuffled_images_are_others(dataset: Dataset, tmp_path: Path) -> None:
    judge = FakeJudge()
    summary = run_judge(dataset, judge, tmp_path / "runs", control="shuffled")
    own = {image.bytes: image.image_key for image in dataset.images()}
    number_of = {pair.caption[8]: pair.image_key for pair in dataset.pairs()}
    for query in judge.asked:
        about = next(text[8] for text in query.sentences if text.startswith("Picture "))
        assert own[query.image] != number_of[about]
    assert len({query.image for query in judge.asked}) == 4
    assert scores(summary) != expected(dataset)
    assert len(json.loads((summary.folder / "run.json").read_text())["permutation"]) == 64


def test_a_shuffled_run_resumes_with_the_same_permutation(dataset: Dataset, tmp_path: Path) -> None:
    whole = run_judge(dataset, FakeJudge(), tmp_path / "whole", control="shuffled")
    with pytest.raises(KeyboardInterrupt):
        run_judge(dataset, stop_after(9, KeyboardInterrupt()), tmp_path / "runs", control="shuffled")
    assert scores(run_judge(dataset, FakeJudge(), tmp_path / "runs", control="shuffled")) == scores(whole)


def test_shuffling_leaves_missing_images_out(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", missing=[0])
    summary = run_judge(dataset, FakeJudge(), tmp_path / "runs", control="shuffled")
    assert statuses(summary) == [Status.IMAGE_MISSING] * 6 + [Status.OK] * 18


def test_a_blind_control_takes_no_image_control(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="looks at no image"):
        run_judge(dataset, BlindJudge.from_reference("length"), tmp_path / "runs", control="blank")
    with pytest.raises(UnknownNameError, match="blank"):
        run_judge(dataset, FakeJudge(), tmp_path / "runs", control="blink")


@given(st.lists(st.integers(0, 5), min_size=2, max_size=30), st.integers())
def test_no_image_keeps_its_bytes(contents: list[int], seed: int) -> None:
    fingerprints = {f"image-{number}": str(content) for number, content in enumerate(contents)}
    most = max(contents.count(content) for content in contents)
    if 2 * most > len(contents):
        with pytest.raises(UsageError, match="are the same"):
            derange(fingerprints, seed)
        return
    asked_of = derange(fingerprints, seed)
    assert sorted(asked_of) == sorted(asked_of.values()) == sorted(fingerprints)
    assert all(fingerprints[shown] != fingerprints[asked] for shown, asked in asked_of.items())
    assert derange(dict(reversed(fingerprints.items())), seed) == asked_of


def test_permutations_differ_by_seed() -> None:
    fingerprints = {str(number): str(number) for number in range(50)}
    assert derange(fingerprints, 0) != derange(fingerprints, 1)
