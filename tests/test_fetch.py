from __future__ import annotations

import datetime
import gzip
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import alignbench
from alignbench.types import Status
from generation.sources.addresses import UnfitAddressError, is_public, web_address, without_user
from generation.sources.fetch import REDIRECTS, Fetcher, Web
from generation.sources.guard import FetchError, resolve
from tests.web_server import (
    Play,
    WebServer,
    answer,
    cut,
    dripping_head,
    endless,
    hang_up,
    redirect,
    slowly,
    status,
)

BODY = bytes(range(256)) * 40
OPEN = Web(max_bytes=100_000, timeout=5.0, retries=2, pause=0.01).with_private()


@pytest.fixture
def server() -> Iterator[WebServer]:
    with WebServer() as running:
        yield running


def fetch(url: str, web: Web = OPEN) -> bytes:
    sink = io.BytesIO()
    Fetcher(web).fetch(url, sink)
    return sink.getvalue()


def failure(url: str, web: Web = OPEN) -> FetchError:
    with pytest.raises(FetchError) as caught:
        fetch(url, web)
    return caught.value


def test_what_an_address_names_comes_whole(server: WebServer) -> None:
    assert fetch(server.on("/a", answer(BODY))) == BODY
    assert fetch(server.on("/b", answer(BODY, length=False))) == BODY


def test_a_request_says_who_asks_and_nothing_else(server: WebServer) -> None:
    fetch(server.on("/a?b=c%20d", answer(BODY)) + "#part")
    head = server.requests[0]
    assert head.startswith("GET /a?b=c%20d HTTP/1.1\r\n")
    assert f"User-Agent: alignbench/{alignbench.__version__}\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert f"Host: 127.0.0.1:{server.port}\r\n" in head
    assert "cookie" not in head.lower() and "authorization" not in head.lower()


def test_cookies_are_not_kept(server: WebServer) -> None:
    server.on("/b", answer(BODY))
    fetch(server.on("/a", answer(b"", "Set-Cookie: a=b", "Location: /b", code=302)))
    assert "cookie" not in "".join(server.requests).lower()


def test_the_environment_is_not_heeded(server: WebServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert fetch(server.on("/a", answer(BODY))) == BODY


@pytest.mark.parametrize(
    ("play", "words"),
    [
        (answer(bytes(100_001)), "at most 100,000 bytes are read, it has 100,001"),
        (answer(bytes(100_001), length=False), "at most 100,000 bytes are read, it has more"),
        (endless(bytes(5000)), "at most 100,000 bytes are read, it has more"),
        (answer(b"", "Content-Length: 99999999999999999999", length=False), None),
    ],
    ids=["by its header", "to the end", "without end", "by a lie"],
)
def test_what_is_too_large_is_not_taken(server: WebServer, play: Play, words: str | None) -> None:
    error = failure(server.on("/a", play))
    if words is not None:
        assert words in str(error) and error.status is Status.IMAGE_UNREADABLE
        assert error.lasting and len(server.requests) == 1


def test_what_just_fits_is_taken(server: WebServer) -> None:
    assert fetch(server.on("/a", answer(bytes(100_000), length=False))) == bytes(100_000)


@pytest.mark.parametrize(
    "play", [endless(b"x", 0.05), dripping_head, slowly(answer(BODY), 30)], ids=["body", "head", "silence"]
)
def test_a_slow_drip_ends_in_time(server: WebServer, play: Play) -> None:
    began = time.monotonic()
    error = failure(server.on("/a", play), replace(OPEN, timeout=0.4, retries=0))
    assert str(error) == "it took more than 0.4 seconds" and not error.lasting
    assert time.monotonic() - began < 20


@pytest.mark.parametrize(
    ("code", "kind"), [(404, Status.IMAGE_MISSING), (410, Status.IMAGE_MISSING), (403, Status.FAILED)]
)
def test_a_refusal_is_not_asked_again(server: WebServer, code: int, kind: Status) -> None:
    error = failure(server.on("/a", status(code)))
    assert error.lasting and error.status is kind and f"status {code}" in str(error)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "bad",
    [status(500), status(503), status(429), status(408), hang_up, cut(BODY)],
    ids=["500", "503", "429", "408", "hung up", "cut"],
)
def test_what_may_pass_is_tried_again(server: WebServer, bad: Play) -> None:
    assert fetch(server.on("/a", bad, bad, answer(BODY))) == BODY
    assert len(server.requests) == 3
    error = failure(server.on("/b", bad))
    assert not error.lasting and len(server.requests) == 6


