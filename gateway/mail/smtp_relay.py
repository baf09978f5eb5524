"""How does one relay get its messages: how many connections, how fast, and when after a failure? (SEND-32, SEND-34)"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Protocol

from gateway.mail.smtp_client import Connection
from gateway.mail.smtp_login import NotReady, log_in, trust
from gateway.mail.smtp_outcome import Outcome, Outgoing, Timeouts, Verdict
from gateway.mail.smtp_pace import Backoff, Rate
from gateway.mail.smtp_url import SmtpUrl

IDLE_S = 30.0
FRUITLESS = 3
"""So many connections in a row that broke before any reply to a recipient or message count as a failure."""

ACTIVE_S = 1.0
"""A relay that took nothing for so long holds no other relay up."""

_NOT_NOW = Outcome(Verdict.NOT_TRIED, None, None, "There was no connection for it.", "connect")


class Source(Protocol):
    """Where messages come from and outcomes go to; called on the event loop, so nothing in it may block for long.

    What ``take``, ``end`` or ``relay_refused`` raise ends ``Relays.run``.
    """

    def take(self, relay: str) -> Outgoing | None:
        """The next message for a free connection; None: nothing now, ``Relays.wake`` makes it ask again."""

    def begin(self, message: Outgoing) -> None:
        """The first byte of the body leaves next (SEND-16). When it raises, nothing of the body is sent, the
        connection is dropped and there is no ``end`` for the message."""

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        """What became of it (SEND-17); exactly once for each message taken, unless ``begin`` raised."""

    def relay_refused(self, relay: str, outcome: Outcome) -> None:
        """A relay could not be reached or refused us, not a recipient (SEND-32, SEND-36)."""


class Hub(Protocol):
    """What the relays of a process share; ``several``: there is more than one, so each minds its share."""

    several: bool
    source: Source
    timeouts: Timeouts
    helo: str
    tls: ssl.SSLContext | None
    closing: bool

    def has_turn(self, relay: Relay, now: float) -> bool:
        """Whether a relay may take a message beside the others."""

    def has_taken(self, relay: Relay, now: float) -> None:
        """It has."""

    def wake(self) -> None:
        """There may be something to take."""


class Relay:
    """One relay. ``passed`` is what it has carried per weight; ``held``: it waits for the others to catch up."""

    def __init__(self, hub: Hub, url: SmtpUrl, name: str) -> None:
        self.name, self.url, self.hub = name, url, hub
        self.weight = url.weight
        self.slots = [Slot(self) for _ in range(url.connections)]
        self.passed, self.took_at, self.held = 0.0, float("-inf"), False
        self._loop = asyncio.get_running_loop()
        self._backoff, self._rate = Backoff(), Rate(url.rate)
        self._proven = self._dry = False
        self._timer: asyncio.TimerHandle | None = None
        self._trust: ssl.SSLContext | None = None

    # --- messages -----------------------------------------------------------------------------------------------

    def take(self, slot: Slot) -> Outgoing | None:
        """The next message for a connection, as far as back-off, rate and share allow one now."""
        now, hub = self._loop.time(), self.hub
        wait_s = max(slot.backoff.until, self._backoff.until, self._rate.next_at) - now
        if wait_s <= 0 and hub.several and not hub.has_turn(self, now):
            wait_s = ACTIVE_S
        if wait_s > 0 or hub.closing:
            self.wake_in(wait_s)
            return None
        message = hub.source.take(self.name)
        self._dry = message is None
        if message is not None:
            self._rate.spend(now)
            if hub.several:
                hub.has_taken(self, now)
        return message

    def may_connect(self) -> bool:
        """Whether one more connection may be tried: any, once one has come as far as a recipient; else just one."""
        return self._proven or not any(slot.connecting or slot.connection for slot in self.slots)

    def is_due(self, now: float) -> bool:
        """Whether it carries messages now, so that the others have to mind its share."""
        return (not self._dry and now - self.took_at <= ACTIVE_S and now >= self._backoff.until
                and now >= self._rate.next_at)

    def free_at(self) -> float:
        """When a message may be tried here again, by the loop's clock."""
        return max(self._backoff.until, min(slot.backoff.until for slot in self.slots))

    # --- success and failure --------------------------------------------------------------------------------------

    def works(self) -> None:
        """The relay has taken us as far as a recipient."""
        if not self._proven:
            self._proven = True
            self._backoff.clear()
            self.wake_soon()

    def failed(self, slot: Slot) -> None:
        """A connection could not be used. The relay backs off as a whole when no other connection works."""
        now = self._loop.time()
        slot.backoff.fail(now)
        if not any(other.connection for other in self.slots if other is not slot):
            self._proven = False
            self._backoff.fail(now)
        self.wake_in(max(slot.backoff.until, self._backoff.until) - now)

    def context(self) -> ssl.SSLContext | None:
        """The TLS to verify with, made once; None for a relay without TLS."""
        if self.hub.tls is None and self._trust is None and self.url.security != "smtp":
            with contextlib.suppress(OSError):  # a bad file: the login says what is wrong with it
                self._trust = trust(self.url)
        return self.hub.tls or self._trust

    # --- waking -------------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Lets every connection that has nothing to do ask for a message."""
        self._dry = False
        for slot in self.slots:
            slot.wake()

    def wake_soon(self) -> None:
        """The same, when the event loop comes to it."""
        self._loop.call_soon(self.wake)

    def wake_in(self, seconds: float) -> None:
        """The same, some time from now; an earlier one stays."""
        at = self._loop.time() + seconds
        if self.hub.closing or (self._timer is not None and self._timer.when() <= at):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        self.wake()

    def close(self, *, drop: bool) -> None:
        """Lets the connections end."""
        if self._timer is not None:
            self._timer.cancel()
        for slot in self.slots:
            slot.close(drop=drop)


