"""Who is owed an answer, and until when? One queue of awaited replies over one link (RFC 2920, SEND-26)."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import TypeVar

from gateway.mail.smtp_link import EARLY, Link
from gateway.mail.smtp_outcome import Timeouts
from gateway.mail.smtp_replies import Replies, Reply

T = TypeVar("T")
Handler = Callable[[Reply], None]
Awaited = tuple[Handler, float]
"""Who takes the reply, and how many seconds it may take from the moment that it is the next one."""

SILENT = "The mail server did not answer in time."


class Lost(Exception):
    """The conversation has ended; its text says why."""


class Conversation:
    """Commands out, replies in, each reply for whoever is next in the queue.

    A reply that nobody awaits ends the conversation: from there on no reply could be trusted to belong to its
    command. ``on_lost`` is called once with the cause, whoever ended it; ``ended`` is true from then on.
    ``on_failed`` gets what a taker of replies raised; ``busy`` while one is at it.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, sock: socket.socket, timeouts: Timeouts) -> None:
        self.timeouts = timeouts
        self.ended = self.busy = self._hearing = False
        self.on_lost: Callable[[str], None] = lambda cause: None
        self.on_failed: Callable[[BaseException], None] = lambda error: None
        self.link = Link(loop, sock, self)
        self._loop = loop
        self._replies = Replies()
        self._awaited: deque[Awaited] = deque()
        self._asking: asyncio.Future[Reply] | None = None
        self._deadline, self._seconds = math.inf, 0.0
        self._tick = min(timeouts.command_s, timeouts.message_s)
        self._timer: asyncio.TimerHandle | None = None

    # --- out --------------------------------------------------------------------------------------------------

    def expect(self, *awaited: Awaited) -> None:
        """Puts replies at the end of the queue, in the order of the commands that are about to be written."""
        if not self._awaited and not self._hearing:
            self._wait(awaited[0][1])
        self._awaited.extend(awaited)

    def say(self, data: bytes) -> None:
        """Writes commands whose replies are expected already."""
        self.link.put(data)
        self.link.flush()

    async def ask(self, line: bytes, seconds: float) -> Reply:
        """Writes one command (none, if empty) and waits for its reply; raises ``Lost``."""
        if self.ended:
            raise Lost(EARLY)
        asking = self._asking = self._loop.create_future()
        self.expect((asking.set_result, seconds))
        if line:
            self.say(line)
        try:
            return await asking
        finally:
            self._asking = None

    async def secure(self, context: ssl.SSLContext, host: str, seconds: float) -> None:
        """TLS from here on. Raises ``Lost`` when the server said more in clear than its reply, which somebody on the
        way could have added; else as ``Link.secure``, or ``TimeoutError``."""
        if self._replies.pending or self.ended:
            raise Lost(EARLY)
        async with asyncio.timeout(seconds):
            await self.link.secure(context, host)

    # --- in ---------------------------------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Called by the link."""
        self._replies.feed(data)
        self._hearing = True
        heard, awaited = False, self._awaited
        while not self.ended and (reply := self._replies.next()) is not None:
            if not awaited:
                self.end(f"{EARLY} {reply.text}")
                break
            heard = True
            self.call(awaited.popleft()[0], reply)
        self._hearing = False
        if heard:  # half a reply gives it no more time
            self._wait(awaited[0][1] if awaited else math.inf)

    def call(self, taker: Callable[[T], object], argument: T) -> None:
        """Calls somebody who may say something; ``busy`` meanwhile. What it raises ends the conversation."""
        self.busy = True
        try:
            taker(argument)
        except BaseException as error:
            self.on_failed(error)
        finally:
            self.busy = False

    def ahead(self) -> str:
        """What the server did before it was asked to, as far as can be known now: it spoke, or hung up; else empty."""
        return EARLY if self._replies.pending else self.link.ahead()

    def lost(self, cause: str) -> None:
        """Called by the link."""
        self.end(cause)

    def end(self, cause: str) -> None:
        """Closes at once; harmless when it has ended."""
        if self.ended:
            return
        self.ended = True
        if self._timer is not None:
            self._timer.cancel()
        self.link.close()
        self._awaited.clear()
        if self._asking is not None and not self._asking.done():
            self._asking.set_exception(Lost(cause))
        self.on_lost(cause)

    # --- time -------------------------------------------------------------------------------------------------

    def _wait(self, seconds: float) -> None:
        """The next reply is due in so many seconds.

        Timers cost more than a reply, so there is one that goes off at the shortest timeout at the latest, and looks.
        """
        now = self._loop.time()
        self._seconds, self._deadline = seconds, now + seconds
        if self._timer is None and seconds != math.inf and not self.ended:
            self._timer = self._loop.call_at(now + min(seconds, self._tick), self._look)

    def _look(self) -> None:
        self._timer = None
        if self._deadline == math.inf:
            return
        now = self._loop.time()
        self._deadline = max(self._deadline, self.link.moved_at + self._seconds)  # a slow line is no silence
        if now >= self._deadline:
            self.end(SILENT)
        else:
            self._timer = self._loop.call_at(min(self._deadline, now + self._tick), self._look)
