"""Since when is a service asked for changes, which has no cursor of its own? (ID-68)"""

from __future__ import annotations

import datetime as dt
from email.utils import parsedate_to_datetime

from gateway.bridges.port import Refused
from gateway.clock import UTC, instant, system_clock

OVERLAP = dt.timedelta(minutes=10)
"""Each run asks from so long before the last one on."""


def cursor(asked_at: dt.datetime, everybody_at: dt.datetime) -> str:
    """What :func:`cursor_of` reads."""
    return f"{instant(asked_at)} {instant(everybody_at)}"


def cursor_of(text: str) -> tuple[dt.datetime, dt.datetime]:
    """When changes were asked for last, and everybody. Raises :class:`Refused` for what is no cursor of ours."""
    try:
        asked_from, everybody_at = (dt.datetime.fromisoformat(each) for each in text.split(" "))
        if asked_from.tzinfo is None or everybody_at.tzinfo is None:
            raise ValueError("a moment without a zone")
    except ValueError:
        raise Refused("This is not a cursor of this bridge; read everybody.") from None
    return asked_from, everybody_at


def moment(at: dt.datetime, *, as_unix: bool) -> str:
    """A moment as the service wants it."""
    return str(int(at.timestamp())) if as_unix else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def answered_at(date: str) -> dt.datetime:
    """When the service says it answered; our own time where it does not."""
    try:
        found = parsedate_to_datetime(date)
    except (ValueError, OverflowError):
        return system_clock()
    return found if found.tzinfo is not None else system_clock()
