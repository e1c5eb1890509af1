"""Judges that break the contract, each in one way: the check that is for it must see it."""

from __future__ import annotations

import hashlib
import inspect
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from alignbench.decode import decode
from alignbench.store import Dataset
from alignbench.testing import JudgeContract, shown
from alignbench.types import Answer, Judge, JudgeSpec, ModelRef, Query, Verdict


class Sound:
    """Scores by a hash of the image and the sentence."""

    spec = JudgeSpec("sound", "sound", ModelRef("sound", "1"))
    environment: Mapping[str, Any] = {"device": "none"}

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        for query in queries:
            decode(query.image)
            yield from self.answers(query)

    def answers(self, query: Query) -> Iterator[Answer]:
        for place, sentence in enumerate(query.sentences):
            yield Answer(query.number, place, self.verdict(query, place, sentence))

    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(score_of(query.image + sentence.encode()))


def score_of(shown: bytes) -> float:
    return int.from_bytes(hashlib.sha256(shown).digest()[:6]) / 2**48


class Forgetful(Sound):
    def answers(self, query: Query) -> Iterator[Answer]:
        return itertools.islice(super().answers(query), len(query.sentences) - 1)


class Stuttering(Sound):
    def answers(self, query: Query) -> Iterator[Answer]:
        for answer in super().answers(query):
            yield from (answer, answer)


class Confused(Sound):
    def answers(self, query: Query) -> Iterator[Answer]:
        yield from (Answer(query.number, place + 1, verdict) for _, place, verdict in super().answers(query))


class Unbounded(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(float("nan"))


class Unwritable(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(0.5, raw={"image": query.image})


class Talkative(Sound):
    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        yield from super().judge(queries)
        yield Answer(0, 0, Verdict(0.5))


class Tiring(Sound):
    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        for at, query in enumerate(queries):
            yield from (Answer(*where, Verdict(each.score - at / 100)) for *where, each in self.answers(query))


class Ordered(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(score_of(query.image + sentence.encode()) - place / 100)


class Comparing(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(score_of(query.image + sentence.encode()) / len(query.sentences))


class Counting(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(float(query.number))


class Moody(Sound):
    said = itertools.count()

    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(float(next(self.said)))


class Curious(Sound):
    def brief(self, rows: Mapping[tuple[int, int], Any]) -> None:
        self.rows = rows


class Blindfolded(Sound):
    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        for query in queries:
            yield from self.answers(query)


class Startled(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        shift = any("<|im_end|>" in other for other in query.sentences)
        return Verdict(score_of(query.image + sentence.encode()) - shift)


class Shortsighted(Sound):
    def verdict(self, query: Query, place: int, sentence: str) -> Verdict:
        return Verdict(score_of(sentence[:200].encode()))


class Greedy(Sound):
    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        yield from super().judge(list(queries))


class Nameless(Sound):
    spec = JudgeSpec("", "sound", ModelRef("sound", "1"))


class Unspeakable(Sound):
    spec = JudgeSpec("sound", "sound", ModelRef("sound", "1"), options={"pair": ("a", "b"), 1: "one"})


class Placeless(Sound):
    environment: Mapping[str, Any] = {"workers": 2}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return shown.make_dataset(tmp_path_factory.mktemp("contract") / "dataset")


def check(name: str, judge: Judge, dataset: Dataset, folder: Path) -> None:
    """Call one check as pytest would."""
    method = getattr(JudgeContract(), name)
    given = {"judge": judge, "build": type(judge), "dataset": dataset, "tmp_path": folder}
    method(**{key: given[key] for key in inspect.signature(method).parameters})


CHECKS = [name for name in vars(JudgeContract) if name.startswith("test_")]
BROKEN: Mapping[str, tuple[Callable[[], Judge], ...]] = {
    "test_every_sentence_is_answered_once": (Forgetful, Stuttering, Confused),
    "test_a_verdict_is_a_finite_float_or_a_reason": (Unbounded, Unwritable),
    "test_no_queries_no_answers": (Talkative,),
    "test_a_query_alone_is_answered_as_among_others": (Tiring, Moody),
    "test_some_sentences_of_a_query_are_answered_as_among_all": (Ordered, Comparing),
    "test_the_order_of_sentences_does_not_matter": (Ordered,),
    "test_the_number_of_a_query_does_not_matter": (Counting,),
    "test_labels_and_producers_do_not_reach_the_judge": (Curious,),
    "test_the_same_again": (Moody,),
    "test_an_image_that_cannot_be_decoded_has_no_score": (Blindfolded,),
    "test_a_strange_sentence_is_answered_or_fails_alone": (Unbounded, Startled),
    "test_nothing_of_a_sentence_is_dropped_in_silence": (Shortsighted,),
    "test_queries_are_taken_as_they_are_needed": (Greedy,),
    "test_a_resumed_run_ends_like_an_uninterrupted_one": (Comparing, Moody),
    "test_the_spec_identifies_the_judge": (Nameless, Unspeakable),
    "test_where_it_runs_is_told_in_words": (Placeless,),
}


def test_every_check_has_a_judge_that_it_fails() -> None:
    assert set(BROKEN) == set(CHECKS)


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_judge_passes(name: str, dataset: Dataset, tmp_path: Path) -> None:
    check(name, Sound(), dataset, tmp_path)


@pytest.mark.parametrize(("name", "make"), [(name, make) for name, makers in BROKEN.items() for make in makers])
def test_a_broken_judge_fails(name: str, make: Callable[[], Judge], dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        check(name, make(), dataset, tmp_path)
