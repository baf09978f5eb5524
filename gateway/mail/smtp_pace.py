"""How long is a relay left alone after a failure, and how fast may it be given mail? (SEND-32, SEND-34)

Times are seconds of a monotonic clock.
"""

from __future__ import annotations

from gateway.domain.retry import transport_wait_s

BURST_S = 0.1


class Backoff:
    """1 s after the first failure, twice as long after each further one, 5 min at most; a success forgets them."""

    __slots__ = ("_wait_s", "until")

    def __init__(self) -> None:
        self.until = 0.0
        self._wait_s = 0.0

    def fail(self, now: float) -> None:
        """One more failure in a row."""
        self._wait_s = transport_wait_s(self._wait_s)
        self.until = now + self._wait_s

    def clear(self) -> None:
        """It works."""
        self.until = self._wait_s = 0.0


class Rate:
    """So many messages a second, evenly; what was missed is made up for a tenth of a second at most.

    ``next_at`` is when the next message may go.
    """

    __slots__ = ("_each_s", "next_at")

    def __init__(self, per_second: float | None) -> None:
        self._each_s = 1 / per_second if per_second else 0.0
        self.next_at = 0.0

    def spend(self, now: float) -> None:
        """One message goes."""
        if self._each_s:
            self.next_at = max(self.next_at, now - BURST_S) + self._each_s
