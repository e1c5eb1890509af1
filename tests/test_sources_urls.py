from __future__ import annotations

import csv
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from alignbench.errors import AlignbenchError, ImportFileError, RunError, UsageError
from alignbench.types import Image, Origin, Status
from generation.parts import image_source
from generation.protocols import Site, Unusable
from generation.sources.urls import UrlSource
from tests.awkward_pictures import encode, picture
from tests.web_server import WebServer, answer, cut, endless, redirect, slowly, status

ROOT = Path(__file__).resolve().parents[1]
PICTURES = [encode(picture(number)) for number in range(12)]
QUICK: dict[str, Any] = {"allow_private": True, "retries": 0, "timeout": 5}

# A session of its own, to be killed.
SESSION = """
import sys
from pathlib import Path
from generation.protocols import Site
from generation.sources.urls import UrlSource
folder = Path(sys.argv[1])
source = UrlSource.from_options(
    Site(folder, folder / "site"), path="list.csv", allow_private=True, concurrency=3, per_host=3
)
for outcome in source.images(None, 0):
    print(type(outcome).__name__, flush=True)
"""


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as running:
        for number, encoded in enumerate(PICTURES):
            running.on(f"/{number}", answer(encoded))
        yield running


def write_list(folder: Path, rows: Sequence[dict[str, Any]]) -> None:
    with (folder / "list.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(dict.fromkeys(key for row in rows for key in row)))
        table.writeheader()
        table.writerows(rows)


def source_of(folder: Path, **options: Any) -> UrlSource:
    return UrlSource.from_options(Site(folder, folder / "site"), **{"path": "list.csv", **QUICK, **options})


def images_of(outcomes: Sequence[Image | Unusable]) -> list[Image]:
    return [each for each in outcomes if isinstance(each, Image)]


def refused(outcomes: Sequence[Image | Unusable]) -> dict[str, tuple[Status, str]]:
    return {each.name: (each.status, each.reason) for each in outcomes if isinstance(each, Unusable)}


def sha256(encoded: bytes) -> str:
    return hashlib.sha256(encoded).hexdigest()


def test_images_come_with_what_the_list_says(server: WebServer, tmp_path: Path) -> None:
    said = {"sha256": sha256(PICTURES[0]).upper(), "licence": "CC-BY-2.0", "domain": "Food", "id": "a7"}
    write_list(tmp_path, [{"url": server.url("/0"), **said}, {"url": server.url("/1")}])
    first, second = images_of(list(source_of(tmp_path, licence="unknown").images(None, 0)))
    assert first.bytes == PICTURES[0] and first.image_key == first.sha256 == sha256(PICTURES[0])
    assert (first.url, first.licence, first.source, first.origin) == (
        server.url("/0"),
        "CC-BY-2.0",
        "list",
        Origin.REAL,
    )
    assert first.provenance == {"list": "list.csv", "row": 2, "id": "a7", "domain": "Food"}
    assert second.licence == "unknown" and second.provenance == {"list": "list.csv", "row": 3}


@pytest.mark.parametrize("form", ["csv", "tsv", "jsonl", "parquet"])
def test_lists_come_in_several_forms(server: WebServer, tmp_path: Path, form: str) -> None:
    rows = [{"Image URL": server.url(f"/{number}"), "license": "CC0-1.0"} for number in range(3)]
    file = tmp_path / f"list.{form}"
    if form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), file)
    elif form == "jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    else:
        separator = {"csv": ",", "tsv": "\t"}[form]
        file.write_text("".join(separator.join(row) + "\n" for row in [list(rows[0]), *[r.values() for r in rows]]))
    found = images_of(list(source_of(tmp_path, path=file.name, url_column="image_url").images(None, 0)))
    assert [image.bytes for image in found] == PICTURES[:3]
    assert {image.licence for image in found} == {"CC0-1.0"}


