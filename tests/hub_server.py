"""As much of the Hugging Face Hub as streaming one set of one parquet file takes, on loopback."""

from __future__ import annotations

import http.server
import json
import threading
from types import TracebackType
from typing import Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SET = "org/set"
_FILE = "data/train-00000-of-00001.parquet"


class HubServer(http.server.ThreadingHTTPServer):
    """Serves `content` as the only file of the set `SET`, whose every revision is `COMMIT`."""

    def __init__(self, content: bytes) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.content = content
        self.paths: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubServer

    def log_message(self, *_: object) -> None:
        pass

    def handle_one_request(self) -> None:
        self.raw_requestline = self.rfile.readline(65537)
        if not self.raw_requestline or not self.parse_request():
            self.close_connection = True
            return
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path)
        self.server.paths.append(path)
        if path.startswith(f"/datasets/{SET}/resolve/"):
            self._resolve(is_there=path.endswith(_FILE))
        elif path.startswith((f"/api/datasets/{SET}/tree/", f"/api/datasets/{SET}/paths-info/")):
            self._say([{"type": "file", "oid": "b" * 40, "size": len(self.server.content), "path": _FILE}])
        elif path.startswith(f"/api/datasets/{SET}"):
            file = [{"rfilename": _FILE}]
            self._say({"_id": "1", "id": SET, "sha": COMMIT, "private": False, "tags": [], "siblings": file})
        else:
            self._answer(404, b"")

    def _resolve(self, *, is_there: bool) -> None:
        content, known = self.server.content, {"X-Repo-Commit": COMMIT, "ETag": '"1"'}
        wanted = self.headers.get("Range")
        if not is_there:
            self._answer(404, b"", {**known, "X-Error-Code": "EntryNotFound"})
        elif wanted is None:
            self._answer(200, content, {**known, "Accept-Ranges": "bytes"})
        else:
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content)), len(content) - 1)
            place = {"Content-Range": f"bytes {first}-{end}/{len(content)}"}
            self._answer(206, content[int(first) : end + 1], {**known, **place})

    def _say(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(code)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
