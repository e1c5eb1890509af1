"""A server for benchmarks/api.py: a fixed latency, and a prompt cache that knows an image after its first reply.

Runs in a process of its own: `python benchmarks/api_server.py` prints its port and serves until its input ends.
`POST /control` with `{"faults": 0.2}` sets the share of requests that get 429 or 500 from then on; it starts the counts
and the cache anew unless `keep` is true. `GET /counts` says what was asked since.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections import Counter
from typing import Any

from aiohttp import web

IMAGE_TOKENS = 1105
CHARACTERS_A_TOKEN = 4
TOP = [{"token": token, "logprob": value, "bytes": None} for token, value in (("Yes", -0.2), ("No", -1.8))]


class Counts:
    """What was asked since the last control request; `stamps` are the moments at which whole answers were sent."""

    def __init__(self) -> None:
        self.requests = 0
        self.refused = 0
        self.input_tokens = 0
        self.cached_tokens = 0
        self.cacheable_tokens = 0
        self.in_flight_at_most = 0
        self.answered: Counter[int] = Counter()
        self.stamps: list[float] = []

    def said(self) -> dict[str, Any]:
        """All of it as JSON values; `answered` counts bodies, `answered_again` answers beyond one for each."""
        numbers = {name: value for name, value in vars(self).items() if isinstance(value, int)}
        twice = sum(count - 1 for count in self.answered.values())
        return {**numbers, "answered": len(self.answered), "answered_again": twice, "stamps": self.stamps}


class Server:
    """The handlers and their state."""

    def __init__(self, latency: float, seed: int = 0) -> None:
        self._latency = latency
        self._random = random.Random(seed)
        self._faults = 0.0
        self._in_flight = 0
        self._begin()

    def _begin(self) -> None:
        self._counts = Counts()
        self._asked: dict[int, str] = {}  # by image: the first text asked about it
        self._cache: dict[int, str] = {}  # the same, once its reply is sent

    async def control(self, request: web.Request) -> web.Response:
        """Set the share of faults, and begin anew unless `keep` is true; returns the moment."""
        wanted = await request.json()
        self._faults = wanted.get("faults", self._faults)
        if not wanted.get("keep"):
            self._begin()
        return web.json_response({"now": time.time()})

    async def counts(self, _: web.Request) -> web.Response:
        """What was asked."""
        return web.json_response(self._counts.said())

    async def complete(self, request: web.Request) -> web.Response:
        """Answer yes, with top log-probabilities, after the latency."""
        raw = await request.read()
        self._counts.requests += 1
        self._in_flight += 1
        self._counts.in_flight_at_most = max(self._counts.in_flight_at_most, self._in_flight)
        try:
            if self._random.random() < self._faults:
                self._counts.refused += 1
                return self._refuse()
            return await self._answer(raw, json.loads(raw))
        finally:
            self._in_flight -= 1

    def _refuse(self) -> web.Response:
        if self._random.random() < 0.5:
            return web.json_response({"error": {"message": "broken"}}, status=500)
        return web.json_response({"error": {"message": "slow down"}}, status=429, headers={"retry-after-ms": "50"})

    async def _answer(self, raw: bytes, body: dict[str, Any]) -> web.Response:
        image, text = parts_of(body)
        tokens = IMAGE_TOKENS * bool(image) + len(text) // CHARACTERS_A_TOKEN
        # Where nobody can know it yet, a prefix cannot be cached: an image's first request is never part of the goal.
        first = self._asked.setdefault(image, text)
        cacheable = 0 if first is text else shared_tokens(first, text)
        cached = shared_tokens(self._cache[image], text) if image in self._cache else 0
        await asyncio.sleep(self._latency)
        self._cache.setdefault(image, text)
        counts = self._counts
        counts.input_tokens += tokens
        counts.cached_tokens += cached
        counts.cacheable_tokens += cacheable
        counts.answered[hash(raw)] += 1
        counts.stamps.append(time.time())
        return web.json_response(completion(tokens, cached))


def parts_of(body: dict[str, Any]) -> tuple[int, str]:
    """A number for the image, 0 where there is none, and all text."""
    image, texts = 0, []
    for message in body["messages"]:
        content = message["content"]
        for part in [{"type": "text", "text": content}] if isinstance(content, str) else content:
            if part["type"] == "text":
                texts.append(part["text"])
            else:
                image = hash(part["image_url"]["url"])
    return image, "\n".join(texts)


def shared_tokens(first: str, text: str) -> int:
    """Tokens of the image and of the words that both texts begin with."""
    same = (one == other for one, other in zip(first, text, strict=False))
    return IMAGE_TOKENS + sum(itertools.takewhile(bool, same)) // CHARACTERS_A_TOKEN


def completion(tokens: int, cached: int) -> dict[str, Any]:
    """A chat completion that says yes."""
    logprobs = {"content": [{**TOP[0], "top_logprobs": TOP}], "refusal": None}
    message = {"role": "assistant", "content": "Yes", "refusal": None}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "mock",
        "choices": [{"index": 0, "finish_reason": "stop", "message": message, "logprobs": logprobs}],
        "usage": {
            "prompt_tokens": tokens,
            "completion_tokens": 1,
            "total_tokens": tokens + 1,
            "prompt_tokens_details": {"cached_tokens": cached},
        },
    }


async def serve(latency: float) -> None:
    """Serve until the input ends."""
    server = Server(latency)
    application = web.Application(client_max_size=1 << 28)
    application.router.add_post("/v1/chat/completions", server.complete)
    application.router.add_post("/control", server.control)
    application.router.add_get("/counts", server.counts)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latency", type=float, default=0.5, help="seconds from a request to its answer")
    asyncio.run(serve(parser.parse_args().latency))


if __name__ == "__main__":
    main()
