"""What does a client do with a server that keeps no rule at all? One that is a function of a socket."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator


class Peer:
    """The server's end of one connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.seen = sock, b""
        sock.settimeout(60)

    def say(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> bytes:
        """What is there: one ``recv``; empty at the end of the connection."""
        data = self.sock.recv(1 << 20)
        self.seen += data
        return data

    def until(self, end: bytes) -> bytes:
        """Reads until the bytes that have come since the last call end so."""
        found = b""
        while not found.endswith(end):
            data = self.read()
            if not data:
                raise ConnectionError(f"the client hung up after {found[-200:]!r}")
            found += data
        return found

    def greet(self, *extensions: str) -> None:
        """The greeting, and the answer to EHLO."""
        self.say(b"220 raw\r\n")
        self.until(b"\r\n")
        lines = ["raw", *extensions]
        self.say("".join(f"250{'-' if n < len(lines) else ' '}{x}\r\n" for n, x in enumerate(lines, 1)).encode())

    def take_envelope(self) -> None:
        """A pipelined envelope, answered with 354 at its end."""
        self.until(b"DATA\r\n")
        self.say(b"250 ok\r\n250 ok\r\n354 go\r\n")


@contextlib.contextmanager
def raw_server(*talks: Callable[[Peer], object]) -> Iterator[str]:
    """A server whose first connection is served by the first function and so on; gives its URL. What a function
    raises is raised at the end, except that the client was gone."""
    errors: list[BaseException] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 17)  # so that a large message never fits
        listener.settimeout(60)

        def serve() -> None:
            for talk in talks:
                try:
                    with listener.accept()[0] as sock:
                        talk(Peer(sock))
                except (ConnectionError, TimeoutError):
                    pass
                except BaseException as error:
                    errors.append(error)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"smtp://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            thread.join(20)
    if errors:
        raise errors[0]
