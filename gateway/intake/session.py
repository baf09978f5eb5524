"""What is said over one connection that brings us mail? LMTP (RFC 2033) or SMTP (RFC 5321), receiving only

Everything a stranger can make grow has a limit. A mail ends at CRLF.CRLF and at nothing else, so that no mail can hide
another behind a bare LF.
"""

from __future__ import annotations

import asyncio
import re
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from gateway.domain.inbound import KEPT_BYTES, LMTP


@dataclass(frozen=True, slots=True)
class Limits:
    """What one connection, and all together, may ask of us."""

    connections: int = 50
    per_host: int = 20
    size_bytes: int = 64 * 1024 * 1024
    recipients: int = 100
    mistakes: int = 20
    command_s: float = 60.0
    mail_s: float = 600.0
    session_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class Post:
    """Who takes the mail. ``accepts`` a recipient; ``keep`` takes sender, recipient, the mail's beginning and its size,
    and answers whether it is durable now."""

    accepts: Callable[[str], bool]
    keep: Callable[[str, str, bytes, int], Awaitable[bool]]


@dataclass(slots=True)
class _Envelope:
    sender: str
    recipients: list[str] = field(default_factory=list)


class Goodbye(Exception):
    """The connection ends after this reply."""


_QUOTED = r'"(?:[^"\\\x00-\x1f]|\\[\x20-\x7e])*"@'
_PATH = re.compile(rf"(?:FROM|TO):[ ]*<(?:@[^:<>]*:)?((?:{_QUOTED})?[^<>\x00-\x20]*)>(?:[ ]+(.*))?", re.I)
_KNOWN_PARAMETERS = re.compile(r"(?:SIZE=\d{1,15}|BODY=(?:7BIT|8BITMIME)|SMTPUTF8)", re.I)
_COMMAND_BYTES = 2048
_END = b".\r\n"

OK, KEPT = "250 2.0.0 ok", "250 2.0.0 kept"
NOT_OURS = "550 5.1.1 no such mailbox here"
TOO_LARGE = "552 5.3.4 the message is larger than we take"
LATER = "451 4.3.0 it could not be stored now; send it again"
STOPPING = "421 4.3.2 this server is stopping"
TOO_SLOW = "421 4.4.2 too slow"


