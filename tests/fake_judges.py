"""Judges for tests of running: they see only queries, remember what they were asked, and misbehave on demand."""

from __future__ import annotations

import hashlib
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from alignbench.errors import BudgetError
from alignbench.types import Answer, Estimate, JudgeSpec, ModelRef, Pair, Query, Sentence, Usage, Verdict


def score_of(image: bytes, sentence: str) -> float:
    """A score in [0, 1) that depends on what is shown, so that a mix-up cannot go unseen."""
    return int.from_bytes(hashlib.sha256(image + sentence.encode()).digest()[:6]) / 2**48


class FakeJudge:
    """Scores with `score_of`, taking `ahead` queries before it answers.

    `meddle(query, place)` is called before each answer; it may raise, or return a verdict of its own.
    """

    def __init__(
        self,
        meddle: Callable[[Query, int], Verdict | None] | None = None,
        ahead: int = 1,
        name: str = "fake",
        context: str = "sentence",
    ) -> None:
        self.spec = JudgeSpec(name, "fake", ModelRef(name), context=context)
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


class TurbulentJudge(FakeJudge):
    """Keeps `ahead` queries open and answers their sentences in an order of its own."""

    def _answer(self, taken: list[Query]) -> Iterator[Answer]:
        answers = [(query, place) for query in taken for place in range(len(query.sentences))]
        random.Random(len(self.asked)).shuffle(answers)
        for query, place in answers:
            verdict = self._meddle(query, place)
            yield Answer(query.number, place, verdict or Verdict(score_of(query.image, query.sentences[place])))


class StoppableJudge(TurbulentJudge):
    """Can be stopped: it answers what it has taken, then raises KeyboardInterrupt, unless it is `deaf`."""

    def __init__(
        self, meddle: Callable[[Query, int], Verdict | None] | None = None, ahead: int = 2, deaf: bool = False
    ) -> None:
        super().__init__(meddle, ahead)
        self.stopping = threading.Event()
        self._deaf = deaf

    def stop(self) -> None:
        self.stopping.set()

    def _answer(self, taken: list[Query]) -> Iterator[Answer]:
        yield from super()._answer(taken)
        if self.stopping.is_set() and not self._deaf:
            raise KeyboardInterrupt


class PricedJudge(FakeJudge):
    """Takes money for each answer; can be built by name, and says beforehand what it would take.

    Its `from_reference` takes the price as its model, `never` if it must not be built.
    """

    def __init__(
        self,
        price: float = 0.25,
        meddle: Callable[[Query, int], Verdict | None] | None = None,
        context: str = "sentence",
        ahead: int = 1,
    ) -> None:
        super().__init__(meddle, ahead, f"priced-{price:g}", context)
        self.limit: float | None = None
        self.spent = 0.0
        self._price = price

    @classmethod
    def from_reference(
        cls, model: str, *, context: str = "sentence", base_url: str | None = None, batch: bool = False
    ) -> PricedJudge:
        return cls(float(model) * (0.5 if batch else 1), context=context)

    @classmethod
    def estimator(cls, model: str, *, context: str = "sentence", **options: object) -> PriceList:
        return PriceList(float(model), context, options)

    @property
    def spent_usd(self) -> float:
        return self.spent

    def limit_cost(self, usd: float) -> None:
        self.limit = usd

    def _answer(self, taken: list[Query]) -> Iterator[Answer]:
        for number, place, verdict in super()._answer(taken):
            if self.limit is not None and self.spent + self._price > self.limit:
                raise BudgetError(f"the next answer costs ${self._price:g}; give a higher --max-cost")
            self.spent += self._price
            usage = Usage(input_tokens=100, output_tokens=2, cached_tokens=60, seconds=0.5, cost_usd=self._price)
            yield Answer(number, place, Verdict(verdict.score, verdict.status, verdict.raw, usage))


class PriceList:
    """What a `PricedJudge` would take."""

    def __init__(self, price: float, context: str, options: dict[str, object]) -> None:
        self.spec = PricedJudge(price, context=context).spec
        self._price = price
        self._options = options

    def estimate(self, queries: Iterable[Query]) -> Estimate:
        requests = sum(len(query.sentences) for query in queries)
        return Estimate(requests, 100 * requests, 2 * requests, self._price * requests, (f"options: {self._options}",))


class UnpricedJudge(FakeJudge):
    """Can be built by name, with an option `batch` that is no flag; says nothing beforehand."""

    @classmethod
    def from_reference(cls, model: str, *, batch: int = 32, context: str = "caption") -> UnpricedJudge:
        return cls(name=model, ahead=batch, context=context)


class HousedJudge(FakeJudge):
    """Keeps a file of its own beside the run."""

    house: Path | None = None

    def move_in(self, folder: Path) -> None:
        assert not self.asked
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "kept.txt").write_text("kept")
        self.house = folder


class BriefedJudge(FakeJudge):
    """Was told the rows behind every place, and checks that they are those it is asked about."""

    def brief(self, rows: dict[tuple[int, int], tuple[Pair, Sentence]]) -> None:
        self._meddle = lambda query, place: self._check(rows[query.number, place][1], query.sentences[place])

    def _check(self, told: Sentence, shown: str) -> None:
        assert told.text == shown
