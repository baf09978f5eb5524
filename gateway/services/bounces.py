"""When is an address given up? Outcomes of sending become bounces, and enough of them in a row a fact (SEND-54..56)."""

from __future__ import annotations

from gateway.db.queries import deliveries, events, reports, streaks
from gateway.db.unit import Unit
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain.delivery import Claimed, Settled
from gateway.domain.events import NewEvent
from gateway.services import suppression


def record(unit: Unit, instance_id: int, settled: Settled) -> None:
    """Stores the bounce of a settled delivery and, at the threshold, marks the address as bad.

    In the transaction of the outcome; the same (delivery, attempt) twice counts once (SEND-50, SEND-55).
    """
    claimed = settled.claimed
    event_id = events.add(unit.connection, unit.brand_id, NewEvent(
        type=types.BOUNCED, occurred_at=settled.at, once_key=once_key(settled, types.BOUNCED),
        instance_id=instance_id, delivery_id=claimed.delivery_id, subscriber_id=claimed.subscriber_id,
        remote_id=claimed.remote_id, address=claimed.email, reason=settled.bounce_class, code=settled.code,
        raw={"text": settled.status_text or ""}), unit.now)
    if event_id is not None and settled.bounce_class is not None:
        _count(unit, settled, event_id)


def once_key(settled: Settled, kind: str) -> str:
    """The key under which this outcome is one event: delivery, attempt and type (SEND-50)."""
    return f"smtp:{settled.claimed.delivery_id}:{settled.attempt}:{kind}"


def reset(unit: Unit, email: str) -> None:
    """Breaks the row of bounces: a person at this address opened or clicked (SEND-56)."""
    streaks.reset(unit.connection, unit.brand_id, email)


def _count(unit: Unit, settled: Settled, event_id: int) -> None:
    claimed = settled.claimed
    streak = streaks.get(unit.connection, unit.brand_id, claimed.email)
    if _succeeded_since_last(unit, claimed, settled, event_id):
        streak = rules.Streak()
    streak, bad = rules.count_bounce(streak, settled.bounce_class or "", settled.at)
    streaks.put(unit.connection, unit.brand_id, claimed.email, streak)
    if bad:
        suppression.set_bounced(unit, email=claimed.email, code=settled.code or "",
                                bounce_class=settled.bounce_class or "", event_id=event_id)


def _succeeded_since_last(unit: Unit, claimed: Claimed, settled: Settled, event_id: int) -> bool:
    """Whether a message was accepted after the last bounce and has been quiet for 72 hours."""
    last = reports.last_bounce_at(unit.connection, unit.brand_id, claimed.subscriber_id, claimed.email, event_id)
    if last is None:
        return False
    return deliveries.accepted_since(unit.connection, unit.brand_id, claimed.subscriber_id, claimed.email, last,
                                     settled.at - rules.SUCCESS_SETTLES_AFTER)
