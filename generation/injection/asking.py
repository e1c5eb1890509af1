"""Lets a text model plant errors, and keeps its answers, so that no question is asked twice."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from alignbench.rows import canonical_json
from alignbench.types import ErrorType, Status, TextModel, TextTask, Written
from generation.injection.answer import UselessError, planted_by, prompt_for
from generation.injection.draw import rank
from generation.injection.plant import Caption, Planted
from generation.injection.reading import quotations
from generation.notebook import Notebook
from generation.purse import Purse

# How many captions may be tried for each error that is wanted.
TRIES = 3


@dataclass(frozen=True, slots=True)
class Question:
    """One error that a model is asked to plant."""

    pair_id: str
    caption: Caption
    error_type: ErrorType
    index: int
    seed: int

    @property
    def prompt(self) -> str:
        """What the model reads."""
        return prompt_for(self.caption, self.index, self.error_type)


@dataclass(frozen=True, slots=True)
class Made:
    """A planted error, with the question it answers and what the model says of its answer."""

    planted: Planted
    question: Question
    told: Mapping[str, Any]


def question_of(pair_id: str, caption: Caption, error_type: ErrorType, seed: int) -> Question | None:
    """A question about one of the caption's correct sentences; null where none can carry such an error."""
    fit = [
        index
        for index, (start, end) in enumerate(caption.ranges)
        if caption.true[index] and (error_type is not ErrorType.TEXT or quotations(caption.text[start:end]))
    ]
    if not fit:
        return None
    drawn = rank(seed, pair_id, error_type)
    return Question(pair_id, caption, error_type, fit[drawn % len(fit)], drawn % 2**31)


class Asking:
    """A text model at work on questions; what it answered in an earlier call is read from the notebook.

    Attributes:
        useless: How many answers could not be used, by the reason or the model's own status.
        asked: How many questions were put to the model in this call.
    """

    def __init__(
        self, model: TextModel, notebook: Notebook, purse: Purse, told: Callable[[int, int, int], None] | None
    ) -> None:
        self._model, self._notebook, self._purse, self._told = model, notebook, purse, told
        self.useless: Counter[str] = Counter()
        self.asked = self._answered = 0

    def plant(self, pool: Mapping[ErrorType, Sequence[Question]], per_type: int) -> list[Made]:
        """Up to `per_type` errors of each type; another caption of the pool is tried for every useless answer.

        Raises:
            BudgetError: The money is spent; what was answered is kept.
            StorageError: The disk refused to keep an answer.
        """
        waiting = {error_type: list(questions) for error_type, questions in pool.items()}
        made: dict[ErrorType, list[Made]] = {error_type: [] for error_type in pool}
        total = sum(min(per_type, len(questions)) for questions in pool.values())
        while wave := [q for t, left in waiting.items() for q in _next(left, per_type - len(made[t]))]:
            for question, written in self._answers(wave):
                self._answered += 1
                found = self._used(question, written)
                if found is not None:
                    made[question.error_type].append(found)
                if self._told:
                    self._told(sum(map(len, made.values())), total, self.useless.total())
        return [each for of_type in made.values() for each in sorted(of_type, key=lambda each: each.question.pair_id)]

    def _answers(self, wave: Sequence[Question]) -> Iterator[tuple[Question, Written]]:
        keys = [self._key(question) for question in wave]
        for number, (key, question) in enumerate(zip(keys, wave, strict=True)):
            if key in self._notebook:
                yield question, _remembered(number, self._notebook.get(key))
        unknown = {number: wave[number] for number, key in enumerate(keys) if key not in self._notebook}
        if not unknown:
            return
        tasks = [TextTask(number, question.prompt, question.seed) for number, question in unknown.items()]
        with self._purse.minding(self._model):
            for written in self._model.write(tasks):
                question = unknown.pop(written.number)
                self.asked += 1
                if written.status is not Status.FAILED:  # a failure is no answer, and is asked again
                    self._notebook.put(keys[written.number], _to_keep(written))
                yield question, written
        for number, question in unknown.items():
            yield question, Written(number, status=Status.FAILED, provenance={"reason": "the model gave no answer"})

    def _used(self, question: Question, written: Written) -> Made | None:
        if written.status is not Status.OK:
            self.useless[str(written.status)] += 1
            return None
        try:
            planted = planted_by(written.text or "", question.caption, question.index, question.error_type)
        except UselessError as error:
            self.useless[str(error.why)] += 1
            return None
        return Made(planted, question, written.provenance)

    def _key(self, question: Question) -> str:
        ref = self._model.model
        asked = [ref.name, ref.revision, question.prompt, question.seed]
        return hashlib.sha256(canonical_json(asked).encode()).hexdigest()


def _next(left: list[Question], wanted: int) -> list[Question]:
    taken, left[:] = left[:wanted], left[wanted:]
    return taken


def _to_keep(written: Written) -> Any:
    return {"text": written.text, "status": str(written.status), "provenance": dict(written.provenance)}


def _remembered(number: int, kept: Any) -> Written:
    return Written(number, kept["text"], Status(kept["status"]), kept["provenance"])
