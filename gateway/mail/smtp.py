"""How does code that waits for the answer hand over a single message? (SEND-26..32)

For test copies, notices and the doctor. The same connection as the engine's (``smtp_client``), on an event loop of
its own that runs only while a call waits.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self, TypeVar

from gateway.mail.smtp_client import Connection
from gateway.mail.smtp_login import NotReady, log_in
from gateway.mail.smtp_outcome import Outcome, Outgoing, Timeouts, Verdict
from gateway.mail.smtp_url import SmtpUrl, parse_relays
from gateway.mail.wire import data_form, helo_name

__all__ = ["Outcome", "SmtpConnection", "Timeouts", "Verdict"]

PROBE_TIMEOUTS = Timeouts(10.0, 10.0, 10.0)

T = TypeVar("T")


class SmtpConnection:
    """One connection to the first relay that takes us, made when needed and reused; for one thread at a time.

    After the URL's ``messages``, a 421 or any break the next message gets a new connection. TLS is verified unless
    ``tls`` brings another context. Not to be called on the thread of a running event loop.
    """

    def __init__(self, *urls: SmtpUrl, helo: str = "localhost", timeouts: Timeouts | None = None,
                 tls: ssl.SSLContext | None = None) -> None:
        self._urls, self._helo = urls, helo_name(helo)
        self._timeouts, self._tls = timeouts or Timeouts(), tls
        self._loop: asyncio.AbstractEventLoop | None = None
        self._connection: Connection | None = None
        self._desk = _Desk()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        self.close()

    def send(self, envelope_from: str, envelope_to: str, data: bytes) -> Outcome:
        """Hands one message for one recipient to the server and says what became of it.

        ``data`` is a message; its line ends become CRLF and its dots are stuffed here. An address that cannot stand
        in a command is ``refused`` without a word to the server. Never raises for anything that the network or the
        server does.
        """
        form = data_form(data)
        return self._run(self._send(Outgoing(0, 0, envelope_from, envelope_to, form)))

    @classmethod
    def probe(cls, text: str, *, timeouts: Timeouts = PROBE_TIMEOUTS, tls: ssl.SSLContext | None = None) -> str | None:
        """What keeps us from handing mail to the relays of GATEWAY_SMTP_URL, None when all are ready to take some.

        Goes as far as TLS and login, then says QUIT; sends nothing. Raises ``SettingsError`` for a bad URL.
        """
        problems = []
        urls = parse_relays(text)
        for url in urls:
            with cls(url, timeouts=timeouts, tls=tls) as connection:
                try:
                    connection._run(connection._make_ready())
                except NotReady as failure:
                    words = (f"{failure.outcome.stage}:", failure.outcome.code, failure.outcome.text)
                    where = f"{url.name}: " if len(urls) > 1 else ""
                    problems.append(where + " ".join(str(word) for word in words if word))
        return "; ".join(problems) or None

    def close(self) -> None:
        """Says QUIT and closes; harmless when there is no connection."""
        if self._connection is not None and not self._connection.closed.done():
            self._connection.finish()
            self._run(_over(self._connection))
        self.drop()

    def drop(self) -> None:
        """Closes without a word; the server throws an unfinished message away."""
        loop, connection = self._loop, self._connection
        self._loop = self._connection = None
        if connection is not None:
            connection.drop()
        if loop is not None:
            loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs the loop until the work is done. An interrupted conversation is of no use to the next message."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        task = self._loop.create_task(work)
        try:
            return self._loop.run_until_complete(task)
        except BaseException:
            self._cancel(task)
            self.drop()
            raise
        finally:
            if self._connection is None:
                self.drop()

    def _cancel(self, task: asyncio.Task[Any]) -> None:
        if not task.done():
            task.cancel()
            self._loop.run_until_complete(asyncio.wait([task]))

    async def _send(self, message: Outgoing) -> Outcome:
        while True:
            try:
                connection = await self._make_ready()
            except NotReady as failure:
                return failure.outcome
            outcome = self._desk.outcome = asyncio.get_running_loop().create_future()
            connection.wake(message)
            await asyncio.wait([outcome, connection.closed], return_when=asyncio.FIRST_COMPLETED)
            if outcome.done():
                return outcome.result()
            connection.closed.result()
            # the server had given up the idle connection: nothing was begun, so a second try repeats nothing

    async def _make_ready(self) -> Connection:
        """A connection that takes a message: the one there is, or a new one. Raises ``NotReady``."""
        if self._connection is not None:
            await asyncio.sleep(0)  # the loop stood still: let it see whether the server has hung up
            if self._connection.usable:
                return self._connection
            self._connection.finish()
            await _over(self._connection)
            self._connection = None
        for place, url in enumerate(self._urls):
            try:
                talk, offer = await log_in(url, self._helo, self._timeouts, self._tls)
            except NotReady:
                if place == len(self._urls) - 1:
                    raise
            else:
                self._connection = Connection(talk, offer, self._desk, url.messages)
                break
        return self._connection


async def _over(connection: Connection) -> None:
    await asyncio.wait([connection.closed])


class _Desk:
    """The place for the outcome of the one message of a call."""

    def __init__(self) -> None:
        self.outcome: asyncio.Future[Outcome] | None = None

    def take(self) -> Outgoing | None:
        """The message is given to ``wake``."""

    def begin(self, message: Outgoing) -> None:
        """Nobody takes a note of these."""

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        """What became of it."""
        if not self.outcome.done():
            self.outcome.set_result(outcome)
