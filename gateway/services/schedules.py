"""When does a schedule come round next? (ID-66)

Crontab expressions are read by ``cronsim``, which keeps to Debian's cron: a time that clocks skip runs once, right
after; one that comes twice runs once, at the first.
"""

from __future__ import annotations

import datetime as dt

from cronsim import CronSim, CronSimError

from gateway.clock import UTC
from gateway.domain import window
from gateway.domain.schedule import SCHEDULE, refusal


def check(expression: str) -> None:
    """Raises ``INVALID_VALUE`` unless the expression has five fields and comes round at all."""
    next_time(expression, window.UTC, dt.datetime(2026, 1, 1, tzinfo=UTC))


def next_time(expression: str, zone_name: str, after: dt.datetime) -> dt.datetime:
    """The first moment (UTC) after ``after`` at which the expression holds on the wall of this zone.

    Raises ``INVALID_VALUE`` for an expression that is none, or that no date fulfils.
    """
    here = after.astimezone(window.zone(zone_name))
    try:
        found = next(CronSim(expression, here))
        while found.astimezone(UTC) <= after:  # from within an hour that comes twice
            here += dt.timedelta(minutes=1)
            found = next(CronSim(expression, here))
    except (CronSimError, StopIteration, OverflowError):
        raise refusal(SCHEDULE) from None
    return found.astimezone(UTC)
