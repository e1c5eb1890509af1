"""As much of the Hugging Face Hub as reading a published dataset takes, on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "org/set"
TOKEN = "hf_TheOneThatMayReadThePrivateSet"


class HubFiles(http.server.ThreadingHTTPServer):
    """Serves the files of `folder` as the dataset `REPO`, whose branch `main` and tag `v1` are at `COMMIT`.

    Attributes:
        asked: Method and path of every request.
        private: Whether only `TOKEN` may read.
        codes: What a path that has this in it is answered, instead of its content.
        cut: Files whose names end so are cut off in the middle, once.
    """

    daemon_threads = True

    def __init__(self, folder: Path, *, private: bool = False) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder, self.private = folder, private
        self.asked: list[tuple[str, str]] = []
        self.codes: dict[str, tuple[int, dict[str, str]]] = {}
        self.cut: set[str] = set()
        self.url = f"http://127.0.0.1:{self.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of the test."""

    def files(self) -> dict[str, bytes]:
        """Every file, by its path in the repository."""
        found = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in found}

    def fetched(self) -> list[str]:
        """The files that were sent, by path, as often as they were."""
        start = f"/datasets/{REPO}/resolve/{COMMIT}/"
        return [path.removeprefix(start) for method, path in self.asked if method == "GET" and path.startswith(start)]


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubFiles
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        self.server.asked.append((self.command, path))
        for part, (code, headers) in self.server.codes.items():
            if part in path:
                return self._answer(code, b"", headers)
        token = self.headers.get("Authorization")
        if token not in (None, f"Bearer {TOKEN}"):
            said = {"X-Error-Message": "Invalid credentials in Authorization header"}
            return self._answer(401, b"", said)
        if self.server.private and token is None:
            return self._answer(401, b"", {"X-Error-Code": "RepoNotFound"})
        if path.startswith(f"/datasets/{REPO}/resolve/"):
            return self._resolve(path.removeprefix(f"/datasets/{REPO}/resolve/"))
        if path.startswith(f"/api/datasets/{REPO}"):
            return self._api(path.removeprefix(f"/api/datasets/{REPO}"))
        return self._answer(404, b"", {"X-Error-Code": "RepoNotFound"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _api(self, rest: str) -> None:
        revision = rest.split("/")[2] if rest.startswith(("/revision/", "/tree/")) else "main"
        if revision not in ("main", "v1", COMMIT):
            return self._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
        files = self.server.files()
        if rest.startswith("/tree/"):
            return self._say(
                [
                    {"type": "file", "oid": hashlib.sha1(content).hexdigest(), "size": len(content), "path": path}
                    for path, content in files.items()
                ]
            )
        siblings = [{"rfilename": path} for path in files]
        return self._say({"_id": "1", "id": REPO, "sha": COMMIT, "private": False, "tags": [], "siblings": siblings})

    def _resolve(self, rest: str) -> None:
        revision, _, path = rest.partition("/")
        content = self.server.files().get(path)
        if content is None or revision != COMMIT:
            return self._answer(404, b"", {"X-Repo-Commit": COMMIT, "X-Error-Code": "EntryNotFound"})
        known = {"X-Repo-Commit": COMMIT, "ETag": f'"{hashlib.sha1(content).hexdigest()}"', "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted is None:
            return self._answer(200, content, known, name=path)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        end = min(int(last or len(content)), len(content) - 1)
        place = {"Content-Range": f"bytes {first}-{end}/{len(content)}"}
        return self._answer(206, content[int(first) : end + 1], {**known, **place}, name=path)

    def _say(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, code: int, body: bytes, headers: dict[str, str], name: str = "") -> None:
        self.send_response(code)
        for key, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        ending = next((ending for ending in self.server.cut if name.endswith(ending)), None)
        if ending is None:
            self.wfile.write(body)
            return
        self.server.cut.discard(ending)
        self.wfile.write(body[: len(body) // 2])
        self.close_connection = True
