"""As much of the Hugging Face Hub as publishing a dataset takes, on loopback, with its commits and its faults.

It answers what huggingface_hub 1.33 asks: who am I, repositories, trees, the upload modes of files, LFS batches with
basic and multipart transfers, commits in ndjson with a parent, pull requests, and downloads with ranges. A commit whose
parent is not the head is refused with 412, as the Hub does; an LFS file whose content did not arrive with 400.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from huggingface_hub import constants
from huggingface_hub.utils import http_backoff

from alignbench.publish.hub import connection

TOKEN = "hf_ThisIsTheRightTokenOfTheTests1"
READER = "hf_ThisIsATokenThatCanOnlyRead123"
STRANGER = "hf_ThisIsTheTokenOfAnotherUser1234"
USERS: Mapping[str, dict[str, Any]] = {
    TOKEN: {"name": "ann", "orgs": ["org"], "role": "write"},
    READER: {"name": "ann", "orgs": ["org"], "role": "read"},
    STRANGER: {"name": "bob", "orgs": [], "role": "write"},
}
GITATTRIBUTES = b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"
Headers = dict[str, str]
_KINDS = {
    "/api/whoami-v2": "whoami",
    "/api/repos/create": "create",
    "/api/validate-yaml": "validate",
    "tree": "tree",
    "commits": "commits",
    "paths-info": "paths",
    "preupload": "preupload",
    "commit": "commit",
    "discussions": "discussions",
}


def be_quick(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """The library's own waits, next to nothing; the right token and no other; Xet off, and the loopback allowed."""
    for name, wait in (("base_wait_time", 0.001), ("max_wait_time", 0.002)):
        monkeypatch.setitem(http_backoff.__kwdefaults__, name, wait)
    monkeypatch.setattr(connection, "PATIENCE", connection.Patience(first=0.001))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(folder / "login"))
    for name in ("HUGGING_FACE_HUB_TOKEN", "HF_OIDC_RESOURCE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", TOKEN)


@dataclass
class Fault:
    """What goes wrong with the next requests of a kind.

    `done` lets the request do its work before that. Without a `code` and a `body` the connection is cut, after
    `received` bytes of the request's body where that is given; `path` limits it to requests whose path has this in it.
    With `holds` the request waits right there first.
    """

    kind: str
    code: int | None = None
    times: int = 1
    done: bool = False
    received: int | None = None
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None
    path: str = ""
    holds: Hold | None = None


class Hold:
    """A request that is kept waiting, without an answer, until somebody lets it go."""

    def __init__(self) -> None:
        self.reached, self.released = threading.Event(), threading.Event()

    def wait(self) -> None:
        self.reached.set()
        self.released.wait(120)


@dataclass(frozen=True)
class Blob:
    """The content of a file; `lfs` says where it is kept."""

    content: bytes
    lfs: bool

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @property
    def oid(self) -> str:
        kept = b"version https://git-lfs.github.com/spec/v1\n" + self.sha256.encode() if self.lfs else self.content
        return hashlib.sha1(b"blob %d\0" % len(kept) + kept).hexdigest()

    def said(self, path: str) -> dict[str, Any]:
        lfs = {"lfs": {"oid": self.sha256, "size": len(self.content), "pointerSize": 134}} if self.lfs else {}
        return {"type": "file", "path": path, "size": len(self.content), "oid": self.oid, **lfs}


@dataclass(frozen=True)
class Commit:
    oid: str
    parent: str | None
    title: str
    description: str
    files: Mapping[str, Blob]


@dataclass
class Repository:
    name: str
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    refs: dict[str, str] = field(default_factory=dict)
    pulls: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)
    parts: dict[str, dict[int, bytes]] = field(default_factory=dict)

    def commit(self, ref: str, parent: str | None, title: str, description: str, files: Mapping[str, Blob]) -> Commit:
        listing = sorted((path, blob.oid) for path, blob in files.items())
        said = json.dumps([parent, title, description, listing, len(self.commits)])
        made = Commit(hashlib.sha1(said.encode()).hexdigest(), parent, title, description, dict(files))
        self.commits[made.oid] = made
        self.refs[ref] = made.oid
        return made

    def at(self, revision: str) -> Commit | None:
        return self.commits.get(self.refs.get(revision, revision))

    @property
    def head(self) -> Commit:
        return self.commits[self.refs["main"]]

    @property
    def made(self) -> list[Commit]:
        """The commits of main after the one that every repository begins with, oldest first."""
        chain: list[Commit] = []
        commit: Commit | None = self.head
        while commit is not None and commit.parent is not None:
            chain.insert(0, commit)
            commit = self.commits[commit.parent]
        return chain

    def contents(self, revision: str = "main") -> dict[str, bytes]:
        commit = self.at(revision)
        assert commit is not None
        return {path: blob.content for path, blob in commit.files.items()}


