"""What do deliveries and events of some instances add up to? (sending.md section 8)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import delivery, event
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain.bounces import BounceClass
from gateway.domain.metrics import DeliveryCount, EventCounts, HitCounts


def delivery_counts(connection: Connection, brand_id: int, instance_ids: Sequence[int]) -> list[DeliveryCount]:
    """Numbers of deliveries by state, reason (of those left out), bounce class, and tiers (of those sent)."""
    t = delivery.c
    reason = sa.case((t.state == rules.LEFT_OUT, t.reason), else_=None)
    tiers = sa.case((t.state.in_(rules.OUT), t.tiers), else_=None)
    rows = connection.execute(
        sa.select(t.state, reason, t.bounce_class, sa.func.count(), tiers)
        .where(t.brand_id == brand_id, t.instance_id.in_(instance_ids))
        .group_by(t.state, reason, t.bounce_class, tiers))
    return [DeliveryCount(*row) for row in rows]


def event_counts(connection: Connection, brand_id: int, instance_ids: Sequence[int]) -> EventCounts:
    """Hits and acts of recipients. Who clicked without an open being seen counts as one open (sending.md section 8)."""
    e = event.c
    of_these = sa.and_(e.brand_id == brand_id, e.instance_id.in_(instance_ids))
    rows = connection.execute(
        sa.select(e.type, e.automated, sa.func.count(), sa.func.count(sa.distinct(e.delivery_id)),
                  sa.func.min(e.occurred_at).label("first_at"))
        .where(of_these).group_by(e.type, e.automated)).all()
    found = {(row[0], bool(row[1])): row for row in rows}
    openers = connection.scalar(
        sa.select(sa.func.count(sa.distinct(e.delivery_id)))
        .where(of_these, e.type.in_((types.OPENED, types.CLICKED)), e.automated.is_(False))) or 0
    unsubscribed = connection.scalar(
        sa.select(sa.func.count(sa.distinct(e.delivery_id)))
        .where(of_these, e.type == types.UNSUBSCRIBED, e.delivery_id.is_not(None))) or 0
    return EventCounts(opens=_opens(found, openers), clicks=_hits(found, types.CLICKED), unsubscribed=unsubscribed,
                       complaints=_people(found, types.COMPLAINED), opted_out=_people(found, types.OPTED_OUT),
                       implied_opens=openers - _hits(found, types.OPENED).unique)


def last_bounce_at(connection: Connection, brand_id: int, subscriber_id: int, email: str,
                   before_event_id: int) -> dt.datetime | None:
    """When the address last had a bounce that counts, before the event of that id; None: never.

    A block or another one neither counts nor breaks a row, so a success before it may do so (SEND-55, SEND-56).
    """
    e = event.c
    return connection.scalar(
        sa.select(sa.func.max(e.occurred_at))
        .where(e.brand_id == brand_id, e.subscriber_id == subscriber_id, e.type == types.BOUNCED, e.address == email,
               e.reason.in_((BounceClass.HARD, BounceClass.SOFT)), e.id < before_event_id))


def _hits(found: dict[tuple[str, bool], sa.Row], kind: str) -> HitCounts:
    people, machines = found.get((kind, False)), found.get((kind, True))
    return HitCounts(
        total=people[2] if people else 0, unique=people[3] if people else 0,
        first_at=people.first_at if people else None,
        total_automated=machines[2] if machines else 0, unique_automated=machines[3] if machines else 0)


def _opens(found: dict[tuple[str, bool], sa.Row], openers: int) -> HitCounts:
    seen = _hits(found, types.OPENED)
    return replace(seen, total=seen.total + openers - seen.unique, unique=openers)


def _people(found: dict[tuple[str, bool], sa.Row], kind: str) -> int:
    return sum(row[3] for (name, _), row in found.items() if name == kind)
