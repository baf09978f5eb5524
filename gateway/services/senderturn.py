"""Which thread of this process runs its sender, and how do the others tell it that there is more? (SEND-37)"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable

from gateway.domain import retry


class SenderTurn:
    """One sender at a time in a process; whoever comes meanwhile wakes it and goes. Also remembers, between the runs,
    how long the mail servers are to be left alone when none can be used (SEND-32)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None
        self._more = False
        self._wake: Callable[[], None] | None = None
        self._wait_s = 0.0
        self._closed_until: dt.datetime | None = None

    def enter(self) -> bool:
        """Whether the caller's thread has the turn now; else the sender at work has been told to look again."""
        with self._lock:
            if self._holder is not None:
                self._more = True
                if self._wake is not None:
                    self._wake()
                return False
            self._holder, self._more = threading.get_ident(), False
            return True

    def listen(self, wake: Callable[[], None]) -> None:
        """``wake`` is called, in any thread, whenever somebody comes while the caller has the turn."""
        with self._lock:
            self._wake = wake
            if self._more:
                wake()

    def is_over(self) -> bool:
        """Ends the caller's turn, unless somebody came since it last asked: then there is more to look for."""
        with self._lock:
            if self._more:
                self._more = False
                return False
            self._end()
            return True

    def leave(self) -> None:
        """Ends the caller's turn, if it has not ended yet."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._holder == threading.get_ident():
            self._holder = self._wake = None

    # --- mail servers that cannot be used -----------------------------------------------------------------------------

    def wait_s(self, now: dt.datetime) -> float:
        """For how long the mail servers are to be left alone; 0: they may be tried."""
        if self._closed_until is None:
            return 0.0
        return max(0.0, min((self._closed_until - now).total_seconds(), self._wait_s))

    def unreachable(self, now: dt.datetime) -> float:
        """None of them could be used: how long to wait, 1 s and twice as long each time, up to 5 min."""
        self._wait_s = retry.transport_wait_s(self._wait_s)
        self._closed_until = now + dt.timedelta(seconds=self._wait_s)
        return self._wait_s

    def reached(self) -> None:
        """One of them answered a message."""
        self._wait_s, self._closed_until = 0.0, None
