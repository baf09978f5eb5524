"""When is an integration synced by itself, and what else may be chosen for its syncs? (ID-66, ID-67, ID-70)"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.domain import sync, window
from gateway.errors import GatewayError

OFF, NONE = "off", "none"
"""Schedules that are none: never by itself; the rule of ID-66."""

SCHEDULE, TIME_ZONE, BRAKE_SHARE, BRAKE_ROWS = "schedule", "timeZone", "brakeShare", "brakeRows"
FULL_EVERY_DAYS, BEFORE_MAILING, GO_ON_HOURS = "fullEveryDays", "beforeMailing", "goOnHours"
NAMES = (SCHEDULE, TIME_ZONE, BRAKE_SHARE, BRAKE_ROWS, FULL_EVERY_DAYS, BEFORE_MAILING, GO_ON_HOURS)
"""The choices of an integration, by the names under which they are stored."""

TAKES = {
    SCHEDULE: 'five fields of a crontab such as "0 2 * * *"; off for never by itself; none for the usual rule',
    TIME_ZONE: "a name such as Europe/Berlin; none for the brand's",
    BRAKE_SHARE: "0 to 1, such as 0.25; none for the brand's",
    BRAKE_ROWS: "0 to 999999999; none for the brand's",
    FULL_EVERY_DAYS: "1 to 365; none for 7",
    BEFORE_MAILING: "true or false; none for true",
    GO_ON_HOURS: "1 to 720; none for never",
}
MAX_CRON = 100
_YES_NO = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_RANGES = {BRAKE_ROWS: (0, 999_999_999), FULL_EVERY_DAYS: (1, 365), GO_ON_HOURS: (1, 720)}


@dataclass(frozen=True, slots=True)
class SyncChoices:
    """What was chosen for the syncs of an integration; None: nothing, see :data:`TAKES` for what holds then."""

    schedule: str | None = None
    time_zone: str | None = None
    brake_share: float | None = None
    brake_rows: int | None = None
    full_every_days: int = 7
    before_mailing: bool = True
    go_on_hours: int | None = None

    @property
    def is_off(self) -> bool:
        """Never synced by itself."""
        return self.schedule == OFF

    @property
    def cron(self) -> str | None:
        """The crontab expression, if there is one."""
        return None if self.schedule == OFF else self.schedule


@dataclass(frozen=True, slots=True)
class Use:
    """How an integration's interests are used: what the usual rule looks at (ID-66)."""

    mailed_soon: bool = False
    mailed_lately: bool = False
    is_new: bool = False
    has_cursor: bool = False


@dataclass(frozen=True, slots=True)
class Standing:
    """How an integration stands: when it is to be synced by its schedule, whether somebody asked for a run, and its
    newest run that was begun (None: there is none)."""

    brand_id: int
    integration_id: int
    kind: str
    choices: Mapping[str, object]
    next_sync_at: dt.datetime | None
    is_asked_for: bool
    state: str | None
    started_at: dt.datetime | None
    lease_until: dt.datetime | None

    @property
    def is_running(self) -> bool:
        """Whether its newest run has not ended, alive or not."""
        return self.state == sync.RUNNING


def waits_for_worker(standing: Standing, is_watched: bool, now: dt.datetime) -> bool:
    """Whether the sweep must ring for this integration (ID-66): a run is asked for, or lost its worker, or is due."""
    if standing.is_running:
        return not sync.is_alive(standing.lease_until, now)
    return standing.is_asked_for or trigger_of(standing, is_watched, now) is not None


