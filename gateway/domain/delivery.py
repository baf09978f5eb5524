"""What may become of one recipient's message, and when does an address count as bad? (sending.md sections 2 and 7)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace

from gateway.domain.bounces import BounceClass

LEFT_OUT, QUEUED, CLAIMED, DEFERRED, IN_DOUBT = "left_out", "queued", "claimed", "deferred", "in_doubt"
ACCEPTED, REFUSED, EXPIRED, CANCELLED = "accepted", "refused", "expired", "cancelled"
STATES = (LEFT_OUT, QUEUED, CLAIMED, DEFERRED, IN_DOUBT, ACCEPTED, REFUSED, EXPIRED, CANCELLED)
OPEN = (QUEUED, CLAIMED, DEFERRED)
"""Pending: the instance is not finished while one of these is left."""

EXCLUDED_INTEREST, INVALID_ADDRESS, ORPHAN = "excluded_interest", "invalid_address", "orphan"
UNSUBSCRIBED, REMOTE_FLAG, BAD_EMAIL = "unsubscribed", "remote_flag", "bad_email"
DUPLICATE_ADDRESS, PERSONALISATION_MISSING, ERASED = "duplicate_address", "personalisation_missing", "erased"
REASONS = (EXCLUDED_INTEREST, INVALID_ADDRESS, ORPHAN, UNSUBSCRIBED, REMOTE_FLAG, BAD_EMAIL, DUPLICATE_ADDRESS,
           PERSONALISATION_MISSING, ERASED)
"""Why somebody is left out; the first that holds in this order (SEND-8)."""

STEPS: dict[tuple[str, str], str] = {
    (QUEUED, "claim"): CLAIMED,
    (DEFERRED, "claim"): CLAIMED,  # its next time has come (SEND-33)
    (CLAIMED, "release"): QUEUED,  # the body never started: nobody can have it, so it is safe to try again
    (CLAIMED, "accept"): ACCEPTED,
    (CLAIMED, "refuse"): REFUSED,
    (CLAIMED, "defer"): DEFERRED,
    (CLAIMED, "expire"): EXPIRED,  # one temporary failure too many (SEND-33)
    (CLAIMED, "doubt"): IN_DOUBT,  # the body started and no outcome is known (SEND-12)
    (CLAIMED, "leave_out"): LEFT_OUT,  # opted out between freezing and sending (SEND-9)
    (CLAIMED, "cancel"): CANCELLED,  # only while the body has not started: the worker's mark then fails
    (QUEUED, "cancel"): CANCELLED,
    (DEFERRED, "cancel"): CANCELLED,
    (IN_DOUBT, "accept"): ACCEPTED,  # evidence (SEND-24), or the worker's own answer after its lease ran out
    (IN_DOUBT, "refuse"): REFUSED,  # the same late answer of the same attempt
    (IN_DOUBT, "defer"): DEFERRED,
    (IN_DOUBT, "expire"): EXPIRED,
}


def states_before(event: str) -> tuple[str, ...]:
    """The states that ``event`` may happen in; what the SQL of that step is guarded by."""
    return tuple(state for state, step in STEPS if step == event)


@dataclass(frozen=True, slots=True)
class Claimed:
    """One delivery in the hands of a lane.

    ``attempt`` counts the tries before this one. ``wait_s`` is how long the row was last held back because the mail
    server could not be reached (SEND-32), 0 when it was not.
    """

    delivery_id: int
    subscriber_id: int
    email: str
    remote_id: str | None
    attempt: int
    first_tried_at: dt.datetime | None
    wait_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of one claimed delivery: ``event`` is of :data:`STEPS`."""

    claimed: Claimed
    event: str
    at: dt.datetime
    reason: str | None = None
    next_at: dt.datetime | None = None
    code: str | None = None
    status_text: str | None = None
    bounce_class: str | None = None

    @property
    def attempt(self) -> int:
        """The number of this try, from 1."""
        return self.claimed.attempt + 1


# --- bounces in a row (SEND-54, SEND-55) --------------------------------------------------------------------------

HARD_LIMIT = 2
SOFT_LIMIT = 5
SOFT_SPAN = dt.timedelta(days=14)
SUCCESS_SETTLES_AFTER = dt.timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Streak:
    """How many bounces an address has had in a row."""

    hard: int = 0
    soft: int = 0
    first_soft_at: dt.datetime | None = None


def count_bounce(streak: Streak, bounce_class: str, at: dt.datetime) -> tuple[Streak, bool]:
    """The streak with one bounce more, and whether the address is now bad (SEND-55).

    Blocks and others say nothing about the address: they neither count nor break a row.
    """
    if bounce_class == BounceClass.HARD:
        streak = replace(streak, hard=streak.hard + 1)
        return streak, streak.hard >= HARD_LIMIT
    if bounce_class == BounceClass.SOFT:
        streak = replace(streak, soft=streak.soft + 1, first_soft_at=streak.first_soft_at or at)
        return streak, streak.soft >= SOFT_LIMIT and at - streak.first_soft_at >= SOFT_SPAN
    return streak, False
