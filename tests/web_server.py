"""A web server on loopback whose every answer is scripted, down to the bytes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

Play = Callable[[socket.socket], None]


class WebServer:
    """Plays for every request the next play of its path, the last one for ever; `requests` are their heads."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self.plays: dict[str, list[Play]] = {}
        self.requests: list[str] = []
        self.connections = 0
        self._tls = tls
        self._lock = threading.Lock()
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.host, self.port = (f"[{host}]" if ":" in host else host), self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits for a connection
        self._listener.close()

    def url(self, path: str, host: str | None = None) -> str:
        scheme = "https" if self._tls else "http"
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def on(self, path: str, *plays: Play) -> str:
        """Script the answers of a path; returns its address."""
        self.plays[path] = list(plays)
        return self.url(path)

    def paths(self) -> list[str]:
        return [head.split(" ")[1] for head in self.requests]

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        try:
            if self._tls:
                connection = self._tls.wrap_socket(connection, server_side=True)
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    block = connection.recv(4096)
                    if not block:
                        return
                    head += block
                self._play(head.decode("latin-1"), connection)
        except OSError:
            return

    def _play(self, head: str, connection: socket.socket) -> None:
        path = head.split(" ")[1]
        with self._lock:
            self.requests.append(head)
            plays = self.plays.get(path, [status(404)])
            play = plays.pop(0) if len(plays) > 1 else plays[0]
        play(connection)


def answer(body: bytes, *headers: str, code: int = 200, length: bool = True) -> Play:
    """An answer with a body; without `length` it ends where the connection does."""
    said = [f"HTTP/1.1 {code} Said", *headers, *([f"Content-Length: {len(body)}"] if length else [])]
    return lambda connection: connection.sendall("\r\n".join([*said, "", ""]).encode() + body)


def status(code: int, *headers: str) -> Play:
    return answer(b"sorry", *headers, code=code)


def redirect(to: str, code: int = 302) -> Play:
    return answer(b"", f"Location: {to}", code=code)


def cut(body: bytes) -> Play:
    """Half a body under a header that promises all of it."""
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    return lambda connection: connection.sendall(head + body[: len(body) // 2])


def endless(block: bytes, pause: float = 0.0) -> Play:
    """Chunks without an end, and without a length."""

    def play(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            connection.sendall(f"{len(block):x}\r\n".encode() + block + b"\r\n")
            time.sleep(pause)

    return play


def dripping_head(connection: socket.socket) -> None:
    """A header that never ends, byte by byte."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while True:
        connection.sendall(b"x")
        time.sleep(0.05)


def slowly(play: Play, seconds: float) -> Play:
    def late(connection: socket.socket) -> None:
        time.sleep(seconds)
        play(connection)

    return late


def hang_up(connection: socket.socket) -> None:
    """The end of the connection before any answer."""
    connection.shutdown(socket.SHUT_RDWR)
