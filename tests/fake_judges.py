"""Judges for tests of running: they see only queries, remember what they were asked, and misbehave on demand."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator

from alignbench.types import Answer, JudgeSpec, ModelRef, Query, Verdict


def score_of(image: bytes, sentence: str) -> float:
    """A score in [0, 1) that depends on what is shown, so that a mix-up cannot go unseen."""
    return int.from_bytes(hashlib.sha256(image + sentence.encode()).digest()[:6]) / 2**48


class FakeJudge:
    """Scores with `score_of`, taking `ahead` queries before it answers.

    `meddle(query, place)` is called before each answer; it may raise, or return a verdict of its own.
    """

    def __init__(
        self, meddle: Callable[[Query, int], Verdict | None] | None = None, ahead: int = 1, name: str = "fake"
    ) -> None:
        self.spec = JudgeSpec(name, "fake", ModelRef(name))
        self.asked: list[Query] = []
        self._meddle = meddle or (lambda query, place: None)
        self._ahead = ahead

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        taken: list[Query] = []
        for query in queries:
            self.asked.append(query)
            taken.append(query)
            if len(taken) == self._ahead:
                yield from self._answer(taken)
                taken = []
        yield from self._answer(taken)

    def _answer(self, taken: list[Query]) -> Iterator[Answer]:
        for query in taken:
            for place, sentence in enumerate(query.sentences):
                verdict = self._meddle(query, place)
                yield Answer(query.number, place, verdict or Verdict(score_of(query.image, sentence)))


class ScriptedJudge(FakeJudge):
    """Answers a fixed list, whatever it is asked."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self._answers = answers

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        self.asked += queries
        yield from self._answers
