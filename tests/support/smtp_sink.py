"""What would a mail server do? A scripted SMTP server that keeps what it takes; library and program.

``with SmtpSink() as sink`` runs one on a free port of 127.0.0.1 in a thread of its own;
``python -m tests.support.smtp_sink --port N --log FILE`` runs one as a process. Every message it takes is
written to the log (one JSON line, one ``os.write``) BEFORE the sink answers, so the log is the truth about
what a mail server has, whoever is killed. The recipient's local part is the script: see ``smtp_script``.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import re
import signal
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

from tests.support.smtp_session import SIZE_LIMIT, Received, Session

_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.I | re.M)


class SmtpSink:
    """A scripted SMTP server on 127.0.0.1; messages are in ``messages`` and, if given, in the file ``log_path``.

    ``replies`` answers a verb (CONNECT, EHLO, STARTTLS, AUTH, MAIL, RCPT, DATA) with fixed bytes instead; ``users``
    asks for AUTH, by one of the mechanisms ``auth``; ``tls`` offers STARTTLS (``implicit_tls`` speaks TLS from the
    first byte); ``extensions`` are the lines offered to EHLO; ``careless`` answers 354 to DATA although no recipient
    was taken.
    """

    def __init__(self, log_path: Path | str | None = None, *, port: int = 0, host: str = "127.0.0.1",
                 replies: Mapping[str, bytes] | None = None, users: Mapping[str, str] | None = None,
                 tls: ssl.SSLContext | None = None, implicit_tls: bool = False, careless: bool = False,
                 extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", f"SIZE {SIZE_LIMIT}",
                                                "ENHANCEDSTATUSCODES"),
                 auth: tuple[str, ...] = ("PLAIN", "LOGIN", "XOAUTH2"), keep_data: bool = True) -> None:
        self.log_path = log_path
        self.host, self.port = host, port
        self.replies = {verb: reply for verb, reply in (replies or {}).items()}
        self.users = dict(users or {})
        self.tls, self.implicit_tls, self.careless = tls, implicit_tls, careless
        self.extensions, self.auth, self.keep_data = extensions, auth, keep_data
        self.seen: set[str] = set()
        self.messages: list[Received] = []
        self.connections = 0
        self.numbers = itertools.count(1)
        self.open_connections: set[Session] = set()
        self.changed = threading.Condition()
        self._log = -1
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None

    # --- as a library -------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self.serve(started.set)), daemon=True)
        self._thread.start()
        if not started.wait(60):
            raise RuntimeError("the SMTP sink did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._stop.set)
        self._thread.join(60)

    @property
    def url(self) -> str:
        """What to put into GATEWAY_SMTP_URL."""
        scheme = "smtps" if self.implicit_tls else "smtp+starttls" if self.tls else "smtp"
        login = "".join(f"{quote(user, safe='')}:{quote(password, safe='')}@" for user, password
                        in list(self.users.items())[:1])
        return f"{scheme}://{login}{self.host}:{self.port}"

    def wait_for(self, count: int, timeout: float = 60.0) -> list[Received]:
        """The messages, once there are ``count`` of them; raises ``TimeoutError`` with the number there was."""
        return self.wait_until(lambda: len(self.messages) >= count, timeout)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> list[Received]:
        """Waits until ``condition`` holds; it is looked at whenever a message or a connection comes or goes."""
        with self.changed:
            if not self.changed.wait_for(condition, timeout):
                raise TimeoutError(f"only {len(self.messages)} messages, {len(self.open_connections)} connections")
            return list(self.messages)

    def release(self) -> None:
        """Answers the messages that ``silent-after-dot`` holds back."""
        self._in_loop(lambda: [session.release() for session in self.open_connections])

    def hang_up(self) -> None:
        """Closes every open connection, as a server does with idle ones."""
        self._in_loop(lambda: [session.close() for session in self.open_connections])

    def _in_loop(self, action: Callable[[], object]) -> None:
        self._loop.call_soon_threadsafe(action)

    # --- the server ---------------------------------------------------------------------------------------

    async def serve(self, started: Callable[[], object] = lambda: None) -> None:
        """Serves until stopped; ``started`` is called when the port is open and ``self.port`` is set."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        if self.log_path is not None:
            self._log = os.open(self.log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        server = await self._loop.create_server(lambda: Session(self), self.host, self.port,
                                                ssl=self.tls if self.implicit_tls else None)
        self.port = server.sockets[0].getsockname()[1]
        started()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for _ in range(10):  # who was let in a moment ago becomes a session only now
                for session in list(self.open_connections):
                    session.abort()
                await asyncio.sleep(0)
            if self._log >= 0:
                os.close(self._log)

    def stop(self) -> None:
        """Ends ``serve``; to be called inside its event loop."""
        self._stop.set()

    def take(self, message: Received) -> None:
        """Logs and keeps one message; whoever answers it does so afterwards."""
        if self._log >= 0:
            found = _MESSAGE_ID.search(message.data.partition(b"\r\n\r\n")[0])
            line = {"at": time.time(), "from": message.envelope_from, "to": list(message.envelope_to),
                    "message_id": found[1].decode("latin-1") if found else None, "size": len(message.data),
                    "answered": message.answered}
            if self.keep_data:
                line["data"] = base64.b64encode(message.data).decode()
            os.write(self._log, json.dumps(line).encode() + b"\n")
        with self.changed:
            self.messages.append(message if self.keep_data else replace(message, data=b""))
            self.changed.notify_all()

    def note(self, session: Session, *, is_open: bool) -> None:
        """A connection came or went."""
        with self.changed:
            self.connections += is_open
            (self.open_connections.add if is_open else self.open_connections.discard)(session)
            self.changed.notify_all()


def main() -> None:
    """Runs a sink as a process until SIGTERM or SIGINT; prints its URL when it listens."""
    parser = argparse.ArgumentParser(description="A scripted SMTP sink.")
    parser.add_argument("--port", type=int, default=0, help="0: a free one")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--log", type=Path, required=True, help="JSON lines, one a message, appended")
    parser.add_argument("--no-data", action="store_true", help="log the envelope without the message")
    options = parser.parse_args()
    sink = SmtpSink(options.log, port=options.port, host=options.host, keep_data=not options.no_data)

    async def run() -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, sink.stop)
        await sink.serve(lambda: print(sink.url, flush=True))

    asyncio.run(run())


if __name__ == "__main__":
    main()
