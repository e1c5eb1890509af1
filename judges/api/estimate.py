"""What an API judge would ask and what that would cost, found without asking anything."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from alignbench.backends.api.image_tokens import image_tokens, rule_source
from alignbench.backends.api.picture import Picture
from alignbench.backends.api.prices import FREE, Price, PriceTable
from alignbench.errors import ImageError
from alignbench.types import Estimate, Query
from judges.api.settings import Question, Settings

_BYTES_PER_TOKEN = 4
_FRAME_TOKENS = 7
"""What the chat format adds to one user's turn: three tokens for the message, one for its role, and three that begin
the answer; https://github.com/openai/openai-cookbook, How_to_count_tokens_with_tiktoken."""
_CACHE_STEP = 128
"""Tokens; automatic caches count in steps: https://developers.openai.com/api/docs/guides/prompt-caching."""


@dataclass(slots=True)
class _Sum:
    """Tokens of all requests so far; `cached` and `written` are parts of `input`."""

    requests: int = 0
    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    unreadable: int = 0


class ApiEstimator:
    """Counts the requests of a judge and the tokens in them, and multiplies by a price table.

    The result is what a run costs where every answer is as long as it may be, every sibling of an image's first
    question finds the image in the provider's prompt cache, and no request is sent twice; the notes say so.

    Args:
        settings: The judge; its mode is taken to be honoured by the endpoint.
        prices: What tokens cost.
        batch: Whether it asks by jobs of the Batch API.
    """

    def __init__(self, settings: Settings, prices: PriceTable, *, batch: bool = False) -> None:
        self.spec = settings.spec
        self._settings = settings
        self._prices = prices
        self._price = prices.of(settings.endpoint.host, settings.model.name)
        self._rule = self._price.image_rule if self._price else None
        self._batch = batch

    def estimate(self, queries: Iterable[Query]) -> Estimate:
        """What all these queries would take; pulls them one by one.

        `input_tokens` and `cost_usd` are null where the price file does not tell; the notes say what to write into it.
        """
        total = _Sum()
        for query in queries:
            try:
                picture = Picture.of(query.image)
            except ImageError:
                total.unreadable += 1
                continue
            self._add(total, picture, self._settings.questions(query))
        known = self._rule is not None
        return Estimate(
            requests=total.requests,
            input_tokens=total.input if known else None,
            output_tokens=total.output,
            cost_usd=self._cost(total),
            notes=tuple(self._notes(total)),
        )

    def _add(self, total: _Sum, picture: Picture, questions: Sequence[Question]) -> None:
        """Count the requests about one image, the first of which finds no cache."""
        image = 0
        if self._rule is not None:
            image = image_tokens(self._rule, picture.width, picture.height, self._settings.detail)
        form = self._settings.mode.parameters().get("response_format")
        schema = _tokens(json.dumps(form)) if form else 0
        shared = image + _tokens(_common_start([question.text for question in questions]))
        for place, question in enumerate(questions):
            tokens = image + _tokens(question.text) + _FRAME_TOKENS + schema
            cached, written = self._cache(image, shared, tokens, is_first=place == 0)
            total.requests += 1
            total.input += tokens
            total.output += question.tokens * self._settings.draws
            total.cached += cached
            total.written += written

    def _cache(self, image: int, shared: int, tokens: int, *, is_first: bool) -> tuple[int, int]:
        """How many of a request's tokens are read from the prompt cache, and how many are written to it at a price."""
        price = self._price
        if price is None or price.cache_minimum is None:
            return 0, 0
        if price.cache_write is None:
            stepped = shared // _CACHE_STEP * _CACHE_STEP
            return (stepped if self._is_cached and not is_first and stepped >= price.cache_minimum else 0), 0
        if not self._settings.marks_cache:
            # Such a provider writes all of every request, and finds none of it again: the last sentence differs.
            return 0, tokens if tokens >= price.cache_minimum else 0
        if image < price.cache_minimum:
            return 0, 0
        return (image, 0) if self._is_cached and not is_first else (0, image)

    @property
    def _is_cached(self) -> bool:
        """Whether siblings come when the first one's prefix is there; the requests of a job run in any order."""
        return not self._batch

    def _cost(self, total: _Sum) -> float | None:
        price = self._price
        if price is None:
            return None
        if price.input == price.output == 0:
            return 0.0
        if self._rule is None:
            return None
        return price.cost(
            input_tokens=total.input,
            output_tokens=total.output,
            cached_tokens=total.cached,
            written_tokens=total.written,
            batch=self._batch,
        )

    def _notes(self, total: _Sum) -> Iterable[str]:
        yield self._on_price()
        if self._rule is None:
            yield "how many tokens an image has there is not known, so the input is not counted"
        else:
            yield f"images count by the rule {self._rule} ({rule_source(self._rule)}), text at a token for four bytes"
            yield self._on_cache(total)
        if self._price is None or self._rule is None:
            yield self._on_file()
        yield from self._on_answers()
        if total.unreadable:
            yield f"images that cannot be read and are not asked about: {total.unreadable}"

    def _on_price(self) -> str:
        price, host = self._price, self._settings.endpoint.host
        if price is None:
            return f"the price of {self._settings.model.name!r} at {host} is not known"
        if price is FREE:
            return f"{host} is {price.source}"
        found = f"of {price.source or 'the price file'}" + (f", read {price.read}" if price.read else "")
        share = f", times {price.batch_factor:g} for jobs" if self._batch else ""
        return f"prices {found}: {_told(price)}{share}; table of {self._prices.dated}"

    def _on_file(self) -> str:
        host, model = self._settings.endpoint.host, self._settings.model.name
        entry = '{input: 0.15, output: 0.6, image_rule: "fixed:tokens=1000"}'
        return (
            f"to count on, write its dollars per million tokens and its image rule into a file, in the form `dated: "
            f"2026-01-31` and in a new line `prices: {{{host}: {{{json.dumps(model)}: {entry}}}}}`, and give the path "
            "as the judge's option `prices`"
        )

    def _on_cache(self, total: _Sum) -> str:
        if self._batch:
            return "no hit in the prompt cache is counted on, because the requests of a job run in any order"
        if total.cached:
            share = total.cached / max(1, total.input)
            return f"{share:.0%} of the input is taken to be read from the prompt cache"
        return (
            "no hit in the prompt cache is counted on: the prompts are too short for it, or the provider promises none"
        )

    def _on_answers(self) -> Iterable[str]:
        yield "answers are counted at the longest they may be, and requests as sent once; the probe's few come on top"
        if self._settings.reasoning_effort not in {None, "none"}:
            yield "reasoning is counted at its limit too, which it seldom reaches"
        if self._settings.draws > 1:
            yield (
                f"the endpoint is taken to give {self._settings.draws} draws in one request; "
                "where it does not, requests and input are as many times more"
            )


def _common_start(texts: Sequence[str]) -> str:
    # What the first and the last of them in the order of texts have in common, all between them have too.
    first, last = min(texts), max(texts)
    same = next((place for place, letter in enumerate(first) if last[place : place + 1] != letter), len(first))
    return first[:same]


def _tokens(text: str) -> int:
    return math.ceil(len(text.encode()) / _BYTES_PER_TOKEN)


def _told(price: Price) -> str:
    parts = {"input": price.input, "cached": price.cached, "written to the cache": price.cache_write}
    parts["output"] = price.output
    told = ", ".join(f"{name} ${value:g}" for name, value in parts.items() if value is not None)
    return f"{told} per million tokens"