def test_every_failure_has_a_status_and_a_reason(server: WebServer, tmp_path: Path) -> None:
    rows = [
        {"url": server.url("/0")},
        {"url": server.url("/0")},
        {"url": server.on("/again", answer(PICTURES[0]))},
        {"url": server.url("/nothing")},
        {"url": server.on("/wrong", answer(PICTURES[1])), "sha256": sha256(PICTURES[2])},
        {"url": server.on("/checksum", answer(PICTURES[3])), "sha256": "no checksum"},
        {"url": server.on("/large", answer(bytes(70_000), length=False))},
        {"url": server.on("/endless", endless(bytes(9000)))},
        {"url": server.on("/drip", endless(b"x", 0.05))},
        {"url": server.on("/broken", status(500))},
        {"url": server.on("/round", redirect("/round"))},
        {"url": server.on("/page", answer(b"<html>not found</html>", "Content-Type: image/png"))},
        {"url": server.on("/cut", cut(PICTURES[4]))},
        {"url": server.on("/half", answer(PICTURES[4][:200]))},
        {"url": server.on("/empty", answer(b""))},
        {"url": ""},
        {"url": "file:///etc/passwd"},
        {"url": "http://user:hunter2@host.test/"},
        {"url": server.on("/text", answer(PICTURES[5], "Content-Type: text/html"))},
    ]
    write_list(tmp_path, rows)
    outcomes = list(source_of(tmp_path, max_bytes=60_000, timeout=0.5).images(None, 0))
    assert len(outcomes) == len(rows)
    assert [image.bytes for image in images_of(outcomes)] == [PICTURES[0], PICTURES[5]], "by content, not by header"
    found = refused(outcomes)
    for path, (kind, words) in {
        "/0": (Status.FILTERED, "row 2 has the same address"),
        "/again": (Status.FILTERED, "a copy: it has the same bytes as"),
        "/nothing": (Status.IMAGE_MISSING, "status 404"),
        "/wrong": (Status.FAILED, f"its sha256 is {sha256(PICTURES[1])}, not {sha256(PICTURES[2])}"),
        "/checksum": (Status.FAILED, "64 hexadecimal digits"),
        "/large": (Status.IMAGE_UNREADABLE, "at most 60,000 bytes"),
        "/endless": (Status.IMAGE_UNREADABLE, "at most 60,000 bytes"),
        "/drip": (Status.FAILED, "0.5 seconds"),
        "/broken": (Status.FAILED, "status 500"),
        "/round": (Status.FAILED, "redirects"),
        "/page": (Status.IMAGE_UNREADABLE, "not a whole image"),
        "/cut": (Status.FAILED, "the connection failed"),
        "/half": (Status.IMAGE_UNREADABLE, "not a whole image"),
        "/empty": (Status.IMAGE_UNREADABLE, "0 bytes"),
    }.items():
        assert found[server.url(path)][0] is kind and words in found[server.url(path)][1], (path, found)
    assert found["row 17"] == (Status.IMAGE_MISSING, "the row has no address")
    assert "only http and https" in found["file:///etc/passwd"][1]
    assert "user name" in found["http://host.test/"][1] and "hunter2" not in str(found)
    kept = [path.read_bytes() for path in (tmp_path / "site").rglob("*") if path.is_file()]
    assert kept and not any(b"hunter2" in content for content in kept)


def test_by_default_no_private_address_is_asked(server: WebServer, tmp_path: Path) -> None:
    local = f"http://localhost:{server.port}/1"
    write_list(tmp_path, [{"url": server.url("/0")}, {"url": local}, {"url": "http://169.254.169.254/latest/"}])
    found = refused(list(source_of(tmp_path, allow_private=False).images(None, 0)))
    assert len(found) == 3 and all("no public address" in reason for _, reason in found.values())
    assert server.connections == 0