def test_a_server_that_wants_to_be_left_alone_is(server: WebServer) -> None:
    url = server.on("/a", status(429, "Retry-After: 1"), answer(BODY))
    began = time.monotonic()
    assert fetch(url) == BODY
    assert time.monotonic() - began >= 1
    later = format_datetime(datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1))
    for said in ("3600", later, "9" * 400):
        error = failure(server.on("/b", status(503, f"Retry-After: {said}")))
        assert error.wait > 3000 and server.paths().count("/b") == 1
        server.requests.clear()
    server.on("/c", status(503, "Retry-After: soon"), answer(BODY))
    assert fetch(server.url("/c")) == BODY


def test_compressed_answers_are_refused(server: WebServer) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    error = failure(server.on("/a", answer(bomb, "Content-Encoding: gzip")))
    assert "compressed" in str(error) and error.lasting
    error = failure(server.on("/b", answer(bomb, "Content-Encoding: identity", "Content-Encoding: gzip")))
    assert "compressed" in str(error)
    assert fetch(server.on("/c", answer(BODY, "Content-Encoding: identity"))) == BODY


def test_redirects_are_followed_a_few_times(server: WebServer) -> None:
    server.on("/there", answer(BODY))
    for code in (301, 302, 303, 307, 308):
        assert fetch(server.on("/a", redirect("/there", code))) == BODY
    error = failure(server.on("/round", redirect("/round")))
    assert f"more than {REDIRECTS} redirects" in str(error) and error.lasting
    assert server.paths().count("/round") == REDIRECTS + 1


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("ftp://127.0.0.1/a", "only http and https"),
        ("gopher://127.0.0.1/a", "only http and https"),
        ("http://user:secret@127.0.0.1/", "user name or password"),
        ("http://[::1", "no address"),
        ("http://a b/", "no name of a host"),
        ("http://127.0.0.1:99999/", "not an address"),
        ("", "does not say where to"),
    ],
)
def test_a_redirect_to_what_is_no_web_address_is_not_followed(server: WebServer, to: str, words: str) -> None:
    error = failure(server.on("/a", redirect(to)))
    assert words in str(error) and error.lasting
    assert "secret" not in str(error)


# What is refused unless `allow_private` says otherwise.


SHUT = replace(OPEN, permits=is_public)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0.0.0.0",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "127.0.0.1.",
        "①②⑦.⓪.⓪.①",
    ],
)
def test_this_machine_is_not_asked_however_it_is_spelled(server: WebServer, host: str) -> None:
    server.on("/a", answer(BODY))
    error = failure(f"http://{host}:{server.port}/a", replace(SHUT, retries=0))
    assert "no public address" in str(error) or "not known" in str(error) or "not an address" in str(error), str(error)
    assert server.connections == 0


def only_first(address: str) -> bool:
    """As if 127.0.0.1 were public, and all else as it is."""
    return address == "127.0.0.1" or is_public(address)


@pytest.mark.parametrize("host", ["[::1]", "inner.test", "127.0.0.2", "[::ffff:127.0.0.1]", "10.0.0.1"])
def test_a_redirect_from_a_public_to_a_private_address_is_not_followed(server: WebServer, host: str) -> None:
    def resolver(name: str, port: int) -> Sequence[str]:
        return ["::1"] if name == "inner.test" else resolve(name, port)

    web = replace(OPEN, permits=only_first, resolver=resolver)
    with WebServer("::1") as inner:
        inner.on("/secret", answer(b"secret"))
        assert fetch(server.on("/fine", answer(BODY)), web) == BODY
        error = failure(server.on("/a", redirect(f"http://{host}:{inner.port}/secret")), web)
        assert "no public address" in str(error) and error.lasting
        assert inner.connections == 0
        allowed = replace(web, permits=lambda _: True)
        assert fetch(server.on("/a", redirect(inner.url("/secret"))), allowed) == b"secret", "the trap does work"


