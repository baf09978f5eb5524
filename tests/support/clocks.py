"""What time do tests have? A clock that stands still until it is moved."""

from __future__ import annotations

import datetime as dt

from gateway.clock import UTC, to_millis


class SettableClock:
    """A :data:`gateway.clock.Clock` that starts at 2026-01-15T12:00:00Z."""

    def __init__(self, now: dt.datetime = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)) -> None:
        self.now = to_millis(now)

    def __call__(self) -> dt.datetime:
        return self.now

    def advance(self, **delta: float) -> dt.datetime:
        """Moves the time by ``timedelta`` arguments (``seconds=5``); returns the new time."""
        self.now = to_millis(self.now + dt.timedelta(**delta))
        return self.now

    def set(self, moment: dt.datetime) -> None:
        """Sets the time to an aware moment."""
        self.now = to_millis(moment)