class HubCommits(http.server.ThreadingHTTPServer):
    """The Hub: `repositories` by name, `faults` to come, and what was asked.

    Args:
        chunk: LFS files of more bytes than this arrive in parts of this size.
        page: How many files one answer lists.
    """

    daemon_threads = True

    def __init__(self, chunk: int = 1 << 30, page: int = 1000) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.chunk = chunk
        self.page = page
        self.repositories: dict[str, Repository] = {}
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str]] = []
        self.received = 0
        """Bytes of LFS content that arrived, whole or not."""
        self.lock = threading.RLock()
        self.before_commit: Any = None
        """Called once before the next commit is looked at."""
        self.gate: threading.Barrier | None = None
        """Where commits wait for each other."""

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.shutdown()
        self.server_close()

    def handle_error(self, *_: object) -> None:
        """A client that went away is part of the play."""

    def create(self, name: str, files: Mapping[str, bytes] | None = None, private: bool = False) -> Repository:
        repository = Repository(name, private)
        first = repository.commit("main", None, "initial commit", "", {".gitattributes": Blob(GITATTRIBUTES, False)})
        self.repositories[name] = repository
        if files:
            self.write(name, files)
        assert first.parent is None
        return repository

    def write(self, name: str, files: Mapping[str, bytes | None], title: str = "by hand") -> Commit:
        """A commit of somebody else; None deletes."""
        repository = self.repositories[name]
        tree = dict(repository.head.files)
        for path, content in files.items():
            if content is None:
                del tree[path]
            else:
                tree[path] = Blob(content, path.endswith(".parquet"))
                repository.objects[tree[path].sha256] = content
        return repository.commit("main", repository.head.oid, title, "", tree)

    def fail(self, kind: str, code: int | None = None, **said: Any) -> None:
        self.faults.append(Fault(kind, code, **said))

    def fault_of(self, kind: str, path: str) -> Fault | None:
        with self.lock:
            for fault in self.faults:
                if fault.kind == kind and fault.times > 0 and fault.path in path:
                    fault.times -= 1
                    return fault
        return None

    def count(self, kind: str) -> int:
        return sum(asked == kind for asked, _ in self.requests)


