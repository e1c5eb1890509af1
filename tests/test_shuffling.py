"""Captions in other orders: which orders, where each sentence stands, and that judges see just that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.errors import UsageError
from alignbench.plan import SHUFFLED_CAPTION
from alignbench.run import run_judge
from alignbench.shuffling import arrangement, displayed_index, rearranged
from alignbench.store import Dataset, DatasetWriter
from alignbench.types import Direction, ErrorType, Label, ModelRef
from tests.datasets import make_dataset, make_image
from tests.fake_judges import FakeJudge
from tests.planted_runs import pair_of


@given(st.text(), st.integers(0, 12), st.integers(0, 9))
def test_an_order_holds_every_sentence_once(pair_id: str, length: int, shuffle: int) -> None:
    assert sorted(arrangement(pair_id, length, shuffle)) == list(range(length))
    assert arrangement(pair_id, length, shuffle) == arrangement(pair_id, length, shuffle)


@given(st.text(), st.integers(0, 12), st.integers(0, 4))
def test_an_odd_shuffle_is_the_reverse_of_the_one_before_it(pair_id: str, length: int, pair: int) -> None:
    assert arrangement(pair_id, length, 2 * pair + 1) == arrangement(pair_id, length, 2 * pair)[::-1]


def test_orders_stay_what_they_are() -> None:
    """Runs of last year are evaluated by the orders of today."""
    assert [arrangement("alpha/1", 5, shuffle) for shuffle in range(4)] == [
        [3, 2, 0, 1, 4],
        [4, 1, 0, 2, 3],
        [3, 0, 4, 1, 2],
        [2, 1, 4, 0, 3],
    ]


def test_every_order_is_as_likely() -> None:
    orders = [tuple(arrangement(f"pair-{number}", 3, 0)) for number in range(3000)]
    counts = np.unique(orders, axis=0, return_counts=True)[1]
    assert counts.size == 6 and counts.min() > 400
    differ = [arrangement(f"pair-{number}", 6, 0) != arrangement(f"pair-{number}", 6, 2) for number in range(100)]
    assert np.mean(differ) > 0.9


@pytest.fixture
def uneven(tmp_path: Path) -> Dataset:
    """Captions of one to eight sentences by two producers."""
    with DatasetWriter(tmp_path / "uneven", name="uneven") as writer:
        for number in range(16):
            image = make_image(number)
            writer.add_image(image)
            name, count = ("a-1", "b-1")[number % 2], number // 2 + 1
            labels, kinds = [Label.CORRECT] * count, [ErrorType.OTHER] * count
            made_of = (ModelRef(name), Direction.IMAGE_TO_TEXT, image.image_key)
            writer.add_pair(*pair_of(f"{name}/{number}", image.image_key, *made_of, labels, kinds))
    return Dataset.open(tmp_path / "uneven")


@pytest.mark.parametrize("shuffle", [0, 1, 2, 5])
def test_the_displayed_index_is_the_place_that_the_judge_saw(uneven: Dataset, tmp_path: Path, shuffle: int) -> None:
    judge = FakeJudge(context="caption")
    run_judge(uneven, judge, tmp_path / "runs", shuffle=shuffle)
    seen = {
        text: context.places[place]
        for query in judge.asked
        for place, text in enumerate(query.sentences)
        if (context := query.context) is not None
    }
    index = displayed_index(uneven, shuffle)
    assert index.tolist() == [seen[sentence.text] for sentence in uneven.sentences()]
    assert index.dtype == np.int64
    alone = [
        place
        for place, sentence in zip(index, uneven.sentences(), strict=True)
        if sentence.pair_id in {"a-1/0", "b-1/1"}
    ]
    assert alone == [0, 0]


def test_a_shuffled_caption_is_its_sentences_joined_by_spaces(uneven: Dataset, tmp_path: Path) -> None:
    judge, reverse = FakeJudge(context="caption"), FakeJudge(context="caption")
    run_judge(uneven, judge, tmp_path / "runs", shuffle=0)
    run_judge(uneven, reverse, tmp_path / "runs", shuffle=1)
    assert len(judge.asked) == len(reverse.asked) == 16
    for query, turned in zip(judge.asked, reverse.asked, strict=True):
        assert query.context is not None and turned.context is not None
        assert query.context.caption == " ".join(query.sentences)
        assert query.context.places == tuple(range(len(query.sentences)))
        assert [query.context.caption[slice(*each)] for each in query.context.ranges] == list(query.sentences)
        assert turned.sentences == query.sentences[::-1]
    shown = {tuple(sorted(query.sentences)) for query in judge.asked}
    stored: dict[str, list[str]] = {}
    for sentence in uneven.sentences():
        stored.setdefault(sentence.pair_id, []).append(sentence.text)
    assert shown == {tuple(sorted(texts)) for texts in stored.values()}


def test_what_stands_between_sentences_is_not_shown(tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=3)
    judge = FakeJudge(context="caption")
    run_judge(dataset, judge, tmp_path / "runs", shuffle=0)
    for query in judge.asked:
        assert query.context is not None
        assert "😀." in query.context.caption, "offsets count code points"
        assert query.context.caption == " ".join(query.sentences)


def test_a_judge_becomes_another_by_each_shuffle() -> None:
    spec = FakeJudge(context="caption", name="m").spec
    first, second = rearranged(spec, 0), rearranged(spec, 1)
    assert len({spec.judge_id, first.judge_id, second.judge_id}) == 3
    assert (first.context, first.options, first.name) == (SHUFFLED_CAPTION, {"shuffle": 0}, "m (shuffle 0)")
    assert rearranged(spec, None) is spec
    with pytest.raises(UsageError, match="numbered from 0"):
        rearranged(spec, -1)
    with pytest.raises(UsageError, match=r"is shown no caption.*--context shuffled-caption"):
        rearranged(FakeJudge(name="m").spec, 0)


def test_displayed_places_are_found_without_pandas(tmp_path: Path) -> None:
    path = make_dataset(tmp_path / "data").path
    code = f"""
import sys
from pathlib import Path
from alignbench.shuffling import displayed_index
from alignbench.store import Dataset
displayed_index(Dataset.open(Path({str(path)!r})), 0)
print(sorted({{"pandas", "torch"}} & set(sys.modules)))
"""
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"