def test_a_draw_is_the_same_for_a_seed_and_asks_for_no_more(server: WebServer, tmp_path: Path) -> None:
    rows = [{"url": server.url(f"/{number}")} for number in range(12)]
    write_list(tmp_path, rows)
    drawn = [image.url for image in images_of(list(source_of(tmp_path).images(4, 7)))]
    assert sorted(server.paths()) == sorted(url.removeprefix(server.url("")) for url in drawn if url)
    (tmp_path / "other").mkdir()
    write_list(tmp_path / "other", rows[::-1])
    again = [image.url for image in images_of(list(source_of(tmp_path / "other").images(4, 7)))]
    assert again == drawn
    assert [image.url for image in images_of(list(source_of(tmp_path).images(4, 8)))] != drawn


def test_a_draw_goes_on_past_failures(server: WebServer, tmp_path: Path) -> None:
    write_list(tmp_path, [{"url": server.url(f"/{number}")} for number in range(12)])
    first = [image.url or "" for image in images_of(list(source_of(tmp_path).images(4, 7)))]
    (tmp_path / "fresh").mkdir()
    write_list(tmp_path / "fresh", [{"url": server.url(f"/{number}")} for number in range(12)])
    server.on(first[1].removeprefix(server.url("")), status(404))
    outcomes = list(source_of(tmp_path / "fresh").images(4, 7))
    assert [image.url for image in images_of(outcomes)][:3] == [first[0], *first[2:]]
    assert len(images_of(outcomes)) == 4 and list(refused(outcomes)) == [first[1]]


def test_the_order_does_not_hang_on_who_answers_first(server: WebServer, tmp_path: Path) -> None:
    urls = [server.on(f"/{n}", slowly(answer(PICTURES[n]), 0.2 if n % 2 else 0.0)) for n in range(6)]
    write_list(tmp_path, [{"url": url} for url in urls])
    assert [image.url for image in images_of(list(source_of(tmp_path, per_host=6).images(None, 0)))] == urls


def test_nothing_is_fetched_twice(server: WebServer, tmp_path: Path) -> None:
    server.on("/nothing", status(404))
    server.on("/busy", status(503))
    server.on("/page", answer(b"<html>"))
    paths = ["/0", "/1", "/nothing", "/busy", "/page"]
    rows: list[dict[str, Any]] = [{"url": server.url(path)} for path in paths]
    rows[1]["sha256"] = sha256(PICTURES[1])
    write_list(tmp_path, rows)
    before = list(source_of(tmp_path).images(None, 0))
    assert server.paths() and sorted(server.paths()) == sorted(paths)
    server.requests.clear()
    assert list(source_of(tmp_path).images(None, 0)) == before
    assert server.paths() == ["/busy"], "what failed for the moment is tried again, what was refused is not"
    server.requests.clear()
    server.on("/nothing", answer(PICTURES[6]))
    asked = list(replace(source_of(tmp_path), retry_failed=True).images(None, 0))
    assert sorted(server.paths()) == ["/busy", "/nothing"], "unless somebody wants it"
    assert len(images_of(asked)) == 3


def test_a_mended_checksum_is_believed_without_fetching(server: WebServer, tmp_path: Path) -> None:
    write_list(tmp_path, [{"url": server.url("/0")}])
    list(source_of(tmp_path).images(None, 0))
    write_list(tmp_path, [{"url": server.url("/0"), "sha256": sha256(PICTURES[0])}])
    assert len(images_of(list(source_of(tmp_path).images(None, 0)))) == 1
    assert server.paths() == ["/0"]


def test_a_damaged_file_is_fetched_again(server: WebServer, tmp_path: Path) -> None:
    write_list(tmp_path, [{"url": server.url("/0")}])
    list(source_of(tmp_path).images(None, 0))
    kept = tmp_path / "site/fetched" / sha256(PICTURES[0])
    kept.write_bytes(b"damaged")
    (image,) = images_of(list(source_of(tmp_path).images(None, 0)))
    assert image.bytes == PICTURES[0] == kept.read_bytes() and server.paths() == ["/0", "/0"]


