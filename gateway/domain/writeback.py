"""Which steps may a writeback take, when is it tried again, and when is an AMS probed? (ID-58..61)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from gateway.domain.records import Problem
from gateway.errors import GatewayError

UNSUBSCRIBE, RESUBSCRIBE, BAD_EMAIL = "unsubscribe", "resubscribe", "bad_email"
CORRECTED_ADDRESS = "corrected_address"
INTEREST_LEFT, INTEREST_JOINED = "interest_left", "interest_joined"
FIELD_CHANGED = "field_changed"
MAIL_SENT, MAIL_OPENED, MAIL_CLICKED, MAIL_BOUNCED = "sent", "opened", "clicked", "bounced"
USUAL = (UNSUBSCRIBE, RESUBSCRIBE, BAD_EMAIL, CORRECTED_ADDRESS, INTEREST_LEFT, INTEREST_JOINED)
"""What a system that is handed whole facts gets unless its configuration names others (ID-53..57)."""

ACTIVITY = (MAIL_SENT, MAIL_OPENED, MAIL_CLICKED, MAIL_BOUNCED)
"""What became of a mailing, person by person: only of mailings that ask for it (ID-57)."""

KINDS = (*USUAL, FIELD_CHANGED, *ACTIVITY)

READY, PROCESSING, SENT, ERROR, FAILED = "ready", "processing", "sent", "error", "failed"
EXPIRED, CLOSED = "expired", "closed"
STATES = (READY, PROCESSING, SENT, ERROR, FAILED, EXPIRED, CLOSED)
OPEN = (READY, PROCESSING, ERROR, FAILED)
"""Not settled: its value beats a sync (ID-64), and later rows of the same remote key wait (ID-61)."""

TO_BE_WRITTEN = "open"
"""What lists call the rows that may be written now: they wait neither for a time nor for an earlier one (ID-61)."""

PULLED = (UNSUBSCRIBE, RESUBSCRIBE, BAD_EMAIL, CORRECTED_ADDRESS)
"""What an integration that fetches its writebacks gets unless it says more or less (ID-53..55, ID-57)."""

UP, DOWN = "up", "down"

CLAIMED, WRITTEN, REFUSED, REFUSED_FINALLY = "claimed", "written", "refused", "refused finally"
OUTAGE, LEASE_LOST, AGED, NOT_TAKEN = "outage", "lease lost", "aged", "not taken"
RETRIED, DISMISSED = "retried", "dismissed"
ACKNOWLEDGED, DECLINED, DECLINED_FINALLY = "acknowledged", "declined", "declined finally"

STEPS: dict[tuple[str, str], str] = {
    (READY, CLAIMED): PROCESSING,
    (ERROR, CLAIMED): PROCESSING,
    (PROCESSING, WRITTEN): SENT,
    (PROCESSING, REFUSED): ERROR,
    (PROCESSING, REFUSED_FINALLY): FAILED,
    (PROCESSING, OUTAGE): READY,  # the AMS was away, which says nothing about this row: no try is used up
    (PROCESSING, LEASE_LOST): READY,  # a dead worker; the write may have happened, and repeating it is harmless
    (PROCESSING, NOT_TAKEN): CLOSED,
    (READY, AGED): EXPIRED,
    (ERROR, AGED): EXPIRED,
    (FAILED, AGED): EXPIRED,  # else a row nobody looked at would block its key for ever
    (FAILED, RETRIED): READY,
    (READY, DISMISSED): CLOSED,
    (ERROR, DISMISSED): CLOSED,
    (FAILED, DISMISSED): CLOSED,
    (EXPIRED, DISMISSED): CLOSED,
    (READY, ACKNOWLEDGED): SENT,
    (ERROR, ACKNOWLEDGED): SENT,
    (FAILED, ACKNOWLEDGED): SENT,  # written there after all: what is done is done
    (EXPIRED, ACKNOWLEDGED): SENT,  # fetched in time, acknowledged late
    (READY, DECLINED): ERROR,
    (ERROR, DECLINED): ERROR,
    (READY, DECLINED_FINALLY): FAILED,  # the tries of a bridge count as well
    (ERROR, DECLINED_FINALLY): FAILED,
}
"""Every legal step of ID-60."""

MAX_AGE = dt.timedelta(days=30)
LEASE = dt.timedelta(minutes=2)
CLOCKS_DIFFER = dt.timedelta(minutes=5)
"""So far may the clocks of two hosts be apart; what is stored as later than any wait lasts is of a wrong clock."""

MAX_REASON = 250
MAX_MESSAGE = 1000
DONE, NOT_DONE = "Done", "Failed"
_RETRY_AFTER = (dt.timedelta(minutes=5), dt.timedelta(minutes=30))
_PROBE_AFTER = tuple(dt.timedelta(minutes=m) for m in (1, 2, 4, 8, 15))
LONG_AWAY = len(_PROBE_AFTER)
"""So many outages in a row, and probes are as rare as they get: somebody should look."""

LONGEST_WAIT, LONGEST_PROBE_WAIT = _RETRY_AFTER[-1], _PROBE_AFTER[-1]


@dataclass(frozen=True, slots=True)
class WritebackView:
    """One writeback as lists show it. ``tries`` counts refusals; ``message`` is the last one's reason."""

    writeback_id: int
    integration_id: int
    event_id: int
    subscriber_id: int
    remote_id: str
    email: str | None
    kind: str
    state: str
    tries: int
    next_at: dt.datetime
    occurred_at: dt.datetime
    created_at: dt.datetime
    finished_at: dt.datetime | None
    message: str | None
    payload: Mapping[str, object] = field(default_factory=dict)

    def fact(self, name: str) -> str | None:
        """What the payload says: ``origin``, ``reason``, ``code``, ``bounce_class``, ``interest``, ``field``,
        ``value``, ``instance_id``, ``mailing`` or ``link``."""
        value = self.payload.get(name)
        return None if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What a foreign system says of a writeback that it fetched (ID-63). ``status``: ``Done`` or ``Failed``.

    ``writeback_id`` is None where no id was sent that could be one of ours; ``problem``: what the door found wrong.
    """

    writeback_id: int | None
    status: str
    message: str | None = None
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class WritebackFilter:
    """Which writebacks a list shows; None does not filter. Times compare ``created_at``.

    ``state`` is one of ``STATES``, or ``TO_BE_WRITTEN``.
    """

    integration_id: int | None = None
    state: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened here, of which a stored event tells, and about whom systems are told (ID-53..56).

    It is about everybody at ``email`` (normalised), if there is one, and about these records wherever they are.
    ``payload`` may hold ``origin``, ``reason``, ``code``, ``bounce_class``, ``interest``, ``field`` and ``value``.
    """

    event_id: int
    email: str | None
    payload: Mapping[str, object]
    subscriber_ids: tuple[int, ...] = ()