def test_a_name_is_resolved_once_and_the_checked_address_is_the_one_connected_to(server: WebServer) -> None:
    asked: list[str] = []

    def rebinding(name: str, port: int) -> Sequence[str]:
        asked.append(name)
        return ["127.0.0.1"] if len(asked) == 1 else ["::1"]

    with WebServer("::1") as inner:
        web = replace(OPEN, permits=only_first, resolver=rebinding, retries=0)
        server.on("/a", answer(BODY))
        assert fetch(server.url("/a", "rebinding.test"), web) == BODY
        assert asked == ["rebinding.test"] and f"Host: rebinding.test:{server.port}" in server.requests[0]
        assert "no public address" in str(failure(server.url("/a", "rebinding.test"), web))
        assert inner.connections == 0


def test_of_several_addresses_only_public_ones_are_tried(server: WebServer) -> None:
    with WebServer("::1") as inner:
        server.on("/a", answer(BODY))
        mixed = replace(OPEN, permits=only_first, resolver=lambda *_: ["::1", "10.0.0.1", "127.0.0.1"])
        assert fetch(server.url("/a", "mixed.test"), mixed) == BODY
        assert inner.connections == 0


def test_an_address_that_does_not_answer_gives_way_to_the_next(server: WebServer) -> None:
    server.on("/a", answer(BODY))
    web = replace(OPEN, resolver=lambda *_: ["::1", "127.0.0.1"])
    assert fetch(server.url("/a", "two.test"), web) == BODY


def test_a_host_that_nobody_knows_may_be_known_later() -> None:
    def unknown(*_: object) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    error = failure("http://nowhere.test/", replace(OPEN, resolver=unknown, retries=0))
    assert "nowhere.test is not known: Name or service not known" in str(error) and not error.lasting


PRIVATE = """
127.0.0.1 127.8.8.8 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1 0.0.0.0 0.1.2.3 192.0.0.1
192.0.0.170 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 224.0.1.1 239.255.255.250 240.0.0.1 255.255.255.255
192.88.99.1 :: ::1 ::ffff:8.8.8.8 ::ffff:127.0.0.1 ::8.8.8.8 64:ff9b::808:808 64:ff9b::7f00:1 64:ff9b:1::a00:1
2002:7f00:1:: 2002:808:808::1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:db8::1 2001:10::1 3fff::1 fc00::1
fd12:3456::1 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1 100::1 5f00::1 localhost 127.1 x
"""
PUBLIC = "8.8.8.8 1.1.1.1 93.184.216.34 2606:4700::1111 2a00:1450:4001::1 2001:4860::1"


@pytest.mark.parametrize("address", PRIVATE.split())
def test_addresses_that_are_no_single_public_machine(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC.split())
def test_addresses_that_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http and https"),
        ("data:image/png;base64,AAAA", "only http and https"),
        ("//host/a", "only http and https"),
        ("picture.png", "only http and https"),
        ("http://user:secret@host.test/a", "user name or password"),
        ("http://good.test\\@evil.test/", "user name or password"),
        ("http://host.test/\r\nX-Evil: 1", "control characters"),
        ("http://host.test/\x00", "control characters"),
        ("http://", "not an address"),
        ("http://[::1", "not an address"),
        ("http://[fe80::1%25eth0]/", "not an address"),
        ("http://host.test:http/", "not an address"),
        ("http://ho st.test/", "not an address"),
        ("http://a..b/", "not an address"),
        ("http://" + "a" * 70 + ".test/", "not an address"),
        ("http://host.test/" + "a" * 9000, "at most 8,192"),
    ],
)
def test_addresses_of_other_kinds_are_refused(url: str, words: str) -> None:
    with pytest.raises(UnfitAddressError, match=words) as caught:
        web_address(url)
    assert "secret" not in str(caught.value)


