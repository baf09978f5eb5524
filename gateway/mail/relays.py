"""Which relay takes the next message, over which connection? All connections of a process (SEND-26, 32, 34, 36).

Connections ask for messages when they have room, and are made when there is something to carry. A relay that is new
or has failed is tried with one connection; when that one gets as far as a recipient, the others follow. While a relay
backs off the others carry its share: messages go back to the source, which gives them to whoever asks next.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence

from gateway.mail.smtp_outcome import Outcome, Outgoing, Timeouts, Verdict
from gateway.mail.smtp_relay import ACTIVE_S, Relay, Source
from gateway.mail.smtp_url import SmtpUrl
from gateway.mail.wire import helo_name

__all__ = ["Outcome", "Outgoing", "Relays", "Source", "Timeouts", "Verdict"]

AHEAD = 16
"""So many messages a relay may be ahead of its share."""


class Relays:
    """The connections to one relay or several; made, used and closed on one event loop.

    Messages are shared by weight among the relays that carry some. ``helo`` is how we name ourselves; ``tls``
    replaces the authorities that certificates are verified against.
    """

    def __init__(self, urls: Sequence[SmtpUrl], source: Source, *, helo: str, timeouts: Timeouts | None = None,
                 tls: ssl.SSLContext | None = None) -> None:
        self.source, self.timeouts, self.helo, self.tls = source, timeouts or Timeouts(), helo_name(helo), tls
        self.closing = False
        self._urls, self.several = tuple(urls), len(urls) > 1
        self._relays: list[Relay] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def run(self) -> None:
        """Carries messages until ``close``. Never raises for what the network or a server does."""
        self._relays = [Relay(self, url, _name(self._urls, place)) for place, url in enumerate(self._urls)]
        self._tasks = [asyncio.ensure_future(slot.run()) for relay in self._relays for slot in relay.slots]
        try:
            await asyncio.gather(*self._tasks)
        finally:
            await self.close(drop=True)

    def wake(self) -> None:
        """There may be something to take. To be called on the event loop's thread."""
        for relay in self._relays:
            relay.wake()

    def idle(self) -> bool:
        """Whether no message is in hand on any connection."""
        return not any(slot.busy for relay in self._relays for slot in relay.slots)

    def wait_s(self) -> float:
        """How long until some relay is tried again, in seconds; 0 when one can be used now."""
        now = asyncio.get_running_loop().time()
        return max(0.0, min((relay.free_at() for relay in self._relays), default=now) - now)

    async def close(self, *, drop: bool = False) -> None:
        """Finishes the messages in hand and says QUIT; ``drop``: closes at once.

        What has not left goes back as ``NOT_TRIED``, as do messages whose connection is still being made; a body that
        has left whole is in doubt. Returns when every message has had its end.
        """
        self.closing = True
        for relay in self._relays:
            relay.close(drop=drop)
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def has_turn(self, relay: Relay, now: float) -> bool:
        """Whether one of several relays is not too far ahead of its share; if it is, it is woken when the others have
        caught up."""
        passed = [other.passed for other in self._relays if other is not relay and other.is_due(now)]
        relay.held = bool(passed) and relay.passed > min(passed) + AHEAD / relay.weight
        return not relay.held

    def has_taken(self, relay: Relay, now: float) -> None:
        """Counts a message. A relay that comes back into the round does not catch up on what it missed."""
        if now - relay.took_at > ACTIVE_S:
            passed = [other.passed for other in self._relays if other is not relay and other.is_due(now)]
            relay.passed = max(relay.passed, min(passed, default=0.0))
        relay.passed += 1 / relay.weight
        relay.took_at = now
        for other in self._relays:
            if other.held:
                other.held = False
                other.wake_soon()


def _name(urls: Sequence[SmtpUrl], place: int) -> str:
    """The relay's name in logs; a number tells two accounts of one server apart."""
    same = [n for n, url in enumerate(urls) if url.name == urls[place].name]
    return urls[place].name if len(same) == 1 else f"{urls[place].name}#{same.index(place) + 1}"