def trigger_of(standing: Standing, is_watched: bool, now: dt.datetime) -> str | None:
    """By what a run of an integration that is not running is due now; None: it is not.

    The first run is a person's decision. A folder without a schedule is looked at every some minutes. A run that was
    started by a clock that was far ahead says nothing about when the next one is due.
    """
    choices, started = choices_of(standing.choices), standing.started_at
    if started is None or choices.is_off:
        return None
    if started > now + sync.CLOCK_TOLERANCE:
        return sync.SCHEDULE
    if is_watched and is_looked_at(standing) and standing.state in sync.WATCHABLE and started <= now - sync.WATCH:
        return sync.FOLDER
    if standing.next_sync_at is not None:
        return sync.SCHEDULE if standing.next_sync_at <= now else None
    wait = sync.AFTER_FAILURE if standing.state == sync.FAILED else sync.NIGHTLY  # of an earlier version
    return sync.SCHEDULE if started <= now - wait else None


def is_looked_at(standing: Standing) -> bool:
    """Whether a folder is looked at every some minutes: after its first run, and where no schedule says otherwise."""
    return standing.started_at is not None and choices_of(standing.choices).schedule is None


def choices_of(stored: Mapping[str, object]) -> SyncChoices:
    """The choices as stored; what makes no sense there counts as not chosen."""
    return SyncChoices(
        schedule=_text(stored.get(SCHEDULE)), time_zone=_text(stored.get(TIME_ZONE)),
        brake_share=_share(stored.get(BRAKE_SHARE)), brake_rows=_number(BRAKE_ROWS, stored.get(BRAKE_ROWS)),
        full_every_days=_number(FULL_EVERY_DAYS, stored.get(FULL_EVERY_DAYS)) or 7,
        before_mailing=stored.get(BEFORE_MAILING) is not False,
        go_on_hours=_number(GO_ON_HOURS, stored.get(GO_ON_HOURS)))


def read(name: str, text: str) -> object:
    """A choice given as text, as it is stored; None for ``none``: what was chosen is forgotten.

    A crontab expression is only looked at as far as letters go. Raises ``INVALID_VALUE`` that says what it takes.
    """
    if name not in NAMES:
        raise GatewayError("INVALID_VALUE", f"There is no choice '{name[:40]}'; there are {', '.join(NAMES)}.",
                           field="name")
    text = text.strip()
    if text.lower() in ("", NONE):
        return None
    value = _read(name, text)
    if value is None:
        raise refusal(name)
    return value


def refusal(name: str) -> GatewayError:
    """What is said of a value that the choice does not take."""
    return GatewayError("INVALID_VALUE", f"{name} takes {TAKES[name]}.", field=name)


def usual_interval(use: Use) -> dt.timedelta:
    """How often an integration without a schedule is synced (ID-66): hourly while a mailing to its interests is near
    and it can tell what changed; nightly if it, or one of them, is new, or was mailed lately; else weekly."""
    if use.mailed_soon and use.has_cursor:
        return sync.HOURLY
    return sync.NIGHTLY if use.mailed_soon or use.mailed_lately or use.is_new else sync.WEEKLY


def wants_full(choices: SyncChoices, last_full: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether it is time to read everybody: the last complete run that did is too long ago (ID-66), or was started by
    a clock that was wrong."""
    if last_full is None or last_full > now + sync.CLOCK_TOLERANCE:
        return True
    return now - last_full >= dt.timedelta(days=choices.full_every_days)


def _read(name: str, text: str) -> object:
    if name == SCHEDULE:
        if text.lower() == OFF:
            return OFF
        return text if len(text) <= MAX_CRON and len(text.split()) == 5 else None
    if name == TIME_ZONE:
        try:
            return window.zone(text).key
        except ValueError:
            return None
    if name == BRAKE_SHARE:
        return _share(float(text)) if re.fullmatch(r"[01](\.[0-9]{1,6})?", text, re.ASCII) else None
    if name == BEFORE_MAILING:
        return _YES_NO.get(text.lower())
    return _number(name, int(text)) if re.fullmatch(r"[0-9]{1,9}", text, re.ASCII) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _share(value: object) -> float | None:
    right = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1
    return float(value) if right else None  # type: ignore[arg-type]


def _number(name: str, value: object) -> int | None:
    low, high = _RANGES[name]
    return value if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high else None
