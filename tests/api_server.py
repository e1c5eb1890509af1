"""An OpenAI-compatible server on loopback that does with each request what a script says, and counts.

    with ApiServer(in_order(too_many(), says("Yes"), then=says("No"))) as server:
        ... Endpoint(server.base_url) ...
    assert server.billed == 2

A script is a function from a `Request` to an `Act`; `in_order` and `by_text` make the usual ones. The server runs on a
thread of the test's process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Any, Self

from aiohttp import web

INPUT_TOKENS, OUTPUT_TOKENS = 100, 2
PATHS = ("chat/completions", "images/generations")


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the server sees it: `number` counts all from 0, `turn` those with the same body.

    `path` is what was asked for, such as `chat/completions`.
    """

    number: int
    turn: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    path: str = "chat/completions"

    @property
    def text(self) -> str:
        """All text of the messages, the last part last, or the prompt of an image."""
        return "\n".join(texts_of(self.body))


@dataclass(frozen=True, slots=True)
class Act:
    """What the server does: answer whole, drip the body, drop the connection within it, or never answer."""

    status: int = 200
    body: Mapping[str, Any] | str = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_type: str = "application/json"
    way: str = "whole"
    seconds: float = 0.0

    def after(self, seconds: float) -> Act:
        """The same, later."""
        return replace(self, seconds=seconds)


Script = Callable[[Request], Act]


def says(
    content: str | None,
    *,
    top: Mapping[str, float] | None = None,
    refusal: str | None = None,
    finish: str = "stop",
    prompt_tokens: int = INPUT_TOKENS,
    **usage: Any,
) -> Act:
    """An answer; `top` are tokens with their log-probabilities, sent whether asked for or not, none when left out."""
    listed = [{"token": token, "logprob": value, "bytes": None} for token, value in (top or {}).items()]
    logprobs = {"content": [{**listed[0], "top_logprobs": listed}], "refusal": None} if listed else None
    message = {"role": "assistant", "content": content, "refusal": refusal}
    choice = {"index": 0, "finish_reason": finish, "message": message, "logprobs": logprobs}
    return Act(body=completion([choice], prompt_tokens=prompt_tokens, **usage))


def refuses(text: str = "I can't help with that.") -> Act:
    return says(None, refusal=text)


def completion(
    choices: Sequence[Mapping[str, Any]], *, cached: int = 0, written: int = 0, prompt_tokens: int = INPUT_TOKENS
) -> dict[str, Any]:
    details = {"cached_tokens": cached, "cache_write_tokens": written}
    total = prompt_tokens + OUTPUT_TOKENS
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": OUTPUT_TOKENS, "total_tokens": total}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "scripted",
        "choices": list(choices),
        "usage": {**usage, "prompt_tokens_details": details},
    }


def draws(image: bytes | str | None, *, url: str | None = None, tokens: int | None = 272, **said: Any) -> Act:
    """An answer with an image, encoded here where it is bytes; `said` stands beside it, `tokens` is what it took."""
    text = base64.b64encode(image).decode() if isinstance(image, bytes) else image
    drawn = {"b64_json": text, "url": url, "revised_prompt": said.pop("revised_prompt", None)}
    body: dict[str, Any] = {"created": 1, "data": [{name: each for name, each in drawn.items() if each}], **said}
    if tokens is not None:
        body["usage"] = {
            "input_tokens": INPUT_TOKENS,
            "output_tokens": tokens,
            "total_tokens": INPUT_TOKENS + tokens,
            "input_tokens_details": {"text_tokens": INPUT_TOKENS, "image_tokens": 0},
        }
    return Act(body=body)


def blocked(stage: str | None = None) -> Act:
    """What an image model's moderation answers, with the stage at which it stepped in."""
    details = {"moderation_details": {"moderation_stage": stage, "categories": ["violence"]}} if stage else {}
    said = "Your request was rejected by the safety system. safety_violations=[violence]."
    return fails(400, said, code="moderation_blocked", type="image_generation_user_error", **details)


def no_choices() -> Act:
    return Act(body=completion([]))


def fails(status: int, message: str = "it is broken", **error: Any) -> Act:
    """An error answer in OpenAI's form; `code` and `type` go into it."""
    return Act(status, {"error": {"message": message, "type": None, "code": None, "param": None, **error}})


def too_many(**headers: str) -> Act:
    """429; `retry_after="0.01"` or `retry_after_ms="10"` become headers."""
    act = fails(429, "Rate limit reached", code="rate_limit_exceeded")
    return replace(act, headers={name.replace("_", "-"): value for name, value in headers.items()})


