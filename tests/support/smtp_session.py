"""How does the SMTP sink talk on one connection? Commands in, scripted replies out (smtp_script)."""

from __future__ import annotations

import asyncio
import base64
import re
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from tests.support.smtp_script import (
    CARELESS,
    DATA_REPLIES,
    DOT_REPLIES,
    HANGS_UP,
    LONG_REPLY,
    MAIL_REPLIES,
    RCPT_REPLIES,
    TAKEN_REPLIES,
    is_once,
    script_of,
    sender_script,
)

SIZE_LIMIT = 50_000_000
MAX_LINE = 8192

_PATH = re.compile(rb"^[A-Z]+ (?:FROM|TO):\s*<([^>]*)>", re.I)


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


class Sink(Protocol):
    """What the connections of a sink share."""

    replies: Mapping[str, bytes]
    users: Mapping[str, str]
    auth: tuple[str, ...]
    tls: ssl.SSLContext | None
    implicit_tls: bool
    careless: bool
    extensions: tuple[str, ...]
    numbers: Iterator[int]
    seen: set[str]

    def take(self, message: Received) -> None:
        """A message was taken."""

    def note(self, session: Session, *, is_open: bool) -> None:
        """A connection came or went."""


class Session(asyncio.Protocol):
    """One connection: commands may arrive in one piece (RFC 2920) and are answered in one write."""

    def __init__(self, sink: Sink) -> None:
        self.sink, self.number = sink, next(sink.numbers)
        self.buffer, self.out = bytearray(), bytearray()
        self.transport: asyncio.Transport | None = None
        self.tls, self.user = sink.implicit_tls, None
        self.next_line: Callable[[bytes], None] | None = None
        self.in_data = self.closing = self.held = self.slow = False
        self.drips = bytearray()
        self.searched = 0
        self.reset()

    def reset(self) -> None:
        """No transaction."""
        self.word: str | None = None
        self.careless: str | None = None
        self.slow = False
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
        if self.slow or self.drips:
            dripping = bool(self.drips)
            self.drips += self.out
            if not dripping:
                self.drip()
        elif self.out and not self.transport.is_closing():
            self.transport.write(bytes(self.out))
        self.out.clear()
        if self.closing and not self.drips:
            self.transport.close()

    def drip(self) -> None:
        """The next byte, on its own."""
        if self.drips and not self.transport.is_closing():
            self.transport.write(bytes(self.drips[:1]))
            del self.drips[0]
            asyncio.get_running_loop().call_later(0.0005, self.drip)
        elif self.closing:
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
            offers.append("AUTH " + " ".join(self.sink.auth))
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
        if method.decode("latin-1") not in self.sink.auth:
            self.say(b"504 5.5.4 no such method\r\n")
        elif method == b"XOAUTH2" and len(words) > 2:
            self.auth_token(words[2])
        elif method == b"PLAIN" and len(words) > 2:
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

    def auth_token(self, answer: bytes) -> None:
        """XOAUTH2: a wrong token is said in a 334 first, which the client answers with an empty line."""
        found = re.fullmatch(rb"user=([^\x01]*)\x01auth=Bearer ([^\x01]*)\x01\x01", base64.b64decode(answer))
        user, token = (found[1], found[2]) if found else (b"", b"")
        if self.sink.users.get(user.decode()) == token.decode():
            self.check(user, token)
        else:
            self.ask(b'{"status":"401"}', lambda line: self.check(b"", b"") if not line else self.hang_up())

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
            self.mail(found[1].decode("utf-8", "replace"))

    def mail(self, sender: str) -> None:
        word, once = sender_script(sender) or (None, False)
        if word is None or (once and sender in self.sink.seen):
            self.sender = sender
            return self.say(b"250 2.1.0 ok\r\n")
        self.sink.seen.add(sender)
        return self.answer(word, MAIL_REPLIES[word])

    def answer(self, word: str, reply: bytes) -> None:
        """A scripted reply, and the end of the connection where the script says so."""
        self.hang_up(reply) if word in HANGS_UP else self.say(reply)

    def on_rcpt(self, line: bytes) -> None:
        found = _PATH.match(line)
        if self.sender is None or not found:
            return self.say(b"503 5.5.1 MAIL first, then RCPT TO:<address>\r\n")
        address = found[1].decode("utf-8", "replace")
        self.word = word = None if address in self.sink.seen else script_of(address)
        if is_once(address):
            self.sink.seen.add(address)
        if word in RCPT_REPLIES:
            self.careless = word if word in CARELESS else None
            self.held = word == "silent-at-rcpt"
            reply = RCPT_REPLIES[word]
            return self.answer(word, reply % found[1] if b"%" in reply else reply)
        self.slow = word == "slow-bytes"
        self.recipients.append(address)
        return self.say((LONG_REPLY if word == "long-at-rcpt" else b"") + b"250 2.1.5 ok\r\n")

    # --- the message --------------------------------------------------------------------------------------

    def on_data(self, _: bytes) -> None:
        if not self.recipients and not ((self.sink.careless or self.careless) and self.sender is not None):
            return self.say(b"503 5.5.1 no valid recipients\r\n")
        word = self.script()
        if word in DATA_REPLIES:
            return self.answer(word, DATA_REPLIES[word])
        self.in_data, self.searched = True, 0
        return self.say(b"354 end with .\r\n" + (b"250 2.0.0 taken\r\n" if word == "early-at-data" else b""))

    def script(self) -> str | None:
        """What the recipient asks for."""
        return self.word if self.recipients else None

    def step_data(self) -> bool:
        if self.buffer and self.script() == "drop-in-data":
            self.out.clear()
            self.abort()
            self.closing = True
            return False
        if self.buffer and self.script() == "early-reject":
            self.hang_up(b"552 5.3.4 that is too much\r\n")
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
        word = self.script()
        if not self.recipients:
            self.no_recipient(data)
        elif word in DOT_REPLIES:
            self.answer(word, DOT_REPLIES[word])
        elif len(data) > SIZE_LIMIT:
            self.say(b"552 5.3.4 message too big\r\n")
        else:
            self.sink.take(Received(self.sender, tuple(self.recipients), data, word not in TAKEN_REPLIES, self.tls,
                                    self.user, self.number))
            self.held = word == "silent-after-dot"
            self.answer(word or "", TAKEN_REPLIES.get(word, b"250 2.0.0 taken\r\n"))
        self.reset()

    def no_recipient(self, data: bytes) -> None:
        """The end of a message for nobody."""
        if self.careless == "gullible-bounce":
            self.sink.take(Received(self.sender, (), data, True, self.tls, self.user, self.number))
            self.say(b"250 2.0.0 taken for nobody\r\n")
        else:
            self.say(b"554 5.5.1 no valid recipients\r\n")

    def release(self) -> None:
        if self.held:
            self.held = False
            self.say(b"250 2.0.0 taken at last\r\n")
            self.data_received(b"")
