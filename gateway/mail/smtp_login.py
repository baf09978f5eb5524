"""How does a connection become ready to take mail? Connect, greeting, EHLO, STARTTLS, AUTH (SEND-26, SEND-32)."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.log import event
from gateway.mail import smtp_auth
from gateway.mail.smtp_conversation import Conversation, Lost
from gateway.mail.smtp_outcome import Outcome, Timeouts, Verdict, judge
from gateway.mail.smtp_replies import Reply
from gateway.mail.smtp_url import SmtpUrl
from gateway.mail.wire import printable

log = logging.getLogger("gateway.mail")

Address = tuple[int, int, int, str, Any]


@dataclass(frozen=True, slots=True)
class Offer:
    """What the server said it can do, after TLS where there is TLS. ``size``: of the largest message, None: any."""

    pipelining: bool = False
    eight_bit: bool = False
    utf8: bool = False
    sizes: bool = False
    size: int | None = None
    starttls: bool = False
    auth: frozenset[str] = frozenset()


class NotReady(Exception):
    """The connection could not be made ready; ``outcome`` says why and is ``NOT_TRIED``."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.text)
        self.outcome = outcome


def trust(url: SmtpUrl) -> ssl.SSLContext:
    """TLS that is verified against the system's authorities, or those of the URL's ``ca``. Raises ``SSLError``."""
    return ssl.create_default_context(cafile=url.ca)


async def log_in(url: SmtpUrl, helo: str, timeouts: Timeouts,
                 tls: ssl.SSLContext | None = None) -> tuple[Conversation, Offer]:
    """A connection that takes MAIL. Raises ``NotReady`` for whatever kept us from it, with nothing left open."""
    entrance = _Entrance(url, helo, timeouts, tls)
    try:
        return await entrance.walk()
    except NotReady as refused:
        outcome = refused.outcome
    except (Lost, smtp_auth.NoWay) as failure:
        outcome = Outcome(Verdict.NOT_TRIED, None, None, printable(str(failure)), entrance.stage)
    except TimeoutError:
        outcome = Outcome(Verdict.NOT_TRIED, None, None, "The mail server did not answer in time.", entrance.stage)
    except (OSError, UnicodeError) as error:  # certificates too; a host name that cannot be one
        text = printable(getattr(error, "strerror", None) or str(error) or type(error).__name__)
        outcome = Outcome(Verdict.NOT_TRIED, None, None, text, entrance.stage)
    except BaseException:
        entrance.leave()
        raise
    entrance.leave()
    event(log, "mail server not usable", level=logging.WARNING, relay=url.name, stage=outcome.stage, code=outcome.code)
    raise NotReady(outcome)


class _Entrance:
    """One walk from the socket to the login; ``stage`` is where it stands."""

    def __init__(self, url: SmtpUrl, helo: str, timeouts: Timeouts, tls: ssl.SSLContext | None) -> None:
        self.stage = "connect"
        self._url, self._helo, self._timeouts, self._tls = url, helo, timeouts, tls
        self._talk: Conversation | None = None

    def leave(self) -> None:
        if self._talk is not None:
            self._talk.end("not ready")

    async def walk(self) -> tuple[Conversation, Offer]:
        loop, limit = asyncio.get_running_loop(), self._timeouts.greeting_s
        sock = await _connect(loop, self._url.host, self._url.port, limit)
        talk = self._talk = Conversation(loop, sock, self._timeouts)
        if self._url.security == "smtps":
            await talk.secure(self._tls or trust(self._url), self._url.host, limit)
        self.stage = "greeting"
        self._need(await talk.ask(b"", limit))
        offer = await self._ehlo()
        if self._url.security == "smtp+starttls":
            offer = await self._starttls(offer)
        if self._url.user is not None:
            await self._auth(offer)
        return talk, offer

    async def _ask(self, line: bytes) -> Reply:
        return await self._talk.ask(line, self._timeouts.command_s)

    def _need(self, reply: Reply) -> None:
        if not 200 <= reply.code <= 299:
            raise NotReady(judge(self.stage, reply.code, reply.text))

    async def _ehlo(self) -> Offer:
        self.stage = "ehlo"
        reply = await self._ask(f"EHLO {self._helo}\r\n".encode())
        if reply.code in (500, 501, 502, 504):  # RFC 5321, 3.2: a server without extensions
            reply = await self._ask(f"HELO {self._helo}\r\n".encode())
            self._need(reply)
            return Offer()
        self._need(reply)
        return _offer(reply.lines[1:])

    async def _starttls(self, offer: Offer) -> Offer:
        """TLS or nothing. What was offered in clear is forgotten, for anybody on the way could have written it."""
        self.stage = "starttls"
        if not offer.starttls:
            raise Lost("The mail server offers no STARTTLS, and GATEWAY_SMTP_URL asks for it.")
        self._need(await self._ask(b"STARTTLS\r\n"))
        await self._talk.secure(self._tls or trust(self._url), self._url.host, self._timeouts.command_s)
        return await self._ehlo()

    async def _auth(self, offer: Offer) -> None:
        self.stage = "auth"
        lines = smtp_auth.steps(self._url, smtp_auth.mechanism(self._url, offer.auth))
        reply = await self._ask(next(lines))
        while reply.code == 334:
            reply = await self._ask(next(lines, b"*\r\n"))  # RFC 4954, 4: we know no more answers
        self._need(reply)


def _offer(lines: Sequence[bytes]) -> Offer:
    words = [line.decode("latin-1").replace("AUTH=", "AUTH ").split() for line in lines]
    said = {each[0].upper(): each[1:] for each in words if each}
    size = "".join(said.get("SIZE", ())[:1])
    limit = int(size) if size.isascii() and size.isdigit() and len(size) < 20 else 0
    auth = frozenset(name.lower() for each in words if each and each[0].upper() == "AUTH" for name in each[1:])
    return Offer("PIPELINING" in said, "8BITMIME" in said, "SMTPUTF8" in said, "SIZE" in said, limit or None,
                 "STARTTLS" in said, auth)


async def _connect(loop: asyncio.AbstractEventLoop, host: str, port: int, seconds: float) -> socket.socket:
    """A socket to the first address of the host that answers, each with its share of the time."""
    deadline = loop.time() + seconds
    async with asyncio.timeout(seconds):
        addresses = await _addresses(loop, host, port)
    failure: OSError = TimeoutError()
    for left, (family, kind, protocol, _, address) in zip(range(len(addresses), 0, -1), addresses, strict=True):
        sock = socket.socket(family, kind, protocol)
        sock.setblocking(False)
        try:
            async with asyncio.timeout((deadline - loop.time()) / left):
                await loop.sock_connect(sock, address)
            return sock
        except OSError as error:  # TimeoutError is one
            sock.close()
            failure = error
        except BaseException:
            sock.close()
            raise
    raise failure


async def _addresses(loop: asyncio.AbstractEventLoop, host: str, port: int) -> list[Address]:
    try:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:  # a name: asking for it takes time, and a thread
        return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
