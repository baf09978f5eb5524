"""Which instant or calendar day did a sender write? (PUSH-7, PUSH-8)"""

from __future__ import annotations

import datetime as dt
import re

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(\.\d{1,7})?(Z|[+-]\d\d:[0-5]\d)?", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.\d{1,7})?(?:Z|[+-]\d\d:\d\d)?)?", re.ASCII)
NO_VALUE_YEAR = 1
"""The year of what a .NET program sends when it has no date."""


def instant_of(text: str) -> dt.datetime | None:
    """The instant in UTC, cut to milliseconds; None for no value, which is ``""`` and the year 0001 (PUSH-7).

    Raises ``ValueError`` for anything that is not exactly an instant with its offset, or does not exist. The year
    0001 needs no offset: that is how .NET writes a date that was never set.
    """
    if not text:
        return None
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("not an instant")
    moment, fraction, offset = found.groups()
    local = dt.datetime.fromisoformat(moment + (fraction or "")[:7] + (offset or "Z"))
    if local.year == NO_VALUE_YEAR:
        return None
    if offset is None:
        raise ValueError("no offset")
    try:
        read = local.astimezone(dt.UTC)
    except OverflowError:
        raise ValueError("beyond the calendar") from None
    return read.replace(microsecond=read.microsecond // 1000 * 1000)


def day_of(text: str) -> str:
    """The calendar day as written, ``yyyy-MM-dd``; of an instant its day, never moved by the offset (PUSH-8).

    ``""`` for no value: blanks, and the year 0001. Raises ``ValueError`` for a day or moment that does not exist.
    """
    text = text.strip()
    if not text:
        return ""
    found = _DAY.fullmatch(text)
    if found is None:
        raise ValueError("not a day")
    year, month, day, hour, minute, second = (int(part or 0) for part in found.groups())
    dt.datetime(year, month, day, hour, minute, second)
    return "" if year == NO_VALUE_YEAR else text[:10]