class _Refused(Exception):  # noqa: N818 - an answer, no fault of the server
    def __init__(self, code: int, message: str, error_code: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.headers = {"X-Error-Message": message} | ({"X-Error-Code": error_code} if error_code else {})


class _Cut(Exception):  # noqa: N818 - part of the play
    pass


class _Handler(http.server.BaseHTTPRequestHandler):
    server: HubCommits
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._play()

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815 - their names

    def _play(self) -> None:
        address = urlsplit(self.path)
        self.asked = unquote(address.path)
        self.query = {name: values[0] for name, values in parse_qs(address.query).items()}
        kind = self._kind()
        fault = self.server.fault_of(kind, self.asked)
        with self.server.lock:
            self.server.requests.append((kind, self.asked))
        try:
            self._answer_or_fail(kind, fault)
        except (_Cut, ConnectionError):
            self.close_connection = True
            with suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)

    def _answer_or_fail(self, kind: str, fault: Fault | None) -> None:
        body = self._body(kind, fault)
        if fault is not None and not fault.done:
            self._fail(fault)
            return
        try:
            said = getattr(self, f"_{kind}")(body)
            code, content, headers = said if isinstance(said, tuple) else (200, said, {})
        except _Refused as refused:
            code, content, headers = refused.code, {"error": str(refused)}, refused.headers
        if fault is not None:
            self._fail(fault)
            return
        self._send(code, content if isinstance(content, bytes) else json.dumps(content).encode(), headers)

    def _fail(self, fault: Fault) -> None:
        if fault.holds is not None:
            fault.holds.wait()
        if fault.code is None and fault.body is None:
            raise _Cut
        said = b'{"error":"planted"}' if fault.body is None else fault.body
        self._send(fault.code or 200, said, fault.headers)

    def _send(self, code: int, body: bytes, headers: Headers) -> None:
        self.send_response(code)
        for name, value in {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _kind(self) -> str:
        path, parts = self.asked, self.asked.strip("/").split("/")
        if path in _KINDS:
            return _KINDS[path]
        if path.startswith("/lfs/"):
            return parts[-1] if parts[-1] in {"verify", "complete"} else "upload"
        if path.startswith("/api/datasets/"):
            return _KINDS.get(parts[4] if len(parts) > 4 else "", "head")
        return "batch" if path.endswith("/objects/batch") else "resolve" if "/resolve/" in path else "nothing"

    def _body(self, kind: str, fault: Fault | None) -> bytes:
        body, limit = bytearray(), None if fault is None else fault.received
        for block in self._blocks():
            body += block
            if kind == "upload":
                with self.server.lock:
                    self.server.received += len(block)
            if limit is not None and len(body) >= limit:
                break
        if fault is not None and limit is not None:
            if fault.holds is not None:
                fault.holds.wait()
            raise _Cut
        return bytes(body)

    def _blocks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding") == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length", 0))
        while left:
            block = self.rfile.read1(min(left, 4096))  # type: ignore[attr-defined]
            if not block:
                raise _Cut
            left -= len(block)
            yield block

    def _user(self, *, needed: bool = True) -> dict[str, Any] | None:
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if not token and not needed:
            return None
        if token not in USERS:
            raise _Refused(401, "Invalid credentials in Authorization header")
        return dict(USERS[token])

    def _repository(self, name: str | None = None) -> Repository:
        user = self._user(needed=False)
        name = name or "/".join(self.asked.strip("/").split("/")[2:4])
        repository = self.server.repositories.get(name)
        known = [] if user is None else [user["name"], *user["orgs"]]
        if repository is None or (repository.private and name.split("/")[0] not in known):
            if user is None:
                raise _Refused(401, "Invalid username or password.")
            raise _Refused(404, "Repository not found", "RepoNotFound")
        return repository

    def _writer(self, namespace: str, *, anyone: bool = False) -> dict[str, Any]:
        user = self._user()
        assert user is not None
        if user["role"] != "write" or not (anyone or namespace in [user["name"], *user["orgs"]]):
            raise _Refused(403, f"You don't have the rights to write under the namespace {namespace!r}")
        return user

    def _at(self, repository: Repository, revision: str) -> Commit:
        commit = repository.at(revision)
        if commit is None:
            raise _Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def _nothing(self, _: bytes) -> Any:
        raise _Refused(404, "Not Found")

    def _whoami(self, _: bytes) -> Any:
        user = self._user()
        assert user is not None
        orgs = [{"type": "org", "name": name, "roleInOrg": "write"} for name in user["orgs"]]
        auth = {"type": "access_token", "accessToken": {"displayName": "tests", "role": user["role"]}}
        return {"type": "user", "name": user["name"], "orgs": orgs, "auth": auth}

    def _create(self, body: bytes) -> Any:
        said = json.loads(body)
        assert said["type"] == "dataset"
        user = self._user()
        assert user is not None
        namespace = said["organization"] or user["name"]
        self._writer(namespace)
        name = f"{namespace}/{said['name']}"
        with self.server.lock:
            if name in self.server.repositories:
                said = {"error": "You already created this dataset repo", "url": f"{self.server.url}/datasets/{name}"}
                return 409, said, {}
            self.server.create(name, private=said.get("visibility") == "private")
        return {"url": f"{self.server.url}/datasets/{name}", "name": name}

    def _validate(self, body: bytes) -> Any:
        if not json.loads(body)["content"].startswith("---\n"):
            return 400, {"errors": [{"message": "no metadata"}], "warnings": []}, {}
        return {"errors": [], "warnings": []}

    def _head(self, _: bytes) -> Any:
        repository = self._repository()
        revision = self.asked.partition("/revision/")[2] or "main"
        commit = self._at(repository, revision)
        files = [{"rfilename": path} for path in commit.files]
        name = repository.name
        said = {"_id": "1", "id": name, "sha": commit.oid, "private": repository.private, "tags": []}
        return {**said, "siblings": files, "author": name.split("/")[0], "disabled": False, "gated": False}

    def _tree(self, _: bytes) -> Any:
        commit = self._at(self._repository(), "/".join(self.asked.strip("/").split("/")[5:]))
        entries = [blob.said(path) for path, blob in sorted(commit.files.items())]
        folders = sorted({path.rpartition("/")[0] for path in commit.files} - {""})
        entries += [{"type": "directory", "path": path, "oid": "0" * 40, "size": 0} for path in folders]
        first, page = int(self.query.get("cursor", "0")), self.server.page
        more = first + page < len(entries)
        link = f'<{self.server.url}{urlsplit(self.path).path}?recursive=true&cursor={first + page}>; rel="next"'
        return 200, entries[first : first + page], {"Link": link} if more else {}

    def _commits(self, _: bytes) -> Any:
        repository = self._repository()
        commit, said = repository.at("main"), []
        while commit is not None:
            known = {"id": commit.oid, "title": commit.title, "message": commit.description}
            said.append({**known, "authors": [{"user": "ann"}], "date": "2026-11-21T12:00:00.000Z"})
            commit = repository.commits.get(commit.parent or "")
        return said

    def _paths(self, body: bytes) -> Any:
        commit = self._at(self._repository(), "/".join(self.asked.strip("/").split("/")[5:]))
        wanted = parse_qs(body.decode())["paths"]
        return [commit.files[path].said(path) for path in wanted if path in commit.files]

    def _preupload(self, body: bytes) -> Any:
        repository = self._repository()
        self._writer(repository.name.split("/")[0], anyone=self.query.get("create_pr") == "1")
        head, said = repository.head.files, json.loads(body)
        ignored = head[".gitignore"].content.decode().split() if ".gitignore" in head else []
        ignored = said["gitIgnore"].split() if "gitIgnore" in said else ignored
        files = []
        for file in said["files"]:
            path, oid = file["path"], None
            if path in head:
                oid = head[path].sha256 if head[path].lfs else head[path].oid
            mode = "lfs" if path.endswith(".parquet") or file["size"] > 10 << 20 else "regular"
            files.append({"path": path, "uploadMode": mode, "shouldIgnore": path in ignored, "oid": oid})
        return {"files": files}

    def _batch(self, body: bytes) -> Any:
        name = self.asked.removeprefix("/datasets/").partition(".git/info/lfs/")[0]
        repository = self._repository(name)
        objects = []
        for wanted in json.loads(body)["objects"]:
            oid, size = wanted["oid"], wanted["size"]
            said: dict[str, Any] = {"oid": oid, "size": size}
            if oid not in repository.objects:
                place = f"{self.server.url}/lfs/{name}/{oid}"
                upload: dict[str, Any] = {"href": place}
                if size > self.server.chunk:
                    parts = range(1, -(-size // self.server.chunk) + 1)
                    upload["href"] = f"{place}/complete"
                    upload["header"] = {"chunk_size": str(self.server.chunk)}
                    upload["header"] |= {str(number): f"{place}/{number}?X-Signature=secret" for number in parts}
                said["actions"] = {"upload": upload, "verify": {"href": f"{self.server.url}/lfs/{name}/verify"}}
            objects.append(said)
        return {"transfer": "basic", "objects": objects}

    def _upload(self, body: bytes) -> Any:
        _, organisation, name, oid, *part = self.asked.strip("/").split("/")
        repository = self.server.repositories[f"{organisation}/{name}"]
        if part:
            with self.server.lock:
                repository.parts.setdefault(oid, {})[int(part[0])] = body
            return 200, b"", {"ETag": f'"{hashlib.md5(body).hexdigest()}"'}
        return self._keep(repository, oid, body)

    def _complete(self, body: bytes) -> Any:
        _, organisation, name, oid, _ = self.asked.strip("/").split("/")
        repository = self.server.repositories[f"{organisation}/{name}"]
        parts = repository.parts.get(oid, {})
        for said in json.loads(body)["parts"]:
            arrived = parts.get(said["partNumber"], b"")
            if said["etag"] != f'"{hashlib.md5(arrived).hexdigest()}"':
                raise _Refused(400, f"part {said['partNumber']} is not what arrived")
        return self._keep(repository, oid, b"".join(parts[number] for number in sorted(parts)))

    def _keep(self, repository: Repository, oid: str, content: bytes) -> Any:
        if hashlib.sha256(content).hexdigest() != oid:
            raise _Refused(400, "the content does not have its sha256")
        with self.server.lock:
            repository.objects[oid] = content
        return 200, b"", {}

    def _verify(self, body: bytes) -> Any:
        said = json.loads(body)
        repository = self._repository(self.asked.removeprefix("/lfs/").removesuffix("/verify"))
        if len(repository.objects.get(said["oid"], b"")) != said["size"]:
            raise _Refused(404, "no such object, or of another size")
        return {}

    def _commit(self, body: bytes) -> Any:
        if self.server.gate is not None:
            self.server.gate.wait(20)
        with self.server.lock:
            before, self.server.before_commit = self.server.before_commit, None
            if before is not None:
                before()
            repository = self._repository()
            pull = self.query.get("create_pr") == "1"
            self._writer(repository.name.split("/")[0], anyone=pull)
            header, *lines = [json.loads(line) for line in body.splitlines()]
            said = header["value"]
            parent = said.get("parentCommit")
            if parent is not None and parent != repository.head.oid and not pull:
                raise _Refused(412, "A commit has happened since. Please refresh and try again.")
            base = self._at(repository, parent or "main")
            files = dict(base.files)
            for line in lines:
                self._apply(repository, files, line["key"], line["value"])
            number = len(repository.pulls) + 1
            ref = f"refs/pr/{number}" if pull else "main"
            made = repository.commit(ref, base.oid, said["summary"], said["description"], files)
            answer = {"commitUrl": f"{self.server.url}/datasets/{repository.name}/commit/{made.oid}"}
            answer["commitOid"] = made.oid
            if pull:
                repository.pulls.append({"num": number, "title": said["summary"], "status": "open"})
                answer["pullRequestUrl"] = f"{self.server.url}/datasets/{repository.name}/discussions/{number}"
            return answer

    def _apply(self, repository: Repository, files: dict[str, Blob], key: str, value: Mapping[str, Any]) -> None:
        path = value["path"]
        if key == "file":
            files[path] = Blob(base64.b64decode(value["content"]), False)
        elif key == "lfsFile":
            if value["oid"] not in repository.objects:
                raise _Refused(400, f"LFS pointer of {path} points to a file that does not exist")
            files[path] = Blob(repository.objects[value["oid"]], True)
        elif key == "deletedFile":
            if path not in files:
                raise _Refused(404, "A file with this name doesn't exist", "EntryNotFound")
            del files[path]
        else:
            raise _Refused(400, f"unknown operation {key}")

    def _discussions(self, _: bytes) -> Any:
        repository = self._repository()
        known = {"author": {"name": "ann"}, "createdAt": "2026-11-21T12:00:00.000Z", "isPullRequest": True}
        known["repo"] = {"name": repository.name, "type": "dataset"}
        first = int(self.query.get("p", "0")) * 10
        page = [{**known, **pull} for pull in reversed(repository.pulls)][first : first + 10]
        return {"count": len(repository.pulls), "start": first, "discussions": page}

    def _resolve(self, _: bytes) -> Any:
        name, _, place = self.asked.removeprefix("/datasets/").partition("/resolve/")
        repository = self._repository(name)
        revision, _, path = place.partition("/")
        commit = self._at(repository, revision)
        known = {"X-Repo-Commit": commit.oid, "Content-Type": "application/octet-stream"}
        if path not in commit.files:
            return 404, b"", {**known, "X-Error-Code": "EntryNotFound"}
        blob = commit.files[path]
        content = blob.content
        known |= {"ETag": f'"{blob.sha256 if blob.lfs else blob.oid}"', "Accept-Ranges": "bytes"}
        if blob.lfs:
            known |= {"X-Linked-Etag": known["ETag"], "X-Linked-Size": str(len(content))}
        if wanted := self.headers.get("Range"):
            first, _, last = wanted.removeprefix("bytes=").partition("-")
            end = min(int(last or len(content)), len(content) - 1)
            place = {"Content-Range": f"bytes {first}-{end}/{len(content)}"}
            return 206, content[int(first) : end + 1], {**known, **place}
        return 200, content, {**known, "Content-Length": str(len(content))}