def out_of_credit() -> Act:
    return fails(429, "You exceeded your current quota", code="insufficient_quota", type="insufficient_quota")


def unauthorised() -> Act:
    return fails(401, "Incorrect API key provided", code="invalid_api_key")


def html() -> Act:
    """A gateway's page with HTTP 200."""
    return Act(body="<html><body>Just a moment...</body></html>", content_type="text/html")


def never() -> Act:
    return Act(way="never")


def drips(seconds: float, act: Act | None = None) -> Act:
    """The body comes in small pieces, with so many seconds between two."""
    return replace(act or says("Yes"), way="drip", seconds=seconds)


def drops(act: Act | None = None) -> Act:
    """The connection is closed in the middle of the body."""
    return replace(act or says("Yes"), way="drop")


def in_order(*acts: Act, then: Act | None = None) -> Script:
    """The n-th request gets the n-th act, all later ones `then`, or the last act."""
    return lambda request: acts[request.number] if request.number < len(acts) else then or acts[-1]


def by_text(acts: Mapping[str, Sequence[Act]], otherwise: Act | None = None) -> Script:
    """A request whose text holds a key gets that key's acts by turns, the last again and again."""

    def script(request: Request) -> Act:
        for key, turns in acts.items():
            if key in request.text:
                return turns[min(request.turn, len(turns) - 1)]
        return otherwise or says("Yes")

    return script


def texts_of(body: Mapping[str, Any]) -> list[str]:
    """The text parts of a request's messages, in order, or the prompt of an image."""
    texts: list[str] = [body["prompt"]] if "prompt" in body else []
    for message in body.get("messages", ()):
        content = message.get("content")
        if isinstance(content, str):
            texts.append(content)
        else:
            texts += [part["text"] for part in content or () if part.get("type") == "text"]
    return texts


class ApiServer:
    """The server; a context manager.

    Attributes:
        requests: What was asked, in order.
        billed: Answers with HTTP 200 that were sent whole.
        answered: The bodies of `billed`, canonical JSON, with how often each was.
        in_flight_at_most: The most requests that were open at one moment.
        echo_key: Write the Authorization header into every error text and into a header.
    """

    def __init__(self, script: Script | Act) -> None:
        self._script: Script = (lambda _: script) if isinstance(script, Act) else script
        self.requests: list[Request] = []
        self.billed = 0
        self.answered: Counter[str] = Counter()
        self.in_flight = 0
        self.in_flight_at_most = 0
        self.echo_key = False
        self._turns: Counter[str] = Counter()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="api-server", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=1 << 28)
        for path in PATHS:
            application.router.add_post(f"/v1/{path}", self._complete)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port: int = runner.addresses[0][1]
        self._ready.set()
        await self._over.wait()
        await runner.cleanup()

    async def _complete(self, http: web.Request) -> web.StreamResponse:
        body = await http.json()
        canonical = json.dumps(body, sort_keys=True)
        path = http.path.removeprefix("/v1/")
        request = Request(len(self.requests), self._turns[canonical], body, dict(http.headers), path)
        self._turns[canonical] += 1
        self.requests.append(request)
        self.in_flight += 1
        self.in_flight_at_most = max(self.in_flight_at_most, self.in_flight)
        try:
            return await self._do(self._script(request), http, canonical)
        except ConnectionError:  # the client has gone
            return web.Response()
        finally:
            self.in_flight -= 1

    async def _do(self, act: Act, http: web.Request, canonical: str) -> web.StreamResponse:
        if act.way == "never":
            await self._over.wait()
        if act.way == "whole":
            await asyncio.sleep(act.seconds)
        payload, headers = self._payload(act, http)
        response = web.StreamResponse(status=act.status, headers=headers)
        response.content_length = len(payload)
        await response.prepare(http)
        if act.way == "drop":
            await response.write(payload[: len(payload) // 2])
            assert http.transport is not None
            http.transport.close()
            return response
        step = 16 if act.way == "drip" else len(payload)
        for start in range(0, len(payload), step):
            await response.write(payload[start : start + step])
            if act.way == "drip":
                await asyncio.sleep(act.seconds)
        await response.write_eof()
        if act.status == 200:
            self.billed += 1
            self.answered[canonical] += 1
        return response

    def _payload(self, act: Act, http: web.Request) -> tuple[bytes, dict[str, str]]:
        text = act.body if isinstance(act.body, str) else json.dumps(act.body)
        headers = {"Content-Type": act.content_type, **act.headers}
        if self.echo_key and act.status != 200:
            said = http.headers.get("Authorization", "")
            headers["x-echo"] = said
            text = json.dumps({"error": {"message": f"you sent {said} and that is wrong", "code": None}})
        return text.encode(), headers
