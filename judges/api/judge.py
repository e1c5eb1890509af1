"""A vision-language model behind an API as a judge: many requests in flight, the first of each image alone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, Self

from alignbench.backends.api.budget import Budget
from alignbench.backends.api.connection import Connection, Reply
from alignbench.backends.api.costs import most_usd
from alignbench.backends.api.failure import RequestFailed
from alignbench.backends.api.fan_out import FanOut, in_any_order
from alignbench.backends.api.options import check_pace
from alignbench.backends.api.picture import Picture
from alignbench.backends.api.prices import PriceTable
from alignbench.errors import ImageError, UsageError
from alignbench.types import Answer, Query, Status, Verdict
from judges.api.estimate import ApiEstimator
from judges.api.jobs import Jobs
from judges.api.probe import probe
from judges.api.requests import request
from judges.api.settings import Question, Settings
from judges.api.verdicts import verdicts_of


class ApiJudge:
    """Asks a model behind an OpenAI-compatible API about each sentence of an image.

    The first question about an image goes alone and its siblings follow together, so that they find the image in the
    provider's prompt cache. The constructor asks the endpoint a few small questions to find out what it honours; what
    it found is in `environment`.

    Args:
        settings: What to ask of which model; `Settings.of` makes them from a user's options.
        prices: What tokens cost; by default the shipped table.
        in_flight: The most requests on their way at one moment.
        timeout: Seconds for one request.
        retries: How often a request is sent again at most.
        batch: Whether to ask by jobs of the Batch API, which are cheaper and can take a day.

    Raises:
        UsageError: The endpoint does not answer, sees no images, or can do neither the mode nor its fallback.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        prices: PriceTable | None = None,
        in_flight: int = 64,
        timeout: float = 120.0,
        retries: int = 8,
        batch: bool = False,
    ) -> None:
        table = prices or PriceTable.read()
        host, model = settings.endpoint.host, settings.model.name
        self._price = table.of(host, model)
        self._budget = Budget()
        self._connection = Connection(
            settings.endpoint,
            model=model,
            price=self._price,
            budget=self._budget,
            timeout=timeout,
            in_flight=in_flight,
            retries=retries,
        )
        self._settings, self.probe = probe(self._connection.ask_once, settings)
        self._fan_out = FanOut(self._connection)
        self._going: dict[str, asyncio.Event] = {}
        self._jobs = Jobs(self._settings, self.probe.dialect, self._price, self._budget) if batch else None
        self.spec = self._settings.spec
        self.environment: Mapping[str, str] = {
            "endpoint": settings.endpoint.address,
            "openai": version("openai"),
            "prices": table.dated,
            "probe": self.probe.to_json(),
            "prompt": self._settings.prompt.text,
        }

    @classmethod
    def from_reference(  # noqa: PLR0913 - each argument is an option of the judge
        cls,
        model: str,
        *,
        revision: str | None = None,
        name: str | None = None,
        family: str | None = None,
        provider: str | None = None,
        base_url: str | None = None,
        key_env: str = "OPENAI_API_KEY",
        mode: str = "logprob",
        fallback: str | None = None,
        context: str | None = None,
        prompt: str | None = None,
        samples: int = 10,
        temperature: float | None = None,
        detail: str | None = None,
        max_tokens: int | None = None,
        reasoning_effort: str | None = None,
        cache: str = "auto",
        in_flight: int = 64,
        timeout: float = 120.0,
        retries: int = 8,
        prices: str | None = None,
        batch: bool = False,
    ) -> Self:
        """Connect to a judge.

        Args:
            model: The model as the endpoint names it.
            revision: What the user wrote after an @; an API has no revisions, so it is a part of the model's name.
            name: What people call the judge; by default the model.
            family: The lineage that the model belongs to.
            provider: Who runs it; by default the endpoint's host.
            base_url: Where it is, such as `http://localhost:8000/v1`; by default OpenAI.
            key_env: The environment variable that holds the key.
            mode: `logprob`: P(yes) against P(no) of the first token; `score`: a number from 0 to 100 by structured
                output; `samples`: the share of yes among several draws; `listwise`: a number for every sentence of a
                caption in one request, which is another judge than the others.
            fallback: The mode to take where the endpoint cannot do `mode`; else that is an error.
            context: `sentence`, or `caption` to show the whole caption with the sentence marked.
            prompt: The path of a prompt file; by default the one that is shipped for the mode.
            samples: Draws in the mode `samples`.
            temperature: Of the sampling; by default 1 for `logprob` and `samples`, 0 for the others.
            detail: Of images, `low`, `high`, `original` or `auto`, for endpoints that know it.
            max_tokens: Of an answer; by default what the mode needs.
            reasoning_effort: For models that reason; `none` where their first token is to be the answer.
            cache: `explicit` to mark images for the provider's prompt cache, `none` not to; `auto` marks them where
                writing to the cache costs money.
            in_flight: The most requests on their way at one moment.
            timeout: Seconds for one request.
            retries: How often a request is sent again at most.
            prices: The path of a price file, over the shipped one.
            batch: Whether to ask by jobs of the Batch API.

        Raises:
            UsageError: Options that make no sense, or an endpoint that cannot do what they ask for.
        """
        check_pace(in_flight, timeout, retries)
        settings = Settings.of(
            model,
            revision=revision,
            name=name,
            family=family,
            provider=provider,
            base_url=base_url,
            key_env=key_env,
            mode=mode,
            fallback=fallback,
            context=context,
            prompt=prompt,
            samples=samples,
            temperature=temperature,
            detail=detail,
            max_tokens=max_tokens,
            reasoning_effort=reasoning_effort,
            cache=cache,
        )
        table = PriceTable.read(Path(prices) if prices else None)
        return cls(settings, prices=table, in_flight=in_flight, timeout=timeout, retries=retries, batch=batch)

    @classmethod
    def estimator(
        cls,
        model: str,
        *,
        in_flight: int = 64,
        timeout: float = 120.0,
        retries: int = 8,
        prices: str | None = None,
        batch: bool = False,
        **options: Any,
    ) -> ApiEstimator:
        """What judging would cost; the options are those of `from_reference`, and nothing is asked."""
        check_pace(in_flight, timeout, retries)
        table = PriceTable.read(Path(prices) if prices else None)
        return ApiEstimator(Settings.of(model, **options), table, batch=batch)

    @property
    def spent_usd(self) -> float:
        """What was spent on everything asked, the questions at the start included; see `alignbench.types.Billed`."""
        return self._budget.spent

    def limit_cost(self, usd: float) -> None:
        """Ask nothing that could bring `spent_usd` above `usd`; see `alignbench.types.Billed`."""
        if self._price is None:
            raise UsageError(
                f"what {self.spec.model.name!r} costs at {self._settings.endpoint.host} is not known, so its cost "
                "cannot be limited; write its price into a price file and give that as the option prices"
            )
        self._budget.limit(usd)

    def stop(self) -> None:
        """Ask no more; see `alignbench.types.Stoppable`."""
        (self._jobs or self._fan_out).stop()

    def move_in(self, folder: Path) -> None:
        """Keep the names of batch jobs in this folder; see `alignbench.types.Housed`."""
        if self._jobs is not None:
            self._jobs.move_in(folder)

    def judge(self, queries: Iterable[Query]) -> Iterator[Answer]:
        """Answer each sentence as soon as its answer is known."""
        if self._jobs is not None:
            yield from self._jobs.judge(queries)
        else:
            self._going.clear()
            yield from self._fan_out.run(queries, self._answers)

    async def _answers(self, query: Query) -> AsyncIterator[Answer]:
        """The answers about one image; the first question finds no cache, and makes it for the others."""
        try:
            picture = Picture.of(query.image)
        except ImageError as error:
            for place in range(len(query.sentences)):
                yield Answer(query.number, place, Verdict.failed(Status.IMAGE_UNREADABLE, str(error)))
            return
        first, *others = self._settings.questions(query)
        async with self._first_of(picture):
            answers = await self._ask(query, first, picture, first=True)
        for answer in answers:
            yield answer
        async for answers in in_any_order([self._ask(query, question, picture) for question in others]):
            for answer in answers:
                yield answer

    @contextlib.asynccontextmanager
    async def _first_of(self, picture: Picture) -> AsyncIterator[None]:
        """Wait while another query, as about another caption of the same image, is at its first question."""
        going = self._going.get(picture.key)
        if going is not None:
            await going.wait()
            yield
            return
        self._going[picture.key] = done = asyncio.Event()
        try:
            yield
        finally:
            del self._going[picture.key]
            done.set()

    async def _ask(self, query: Query, question: Question, picture: Picture, first: bool = False) -> list[Answer]:
        """The answers to one question, which takes several requests where draws come one by one."""
        body = request(self._settings, self.probe.dialect, question, picture)
        draws = body.get("n", 1)
        most_tokens = draws * body[self.probe.limit]
        expected = most_usd(self._price, question.text, most_tokens, picture, self._settings.detail)
        count = self._settings.draws // draws
        alone = min(count, 1) if first else 0
        replies = [await self._complete(body, expected) for _ in range(alone)]
        others = [self._complete(body, expected) for _ in range(count - alone)]
        replies += [reply async for reply in in_any_order(others)]
        verdicts = verdicts_of(self._settings, question, replies)
        return [Answer(query.number, place, verdict) for place, verdict in zip(question.places, verdicts, strict=True)]

    async def _complete(self, body: Mapping[str, Any], expected: float | None) -> Reply | RequestFailed:
        try:
            return await self._connection.complete(body, expected)
        except RequestFailed as failed:
            return failed
