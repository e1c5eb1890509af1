from __future__ import annotations

import hashlib
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from alignbench.errors import AlignbenchError, MissingDependencyError, PublishError, UsageError
from alignbench.publish.folder.seal import seal_folder
from alignbench.publish.hub import connection as hub_module
from alignbench.publish.hub.push import Pushed, push
from alignbench.publish.hub.remote import remote_state
from tests.hub_commits import READER, STRANGER, TOKEN, Hold, HubCommits, Repository, be_quick

# httpx's, of how huggingface_hub hands it the bytes of a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")

ROOT = Path(__file__).resolve().parents[1]
REPO = "org/set"
CARD = b"---\nlicense: cc0-1.0\n---\n# A set\n"
FIRST, SECOND = "data/pairs/test-00000-of-00002.parquet", "data/pairs/test-00001-of-00002.parquet"
EVERYWHERE = ("whoami", "create", "head", "tree", "validate", "preupload", "batch", "upload", "verify", "commit")

SESSION = """
import sys
from pathlib import Path
from huggingface_hub.utils import http_backoff
from alignbench.errors import PublishError
from alignbench.publish.hub.push import push
http_backoff.__kwdefaults__.update(base_wait_time=0.01, max_wait_time=0.01)
print("ready", flush=True)
try:
    pushed = push(Path(sys.argv[1]), "org/set", endpoint=sys.argv[2])
    print("made" if pushed.made else "there", pushed.commit)
except PublishError as error:
    print("refused", error)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    be_quick(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[HubCommits]:
    with HubCommits(chunk=150_000, page=3) as server:
        yield server
    huggingface_hub.close_session()


def content(name: str, size: int) -> bytes:
    return random.Random(name).randbytes(size)


FILES: Mapping[str, bytes] = {
    "README.md": CARD,
    "dataset.json": json.dumps({"name": "tiny", "version": "1.0.0"}).encode(),
    "facts.json": b"{}",
    FIRST: content("first", 100_000),
    SECOND: content("second", 400_000),
}


def write(folder: Path, files: Mapping[str, bytes] = FILES) -> Path:
    for path, said in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(said)
    seal_folder(folder)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write(tmp_path / "hub")


def contents(folder: Path) -> dict[str, bytes]:
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    return found | {".gitattributes": b"*.parquet filter=lfs diff=lfs merge=lfs -text\n"}


def holds(repository: Repository, folder: Path) -> bool:
    return repository.contents() == contents(folder)


def refused(folder: Path, server: HubCommits, repo: str = REPO, **said: object) -> str:
    """The error of a push that fails, which shows no token, neither in its text nor in its traceback."""
    with pytest.raises(AlignbenchError) as caught:
        push(folder, repo, endpoint=server.url, **said)  # type: ignore[arg-type]
    told = "".join(traceback.format_exception(caught.value))
    assert not any(token in told for token in (TOKEN, READER, STRANGER, "X-Signature"))
    return str(caught.value)


def test_a_first_publication_is_one_commit(
    server: HubCommits, folder: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[tuple[int, int]] = []
    pushed = push(folder, REPO, endpoint=server.url, progress=lambda done, total: seen.append((done, total)))
    repository = server.repositories[REPO]
    (commit,) = repository.made
    assert pushed == Pushed(REPO, commit.oid, f"{server.url}/datasets/{REPO}/commit/{commit.oid}", made=True)
    assert holds(repository, folder) and commit.parent in repository.commits
    digest = hashlib.sha256((folder / "checksums.sha256").read_bytes()).hexdigest()
    assert commit.title == f"Publish tiny 1.0.0 [{digest[:12]}]" and digest in commit.description
    assert server.count("commit") == server.count("whoami") == server.count("create") == 1
    assert server.count("complete") == 1  # the large one came in parts
    assert seen[-1][0] == seen[-1][1] == sum(map(len, contents(folder).values())) - 46
    printed = capfd.readouterr()
    assert TOKEN not in caplog.text and "X-Signature" not in caplog.text and printed.out == printed.err == ""


def test_what_is_there_already_is_left_alone(server: HubCommits, folder: Path) -> None:
    first = push(folder, REPO, endpoint=server.url)
    server.requests.clear()
    assert push(folder, REPO, endpoint=server.url) == Pushed(REPO, first.commit, first.url, made=False)
    assert {kind for kind, _ in server.requests} == {"whoami", "head", "tree"}


def test_an_update_is_one_commit_that_deletes_what_is_gone(server: HubCommits, folder: Path) -> None:
    push(folder, REPO, endpoint=server.url)
    server.requests.clear()
    (folder / SECOND).unlink()
    (folder / "facts.json").unlink()
    write(folder, {"README.md": CARD + b"more\n", "data/pairs/new.parquet": content("new", 1000)})
    pushed = push(folder, REPO, endpoint=server.url, message="Fewer pairs\n\nThey were copies.")
    repository = server.repositories[REPO]
    _, commit = repository.made
    assert pushed.made and holds(repository, folder) and SECOND not in repository.contents()
    assert commit.title.startswith("Fewer pairs [") and commit.description.startswith("They were copies.\n\nsha256")
    assert server.count("upload") == server.count("commit") == 1 and server.count("create") == 0


def test_a_message_has_a_title(server: HubCommits, folder: Path) -> None:
    for wrong in ("", "  \n ", "x" * 121):
        assert "first line" in refused(folder, server, message=wrong)
    assert not server.requests


@pytest.mark.parametrize("received", [0, 1, 70_000, 99_999])
@pytest.mark.parametrize("path", ["", hashlib.sha256(FILES[SECOND]).hexdigest()], ids=["every file", "the second"])
def test_a_connection_that_is_cut_during_an_upload(server: HubCommits, folder: Path, received: int, path: str) -> None:
    server.fail("upload", received=received, times=100, path=path)
    assert "what was uploaded already is not sent again" in refused(folder, server)
    repository = server.repositories[REPO]
    assert repository.made == [] and list(repository.contents()) == [".gitattributes"]
    arrived = set(repository.objects)
    server.faults.clear()
    server.requests.clear()
    server.received = 0
    assert push(folder, REPO, endpoint=server.url).made
    assert len(repository.made) == 1 and holds(repository, folder)
    left = [FILES[name] for name in (FIRST, SECOND) if hashlib.sha256(FILES[name]).hexdigest() not in arrived]
    assert server.received == sum(map(len, left)) and len(left) == (1 if path else 2)


def test_an_upload_that_is_cut_once_is_mended_by_the_library(server: HubCommits, folder: Path) -> None:
    server.fail("upload", received=50_000)
    assert push(folder, REPO, endpoint=server.url).made
    assert len(server.repositories[REPO].made) == 1 and holds(server.repositories[REPO], folder)


def session(folder: Path, server: HubCommits) -> subprocess.Popen[str]:
    kept = {name: said for name, said in os.environ.items() if name not in {"HF_HUB_OFFLINE", "HF_TOKEN"}}
    said = {
        "HF_TOKEN": TOKEN,
        "HF_HUB_DISABLE_XET": "1",
        "HF_HOME": str(folder.parent / "home"),
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-c", SESSION, str(folder), server.url]
    return subprocess.Popen(command, env={**kept, **said}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("kind", ["upload", "commit"])
def test_a_process_that_is_killed(server: HubCommits, folder: Path, kind: str) -> None:
    hold = Hold()
    # Not the first upload: what came before the kill must not be sent again.
    received, path = (60_000, hashlib.sha256(FILES[SECOND]).hexdigest()) if kind == "upload" else (None, "")
    server.fail(kind, received=received, path=path, done=kind == "commit", holds=hold)
    process = session(folder, server)
    assert hold.reached.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    hold.released.set()
    repository = server.repositories[REPO]
    assert len(repository.made) == (kind == "commit")
    arrived, server.received = sum(map(len, repository.objects.values())), 0
    pushed = push(folder, REPO, endpoint=server.url)
    assert pushed.made == (kind == "upload") and len(repository.made) == 1 and holds(repository, folder)
    assert server.received == 500_000 - arrived


def test_two_processes_at_once(server: HubCommits, folder: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other", {**FILES, FIRST: content("other", 5000)})
    server.gate = threading.Barrier(2)
    processes = [session(each, server) for each in (folder, other)]
    said = [process.communicate(timeout=60)[0].splitlines()[-1] for process in processes]
    won, lost = sorted(said, key=lambda line: line.startswith("refused"))
    repository = server.repositories[REPO]
    assert won.startswith("made") and lost.startswith("refused somebody else has changed")
    assert len(repository.made) == 1 and holds(repository, [folder, other][said.index(won)])


def test_two_processes_with_the_same_folder(server: HubCommits, folder: Path) -> None:
    server.gate = threading.Barrier(2)
    processes = [session(folder, server) for _ in range(2)]
    said = sorted(process.communicate(timeout=60)[0].splitlines()[-1].split()[0] for process in processes)
    assert said == ["made", "there"] and len(server.repositories[REPO].made) == 1


LOST = {
    "cut": {},
    "500": {"code": 500},
    "502": {"code": 502, "body": b"<html>bad gateway</html>"},
    "no JSON": {"body": b"<html>"},
    "other JSON": {"body": b"{}"},
    "a list": {"body": b"[]"},
}


@pytest.mark.parametrize("how", LOST)
@pytest.mark.parametrize("pull_request", [False, True], ids=["commit", "pull request"])
def test_a_lost_answer_to_a_commit_that_was_made(
    server: HubCommits, folder: Path, how: str, pull_request: bool
) -> None:
    server.fail("commit", done=True, **LOST[how])
    pushed = push(folder, REPO, endpoint=server.url, pull_request=pull_request)
    repository = server.repositories[REPO]
    assert pushed.made and server.count("commit") == 1
    assert len(repository.pulls if pull_request else repository.made) == 1
    assert repository.contents("refs/pr/1" if pull_request else "main") == contents(folder)
    again = push(folder, REPO, endpoint=server.url, pull_request=pull_request)
    assert again == Pushed(REPO, pushed.commit, pushed.url, made=False) and server.count("commit") == 1


@pytest.mark.parametrize("how", LOST)
def test_a_lost_request_of_a_commit_is_sent_again(server: HubCommits, folder: Path, how: str) -> None:
    server.fail("commit", **LOST[how])
    assert push(folder, REPO, endpoint=server.url).made
    assert len(server.repositories[REPO].made) == 1 and server.count("commit") == 2


def test_a_lost_answer_and_then_no_hub(server: HubCommits, folder: Path) -> None:
    server.fail("commit", done=True)
    server.create(REPO)

    def leave() -> None:
        server.fail("head", 503, times=5)

    server.before_commit = leave
    said = refused(folder, server)
    assert "answer" in said and "is lost" in said and "makes none twice" in said
    assert not push(folder, REPO, endpoint=server.url).made
    assert len(server.repositories[REPO].made) == 1


def test_a_lost_answer_and_then_another_commit(server: HubCommits, folder: Path) -> None:
    """Ours is found by the digest that it carries, though the head is another by then."""
    server.create(REPO)
    hold = Hold()
    server.fail("commit", done=True, holds=hold)
    threading.Thread(
        target=lambda: (hold.reached.wait(20), server.write(REPO, {"README.md": b"mended"}), hold.released.set())
    ).start()
    pushed = push(folder, REPO, endpoint=server.url)
    ours, theirs = server.repositories[REPO].made
    assert pushed.made and pushed.commit == ours.oid and theirs.title == "by hand"


@pytest.mark.parametrize("kind", EVERYWHERE)
@pytest.mark.parametrize("code", [500, 429, None])
def test_trouble_that_passes(server: HubCommits, folder: Path, kind: str, code: int | None) -> None:
    server.fail(kind, code, times=3)
    assert push(folder, REPO, endpoint=server.url).made
    assert len(server.repositories[REPO].made) == 1 and holds(server.repositories[REPO], folder)


@pytest.mark.parametrize("kind", EVERYWHERE)
def test_trouble_that_stays(server: HubCommits, folder: Path, kind: str) -> None:
    for code, told in ((503, "503"), (None, "")):
        server.fail(kind, code, times=1000)
        said = refused(folder, server)
        assert told in said and "run the same command again" in said and "Traceback" not in said
        server.faults.clear()
        assert all(not each.made for each in server.repositories.values())
        server.repositories.clear()
    assert push(folder, REPO, endpoint=server.url).made


@pytest.mark.parametrize("kind", ["head", "commit"])
def test_a_limit_of_requests_is_waited_for(
    server: HubCommits, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(hub_module.time, "sleep", waited.append)
    server.fail(kind, 429, headers={"Retry-After": "7"})
    server.fail("create", 429, headers={"RateLimit": '"api";r=0;t=55'})
    assert push(folder, REPO, endpoint=server.url).made
    assert [round(each) for each in waited] == ([7, 55] if kind == "head" else [55, 7])
    server.fail("whoami", 429, headers={"Retry-After": "3600"})
    assert "in 60 min" in refused(folder, server) and len(waited) == 2


def test_a_hub_that_is_gone(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(PublishError, match=r"connection to http://127.0.0.1:\d+ failed: .*; nothing was published"):
        push(folder, REPO, endpoint=address)
    for wrong in ("not an address", "ftp://127.0.0.1"):
        with pytest.raises(UsageError, match="give one with http"):
            push(folder, REPO, endpoint=wrong)


def test_without_the_library(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingDependencyError, match=r"alignbench\[hub\]"):
        push(folder, REPO)
    with pytest.raises(MissingDependencyError, match=r"alignbench\[hub\]"):
        remote_state(REPO)


def test_offline(server: HubCommits, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "unset it" in refused(folder, server)


WRONG = "hf_WrongWrongWrong" + "0" * 16


@pytest.mark.parametrize("where", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "login", "given"])
def test_a_wrong_token(
    server: HubCommits, folder: Path, tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_TOKEN")
    named = {"login": "hf auth login", "given": "that was given"}.get(where, where)
    if where == "login":
        (tmp_path / "login").write_text(WRONG)
    elif where != "given":
        monkeypatch.setenv(where, WRONG)
    said = refused(folder, server, token=WRONG if where == "given" else None)
    assert named in said and "is not accepted" in said and "hf auth login" in said and WRONG not in said
    assert server.repositories == {}


def test_no_token(server: HubCommits, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "")
    said = refused(folder, server)
    assert "HF_TOKEN is set, but empty" in said and "hf auth login" in said
    monkeypatch.delenv("HF_TOKEN")
    assert "there is none; run" in refused(folder, server)
    assert "there is none" in refused(folder, server, token=" ") and not server.requests
    (tmp_path / "login").write_text(f"{TOKEN}\n")
    assert push(folder, REPO, endpoint=server.url).made


@pytest.mark.parametrize("junk", ["hf_one\ntwo", "hf_ö", "hf_a b"])
def test_a_token_that_is_none(server: HubCommits, folder: Path, junk: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert junk not in refused(folder, server, token=junk) and not server.requests
    monkeypatch.setenv("HF_TOKEN", junk.replace("\n", " "))
    said = refused(folder, server)
    assert junk not in said and "HF_TOKEN" in said and not server.requests


def test_a_hub_that_echoes_the_token(server: HubCommits, folder: Path) -> None:
    server.fail("commit", 400, body=json.dumps({"error": f"what is {TOKEN}?"}).encode())
    assert "what is ***?" in refused(folder, server)
    server.fail("create", 403, headers={"X-Error-Message": f"{'long ' * 58}{TOKEN}"})
    assert "long ***" in refused(folder, server, "org/other")


def test_a_token_without_the_right_to_write(server: HubCommits, folder: Path) -> None:
    assert "of ann (member of org), can only read" in refused(folder, server, token=READER)
    said = refused(folder, server, token=STRANGER)
    assert "of bob (member of no organisation), may not write to org/set" in said and "--pull-request" in said
    server.create(REPO)
    assert "may not write to org/set (403" in refused(folder, server, token=STRANGER)
    server.create("org/hidden", private=True)
    assert "may not write to org/hidden" in refused(folder, server, "org/hidden", token=STRANGER)
    assert all(not each.made for each in server.repositories.values())
    assert push(folder, REPO, endpoint=server.url, token=STRANGER, pull_request=True).made


def test_an_organisation_that_is_unknown(server: HubCommits, folder: Path) -> None:
    assert "may not write to nobody/set" in refused(folder, server, "nobody/set")
    server.fail("create", 404, body=b'{"error":"Organization not found"}')
    assert "Organization not found" in refused(folder, server, "nobody/set")
    assert server.repositories == {}


@pytest.mark.parametrize(
    "name", ["set", "a/b/c", "org/se t", "org/--", "-x/y", "", "org/", "datasets/org/set", "org/x.git"]
)
def test_a_name_that_is_none(server: HubCommits, folder: Path, name: str) -> None:
    assert "--repo ORG/NAME" in refused(folder, server, name) and not server.requests


def test_a_repository_that_is_made_meanwhile(server: HubCommits, folder: Path) -> None:
    server.fail("head", 404, headers={"X-Error-Code": "RepoNotFound"})
    server.create(REPO)
    assert push(folder, REPO, endpoint=server.url).made and server.count("create") == 1


@pytest.mark.parametrize("private", [None, True])
def test_a_private_repository(server: HubCommits, folder: Path, private: bool | None) -> None:
    push(folder, REPO, endpoint=server.url, private=private)
    assert server.repositories[REPO].private == bool(private)


def test_a_head_that_moves_before_the_commit(server: HubCommits, folder: Path) -> None:
    push(folder, REPO, endpoint=server.url)
    write(folder, {FIRST: content("changed", 3000)})
    server.before_commit = lambda: server.write(REPO, {"README.md": b"mended"})
    said = refused(folder, server)
    assert "somebody else has changed" in said and "nothing was published" in said
    repository = server.repositories[REPO]
    assert repository.head.title == "by hand" and repository.contents()[FIRST] == FILES[FIRST]
    assert push(folder, REPO, endpoint=server.url).made and holds(repository, folder)


def test_a_head_that_is_not_the_one_that_was_shown(server: HubCommits, folder: Path) -> None:
    assert push(folder, REPO, endpoint=server.url, expect_head="").made
    shown = remote_state(REPO, endpoint=server.url).head
    write(folder, {FIRST: content("changed", 3000)})
    server.write(REPO, {"README.md": b"mended"})
    assert "somebody else has changed" in refused(folder, server, expect_head=shown)
    assert "somebody else has changed" in refused(folder, server, expect_head="")
    assert push(folder, REPO, endpoint=server.url, expect_head=server.repositories[REPO].head.oid).made


def test_a_token_that_may_only_propose_gets_412(server: HubCommits, folder: Path) -> None:
    server.fail("commit", 412)
    assert "use --pull-request" in refused(folder, server)


def test_a_repository_of_somebody_else(server: HubCommits, folder: Path) -> None:
    server.create(REPO, {"weights.bin": b"precious", "README.md": b"mine"})
    said = refused(folder, server)
    assert "weights.bin" in said and "give another --repo" in said
    server.create("org/other", {"dataset.json": b'{"name": "other"}'})
    assert "holds the dataset 'other', not 'tiny'" in refused(folder, server, "org/other")
    server.create("org/odd", {"dataset.json": b"[]"})
    assert "holds another dataset" in refused(folder, server, "org/odd")
    server.create("org/stub", {"README.md": b"soon", "LICENSE": b"CC0"})
    assert push(folder, "org/stub", endpoint=server.url).made and server.count("commit") == 1


def test_a_gitignore_there_keeps_nothing_away(server: HubCommits, folder: Path) -> None:
    server.create(REPO, {".gitignore": f"{FIRST}\nfacts.json\n".encode()})
    assert push(folder, REPO, endpoint=server.url).made and holds(server.repositories[REPO], folder)


def test_a_card_that_the_hub_refuses(server: HubCommits, folder: Path) -> None:
    write(folder, {"README.md": b"no front matter"})
    assert "the Hub refused the card" in refused(folder, server) and server.count("upload") > 0
    assert server.count("commit") == 0


def test_a_pull_request_is_made_once(server: HubCommits, folder: Path) -> None:
    push(folder, REPO, endpoint=server.url)
    write(folder, {FIRST: content("changed", 3000)})
    (folder / SECOND).unlink()
    seal_folder(folder)
    repository = server.repositories[REPO]
    for number in range(12):
        repository.pulls.append({"num": number + 1, "title": f"Other {number}", "status": "closed"})
    pushed = push(folder, REPO, endpoint=server.url, pull_request=True)
    assert pushed.url == f"{server.url}/datasets/{REPO}/discussions/13" and pushed.made
    assert repository.contents("refs/pr/13") == contents(folder) and not holds(repository, folder)
    repository.pulls.append({"num": 14, "title": "Newer", "status": "open"})
    again = push(folder, REPO, endpoint=server.url, pull_request=True)
    assert again == Pushed(REPO, pushed.commit, pushed.url, made=False) and len(repository.pulls) == 14
    write(folder, {"CHANGELOG.md": b"## [1.1.0] - 2026-08-01\n"})
    dated = push(folder, REPO, endpoint=server.url, pull_request=True)
    write(folder, {"CHANGELOG.md": b"## [1.1.0] - 2026-08-02\n"})
    assert push(folder, REPO, endpoint=server.url, pull_request=True).commit == dated.commit and dated.made
    assert push(folder, REPO, endpoint=server.url, pull_request=True, message="Otherwise").made
    repository.pulls[12]["status"] = repository.pulls[14]["status"] = repository.pulls[15]["status"] = "closed"
    assert push(folder, REPO, endpoint=server.url, pull_request=True).made


def test_a_pull_request_whose_answer_is_late_is_not_made_twice(server: HubCommits, folder: Path) -> None:
    """A gateway gives up on a request that is still being worked on: nothing tells the Hub to refuse a second one."""
    server.create(REPO)
    server.fail("commit", 504)
    assert "makes none twice" in refused(folder, server, pull_request=True) and server.count("commit") == 1
    server.fail("commit", 503)
    assert push(folder, REPO, endpoint=server.url, pull_request=True).made
    assert len(server.repositories[REPO].pulls) == 1


def test_an_interrupt_ends_a_process_at_once(server: HubCommits, folder: Path) -> None:
    """Also while the Hub keeps it waiting."""
    hold = Hold()
    server.fail("upload", received=60_000, path=hashlib.sha256(FILES[SECOND]).hexdigest(), holds=hold)
    process = session(folder, server)
    assert hold.reached.wait(60)
    process.send_signal(signal.SIGINT)
    said, complaint = process.communicate(timeout=60)
    hold.released.set()
    assert process.returncode == -signal.SIGINT and complaint.endswith("KeyboardInterrupt\n")
    assert TOKEN not in said + complaint and "X-Signature" not in said + complaint
    assert push(folder, REPO, endpoint=server.url).made and len(server.repositories[REPO].made) == 1


def test_an_interrupt_can_be_taken_up(server: HubCommits, folder: Path) -> None:
    def stop(done: int, _: int) -> None:
        assert done == 100_000
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push(folder, REPO, endpoint=server.url, progress=stop)
    repository = server.repositories[REPO]
    assert not repository.made and len(repository.objects) == 1
    server.received = 0
    assert push(folder, REPO, endpoint=server.url).made and server.received == 400_000


def test_a_folder_that_is_not_sealed(server: HubCommits, folder: Path, tmp_path: Path) -> None:
    (folder / FIRST).write_bytes(b"other")
    (folder / "facts.json").unlink()
    (folder / "more.txt").write_text("more")
    said = refused(folder, server)
    assert f"{FIRST} has changed; facts.json is gone; more.txt has no checksum" in said
    (folder / "checksums.sha256").write_text("nonsense\n")
    assert "sha256sum" in refused(folder, server)
    (folder / "checksums.sha256").unlink()
    assert "it has no checksums.sha256" in refused(folder, server)
    assert "there is no folder" in refused(tmp_path / "nowhere", server) and not server.requests


def test_a_file_that_changes_during_the_upload(server: HubCommits, folder: Path) -> None:
    hold = Hold()
    server.fail("create", 503, holds=hold)

    def change() -> None:
        hold.reached.wait(20)
        (folder / FIRST).write_bytes(content("later", 100_000))
        hold.released.set()

    threading.Thread(target=change).start()
    assert "does not have its sha256" in refused(folder, server)
    assert server.repositories[REPO].made == []


@pytest.mark.parametrize("seed", range(12))
def test_whatever_goes_wrong_it_is_one_commit_or_none(server: HubCommits, tmp_path: Path, seed: int) -> None:
    """Random faults at random requests, three versions after each other: never half, never twice."""
    draw = random.Random(seed)
    made = 0
    for version in range(3):
        files = {**FILES, FIRST: content(f"{seed}-{version}", 20_000), SECOND: content("same", 160_000)}
        folder = write(tmp_path / f"{version}", files)
        for _ in range(draw.randrange(4)):
            code = draw.choice([None, None, 500, 502, 503, 504, 429, 403, 409])
            received = draw.choice([None, 0, 9000]) if code is None else None
            done = code != 403 and received is None and draw.random() < 0.5
            server.fail(draw.choice(EVERYWHERE), code, times=draw.choice([1, 2, 7]), done=done, received=received)
        for _ in range(10):
            before = server.repositories[REPO].contents() if REPO in server.repositories else {}
            try:
                pushed = push(folder, REPO, endpoint=server.url)
            except PublishError as error:
                said = str(error)
                now = server.repositories[REPO].contents() if REPO in server.repositories else {}
                untouched = now == before or list(now) == [".gitattributes"]
                assert untouched or (now == contents(folder) and "is lost" in said)
                assert "somebody else" not in said
                server.faults.clear()
                continue
            break
        made += 1
        repository = server.repositories[REPO]
        assert len(repository.made) == made and holds(repository, folder) and pushed.commit == repository.head.oid
