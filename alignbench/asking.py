"""Puts queries to a judge: the boundary that an adapter's exceptions do not cross."""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from alignbench.errors import AlignbenchError, ImageError, RunError
from alignbench.types import Answer, Billed, Judge, Mark, Query, Status, Verdict

PATIENCE = 20
"""After so many failing queries in a row, the fault is not the queries'."""


@dataclass(slots=True)
class _Open:
    """A query that the judge has taken.

    Attributes:
        query: What it took.
        left: The places in it that have no answer yet.
        answered: The places that are asked again although they have one, whose second answer is dropped.
        places: Where the sentences of `query` stand in the query that was to be asked; null where that is `query`.
    """

    query: Query
    left: set[int]
    answered: set[int] = field(default_factory=set)
    places: Sequence[int] | None = None

    def original(self, place: int) -> int:
        """Where a sentence of `query` stands in the query that was to be asked."""
        return place if self.places is None else self.places[place]


class Asking:
    """One judge answering one stream of queries.

    An exception of the adapter ends its stream. The queries it had taken and not answered are asked again, one by one;
    what fails alone gets `failed` verdicts with the reason, and a new stream takes the rest. An error of alignbench is
    the user's to mend, so it stops the run, as does a judge that answers what it was not asked; what was open then has
    no answer, as after an interruption.

    Args:
        judge: The judge.
        queries: What to ask; pulled only as the judge pulls.
        patience: How many failing queries in a row are put up with.
    """

    def __init__(self, judge: Judge, queries: Iterable[Query], patience: int = PATIENCE) -> None:
        self._judge = judge
        self._queries = iter(queries)
        self._patience = patience
        self._open: dict[int, _Open] = {}
        self._taken = 0
        self._exhausted = False
        self._source_failed = False
        self._failures = 0

    def answers(self) -> Generator[Answer, None, None]:
        """Yield one answer for every sentence of every query, as soon as it is known.

        Raises:
            RunError: The judge answers what it was not asked, does not take its queries, or fails again and again.
        """
        while not self._exhausted:
            before = self._taken
            reason = yield from self._converse(self._hand_out())
            if self._taken == before and not self._exhausted:
                raise RunError(f"the judge takes no query: {reason or 'it returned'}; mend it, then run again")
            if reason is None:
                yield from self._give_up("the judge gave no answer")
            else:
                yield from self._ask_alone(reason)

    def _hand_out(self) -> Iterator[Query]:
        while (query := self._next_query()) is not None:
            self._taken += 1
            self._open[query.number] = _Open(query, set(range(len(query.sentences))))
            yield query

    def _next_query(self) -> Query | None:
        """The next query; an exception of their source must not pass for one of the adapter it travels through."""
        self._source_failed = True
        query = next(self._queries, None)
        self._source_failed = False
        self._exhausted = query is None
        return query

    def _converse(self, queries: Iterable[Query]) -> Generator[Answer, None, str | None]:
        """Yield the judge's answers and return why its stream broke off, if it did.

        A stream that is left early is closed at once, so that the judge can cancel what it has in flight.
        """
        stream: Iterator[Answer] = iter(())
        try:
            stream = self._judge.judge(queries)
            for answer in stream:
                checked = self._accept(answer)
                if checked is not None:
                    yield checked
        except Exception as error:
            if self._source_failed or (isinstance(error, AlignbenchError) and not isinstance(error, ImageError)):
                raise
            return f"{type(error).__name__}: {error}"
        finally:
            _close(stream)
        return None

    def _accept(self, answer: Answer) -> Answer | None:
        opened = self._open.get(answer.query)
        if opened is not None and answer.sentence in opened.answered:
            opened.answered.remove(answer.sentence)
            return None
        if opened is None or answer.sentence not in opened.left:
            raise RunError(
                f"the judge {self._judge.spec.name!r} answered sentence {answer.sentence} of query {answer.query}, "
                "which it was not asked or had answered before; nothing is lost: mend the adapter, then run again"
            )
        checked = _checked(answer.verdict, opened.query.sentences[answer.sentence])
        accepted = Answer(answer.query, opened.original(answer.sentence), checked)
        opened.left.remove(answer.sentence)
        if not opened.left and not opened.answered:
            del self._open[answer.query]
            self._failures = 0
        return accepted

    def _give_up(self, reason: str) -> Iterator[Answer]:
        """Fail whatever is open."""
        for number, opened in self._open.items():
            for place in sorted(opened.left):
                yield Answer(number, opened.original(place), Verdict.failed(Status.FAILED, reason))
        self._open.clear()

    def _ask_alone(self, reason: str) -> Iterator[Answer]:
        """Find out which of the open queries the judge failed on; one that was open alone has had its turn."""
        suspects = list(self._open.values())
        self._open.clear()
        for suspect in suspects:
            asked = self._again(suspect) if len(suspects) > 1 else suspect
            self._open[asked.query.number] = asked
            if len(suspects) > 1:
                reason = (yield from self._converse([asked.query])) or "the judge gave no answer"
            yield from self._fail(asked, reason)

    def _again(self, suspect: _Open) -> _Open:
        """The query to ask again: whole, so that it is batched as before; where answers cost money, only the rest."""
        if not isinstance(self._judge, Billed):
            return replace(suspect, answered=set(range(len(suspect.query.sentences))) - suspect.left)
        places = sorted(suspect.left)
        return _Open(_narrowed(suspect.query, places), set(range(len(places))), places=places)

    def _fail(self, suspect: _Open, reason: str) -> Iterator[Answer]:
        if not suspect.left:
            self._open.pop(suspect.query.number, None)
            return
        yield from self._give_up(reason)
        self._failures += 1
        if self._failures >= self._patience:
            raise RunError(
                f"the judge {self._judge.spec.name!r} failed on {self._failures} queries in a row, the last time with "
                f"{reason}; nothing is lost: mend that, then run the same command again with --retry-failed"
            )


def _close(stream: Iterator[Answer]) -> None:
    close = getattr(stream, "close", None)
    if close is not None:
        close()


def _narrowed(query: Query, places: Sequence[int]) -> Query:
    """The query without its sentences at other places."""
    context = query.context
    if context is not None:
        context = replace(context, places=tuple(context.places[place] for place in places))
    return replace(query, sentences=tuple(query.sentences[place] for place in places), context=context)


def _checked(verdict: Verdict, sentence: str) -> Verdict:
    """A verdict whose score is a finite float and whose marks, plain numbers, lie within the sentence."""
    if verdict.score is None:
        return verdict
    score = float(verdict.score)
    if not math.isfinite(score):
        return _without_score(verdict, Status.NOT_FINITE, f"the score is {score}")
    for mark in verdict.marks or ():
        if mark.end > len(sentence):
            beyond = f"the mark [{mark.start}, {mark.end}) ends beyond its sentence of {len(sentence)} characters"
            return _without_score(verdict, Status.FAILED, beyond)
    if verdict.marks:
        plain = tuple(Mark(int(mark.start), int(mark.end), float(mark.suspicion)) for mark in verdict.marks)
        return replace(verdict, score=score, marks=plain)
    return verdict if verdict.score is score else replace(verdict, score=score)


def _without_score(verdict: Verdict, status: Status, reason: str) -> Verdict:
    return replace(verdict, score=None, status=status, raw={**verdict.raw, "reason": reason}, marks=None)
