"""What do real clients write on the wire? A proxy that keeps every request as it came, byte for byte.

``with Recorder(8080) as recorder`` listens on ``recorder.port`` of 127.0.0.1, passes all on to port 8080 and keeps
what was asked in ``recorder.requests``; :func:`parse` reads one request.
"""

from __future__ import annotations

import contextlib
import re
import socket
import threading
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Request:
    """A recorded request; ``body`` as the server's WSGI layer hands it on, without the marks of chunks."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def header(self, name: str) -> str:
        """The value of a header, empty if it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def operation(self) -> str:
        """The local name of the body's one child."""
        found = re.search(rb"<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)", self.body)
        return found[1].decode() if found else ""


def parse(raw: bytes) -> Request:
    """Reads a request as it was recorded."""
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    request = Request(method, target, headers, body)
    if request.header("Transfer-Encoding").lower() == "chunked":
        return Request(method, target, headers, _joined(body))
    assert not request.header("Content-Length") or int(request.header("Content-Length")) == len(body), first
    return request


def _joined(chunks: bytes) -> bytes:
    found = b""
    while True:
        size, _, chunks = chunks.partition(b"\r\n")
        length = int(size.partition(b";")[0], 16)
        if not length:
            return found
        found, chunks = found + chunks[:length], chunks[length + 2:]


class Recorder:
    """The proxy before a port of 127.0.0.1. A request ends where the client sends after a final answer."""

    def __init__(self, behind: int) -> None:
        self._behind = behind
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._kept: list[bytearray] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    @property
    def requests(self) -> list[bytes]:
        """Every request so far, head and body."""
        return [bytes(each) for each in self._kept]

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                _Connection(client, socket.create_connection(("127.0.0.1", self._behind)), self._kept)


class _Connection:
    """Two threads that pass on what comes, one for each direction."""

    def __init__(self, client: socket.socket, server: socket.socket, kept: list[bytearray]) -> None:
        self._kept, self._answered, self._current = kept, True, bytearray()
        for source, target, note in ((client, server, self._sent), (server, client, self._told)):
            threading.Thread(target=self._pass_on, args=(source, target, note), daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket, note) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(1 << 16):
                note(data)
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)

    def _sent(self, data: bytes) -> None:
        if self._answered:
            self._answered, self._current = False, bytearray()
            self._kept.append(self._current)
        self._current += data

    def _told(self, data: bytes) -> None:
        self._answered = self._answered or not data.startswith(b"HTTP/1.1 100")