def next_state(state: str, step: str) -> str:
    """The state after ``step``. Raises ``STATE_CONFLICT`` when the step is not legal."""
    found = STEPS.get((state, step))
    if found is None:
        raise GatewayError("STATE_CONFLICT", f"A writeback that is {state} cannot be {step}.")
    return found


def acknowledge(row: WritebackView, said: Acknowledgement, now: dt.datetime) -> WritebackView:
    """The row after ``said``; the row itself where that changes nothing, as when it is said twice (ID-63).

    What failed has two more tries, as with a bridge (ID-60): until its time it is not offered, and to say so again
    changes nothing. Raises ``STATE_CONFLICT`` for ``Failed`` after ``Done``, and for a row that a worker has in hand.
    """
    if row.state == PROCESSING:
        raise GatewayError("STATE_CONFLICT", "The writeback is being written at this moment. Look again and retry.")
    if said.status == DONE:
        if row.state in (SENT, CLOSED):
            return row
        state = next_state(row.state, ACKNOWLEDGED)
        return replace(row, state=state, message=None, finished_at=now, payload=kept(row.kind, state, row.payload))
    if row.state == SENT:
        raise GatewayError("STATE_CONFLICT", "The writeback was acknowledged as Done before.")
    if row.state in (FAILED, EXPIRED, CLOSED) or (row.state == ERROR and row.next_at > now):
        return row
    tries, message = row.tries + 1, said.message and said.message[:MAX_MESSAGE]
    wait = retry_after(tries)
    step = DECLINED_FINALLY if wait is None else DECLINED
    return replace(row, state=next_state(row.state, step), tries=tries, message=message,
                   next_at=row.next_at if wait is None else now + wait)


def kept(kind: str, state: str, payload: Mapping[str, object]) -> dict[str, object]:
    """What stays of the payload in this state: a person's value goes when nothing waits for it any more (ID-56)."""
    if kind != FIELD_CHANGED or state in OPEN:
        return dict(payload)
    return {name: value for name, value in payload.items() if name != "value"}


def states_before(step: str) -> tuple[str, ...]:
    """The states in which ``step`` is legal, for set-based updates."""
    return tuple(state for state, taken in STEPS if taken == step)


def retry_after(tries: int) -> dt.timedelta | None:
    """How long to wait after refusal number ``tries`` (1-based); None: no further automatic try (ID-60)."""
    return _RETRY_AFTER[tries - 1] if tries <= len(_RETRY_AFTER) else None


def probe_after(failures: int) -> dt.timedelta:
    """How long to wait after outage number ``failures`` in a row (1-based): 1, 2, 4, 8, then 15 minutes (ID-60)."""
    return _PROBE_AFTER[min(failures, len(_PROBE_AFTER)) - 1]


def is_probed(probe_at: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a system that is down may be tried now; a moment that a clock ahead of time stored holds up nothing."""
    return probe_at is None or not now < probe_at <= now + LONGEST_PROBE_WAIT + CLOCKS_DIFFER
