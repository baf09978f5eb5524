"""What would a mail server do? A scripted SMTP server that keeps what it takes; library and program.

``with SmtpSink() as sink`` runs one on a free port of 127.0.0.1 in a thread of its own;
``python -m tests.support.smtp_sink --port N --log FILE`` runs one as a process. Every message it takes is
written to the log (one JSON line, one ``os.write``) BEFORE the sink answers, so the log is the truth about
what a mail server has, whoever is killed. The recipient's local part is the script:

==================  ==========================================================================
contains            the sink
==================  ==========================================================================
bounce-5xx          550 5.1.1 to RCPT
full                552 5.2.2 to RCPT
defer-4xx           451 4.3.0 to RCPT
421                 421 4.3.2 to RCPT, and hangs up
reject-data         554 5.7.1 after the dot
drop-in-data        hangs up when the first bytes of the body arrive
drop-after-dot      takes and logs the message, then hangs up without an answer
silent-after-dot    takes and logs the message, answers only after ``release()``
==================  ==========================================================================

``full`` and ``421`` must stand alone or beside a dot, plus or dash: ``member421`` and ``fuller`` are people.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import signal
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self
from urllib.parse import quote

SIZE_LIMIT = 50_000_000
MAX_LINE = 8192

RCPT_REPLIES = {
    "bounce-5xx": b"550 5.1.1 <%s>: no such mailbox here\r\n",
    "full": b"552 5.2.2 <%s>: mailbox is full\r\n",
    "defer-4xx": b"451 4.3.0 <%s>: try again later\r\n",
    "421": b"421 4.3.2 <%s>: shutting down\r\n",
}
_SCRIPT = re.compile(r"bounce-5xx|defer-4xx|reject-data|drop-in-data|drop-after-dot|silent-after-dot"
                     r"|(?:(?<=[.+-])|^)(?:full|421)(?=[.+-]|$)")
_MESSAGE_ID = re.compile(rb"^message-id:\s*(\S+)", re.I | re.M)
_PATH = re.compile(rb"^[A-Z]+ (?:FROM|TO):\s*<([^>]*)>", re.I)


def script_of(address: str) -> str | None:
    """Which row of the table the address asks for; None: the message is taken."""
    found = _SCRIPT.search(address.rpartition("@")[0])
    return found[0] if found else None


@dataclass(frozen=True, slots=True)
class Received:
    """One message that the sink took. ``answered``: its 250 was given at once; ``data`` is unstuffed."""

    envelope_from: str
    envelope_to: tuple[str, ...]
    data: bytes
    answered: bool = True
    tls: bool = False
    user: str | None = None
    connection: int = 0


class SmtpSink:
    """A scripted SMTP server on 127.0.0.1; messages are in ``messages`` and, if given, in the file ``log_path``.

    ``replies`` answers a verb (CONNECT, EHLO, AUTH, MAIL, RCPT, DATA) with fixed bytes instead; ``users`` asks
    for AUTH; ``tls`` offers STARTTLS (``implicit_tls`` speaks TLS from the first byte); ``extensions`` are the
    lines offered to EHLO; ``careless`` answers 354 to DATA although no recipient was taken.
    """

    def __init__(self, log_path: Path | str | None = None, *, port: int = 0, host: str = "127.0.0.1",
                 replies: Mapping[str, bytes] | None = None, users: Mapping[str, str] | None = None,
                 tls: ssl.SSLContext | None = None, implicit_tls: bool = False, careless: bool = False,
                 extensions: tuple[str, ...] = ("PIPELINING", "8BITMIME", f"SIZE {SIZE_LIMIT}",
                                                "ENHANCEDSTATUSCODES"),
                 keep_data: bool = True) -> None:
        self.log_path = log_path
        self.host, self.port = host, port
        self.replies = {verb: reply for verb, reply in (replies or {}).items()}
        self.users = dict(users or {})
        self.tls, self.implicit_tls, self.careless = tls, implicit_tls, careless
        self.extensions, self.keep_data = extensions, keep_data
        self.messages: list[Received] = []
        self.connections = 0
        self.open_connections: set[_Session] = set()
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
        if not started.wait(10):
            raise RuntimeError("the SMTP sink did not start")
        return self

    def __exit__(self, *_: object) -> None:
        self._in_loop(self._stop.set)
        self._thread.join(10)

    @property
    def url(self) -> str:
        """What to put into GATEWAY_SMTP_URL."""
        scheme = "smtps" if self.implicit_tls else "smtp+starttls" if self.tls else "smtp"
        login = "".join(f"{quote(user, safe='')}:{quote(password, safe='')}@" for user, password
                        in list(self.users.items())[:1])
        return f"{scheme}://{login}{self.host}:{self.port}"

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Received]:
        """The messages, once there are ``count`` of them; raises ``TimeoutError`` with the number there was."""
        return self.wait_until(lambda: len(self.messages) >= count, timeout)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 10.0) -> list[Received]:
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
        server = await self._loop.create_server(lambda: _Session(self), self.host, self.port,
                                                ssl=self.tls if self.implicit_tls else None)
        self.port = server.sockets[0].getsockname()[1]
        started()
        try:
            await self._stop.wait()
        finally:
            server.close()
            for session in list(self.open_connections):
                session.abort()
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

    def note(self, session: _Session, *, is_open: bool) -> None:
        """A connection came or went."""
        with self.changed:
            self.connections += is_open
            (self.open_connections.add if is_open else self.open_connections.discard)(session)
            self.changed.notify_all()


class _Session(asyncio.Protocol):
    """One connection: commands may arrive in one piece (RFC 2920) and are answered in one write."""

    def __init__(self, sink: SmtpSink) -> None:
        self.sink, self.number = sink, sink.connections + 1
        self.buffer, self.out = bytearray(), bytearray()
        self.transport: asyncio.Transport | None = None
        self.tls, self.user = sink.implicit_tls, None
        self.next_line: Callable[[bytes], None] | None = None
        self.in_data = self.closing = self.held = False
        self.searched = 0
        self.reset()

    def reset(self) -> None:
        self.sender: str | None = None
        self.recipients: list[str] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.sink.note(self, is_open=True)
        self.say(self.sink.replies.get("CONNECT", b"220 sink ESMTP\r\n"))
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.sink.note(self, is_open=False)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        while not self.closing and not self.held and self.step():
            pass
        self.flush()

    def step(self) -> bool:
        """Handles one command or one message from the buffer; False when it holds no whole one."""
        if self.in_data:
            return self.step_data()
        end = self.buffer.find(b"\r\n", 0, MAX_LINE)
        if end < 0:
            if len(self.buffer) >= MAX_LINE:
                self.hang_up(b"500 5.5.2 line too long\r\n")
            return False
        line = bytes(self.buffer[:end])
        del self.buffer[:end + 2]
        handle, self.next_line = self.next_line or self.command, None
        handle(line)
        return True

    def say(self, reply: bytes) -> None:
        self.out += reply

    def flush(self) -> None:
        if self.out and not self.transport.is_closing():
            self.transport.write(bytes(self.out))
        self.out.clear()
        if self.closing:
            self.transport.close()

    def hang_up(self, reply: bytes = b"") -> None:
        self.say(reply)
        self.closing = True

    def close(self) -> None:
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    # --- commands -----------------------------------------------------------------------------------------

    def command(self, line: bytes) -> None:
        verb = line.split(b" ", 1)[0].upper().decode("latin-1")
        scripted = self.sink.replies.get(verb)
        if scripted is not None:
            return self.hang_up(scripted) if scripted.startswith(b"421") else self.say(scripted)
        handle = getattr(self, f"on_{verb.lower()}", None)
        return handle(line) if handle else self.say(b"502 5.5.1 not implemented\r\n")

    def on_ehlo(self, _: bytes) -> None:
        self.reset()
        offers = [*self.sink.extensions]
        if self.sink.tls and not self.tls:
            offers.append("STARTTLS")
        if self.sink.users:
            offers.append("AUTH PLAIN LOGIN")
        lines = ["sink", *offers]
        self.say("".join(f"250{'-' if n < len(lines) else ' '}{t}\r\n" for n, t in enumerate(lines, 1)).encode())

    def on_helo(self, _: bytes) -> None:
        self.reset()
        self.say(b"250 sink\r\n")

    def on_noop(self, _: bytes) -> None:
        self.say(b"250 2.0.0 ok\r\n")

    def on_rset(self, _: bytes) -> None:
        self.reset()
        self.say(b"250 2.0.0 ok\r\n")

    def on_quit(self, _: bytes) -> None:
        self.hang_up(b"221 2.0.0 bye\r\n")

    def on_starttls(self, _: bytes) -> None:
        if not self.sink.tls or self.tls:
            return self.say(b"502 5.5.1 not offered\r\n")
        self.say(b"220 2.0.0 go ahead\r\n")
        self.flush()
        self.buffer.clear()  # whatever came before the handshake is not to be believed
        self.held = True
        self.task = asyncio.get_running_loop().create_task(self.start_tls())
        return None

    async def start_tls(self) -> None:
        try:
            self.transport = await asyncio.get_running_loop().start_tls(self.transport, self, self.sink.tls,
                                                                         server_side=True)
        except (OSError, ssl.SSLError):
            self.sink.note(self, is_open=False)
            return
        self.tls, self.held = True, False
        self.data_received(b"")

    def on_auth(self, line: bytes) -> None:
        words = line.split()
        method = words[1].upper() if len(words) > 1 else b""
        if method == b"PLAIN" and len(words) > 2:
            self.auth_plain(words[2])
        elif method == b"PLAIN":
            self.ask(b"", self.auth_plain)
        elif method == b"LOGIN" and len(words) > 2:
            self.auth_login_user(words[2])
        elif method == b"LOGIN":
            self.ask(b"Username:", self.auth_login_user)
        else:
            self.say(b"504 5.5.4 no such method\r\n")

    def ask(self, prompt: bytes, answer: Callable[[bytes], None]) -> None:
        self.say(b"334 " + base64.b64encode(prompt) + b"\r\n")
        self.next_line = answer

    def auth_plain(self, answer: bytes) -> None:
        _, user, password = (base64.b64decode(answer).split(b"\0") + [b"", b""])[:3]
        self.check(user, password)

    def auth_login_user(self, answer: bytes) -> None:
        user = base64.b64decode(answer)
        self.ask(b"Password:", lambda secret: self.check(user, base64.b64decode(secret)))

    def check(self, user: bytes, password: bytes) -> None:
        if self.sink.users.get(user.decode()) == password.decode():
            self.user = user.decode()
            self.say(b"235 2.7.0 welcome\r\n")
        else:
            self.say(b"535 5.7.8 wrong user or password\r\n")

    def on_mail(self, line: bytes) -> None:
        found = _PATH.match(line)
        if self.sink.users and self.user is None:
            self.say(b"530 5.7.0 authentication required\r\n")
        elif not found:
            self.say(b"501 5.5.4 MAIL FROM:<address>\r\n")
        elif self.sender is not None:
            self.say(b"503 5.5.1 nested MAIL\r\n")
        else:
            self.sender = found[1].decode("utf-8", "replace")
            self.say(b"250 2.1.0 ok\r\n")

    def on_rcpt(self, line: bytes) -> None:
        found = _PATH.match(line)
        if self.sender is None or not found:
            return self.say(b"503 5.5.1 MAIL first, then RCPT TO:<address>\r\n")
        address = found[1].decode("utf-8", "replace")
        word = script_of(address)
        if word in RCPT_REPLIES:
            reply = RCPT_REPLIES[word] % found[1]
            return self.hang_up(reply) if word == "421" else self.say(reply)
        self.recipients.append(address)
        return self.say(b"250 2.1.5 ok\r\n")

    # --- the message --------------------------------------------------------------------------------------

    def on_data(self, _: bytes) -> None:
        if not self.recipients and not (self.sink.careless and self.sender is not None):
            return self.say(b"503 5.5.1 no valid recipients\r\n")
        self.in_data, self.searched = True, 0
        return self.say(b"354 end with .\r\n")

    def script(self, word: str) -> bool:
        return any(script_of(address) == word for address in self.recipients)

    def step_data(self) -> bool:
        if self.buffer and self.script("drop-in-data"):
            self.out.clear()
            self.abort()
            self.closing = True
            return False
        end = 0 if self.buffer.startswith(b".\r\n") else self.buffer.find(b"\r\n.\r\n", max(0, self.searched - 4)) + 2
        if end == 1:
            self.searched = len(self.buffer)
            return False
        data = bytes(self.buffer[:end])
        del self.buffer[:end + 3]
        self.in_data = False
        self.finish((data[1:] if data.startswith(b".") else data).replace(b"\r\n.", b"\r\n"))
        return True

    def finish(self, data: bytes) -> None:
        if not self.recipients:
            self.say(b"554 5.5.1 no valid recipients\r\n")
        elif self.script("reject-data"):
            self.say(b"554 5.7.1 message refused by policy\r\n")
        elif len(data) > SIZE_LIMIT:
            self.say(b"552 5.3.4 message too big\r\n")
        else:
            silent, dropped = self.script("silent-after-dot"), self.script("drop-after-dot")
            self.sink.take(Received(self.sender, tuple(self.recipients), data, not (silent or dropped), self.tls,
                                    self.user, self.number))
            self.held = silent
            if dropped:
                self.hang_up()
            elif not silent:
                self.say(b"250 2.0.0 taken\r\n")
        self.reset()

    def release(self) -> None:
        if self.held:
            self.held = False
            self.say(b"250 2.0.0 taken at last\r\n")
            self.data_received(b"")


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
