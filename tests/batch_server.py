"""A server on loopback that speaks the files and batches of the OpenAI protocol, and counts what it would bill.

    with BatchServer() as server:
        ... Batches(Endpoint(server.base_url), folder, price, poll_seconds=0.01) ...
    assert set(server.billed.values()) == {1}

Jobs end at their `polls`th look, as `end` says. `on` is called after each call has had its effect and before its reply
is sent; what it returns is done instead of replying.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

DROP = "drop"
"""What `on` returns to close the connection without a reply."""

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ends: its status, how many of its rows were answered before, and why it failed."""

    status: str = "completed"
    answered: int | None = None
    message: str | None = None


@dataclass(slots=True)
class Stored:
    """A job as the server keeps it."""

    body: dict[str, Any]
    rows: list[Row]
    polls: int = 0


def says_yes(request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
    """The status and body that answer one row."""
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "yes"}}
    usage = {"prompt_tokens": 1000, "completion_tokens": 2, "total_tokens": 1002}
    return 200, {"object": "chat.completion", "model": request["model"], "choices": [choice], "usage": usage}


@dataclass(slots=True)
class BatchServer:
    """The server; a context manager. `billed` counts the answered rows of ended jobs by custom id."""

    answer: Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]] = says_yes
    end: Ending = field(default_factory=Ending)
    polls: int = 1
    on: Callable[[str, int], str | web.Response | None] = lambda call, number: None
    metadata: bool = True
    page: int = 2
    files: dict[str, bytes] = field(default_factory=dict)
    jobs: dict[str, Stored] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    billed: Counter[str] = field(default_factory=Counter)
    keys: set[str] = field(default_factory=set)
    port: int = 0
    _made: int = 0
    _ready: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _loop: asyncio.AbstractEventLoop | None = None
    _over: asyncio.Event | None = None

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="batch-server", daemon=True)
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._loop and self._over and self._thread
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def _serve(self) -> None:
        self._loop, self._over = asyncio.get_running_loop(), asyncio.Event()
        application = web.Application(client_max_size=1 << 28)
        for method, path, call in (
            ("POST", "/v1/files", self._upload),
            ("DELETE", "/v1/files/{id}", self._delete),
            ("GET", "/v1/files/{id}/content", self._content),
            ("POST", "/v1/batches", self._create),
            ("GET", "/v1/batches", self._list),
            ("GET", "/v1/batches/{id}", self._retrieve),
        ):
            application.router.add_route(method, path, self._counted(call))
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._over.wait()
        await runner.cleanup()

    def _counted(self, call: Any) -> Any:
        name = call.__name__.removeprefix("_")

        async def handle(request: web.Request) -> web.StreamResponse:
            self.keys.add(request.headers.get("Authorization", ""))
            reply = await call(request)
            instead = self.on(name, self.calls[name])
            self.calls[name] += 1
            if instead == DROP:
                assert request.transport
                request.transport.close()
            return instead if isinstance(instead, web.Response) else reply

        return handle

    async def _upload(self, request: web.Request) -> web.Response:
        form = await request.post()
        file = form["file"]
        assert isinstance(file, web.FileField) and form["purpose"] == "batch"
        return web.json_response(self._file(file.file.read(), file.filename))

    def _file(self, content: bytes, name: str = "out.jsonl") -> dict[str, Any]:
        self._made += 1
        self.files[f"file-{self._made}"] = content
        told = {"id": f"file-{self._made}", "object": "file", "bytes": len(content), "created_at": 1, "filename": name}
        return {**told, "purpose": "batch", "status": "processed"}

    async def _delete(self, request: web.Request) -> web.Response:
        if self.files.pop(request.match_info["id"], None) is None:
            return _missing()
        return web.json_response({"id": request.match_info["id"], "object": "file", "deleted": True})

    async def _content(self, request: web.Request) -> web.Response:
        content = self.files.get(request.match_info["id"])
        return _missing() if content is None else web.Response(body=content, content_type="application/octet-stream")

    async def _create(self, request: web.Request) -> web.Response:
        said = await request.json()
        assert said["endpoint"] == "/v1/chat/completions" and said["completion_window"] == "24h"
        rows = [json.loads(line) for line in self.files[said["input_file_id"]].splitlines()]
        ids = [row["custom_id"] for row in rows]
        assert len(set(ids)) == len(ids) and all(row["method"] == "POST" and row["url"] for row in rows)
        self._made += 1
        job = f"batch-{self._made}"
        told = {"id": job, "object": "batch", "created_at": self._made, "status": "validating"}
        kept = {name: said[name] for name in ("endpoint", "completion_window", "input_file_id")}
        self.jobs[job] = Stored({**told, **kept, "metadata": said["metadata"] if self.metadata else None}, rows)
        return web.json_response(self.jobs[job].body)

    async def _list(self, request: web.Request) -> web.Response:
        newest_first = [job.body for job in reversed(self.jobs.values())]
        ids = [body["id"] for body in newest_first]
        start = ids.index(request.query["after"]) + 1 if "after" in request.query else 0
        shown = newest_first[start : start + self.page]
        ends = {"first_id": shown[0]["id"], "last_id": shown[-1]["id"]} if shown else {}
        more = start + self.page < len(ids)
        return web.json_response({"object": "list", "data": shown, "has_more": more, **ends})

    async def _retrieve(self, request: web.Request) -> web.Response:
        job = self.jobs.get(request.match_info["id"])
        if job is None:
            return _missing()
        job.polls += 1
        if job.polls >= self.polls and job.body["status"] in {"validating", "in_progress"}:
            self._finish(job)
        elif job.body["status"] == "validating":
            job.body["status"] = "in_progress"
        return web.json_response(job.body)

    def _finish(self, job: Stored) -> None:
        job.body["status"] = self.end.status
        if self.end.message:
            job.body["errors"] = {"object": "list", "data": [{"code": "invalid", "message": self.end.message}]}
        answered = len(job.rows) if self.end.answered is None else self.end.answered
        good, bad = [], []
        for number, row in enumerate(job.rows):
            told = {"id": f"batch_req_{number}", "custom_id": row["custom_id"], "response": None, "error": None}
            if number < answered:
                code, body = self.answer(row["body"])
                self.billed[row["custom_id"]] += code == 200
                (good if code == 200 else bad).append({**told, "response": {"status_code": code, "body": body}})
            elif self.end.status == "expired":
                said = {"code": "batch_expired", "message": "This request could not be executed in time."}
                bad.append({**told, "error": said})
        for name, rows in (("output_file_id", good), ("error_file_id", bad)):
            content = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
            job.body[name] = self._file(content)["id"] if rows else None


def _missing() -> web.Response:
    return web.json_response({"error": {"message": "No such object", "type": "invalid_request_error"}}, status=404)
