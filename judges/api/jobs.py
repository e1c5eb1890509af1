"""Asks by jobs of the Batch API: the same requests as one by one, for less money, with answers hours later."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from alignbench.backends.api.batches import Batches
from alignbench.backends.api.budget import Budget
from alignbench.backends.api.connection import Reply
from alignbench.backends.api.costs import most_usd
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.picture import Picture
from alignbench.backends.api.prices import Price
from alignbench.errors import BudgetError, ImageError, UsageError
from alignbench.types import Answer, Query, Status, Usage, Verdict
from judges.api.requests import Dialect, request
from judges.api.settings import Question, Settings
from judges.api.verdicts import verdicts_of


@dataclass(slots=True)
class _Asked:
    """A question on its way: the queries that ask it, the rows it takes, and the answers that came."""

    askers: list[tuple[int, Question]]
    custom_ids: list[str]
    replies: list[Reply | RequestFailed] = field(default_factory=list)


class Jobs:
    """One judge's questions as rows of jobs.

    A row's custom id is a digest of what it asks and the number of the draw, so that a restarted run finds its rows in
    the jobs that are already there, and a sentence that comes twice about an image is asked once and answered twice.

    Args:
        settings: What to ask.
        dialect: How the endpoint wants to be asked.
        price: What tokens cost there; None where that is not known.
        budget: What may be spent; rows that no longer fit are not submitted.
    """

    def __init__(self, settings: Settings, dialect: Dialect, price: Price | None, budget: Budget) -> None:
        self._settings = settings
        self._dialect = dialect
        self._price = price
        self._budget = budget
        self._batches: Batches | None = None

    def move_in(self, folder: Path) -> None:
        """Keep the names of jobs in this folder, and find those that are there."""
        self._batches = Batches(self._settings.endpoint, folder, self._price)

    def stop(self) -> None:
        """Submit no more and wait for nothing; the jobs go on at the endpoint."""
        if self._batches is not None:
            self._batches.stop()

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Submit everything, wait, and answer as jobs end.

        Raises:
            UsageError: Nobody said where to keep the names of the jobs.
            BudgetError: The rest could cost more than is left; all that was submitted has been answered.
        """
        if self._batches is None:
            raise UsageError("a judge that asks by jobs needs a folder to remember them in; call move_in before judge")
        call = _Call(self._settings, self._dialect, self._price, self._budget, self._batches)
        for custom_id, outcome in self._batches.run(call.requests(queries), says_kept=True):
            yield from call.take(custom_id, outcome)
        yield from call.unreadable
        if call.over_budget is not None:
            raise call.over_budget


class _Call:
    """One call of `judge`; `unreadable` are the answers about images that cannot be sent."""

    def __init__(
        self, settings: Settings, dialect: Dialect, price: Price | None, budget: Budget, batches: Batches
    ) -> None:
        self.over_budget: BudgetError | None = None
        self.unreadable: list[Answer] = []
        self._settings = settings
        self._dialect = dialect
        self._price = price
        self._budget = budget
        self._batches = batches
        self._asked: dict[str, _Asked] = {}
        self._answered: Counter[str] = Counter()
        self._reserved: dict[str, float | None] = {}

    def requests(self, queries: Iterable[Query]) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """The rows to submit, as custom id and body; none after the budget is used up."""
        for query in queries:
            try:
                picture = Picture.of(query.image)
            except ImageError as error:
                verdict = Verdict.failed(Status.IMAGE_UNREADABLE, str(error))
                self.unreadable += [Answer(query.number, place, verdict) for place in range(len(query.sentences))]
                continue
            for question in self._settings.questions(query):
                try:
                    yield from self._rows(query.number, question, picture)
                except BudgetError as error:
                    self.over_budget = error
                    return

    def take(self, custom_id: str, outcome: Reply | RequestFailed) -> Iterator[Answer]:
        """The answers that one more row brings."""
        if custom_id in self._reserved:
            spent = outcome.usage.cost_usd if isinstance(outcome, Reply) else 0.0
            self._budget.settle(self._reserved.pop(custom_id), spent)
        digest = custom_id.rpartition("-")[0]
        asked = self._asked[digest]
        asked.replies.append(outcome)
        if len(asked.replies) == len(asked.custom_ids):
            del self._asked[digest]
            self._answered[digest] += len(asked.custom_ids)
            yield from self._answers(asked)
            self._batches.kept(asked.custom_ids)

    def _rows(self, number: int, question: Question, picture: Picture) -> Iterator[tuple[str, Mapping[str, Any]]]:
        body = request(self._settings, self._dialect, question, picture)
        digest = _digest(body)
        if digest in self._asked:
            self._asked[digest].askers.append((number, question))
            return
        draws = body.get("n", 1)
        count = self._settings.draws // draws
        ids = [f"{digest}-{self._answered[digest] + draw}" for draw in range(count)]
        most_tokens = draws * body[self._dialect.limit]
        expected = most_usd(self._price, question.text, most_tokens, picture, self._settings.detail)
        self._reserve([id_ for id_ in ids if not self._batches.holds(id_)], expected)
        self._asked[digest] = _Asked([(number, question)], ids)
        for custom_id in ids:
            yield custom_id, body

    def _reserve(self, custom_ids: Sequence[str], expected: float | None) -> None:
        """Set aside what rows could cost, for all of them or for none; rows of earlier calls are paid for."""
        if expected is not None and self._price is not None:
            expected *= self._price.batch_factor
        for done, custom_id in enumerate(custom_ids):
            try:
                self._budget.reserve(expected)
            except BudgetError:
                for each in custom_ids[:done]:
                    self._budget.settle(self._reserved.pop(each), 0.0)
                raise
            self._reserved[custom_id] = expected

    def _answers(self, asked: _Asked) -> Iterator[Answer]:
        """The answers for all that asked; what it cost is counted once."""
        for turn, (number, question) in enumerate(asked.askers):
            replies = asked.replies if turn == 0 else _free(asked.replies)
            verdicts = verdicts_of(self._settings, question, replies)
            for place, verdict in zip(question.places, verdicts, strict=True):
                yield Answer(number, place, verdict)


def _free(replies: Sequence[Reply | RequestFailed]) -> list[Reply | RequestFailed]:
    return [Reply(each.body, Usage(0, 0, 0.0, 0.0, 0), 0) if isinstance(each, Reply) else each for each in replies]


def _digest(body: Mapping[str, Any]) -> str:
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:40]