class Session:
    """One connection. :meth:`run` returns when it is over and never raises, but when it is cancelled."""

    def __init__(self, protocol: str, name: str, post: Post, limits: Limits, reader: StreamReader,
                 writer: StreamWriter) -> None:
        self._lmtp = protocol == LMTP
        self._name, self._post, self._limits = name, post, limits
        self._reader, self._writer = reader, writer
        self._greeted = False
        self._mistakes = 0
        self._envelope: _Envelope | None = None

    async def run(self) -> None:
        """Talks until the client goes, or makes too many mistakes, or is too slow."""
        try:
            async with asyncio.timeout(self._limits.session_s):
                await self._reply(f"220 {self._name} {'LMTP' if self._lmtp else 'ESMTP'} takes bounces")
                while True:
                    await self._command()
        except Goodbye as goodbye:
            await self._last_word(str(goodbye))
        except TimeoutError:
            await self._last_word(TOO_SLOW)
        except asyncio.CancelledError:
            await self._last_word(STOPPING)
            raise
        except (OSError, asyncio.IncompleteReadError):
            pass  # the client has gone: what it had not finished was never a mail

    async def _command(self) -> None:
        line = await self._line()
        verb, _, rest = line.partition(" ")
        act = self._ACTS.get(verb.upper())
        if act is None:
            await self._mistake("500 5.5.2 no such command")
        else:
            await act(self, rest.strip())

    async def _line(self) -> str:
        async with asyncio.timeout(self._limits.command_s):
            try:
                data = await self._reader.readuntil(b"\r\n")
            except asyncio.LimitOverrunError:
                raise Goodbye("500 5.5.6 line too long") from None
        if len(data) > _COMMAND_BYTES:
            raise Goodbye("500 5.5.6 line too long")
        return data[:-2].decode("utf-8", "replace")

    # --- commands ---------------------------------------------------------------------------------------------------

    async def _hello(self, extended: bool) -> None:
        self._greeted, self._envelope = True, None
        lines = [self._name]
        if extended:
            lines += ["PIPELINING", f"SIZE {self._limits.size_bytes}", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"]
        await self._reply("\r\n".join([*(f"250-{line}" for line in lines[:-1]), f"250 {lines[-1]}"]))

    async def _lhlo(self, rest: str) -> None:
        await (self._hello(True) if self._lmtp and rest else self._mistake("500 5.5.1 this is not LMTP, or no name"))

    async def _ehlo(self, rest: str) -> None:
        await (self._hello(True) if not self._lmtp and rest else self._mistake("500 5.5.1 say LHLO and a name"))

    async def _helo(self, rest: str) -> None:
        await (self._hello(False) if not self._lmtp and rest else self._mistake("500 5.5.1 say LHLO and a name"))

    async def _mail(self, rest: str) -> None:
        found = _PATH.fullmatch(rest) if rest[:5].upper() == "FROM:" else None
        if not self._greeted or self._envelope is not None:
            await self._mistake("503 5.5.1 not now")
        elif found is None:
            await self._mistake("501 5.5.4 say MAIL FROM:<address>")
        elif not all(_KNOWN_PARAMETERS.fullmatch(each) for each in (found[2] or "").split()):
            await self._mistake("555 5.5.4 there is a parameter that we did not offer")
        elif self._announced(found[2] or "") > self._limits.size_bytes:
            await self._mistake(TOO_LARGE)
        else:
            self._envelope = _Envelope(found[1])
            await self._reply(OK)

    async def _rcpt(self, rest: str) -> None:
        found = _PATH.fullmatch(rest) if rest[:3].upper() == "TO:" else None
        if self._envelope is None:
            await self._mistake("503 5.5.1 MAIL first")
        elif found is None or found[2]:
            await self._mistake("501 5.5.4 say RCPT TO:<address>")
        elif len(self._envelope.recipients) >= self._limits.recipients:
            await self._mistake("452 4.5.3 too many recipients")
        elif not self._post.accepts(found[1]):
            await self._mistake(NOT_OURS)
        else:
            self._envelope.recipients.append(found[1])
            await self._reply(OK)

    async def _data(self, rest: str) -> None:
        envelope = self._envelope
        if envelope is None or not envelope.recipients or rest:
            await self._mistake("503 5.5.1 no valid recipients")
            return
        await self._reply("354 end with a dot")
        async with asyncio.timeout(self._limits.mail_s):
            kept, size = await self._body()
        self._envelope = None
        answers = [await self._stored(envelope.sender, to, kept, size) for to in envelope.recipients]
        if self._lmtp:
            await self._reply("\r\n".join(answers))  # one for each recipient, in their order (RFC 2033, 4.2)
        else:
            await self._reply(next((answer for answer in answers if answer != KEPT), KEPT))

    async def _body(self) -> tuple[bytes, int]:
        """The beginning of the mail without its stuffed dots, and the size of all of it."""
        kept, size, at_line_start = bytearray(), 0, True
        while True:
            try:
                line, whole = await self._reader.readuntil(b"\r\n"), True
            except asyncio.LimitOverrunError as overrun:
                line, whole = await self._reader.readexactly(overrun.consumed), False
            if at_line_start and line == _END:
                return bytes(kept), size
            if at_line_start and line.startswith(b"."):
                line = line[1:]
            at_line_start = whole
            size += len(line)
            if len(kept) < KEPT_BYTES:
                kept += line[:KEPT_BYTES - len(kept)]

    async def _stored(self, sender: str, recipient: str, kept: bytes, size: int) -> str:
        if size > self._limits.size_bytes:
            return TOO_LARGE
        return KEPT if await self._post.keep(sender, recipient, kept, size) else LATER

    async def _rset(self, _rest: str) -> None:
        self._envelope = None
        await self._reply(OK)

    async def _noop(self, _rest: str) -> None:
        await self._reply(OK)

    async def _vrfy(self, _rest: str) -> None:
        await self._mistake("252 2.5.0 send mail and see")

    async def _quit(self, _rest: str) -> None:
        raise Goodbye("221 2.0.0 bye")

    _ACTS = {"LHLO": _lhlo, "EHLO": _ehlo, "HELO": _helo, "MAIL": _mail, "RCPT": _rcpt, "DATA": _data, "RSET": _rset,
             "NOOP": _noop, "VRFY": _vrfy, "QUIT": _quit}

    # --- replies ----------------------------------------------------------------------------------------------------

    async def _reply(self, text: str) -> None:
        self._writer.write(text.encode("ascii", "replace") + b"\r\n")
        async with asyncio.timeout(self._limits.command_s):
            await self._writer.drain()

    async def _mistake(self, text: str) -> None:
        self._mistakes += 1
        if self._mistakes > self._limits.mistakes:
            raise Goodbye("421 4.7.0 too many mistakes")
        await self._reply(text)

    async def _last_word(self, text: str) -> None:
        """Says it if the client still listens; nobody waits for that."""
        if not self._writer.is_closing():
            self._writer.write(text.encode() + b"\r\n")

    @staticmethod
    def _announced(parameters: str) -> int:
        found = re.search(r"SIZE=(\d+)", parameters, re.I)
        return int(found[1]) if found else 0
