"""Which steps may a writeback take, when is it tried again, and when is an AMS probed? (ID-58..61)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import GatewayError

UNSUBSCRIBE, RESUBSCRIBE, BAD_EMAIL = "unsubscribe", "resubscribe", "bad_email"
CORRECTED_ADDRESS = "corrected_address"
INTEREST_LEFT, INTEREST_JOINED = "interest_left", "interest_joined"
KINDS = (UNSUBSCRIBE, RESUBSCRIBE, BAD_EMAIL, CORRECTED_ADDRESS, INTEREST_LEFT, INTEREST_JOINED)

READY, PROCESSING, SENT, ERROR, FAILED = "ready", "processing", "sent", "error", "failed"
EXPIRED, CLOSED = "expired", "closed"
STATES = (READY, PROCESSING, SENT, ERROR, FAILED, EXPIRED, CLOSED)
OPEN = (READY, PROCESSING, ERROR, FAILED)
"""Not settled: its value beats a sync (ID-64), and later rows of the same remote key wait (ID-61)."""

UP, DOWN = "up", "down"

CLAIMED, WRITTEN, REFUSED, REFUSED_FINALLY = "claimed", "written", "refused", "refused finally"
OUTAGE, LEASE_LOST, AGED, NOT_TAKEN = "outage", "lease lost", "aged", "not taken"
RETRIED, DISMISSED = "retried", "dismissed"

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
}
"""Every legal step of ID-60."""

MAX_AGE = dt.timedelta(days=30)
LEASE = dt.timedelta(minutes=2)
MAX_REASON = 250
_RETRY_AFTER = (dt.timedelta(minutes=5), dt.timedelta(minutes=30))
_PROBE_AFTER = tuple(dt.timedelta(minutes=m) for m in (1, 2, 4, 8, 15))


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


@dataclass(frozen=True, slots=True)
class WritebackFilter:
    """Which writebacks a list shows; None does not filter. Times compare ``created_at``."""

    integration_id: int | None = None
    state: str | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None


def next_state(state: str, step: str) -> str:
    """The state after ``step``. Raises ``STATE_CONFLICT`` when the step is not legal."""
    found = STEPS.get((state, step))
    if found is None:
        raise GatewayError("STATE_CONFLICT", f"A writeback that is {state} cannot be {step}.")
    return found


def states_before(step: str) -> tuple[str, ...]:
    """The states in which ``step`` is legal, for set-based updates."""
    return tuple(state for state, taken in STEPS if taken == step)


def retry_after(tries: int) -> dt.timedelta | None:
    """How long to wait after refusal number ``tries`` (1-based); None: no further automatic try (ID-60)."""
    return _RETRY_AFTER[tries - 1] if tries <= len(_RETRY_AFTER) else None


def probe_after(failures: int) -> dt.timedelta:
    """How long to wait after outage number ``failures`` in a row (1-based): 1, 2, 4, 8, then 15 minutes (ID-60)."""
    return _PROBE_AFTER[min(failures, len(_PROBE_AFTER)) - 1]
