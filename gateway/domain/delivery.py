"""What may become of one recipient's message, and when does an address count as bad? (sending.md sections 2 and 7)"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from typing import NamedTuple

from gateway.domain.bounces import BounceClass

LEFT_OUT, QUEUED, CLAIMED, DEFERRED, IN_DOUBT = "left_out", "queued", "claimed", "deferred", "in_doubt"
ACCEPTED, REFUSED, EXPIRED, CANCELLED = "accepted", "refused", "expired", "cancelled"
STATES = (LEFT_OUT, QUEUED, CLAIMED, DEFERRED, IN_DOUBT, ACCEPTED, REFUSED, EXPIRED, CANCELLED)
OPEN = (QUEUED, CLAIMED, DEFERRED)
"""Pending: the instance is not finished while one of these is left."""
OUT = (ACCEPTED, REFUSED, EXPIRED)
"""Sent, with or without a bounce (SEND-10)."""

LOST_AFTER = dt.timedelta(seconds=600)
"""So long after its lease (the longest timeout of an exchange) a sender that cannot be asked is given up (SEND-22)."""

EXCLUDED_INTEREST, INVALID_ADDRESS, ORPHAN = "excluded_interest", "invalid_address", "orphan"
UNSUBSCRIBED, REMOTE_FLAG, BAD_EMAIL = "unsubscribed", "remote_flag", "bad_email"
RECEIVED_BEFORE, OPENED_BEFORE, NOT_RECEIVED, NOT_FAILED = (
    "received_before", "opened_before", "not_received", "not_failed")
FREQUENCY_CAP = "frequency_cap"
DUPLICATE_ADDRESS, PERSONALISATION_MISSING, ERASED = "duplicate_address", "personalisation_missing", "erased"
REASONS = (EXCLUDED_INTEREST, INVALID_ADDRESS, ORPHAN, UNSUBSCRIBED, REMOTE_FLAG, BAD_EMAIL, RECEIVED_BEFORE,
           OPENED_BEFORE, NOT_RECEIVED, NOT_FAILED, FREQUENCY_CAP, DUPLICATE_ADDRESS, PERSONALISATION_MISSING, ERASED)
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
    (CLAIMED, "cancel"): CANCELLED,  # only while the body has not started: its sender lets go of it
    (QUEUED, "cancel"): CANCELLED,
    (DEFERRED, "cancel"): CANCELLED,
    (IN_DOUBT, "accept"): ACCEPTED,  # evidence (SEND-24), or the worker's own answer after its lease ran out
    (IN_DOUBT, "refuse"): REFUSED,  # the same late answer of the same attempt
    (IN_DOUBT, "defer"): DEFERRED,
    (IN_DOUBT, "expire"): EXPIRED,
    (IN_DOUBT, "resend"): QUEUED,  # a decision (SEND-24): it may arrive twice
    (IN_DOUBT, "count_as_sent"): ACCEPTED,  # a decision, too
}


def states_before(event: str) -> tuple[str, ...]:
    """The states that ``event`` may happen in; what the SQL of that step is guarded by."""
    return tuple(state for state, step in STEPS if step == event)


class Claimed(NamedTuple):  # this and the next are made for every message, and cheaper than a frozen dataclass
    """One delivery in the hands of a sender.

    ``attempt`` counts the tries before this one; ``domain_group`` is whose mail servers it goes to (SEND-34).
    """

    delivery_id: int
    subscriber_id: int
    email: str
    remote_id: str | None
    attempt: int
    first_tried_at: dt.datetime | None
    domain_group: str = ""


class Settled(NamedTuple):
    """What became of one claimed delivery: ``event`` is of :data:`STEPS`."""

    claimed: Claimed
    event: str
    at: dt.datetime
    reason: str | None = None
    next_at: dt.datetime | None = None
    code: str | None = None
    status_text: str | None = None
    bounce_class: str | None = None
    reply: int | None = None  # the three digits, which an enhanced code stands before
    tiers: str | None = None  # from where its live fields were served (ID-76)

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