def test_addresses_in_other_scripts_are_put_in_ascii() -> None:
    address = web_address("HTTPS://Bücher.test:8443/bilder/größe 1.png?q=ä&p=%20#x")
    assert (address.scheme, address.host, address.port) == ("https", "xn--bcher-kva.test", 8443)
    assert address.target == "/bilder/gr%C3%B6%C3%9Fe%201.png?q=%C3%A4&p=%20"
    assert web_address("http://[2001:DB8::1]/").authority == "[2001:db8::1]"


@given(st.text(max_size=60), st.text(max_size=60))
def test_any_text_is_an_address_or_unfit(host: str, path: str) -> None:
    for url in (host, f"http://{host}/{path}", f"https://host.test/{path}"):
        try:
            address = web_address(url)
        except UnfitAddressError:
            continue
        assert address.target.isascii() and address.target.isprintable() and " " not in address.target
        assert address.host.isascii() and "@" not in address.host


@given(st.text(max_size=20), st.text(max_size=20))
def test_no_password_is_shown(user: str, rest: str) -> None:
    assert "s3cret" not in without_user(f"http://{user}:s3cret@host.test/{rest}") or any(c in user for c in "/?#")


# Several at a time.


class Going:
    """Counts the fetches between the look-up of their host and the first of their body, as the client sees them."""

    def __init__(self) -> None:
        self.now, self.most, self._lock = 0, 0, threading.Lock()

    def begin(self, host: str, port: int) -> Sequence[str]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        return resolve(host, port)

    def end(self) -> None:
        with self._lock:
            self.now -= 1


class Sink(io.BytesIO):
    def __init__(self, going: Going) -> None:
        super().__init__()
        self._going = going

    def write(self, block: Any) -> int:
        if self.tell() == 0:
            self._going.end()
        return super().write(block)


def test_a_host_gets_few_connections_at_a_time(server: WebServer) -> None:
    going = Going()
    fetcher = Fetcher(replace(OPEN, per_host=2, resolver=going.begin))
    urls = [server.on(f"/{number}", slowly(answer(BODY), 0.05)) for number in range(8)]
    threads = [threading.Thread(target=fetcher.fetch, args=(url, Sink(going))) for url in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.requests) == 8 and (going.now, going.most) == (0, 2)


@pytest.mark.parametrize("play", [endless(b"x", 0.02), slowly(answer(BODY), 30)], ids=["drip", "silence"])
def test_stopping_ends_what_is_under_way(server: WebServer, play: Play) -> None:
    fetcher, caught = Fetcher(replace(OPEN, timeout=600)), []

    def run() -> None:
        try:
            fetcher.fetch(server.on("/a", play), io.BytesIO())
        except FetchError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    while not server.requests:
        time.sleep(0.01)
    fetcher.stop()
    thread.join(10)
    assert caught == ["it was stopped"]


# TLS verifies the name of the host, though the connection goes to a numeric address.


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    made, key = folder / "made.pem", folder / "key.pem"
    said = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=pictures.test"
    names = ["-addext", "subjectAltName=DNS:pictures.test"]
    subprocess.run(
        ["openssl", *said.split(), *names, "-keyout", key, "-out", made], check=True, capture_output=True, timeout=60
    )
    return made, key


def test_tls_verifies_the_name_and_not_the_address(
    certificate: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    web = replace(OPEN, resolver=lambda *_: ["127.0.0.1"])
    with WebServer(tls=context) as server:
        server.on("/a", answer(BODY))
        server.on("/down", redirect(f"http://pictures.test:{server.port}/a"))
        error = failure(server.url("/a", "pictures.test"), web)
        assert error.lasting and "certificate" in str(error).lower(), "signed by nobody"
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
        assert fetch(server.url("/a", "pictures.test"), web) == BODY
        assert "certificate" in str(failure(server.url("/a", "other.test"), web)).lower()
        assert "not https" in str(failure(server.url("/down", "pictures.test"), web))
        server.on("/late", slowly(answer(BODY), 0.7))
        assert fetch(server.url("/late", "pictures.test"), web) == BODY, "waiting in steps loses nothing"
        assert server.paths() == ["/a", "/down", "/late"]