class Slot:
    """One place for a connection of a relay: makes one when there is a message, and another one after it."""

    def __init__(self, relay: Relay) -> None:
        self.backoff = Backoff()
        self.connection: Connection | None = None
        self._relay, self._source = relay, relay.hub.source
        self._message: Outgoing | None = None
        self._asleep: asyncio.Future[None] | None = None
        self._connecting: asyncio.Task[Connection] | None = None
        self._fruitless = 0

    @property
    def connecting(self) -> bool:
        """Whether a connection is being made."""
        return self._connecting is not None

    @property
    def busy(self) -> bool:
        """Whether a message is in hand."""
        return self._message is not None or (self.connection is not None and (
            not self.connection.idle or self.connection.left_over is not None))

    async def run(self) -> None:
        """Until the hub closes. Raises what the source raised."""
        while not self._relay.hub.closing:
            if self._message is not None and self.backoff.until > asyncio.get_running_loop().time():
                self._give_back()
            if self._message is None and self._relay.may_connect():
                self._message = self._relay.take(self)
            if self._message is None:
                await self._sleep()
            elif await self._connect():
                await self._carry()
        if self._message is not None:
            self._give_back()

    async def _sleep(self) -> None:
        self._asleep = asyncio.get_running_loop().create_future()
        try:
            await self._asleep
        finally:
            self._asleep = None

    async def _connect(self) -> bool:
        """A connection for the message in hand, which goes back when there is none to be had."""
        hub = self._relay.hub
        try:
            context = self._relay.context()
            self._connecting = asyncio.ensure_future(log_in(self._relay.url, hub.helo, hub.timeouts, context))
            talk, offer = await self._connecting
        except NotReady as refused:
            message, self._message = self._message, None
            self.end(message, refused.outcome)
            return False
        except asyncio.CancelledError:
            if not hub.closing:
                raise
            return False
        finally:
            self._connecting = None
        if hub.closing:
            talk.end(_NOT_NOW.text)
            return False
        self.connection = Connection(talk, offer, self, self._relay.url.messages)
        return True

    def _give_back(self) -> None:
        """The message in hand is for another connection, or another time."""
        message, self._message = self._message, None
        self._source.end(message, _NOT_NOW)

    async def _carry(self) -> None:
        """Until the connection's end; a message that only its connection failed is in hand again."""
        connection, first = self.connection, self._message
        self._message = None
        self._fruitless += 1
        connection.wake(first)
        idle_before = False
        while not (await asyncio.wait((connection.closed,), timeout=IDLE_S))[0]:
            if idle_before and connection.idle:
                connection.finish()
            idle_before = connection.idle
        self._message, self.connection = connection.left_over, None
        connection.closed.result()
        if self._fruitless >= FRUITLESS and not self._relay.hub.closing:
            self._relay.failed(self)

    # --- what its connection asks for and reports ---------------------------------------------------------------

    def take(self) -> Outgoing | None:
        """The next message."""
        return self._relay.take(self)

    def begin(self, message: Outgoing) -> None:
        """A body leaves."""
        self._relay.works()
        self._source.begin(message)

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        """What became of a message. Any reply to a recipient or message shows that the relay works."""
        self._source.end(message, outcome)
        if outcome.kind is Verdict.NOT_TRIED:
            if not self._relay.hub.closing:
                self._fruitless = 0
                self._relay.failed(self)
                self._source.relay_refused(self._relay.name, outcome)
                asyncio.get_running_loop().call_soon(self._relay.hub.wake)  # whoever is free may take what went back
        elif outcome.code is not None and outcome.code != 421:
            self._fruitless = 0
            if self.backoff.until:
                self.backoff.clear()
            self._relay.works()

    # --- for the relay --------------------------------------------------------------------------------------------

    def wake(self) -> None:
        """Asks for a message, if there is nothing to do."""
        if self._asleep is not None and not self._asleep.done():
            self._asleep.set_result(None)
        elif self.connection is not None:
            self.connection.wake()

    def close(self, *, drop: bool) -> None:
        """Ends after the messages in hand, or at once."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self.connection is not None:
            self.connection.drop() if drop else self.connection.finish()
        self.wake()
