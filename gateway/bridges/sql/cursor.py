"""Since when have rows changed, told in the database's own values and by its own clock? (ID-68)"""

from __future__ import annotations

import datetime as dt
import decimal
from dataclasses import dataclass

from gateway.bridges.port import Refused
from gateway.clock import UTC, instant

OVERLAP = dt.timedelta(minutes=10)
TIME, NUMBER = "time", "number"
_ZONES = dt.timedelta(hours=14)  # no local time is further from UTC
_MILLISECONDS_FROM = 100_000_000_000  # as seconds, this would be the year 5138


@dataclass(frozen=True, slots=True)
class Position:
    """How far a reading has come: the largest value that it may have seen, and when everybody was last read."""

    value: object
    everybody_at: dt.datetime

    def told(self, mark: str) -> str:
        """As the text of a cursor, which :func:`read` takes while the configuration has the same ``mark``."""
        return f"{mark} {instant(self.everybody_at)} {_tagged(self.value)}"


def read(text: str, mark: str) -> Position:
    """The position in a cursor. Raises :class:`Refused` for one that was not given for this configuration."""
    try:
        given, everybody_at, value = text.split(" ", 2)
        moment = dt.datetime.fromisoformat(everybody_at)
        if given != mark or moment.tzinfo is None:
            raise ValueError("not ours")
        return Position(_untagged(value), moment)
    except (ValueError, decimal.InvalidOperation):
        raise Refused("This is not a cursor of this bridge as it is configured; read everybody.") from None


def newest(value: object, now: object, kind: str) -> object | None:
    """The value from which the next reading asks; None where there is none yet.

    A time of a row that lies in the future is not believed: it would hide all changes until then. Raises
    :class:`Refused` for a value that cannot be compared.
    """
    if value is None:
        return None
    if kind == NUMBER:
        return _number(value)
    if isinstance(value, bytes | memoryview):
        value = bytes(value).decode("utf-8", "replace")
    moment, clock = _moment(value), _clock(now)
    if moment.tzinfo is None:  # of an unknown zone
        certain, latest = clock.replace(tzinfo=None) - _ZONES, clock.replace(tzinfo=None) + _ZONES
    else:
        certain = latest = clock
    return value if moment <= latest else _like(value, certain)


def since(value: object, kind: str, overlap: int) -> object:
    """The value as a statement compares it: ten minutes before for a time, a whole day for one without hours."""
    if kind == NUMBER:
        return _number(value) - overlap
    return _like(value, _moment(value) - (dt.timedelta(days=1) if _is_day(value) else OVERLAP))


def _number(value: object) -> int:
    if isinstance(value, bytes | memoryview):
        return int.from_bytes(bytes(value), "big")
    if isinstance(value, int | decimal.Decimal) and not isinstance(value, bool) and value == int(value):
        return int(value)
    raise Refused("The column of changes does not hold whole numbers. Check changed of the bridge's configuration.")


def _moment(value: object) -> dt.datetime:
    if isinstance(value, dt.datetime):
        return value
    if isinstance(value, dt.date):
        return dt.datetime.combine(value, dt.time())
    try:
        if isinstance(value, str):
            return dt.datetime.fromisoformat(value)
        if isinstance(value, int | float | decimal.Decimal):
            return dt.datetime.fromtimestamp(float(value) / (1000 if value >= _MILLISECONDS_FROM else 1), UTC)
    except (ValueError, OverflowError, OSError):
        pass
    raise Refused("The column of changes does not hold times that can be compared: it needs dates, texts such as "
                  "2026-01-15 12:00:00, or seconds since 1970. Check changed of the bridge's configuration.")


def _like(value: object, moment: dt.datetime) -> object:
    """The moment in the type and spelling of ``value``; a text without what follows the seconds, which sorts before."""
    if isinstance(value, dt.datetime):
        return moment
    if isinstance(value, dt.date):
        return moment.date()
    if isinstance(value, str):
        return moment.date().isoformat() if _is_day(value) else moment.isoformat(value[10], "seconds")[:19]
    return int(moment.timestamp()) * (1000 if value >= _MILLISECONDS_FROM else 1)  # type: ignore[operator]


def _is_day(value: object) -> bool:
    return (isinstance(value, dt.date) and not isinstance(value, dt.datetime)) or (
        isinstance(value, str) and len(value) == 10)


def _clock(now: object) -> dt.datetime:
    moment = dt.datetime.fromisoformat(now) if isinstance(now, str) else now
    if not isinstance(moment, dt.datetime):
        raise Refused("The foreign database does not tell its time.")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _tagged(value: object) -> str:
    if isinstance(value, dt.datetime):
        return f"moment:{value.isoformat()}"
    if isinstance(value, dt.date):
        return f"day:{value.isoformat()}"
    return f"text:{value}" if isinstance(value, str) else f"number:{value}"


def _untagged(text: str) -> object:
    tag, value = text.split(":", 1)
    if tag == "moment":
        return dt.datetime.fromisoformat(value)
    if tag == "day":
        return dt.date.fromisoformat(value)
    if tag == "text":
        return value
    if tag == "number":
        found = decimal.Decimal(value)
        return int(found) if found == int(found) else found
    raise ValueError("not ours")
