"""What every judge keeps to, for each kind that can run here."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alignbench.registry import build_judge
from alignbench.rows import canonical_json
from alignbench.run import run_judge
from alignbench.types import Answer, Briefed, Judge, Query, Situated, Status, Verdict
from tests.datasets import make_dataset
from tests.run_results import judgments
from tests.tiny_models import make_clip, make_idefics, make_llava, make_qwen, noise, png

SENTENCES = (
    ("a red dog .", "there are two blue cat on left .", "a dog", "red"),
    ("a dog",),
    ("two cat .", "a red dog .", "Sentence: {sentence} %s {} \\ 😀 \u202e", "a dog"),
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


REFERENCES: dict[str, Callable[[Path], str]] = {
    "clip": lambda models: f"clip:local-dir:{make_clip(models / 'clip')}",
    "llava": lambda models: f"local_vlm:{make_llava(models / 'llava')}",
    "qwen": lambda models: f"local_vlm:{make_qwen(models / 'qwen')}",
    "idefics": lambda models: f"local_vlm:{make_idefics(models / 'idefics')}",
    "constant": lambda models: "constant",
    "length": lambda models: "length",
    "index": lambda models: "index",
    "ngram": lambda models: "ngram",
    "planted": lambda models: "planted:auroc=0.7,failures=0.2,step=0.1",
}


BRIEFED = ("index", "ngram", "planted")
"""Those that are told about sentences by their place, so that turning the sentences round has no meaning."""


@pytest.fixture(scope="module", params=REFERENCES)
def reference(request: pytest.FixtureRequest, models: Path) -> str:
    return REFERENCES[request.param](models)


@pytest.fixture(scope="module")
def judge(reference: str, tmp_path_factory: pytest.TempPathFactory) -> Judge:
    built = build_judge(reference)
    if isinstance(built, Briefed):
        dataset = make_dataset(tmp_path_factory.mktemp("data") / "tiny", images=12)
        pairs = {pair.pair_id: pair for pair in dataset.pairs()}
        rows = [(pairs[sentence.pair_id], sentence) for sentence in dataset.sentences()]
        built.brief({divmod(number, 6): row for number, row in enumerate(rows)})
    return built


def queries(*numbers: int) -> list[Query]:
    return [Query(number, png(noise(number, (40 + 8 * number, 64))), SENTENCES[number]) for number in numbers]


def verdicts(judge: Judge, asked: list[Query]) -> dict[tuple[int, int], Verdict]:
    answers = list(judge.judge(asked))
    assert len({answer[:2] for answer in answers}) == len(answers)
    return {(answer.query, answer.sentence): answer.verdict for answer in answers}


def same(one: Verdict, other: Verdict) -> bool:
    if one.score is None or other.score is None:
        return one.status is other.status
    return math.isclose(one.score, other.score, abs_tol=1e-5) and one.truncated is other.truncated


def test_every_sentence_is_answered_once(judge: Judge) -> None:
    asked = queries(0, 1, 2)
    found = verdicts(judge, asked)
    assert set(found) == {(query.number, place) for query in asked for place in range(len(query.sentences))}


def test_scores_are_finite_numbers_and_the_rest_is_json(judge: Judge) -> None:
    for verdict in verdicts(judge, queries(0, 1, 2)).values():
        assert verdict.score is None or (isinstance(verdict.score, float) and math.isfinite(verdict.score))
        assert verdict.status in {Status.OK, Status.FAILED}
        assert canonical_json(verdict.raw)


def test_queries_do_not_influence_each_other(judge: Judge) -> None:
    together = verdicts(judge, queries(0, 1, 2))
    alone = {place: verdict for number in (2, 1, 0) for place, verdict in verdicts(judge, queries(number)).items()}
    assert all(same(together[place], alone[place]) for place in together)


@pytest.mark.parametrize("reference", [name for name in REFERENCES if name not in BRIEFED], indirect=True)
def test_the_order_of_sentences_does_not_matter(judge: Judge) -> None:
    (query,) = queries(2)
    turned = Query(query.number, query.image, query.sentences[::-1])
    forth, back = verdicts(judge, [query]), verdicts(judge, [turned])
    last = len(query.sentences) - 1
    assert all(same(forth[2, place], back[2, last - place]) for place in range(last + 1))


def test_the_same_again(reference: str, judge: Judge) -> None:
    assert build_judge(reference).spec == judge.spec
    first, second = verdicts(judge, queries(0)), verdicts(judge, queries(0))
    assert all(same(first[place], second[place]) for place in first)


def test_a_resumed_run_ends_like_an_uninterrupted_one(reference: str, tmp_path: Path) -> None:
    dataset = make_dataset(tmp_path / "data", images=6)
    whole = run_judge(dataset, build_judge(reference), tmp_path / "whole")
    run_judge(dataset, build_judge(reference), tmp_path / "runs", limit=13)
    resumed = run_judge(dataset, build_judge(reference), tmp_path / "runs")
    assert resumed.asked == 36 - 13
    for one, other in zip(judgments(whole), judgments(resumed), strict=True):
        assert one.sentence_id == other.sentence_id
        assert one.verdict.status is other.verdict.status
        assert one.verdict.score == pytest.approx(other.verdict.score, abs=1e-6)


def test_queries_are_pulled_lazily(judge: Judge) -> None:
    pulled = []

    def endless() -> Iterator[Query]:
        number = 0
        while True:
            pulled.append(number)
            yield Query(number, png(noise(0)), SENTENCES[1])
            number += 1

    answer = next(iter(judge.judge(endless())))
    assert isinstance(answer, Answer)
    assert len(pulled) <= 64


def test_nothing_to_ask(judge: Judge) -> None:
    assert list(judge.judge([])) == []


def test_the_spec_is_complete(judge: Judge) -> None:
    spec = judge.spec
    assert spec.name
    assert len(spec.judge_id) == 12
    assert spec.model.revision
    assert canonical_json(spec.options)
    if isinstance(judge, Situated):
        assert {"device", "torch"} <= judge.environment.keys()
        assert all(isinstance(value, str) for value in judge.environment.values())
