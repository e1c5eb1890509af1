"""A judge whose AUROC, biases, ties, failures, marks and pace are what you set, for tests and dry runs."""

from __future__ import annotations

import hashlib
import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from statistics import NormalDist
from typing import Any, Self

from alignbench.errors import UnknownNameError, UsageError
from alignbench.types import Answer, JudgeSpec, Label, Mark, ModelRef, Pair, Query, Sentence, Status, Verdict

_NORMAL = NormalDist()
_RANGES = {
    "auroc": (0.0, 1.0),
    "icc": (0.0, 1.0),
    "failures": (0.0, 1.0),
    "step": (0.0, math.inf),
    "delay": (0.0, math.inf),
    "spans": (0.0, 1.0),
}


@dataclass(frozen=True, slots=True)
class Planted:
    """What is planted; scores are normal with a standard deviation of 1 within each label.

    Attributes:
        auroc: Of correct against incorrect sentences of different images, before the other effects.
        icc: Share of the scores' variance that the sentences of an image have in common.
        position: Added to the score for each step of the sentence's index.
        own: The judge's family.
        preference: Added to the score of incorrect sentences whose producer is of family `own`.
        step: Scores are rounded to multiples of it, which makes ties; 0 for none.
        failures: Share of the sentences that get no score.
        spans: Probability that a span of the annotators is marked, exactly; each word outside spans is marked with one
            minus it. Null for a judge that does not say where a sentence is wrong.
        delay: Seconds before each answer; changes no score.
        seed: Every score is a function of it and the sentence's id.
    """

    auroc: float = 0.8
    icc: float = 0.0
    position: float = 0.0
    own: str = ""
    preference: float = 0.0
    step: float = 0.0
    failures: float = 0.0
    delay: float = 0.0
    seed: int = 0
    spans: float | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise UsageError(f"a planted judge's {name} is {value}, but must be from {low} to {high}")
        if self.auroc in {0.0, 1.0} or not math.isfinite(self.position + self.preference + self.step + self.delay):
            raise UsageError("a planted judge needs 0 < auroc < 1 and finite numbers; mend what follows `planted:`")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `auroc=0.8,seed=1,...`.

        Raises:
            UsageError: A name that is not planted here, or a value that is not of its type.
        """
        kinds: dict[str, Any] = {each.name: type(each.default) for each in fields(cls)} | {"spans": float}
        given: dict[str, Any] = {}
        for part in text.split(","):
            name, _, value = part.strip().partition("=")
            if name not in kinds:
                raise UnknownNameError.of("planted property", name, kinds, "write planted:auroc=0.8,seed=1")
            try:
                given[name] = kinds[name](value)
            except ValueError as error:
                raise UsageError(
                    f"{part!r} of a planted judge needs a number, as in planted:auroc=0.8,seed=1"
                ) from error
        return cls(**given)


class PlantedJudge:
    """A judge whose scores are made from labels, so it has to be briefed; see `Planted` for what can be set."""

    def __init__(self, planted: Planted, name: str | None = None) -> None:
        # The pace is no part of a judge's identity, and what a judge does not do is not named.
        options = {key: value for key, value in asdict(planted).items() if key != "delay" and value is not None}
        model = ModelRef("planted", revision="1", family=planted.own or None)
        self.spec = JudgeSpec(name or f"planted-{planted.auroc:g}", "planted", model, options=options)
        self._planted = planted
        self._shift = math.sqrt(2) * _NORMAL.inv_cdf(planted.auroc)
        self._rows: Mapping[tuple[int, int], tuple[Pair, Sentence]] = {}

    @classmethod
    def from_reference(cls, model: str, *, name: str | None = None) -> Self:
        """Build it from `auroc=0.8,seed=1,...`."""
        return cls(Planted.parse(model), name)

    def brief(self, rows: Mapping[tuple[int, int], tuple[Pair, Sentence]]) -> None:
        """Take the labels; see `alignbench.types.Briefed`."""
        self._rows = rows

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer one sentence after the other, each after the set delay."""
        for query in queries:
            for place in range(len(query.sentences)):
                if self._planted.delay:
                    time.sleep(self._planted.delay)
                yield Answer(query.number, place, self._verdict(*self._rows[query.number, place]))

    def _verdict(self, pair: Pair, sentence: Sentence) -> Verdict:
        planted = self._planted
        if self._uniform("failure", sentence.sentence_id) < planted.failures:
            return Verdict.failed(Status.FAILED, "a planted failure")
        score = self._score(pair, sentence)
        marks = None if planted.spans is None else tuple(self._marks(sentence, planted.spans))
        return Verdict(round(score / planted.step) * planted.step if planted.step else score, marks=marks)

    def _marks(self, sentence: Sentence, quality: float) -> Iterator[Mark]:
        """The spans with that probability, the words that none touches with the rest."""
        spans = sorted({(span.start, span.end) for span in sentence.spans})
        words = [word.span() for word in re.finditer(r"\S+", sentence.text)]
        others = [word for word in words if all(word[1] <= start or end <= word[0] for start, end in spans)]
        for ranges, share in ((spans, quality), (others, 1 - quality)):
            for start, end in ranges:
                if self._uniform("mark", f"{sentence.sentence_id}[{start}:{end}]") < share:
                    yield Mark(start, end)

    def _score(self, pair: Pair, sentence: Sentence) -> float:
        """Two normals of equal variance, `sqrt(2) * quantile(auroc)` apart, and the planted effects on top."""
        planted = self._planted
        shared = self._normal("image", pair.image_key)
        alone = self._normal("sentence", sentence.sentence_id)
        score = math.sqrt(planted.icc) * shared + math.sqrt(1 - planted.icc) * alone
        score += {Label.CORRECT: 1.0, Label.INCORRECT: 0.0}.get(sentence.label or Label.UNKNOWN, 0.5) * self._shift
        score += planted.position * sentence.index
        if planted.own and sentence.label is Label.INCORRECT and pair.producer.family == planted.own:
            score += planted.preference
        return score

    def _normal(self, what: str, key: str) -> float:
        return _NORMAL.inv_cdf(self._uniform(what, key))

    def _uniform(self, what: str, key: str) -> float:
        """A number in (0, 1) that depends on the seed and the key alone."""
        digest = hashlib.sha256(f"{self._planted.seed}|{what}|{key}".encode()).digest()
        return (int.from_bytes(digest[:6]) + 0.5) / 2**48
