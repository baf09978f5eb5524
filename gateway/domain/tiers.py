"""Which value does a message show, where did it come from, and when is a foreign system left alone? (ID-76, ID-77)"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple
from urllib.parse import quote, unquote

from gateway.domain.addresses import printable
from gateway.domain.fields import HTML, fold
from gateway.domain.preferences import shown
from gateway.domain.records import Problem
from gateway.domain.values import WARN, Catalogue, Field, read_values

LIVE, CACHED, STORED, DEFAULT, EMPTY = "live", "cached", "stored", "default", "empty"
TIERS = (LIVE, CACHED, STORED, DEFAULT, EMPTY)
"""Where a value came from, in the order in which they are asked (ID-76). ``stored``: some source left it here; a change
that waits to be written back is one, too, and beats all others (ID-36)."""

MAX_BATCH = 200
DEADLINE_S = 2.0
"""People of one call, and how long their whole batch may take (ID-76)."""

MAX_CACHE_HOURS = 24 * 30
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class FieldChoices:
    """A field with what the brand chose for it: ``default`` where a person has no value, ``cache_hours`` for which a
    fetched value may be kept (None: it is not), ``required``: who ends without a value is left out (ID-77)."""

    field_id: int
    name: str
    kind: str
    max_length: int
    default: str
    cache_hours: int | None
    required: bool


class Fetched(NamedTuple):
    """What was found for one person just before their message is made. It lives in memory only.

    ``live``: what their system answered; ``cached``: what it said before, where it did not answer now; ``held``: what
    waits to be written back to it, None where it was cleared.
    """

    person: int
    live: Mapping[str, str] = _NOTHING
    cached: Mapping[str, str] = _NOTHING
    held: Mapping[str, str | None] = _NOTHING


def serve(names: Collection[str], fetched: Fetched | None, stored: Mapping[str, str],
          defaults: Mapping[str, str]) -> tuple[dict[str, str], str]:
    """The values that a message shows, of ``names`` by ID-76 and of other fields as stored; and the tiers of ``names``
    as :func:`told` writes them. ``fetched`` None: nobody was asked."""
    shown = {**defaults, **stored}
    served: list[tuple[str, str]] = []
    found = fetched or _NOBODY
    for name in names:
        if name not in found.held and (text := found.live.get(name)):  # as good as always
            shown[name] = text
            served.append((LIVE, name))
            continue
        places = ((STORED, found.held),) if name in found.held else ((CACHED, found.cached), (STORED, stored))
        tier, text = next(((tier, text) for tier, values in (*places, (DEFAULT, defaults))
                           if (text := values.get(name))), (EMPTY, ""))
        if text:
            shown[name] = text
        else:
            shown.pop(name, None)
        served.append((tier, name))
    return shown, told(tuple(served))


_NOBODY = Fetched(0)


@functools.lru_cache(maxsize=1000)  # a mailing has a handful of them
def told(served: tuple[tuple[str, str], ...]) -> str:
    """(tier, field) as one text without any value: ``live:City,FirstName;default:Title``."""
    parts = []
    for tier in TIERS:
        names = sorted(name for each, name in served if each == tier)
        if names:
            parts.append(f"{tier}:{','.join(quote(name, safe=' /') for name in names)}")
    return ";".join(parts)


def read(text: str | None) -> dict[str, tuple[str, ...]]:
    """Tier -> fields, out of what :func:`told` wrote; empty for a delivery of a mailing without live fields."""
    parts = (part.partition(":") for part in (text or "").split(";") if part)
    return {tier: tuple(unquote(name) for name in names.split(",")) for tier, _, names in parts}


def in_words(text: str) -> str:
    """What :func:`told` wrote as a person reads it: ``City, FirstName live; Title default``."""
    return "; ".join(f"{', '.join(names)} {tier}" for tier, names in read(text).items())


def cleaned(field: Field, text: object) -> str | None:
    """A value as a foreign system gave it, as it may stand in a message; None when it is none, or cannot be read.

    Control characters go, line ends are LF, a text that is too long is cut; markup that is too long would end in the
    middle of a tag, and counts as none. Systems write yes and no, and days with a time, in more ways than imports may.
    """
    if not isinstance(text, str):
        return None
    if field.kind in ("text", HTML):
        whole = printable(text.replace("\r\n", "\n").replace("\r", "\n"), len(text)) or ""
        if field.kind == HTML and len(whole) > field.max_length:
            return None
        return whole[:field.max_length].rstrip() or None
    found = read_values({field.name: shown(field.kind, text)}, Catalogue({fold(field.name): field}, WARN), "keep")
    return None if isinstance(found, Problem) else found.given.get(field.name)


# --- when a system is left alone (ID-77) ------------------------------------------------------------------------------

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
FAILURES = 3
SKIPPED = dt.timedelta(seconds=60)
"""After so many failed batches in a row a system is not asked for so long; then one batch tries it."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How one system has answered lately. ``since``: when it was given up, or the batch that tries it began."""

    state: str = CLOSED
    failures: int = 0
    since: dt.datetime | None = None

    def ask(self, now: dt.datetime) -> tuple[Breaker, bool]:
        """Whether a batch may go to it now, and how things are then. A try that nobody tells the end of (its process
        was stopped in between) is another one's turn after as long a time."""
        if self.state == CLOSED:
            return self, True
        passed = now - (self.since or now)
        if dt.timedelta(0) <= passed < SKIPPED:
            return self, False
        return replace(self, state=HALF_OPEN, since=now), True

    def answered(self) -> Breaker:
        """A batch came back: all is well, also when it had been given up meanwhile."""
        return Breaker()

    def failed(self, now: dt.datetime) -> Breaker:
        """A batch failed or came too late; one that was under way when it was given up prolongs nothing."""
        failures = self.failures + 1
        if self.state == OPEN:
            return self
        if self.state == HALF_OPEN or failures >= FAILURES:
            return Breaker(OPEN, failures, now)
        return Breaker(CLOSED, failures)