def test_a_killed_session_goes_on_with_what_is_missing(server: WebServer, tmp_path: Path) -> None:
    count = 40
    encoded = [encode(picture(100 + number)) for number in range(count)]
    urls = [server.on(f"/kill/{n}", slowly(answer(encoded[n]), 0.03)) for n in range(count)]
    write_list(tmp_path, [{"url": url} for url in urls])
    for kill_at in (7, 30):
        session = subprocess.Popen(
            [sys.executable, "-c", SESSION, str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while len(set(server.paths())) < kill_at and session.poll() is None:
            time.sleep(0.002)
        session.send_signal(signal.SIGKILL)
        _, said = session.communicate()
        assert session.returncode == -signal.SIGKILL, said
    whole = {path.name for path in (tmp_path / "site/fetched").iterdir() if not path.name.startswith(".")}
    assert whole <= {sha256(each) for each in encoded} and len(whole) >= 30 - 3
    server.requests.clear()
    outcomes = list(source_of(tmp_path).images(None, 0))
    assert [image.bytes for image in images_of(outcomes)] == encoded
    noted = {f"/kill/{n}" for n in range(count) if sha256(encoded[n]) in whole}
    asked = server.paths()
    assert len(asked) == len(set(asked)) <= count - len(whole) + 3
    assert len(noted & set(asked)) <= 3, "at most what was between the file and its note at a kill"
    assert not list((tmp_path / "site/fetched").glob(".part*"))


def test_two_sessions_do_not_share_a_folder(server: WebServer, tmp_path: Path) -> None:
    write_list(tmp_path, [{"url": server.url(f"/{number}")} for number in range(3)])
    first = source_of(tmp_path).images(None, 0)
    next(first)
    with pytest.raises(RunError, match="another process"):
        list(source_of(tmp_path).images(None, 0))
    first.close()  # type: ignore[attr-defined]
    assert len(images_of(list(source_of(tmp_path).images(None, 0)))) == 3


def test_a_caller_that_stops_early_is_not_kept_waiting(server: WebServer, tmp_path: Path) -> None:
    slow = [server.on(f"/slow/{number}", slowly(answer(PICTURES[0]), 30)) for number in range(4)]
    write_list(tmp_path, [{"url": server.url("/0")}, *[{"url": url} for url in slow]])
    # As many at a time as there are, or the quick one may have to wait for slow ones.
    outcomes = source_of(tmp_path, timeout=600, per_host=5).images(None, 0)
    began = time.monotonic()
    assert isinstance(next(outcomes), Image)
    outcomes.close()  # type: ignore[attr-defined]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fetch")]
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("content", "options", "kind", "words"),
    [
        ("url\nhttp://a.test/\n", {"path": "nowhere.csv"}, UsageError, "there is no file"),
        ("url\nhttp://a.test/\n", {"url_column": "adress"}, UsageError, "nearest|known"),
        ("url\nhttp://a.test/\n", {"licence_column": "rights"}, UsageError, "licence_column"),
        ("link\nhttp://a.test/\n", {}, ImportFileError, "no column `url`, only link"),
        ("", {}, ImportFileError, "no column `url`"),
        ("url\na,b,c\n", {}, ImportFileError, "cells"),
        ("url\nhttp://a.test/\n", {"timeout": 0}, UsageError, "'timeout' is a number of seconds"),
        ("url\nhttp://a.test/\n", {"timeout": float("inf")}, UsageError, "'timeout'"),
        ("url\nhttp://a.test/\n", {"retries": -1}, UsageError, "'retries'"),
        ("url\nhttp://a.test/\n", {"concurrency": 1000}, UsageError, "to 64"),
        ("url\nhttp://a.test/\n", {"allow_private": "no"}, UsageError, "true or false"),
    ],
)
def test_options_and_lists_that_make_no_sense_are_refused(
    tmp_path: Path, content: str, options: dict[str, Any], kind: type[AlignbenchError], words: str
) -> None:
    (tmp_path / "list.csv").write_text(content)
    with pytest.raises(kind, match=words):
        image_source("urls", Site(tmp_path, tmp_path / "site"), {"path": "list.csv", **options})
