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


def asked_since(text: str, full_every_days: int) -> tuple[dt.datetime, dt.datetime]:
    """From when on to ask by a cursor, and when everybody was read last. Raises :class:`Refused` as :func:`cursor_of`,
    and when it is time to read everybody."""
    asked_from, everybody_at = cursor_of(text)
    if everybody_at + dt.timedelta(days=full_every_days) <= system_clock():
        raise Refused("It is time to read everybody again.")
    return asked_from - OVERLAP, everybody_at


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
