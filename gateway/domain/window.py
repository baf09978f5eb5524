"""When may a brand's mail go out, and which moment does a time on somebody's wall mean? (SEND-5)

A window is written as ``mon-fri 08:00-18:00; sat 09:00-12:00`` in the time of one zone. A span whose end is not after
its begin goes on into the next day. Where clocks are put forward, a time that is left out means the moment as much
later (02:30 is 03:30); where they are put back, a time that comes twice means the first.
"""

from __future__ import annotations

import datetime as dt
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

SEND_WINDOW, TIME_ZONE = "sendWindow", "timeZone"
"""The brand's choices."""

UTC = "UTC"
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_CHARS = 500
_DAY = dt.timedelta(days=1)
_YEARS = range(1900, 9999)
_LOOK_DAYS = 9
"""A window that has any span opens within a week; one day more on both sides is for zones and spans over midnight."""

_SPAN = re.compile(r"(?P<days>[a-z]{3}(?:\s*[-,]\s*[a-z]{3})*)\s+(?P<opens>\d\d:\d\d)\s*-\s*(?P<closes>\d\d:\d\d)",
                   re.ASCII)
_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)", re.ASCII)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?", re.ASCII)


@dataclass(frozen=True, slots=True)
class Span:
    """On these days of the week (0: Monday) from ``opens`` on, so many minutes long by the clock on the wall."""

    days: frozenset[int]
    opens: dt.time
    minutes: int


@dataclass(frozen=True, slots=True)
class SendWindow:
    """When mail may begin to go out; no span at all: always."""

    spans: tuple[Span, ...] = ()
    zone: str = UTC

    def is_open(self, at: dt.datetime) -> bool:
        """Whether ``at`` lies in the window."""
        return not self.spans or any(begin <= at < end for begin, end in self._intervals(at))

    def opens_at(self, at: dt.datetime) -> dt.datetime:
        """``at`` itself where the window is open, else when it opens next (UTC)."""
        if self.is_open(at):
            return at
        return min(begin for begin, _ in self._intervals(at) if begin > at)

    def _intervals(self, at: dt.datetime) -> Iterator[tuple[dt.datetime, dt.datetime]]:
        """The window as moments, from the day before ``at`` to over a week later."""
        today = at.astimezone(zone(self.zone)).date()
        for number in range(-1, _LOOK_DAYS):
            day = today + number * _DAY
            for span in self.spans:
                if day.weekday() in span.days:
                    opens = dt.datetime.combine(day, span.opens)
                    begin = moment(opens, self.zone)
                    end = moment(opens + dt.timedelta(minutes=span.minutes), self.zone)
                    if begin < end:  # else it lies where clocks are put forward
                        yield begin, end


def parse(text: str, zone_name: str) -> SendWindow | None:
    """The window that a text says, empty for always; None for a text that is none."""
    spans = [_span(part.strip()) for part in text.lower().split(";")] if text.strip() else []
    if len(text) > MAX_CHARS or None in spans:
        return None
    return SendWindow(tuple(span for span in spans if span is not None), zone_name)


def of(settings: Mapping[str, object]) -> SendWindow:
    """The window of a brand with these settings."""
    return parse(str(settings.get(SEND_WINDOW, "")), str(settings.get(TIME_ZONE, UTC))) or SendWindow()


def zone(name: str) -> zoneinfo.ZoneInfo:
    """The time zone of an IANA name such as ``Europe/Berlin``; raises ``ValueError`` for another text."""
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, OSError, ValueError) as error:  # OSError: the name of a folder
        raise ValueError("not the name of a time zone") from error


def moment(local: dt.datetime, zone_name: str) -> dt.datetime:
    """The instant (UTC) of a time without offset in this zone, by the rules above; raises ``ValueError`` as
    :func:`zone`."""
    return local.replace(tzinfo=zone(zone_name), fold=0).astimezone(dt.UTC)


def local_time(text: str) -> dt.datetime | None:
    """``2026-05-01T09:00`` or with seconds, without an offset; None for another text."""
    try:
        found = dt.datetime.fromisoformat(text) if _LOCAL.fullmatch(text) else None
    except ValueError:  # such as the 30th of February
        return None
    return found if found and found.year in _YEARS else None


def _span(text: str) -> Span | None:
    found = _SPAN.fullmatch(text)
    days = _days(found["days"]) if found else None
    if found is None or days is None:
        return None
    opens, closes = _minutes(found["opens"]), _minutes(found["closes"])
    if opens is None or closes is None or opens == 24 * 60:
        return None
    return Span(days, dt.time(opens // 60, opens % 60), closes - opens if closes > opens else closes - opens + 24 * 60)


def _days(text: str) -> frozenset[int] | None:
    found: set[int] = set()
    for part in re.split(r"\s*,\s*", text):
        ends = re.split(r"\s*-\s*", part)
        if len(ends) > 2 or not set(ends) <= set(DAYS):
            return None
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        found |= {number % 7 for number in range(first, last + 1 + (7 if last < first else 0))}
    return frozenset(found)


def _minutes(text: str) -> int | None:
    """Minutes since midnight; 24:00 is the end of the day."""
    found = _CLOCK.fullmatch(text)
    return 24 * 60 if text == "24:00" else int(found[1]) * 60 + int(found[2]) if found else None
