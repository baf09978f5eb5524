"""What does an attempt mean for its delivery, and how does that get into the tables? (SEND-20, SEND-27..33, SEND-49)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.db.queries import events, locks
from gateway.db.queries import outcomes as queries
from gateway.db.unit import Unit
from gateway.domain import events as types
from gateway.domain import retry
from gateway.domain.accounts import system_actor
from gateway.domain.bounces import BounceClass, classify
from gateway.domain.delivery import Claimed, Settled
from gateway.domain.events import NewEvent
from gateway.domain.writeback import MAIL_BOUNCED, MAIL_SENT
from gateway.mail.smtp import Outcome, Verdict
from gateway.services import bounces, writebacks

EVENTS = {"accept": types.SENT, "refuse": types.SENT, "expire": types.SENT, "defer": types.DEFERRED,
          "doubt": types.IN_DOUBT}
"""The event of an outcome; one that bounced has a second one, of type ``bounced``."""


class News(NamedTuple):
    """What became of one delivery of an instance of a brand."""

    brand_id: int
    instance_id: int
    settled: Settled


def judge(claimed: Claimed, outcome: Outcome, now: dt.datetime) -> Settled:
    """What an attempt means for the delivery (SEND-27..33). Pure; not for an attempt that was ``not_tried``."""
    attempt = claimed.attempt + 1
    code = outcome.enhanced or (str(outcome.code) if outcome.code else None)
    if outcome.kind is Verdict.ACCEPTED:
        return Settled(claimed, "accept", now, code=code, status_text=outcome.text)
    said: dict[str, Any] = {"code": code, "status_text": outcome.text, "reply": outcome.code}
    if outcome.kind is Verdict.REFUSED:
        bounce = classify(outcome.code, outcome.enhanced, outcome.text, stage=outcome.stage)
        return Settled(claimed, "refuse", now, bounce_class=bounce.value, **said)
    if outcome.kind is Verdict.IN_DOUBT:
        return Settled(claimed, "doubt", now, **said)
    next_at = retry.next_try(attempt, now, claimed.first_tried_at or now, retry.spread(claimed.delivery_id, attempt))
    if next_at is None:
        return Settled(claimed, "expire", now, bounce_class=BounceClass.SOFT.value, **said)
    return Settled(claimed, "defer", now, next_at=next_at, **said)


def fold(unit: Unit, owner: str, news: Sequence[News]) -> None:
    """Stores what became of rows that ``owner`` had claimed, with their events, set by set; may be repeated (SEND-20).

    The unit may be of any brand: the rows are known by (delivery, attempt, owner). Those that somebody else settled
    are left alone.
    """
    for brand_id in sorted({one.brand_id for one in news if one.settled.bounce_class}):
        locks.lock_brand(unit.connection, brand_id)  # a bounce may change a status: the lock comes first
    telling = writebacks.telling_instances(unit, {one.instance_id for one in news})
    kinds: dict[str, list[News]] = {}
    for one in news:
        kinds.setdefault(one.settled.event, []).append(one)
    for happened, several in kinds.items():
        changed = queries.settle(unit.connection, owner, happened, [one.settled for one in several])
        kind = EVENTS.get(happened)
        if kind is None:
            continue
        queries.add_events(unit.connection, kind, changed, unit.now)
        ours = set(changed)
        for one in several:
            if one.settled.bounce_class and one.settled.claimed.delivery_id in ours:
                bounces.record(of_brand(unit, one.brand_id), one.instance_id, one.settled)
        if telling and kind == types.SENT:
            _tell(unit, [one for one in several
                         if one.instance_id in telling and one.settled.claimed.delivery_id in ours])


def _tell(unit: Unit, news: Sequence[News]) -> None:
    """The systems that want it hear what was sent, and what of it came back (ID-57)."""
    for brand_id in sorted({one.brand_id for one in news}):
        of_it = [one for one in news if one.brand_id == brand_id]
        for kind, told in ((MAIL_SENT, of_it), (MAIL_BOUNCED, [one for one in of_it if one.settled.bounce_class])):
            writebacks.queue_activity(of_brand(unit, brand_id), kind,
                                      [bounces.once_key(one.settled, kind) for one in told])


def record(unit: Unit, instance_id: int, settled: Settled) -> None:
    """The events of one outcome that the caller has stored (SEND-49), and what a bounce says about the address."""
    kind, claimed = EVENTS.get(settled.event), settled.claimed
    if kind is None:
        return
    events.add(unit.connection, unit.brand_id, NewEvent(
        type=kind, occurred_at=settled.at, once_key=bounces.once_key(settled, kind), instance_id=instance_id,
        delivery_id=claimed.delivery_id, subscriber_id=claimed.subscriber_id, remote_id=claimed.remote_id,
        address=claimed.email, code=settled.code), unit.now)
    if settled.bounce_class:
        bounces.record(unit, instance_id, settled)


def of_brand(unit: Unit, brand_id: int) -> Unit:
    """The same transaction, as the system of one brand."""
    return unit if unit.brand_id == brand_id else replace(unit, actor=system_actor(brand_id))
