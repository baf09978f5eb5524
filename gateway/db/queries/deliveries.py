"""Which recipients wait, who has them in hand, and what became of each? (SEND-10, SEND-12)

Every step is guarded by the state it may start from, the lane that has the row in hand and the attempt, so a worker
that was given up for dead changes nothing that others decided meanwhile.
"""

from __future__ import annotations

import datetime as dt
import functools
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery, instance, link
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.domain.delivery import Claimed, Settled

HOLD_LOOKS_AT = 2000
"""Rows held back after an outage are the first in the queue: as many as all lanes of a run can have claimed."""


@dataclass(frozen=True, slots=True)
class StoredDelivery:
    """What tracking needs to know of one delivery."""

    delivery_id: int
    instance_id: int
    mailing_id: int
    subscriber_id: int
    email: str | None
    remote_id: str | None
    state: str
    attempt: int
    accepted_at: dt.datetime | None


def claim(connection: Connection, brand_id: int, instance_id: int, owner: str, now: dt.datetime,
          lease_until: dt.datetime, limit: int) -> list[Claimed]:
    """Takes up to ``limit`` recipients of a sending instance in hand: due retries first, then in order of id."""
    t = delivery.c
    taken: list[sa.Row] = []
    for state, when in ((rules.DEFERRED, t.next_at <= now),
                        (rules.QUEUED, sa.or_(t.next_at.is_(None), t.next_at <= now))):
        if len(taken) < limit:
            ready = (sa.select(t.id).where(t.instance_id == instance_id, t.state == state, when)
                     .order_by(t.id).limit(limit - len(taken)))
            if is_postgresql(connection):  # as a CTE it runs once; as a plain subquery it may run, and lock, again
                ready = sa.select(ready.with_for_update(skip_locked=True).cte("ready").c.id)
            taken += connection.execute(
                sa.update(delivery)
                .where(t.id.in_(ready), t.brand_id == brand_id, t.state == state, _sending(brand_id, instance_id))
                .values(state=rules.CLAIMED, lease_owner=owner, lease_until=lease_until, body_started_at=None)
                .returning(t.id, t.subscriber_id, t.email, t.remote_id, t.attempt, t.first_tried_at, t.next_at,
                           t.changed_at, sa.literal(state).label("was"))).all()
    return [_claimed(row) for row in sorted(taken, key=lambda row: row.id)]


def in_hand(connection: Connection, instance_id: int, now: dt.datetime) -> bool:
    """Whether a living worker has recipients of this instance in hand."""
    t = delivery.c
    return connection.scalar(sa.select(sa.exists().where(
        t.instance_id == instance_id, t.state == rules.CLAIMED, t.lease_until >= now)))


def has_abandoned(connection: Connection, brand_id: int, instance_id: int, now: dt.datetime) -> bool:
    """Whether :func:`recover` would find something."""
    t = delivery.c
    return connection.scalar(sa.select(sa.exists().where(
        t.brand_id == brand_id, t.instance_id == instance_id, t.state == rules.CLAIMED, t.lease_until < now)))


def held_until(connection: Connection, instance_id: int, now: dt.datetime) -> dt.datetime | None:
    """Until when the instance leaves the mail server alone (SEND-32); None: it need not wait."""
    t = delivery.c
    first = (sa.select(t.next_at).where(t.instance_id == instance_id, t.state == rules.QUEUED)
             .order_by(t.id).limit(HOLD_LOOKS_AT).subquery())
    latest = connection.scalar(sa.select(sa.func.max(first.c.next_at)))
    return latest if latest is not None and latest > now else None


def mark(connection: Connection, claimed: Claimed, owner: str, now: dt.datetime) -> bool:
    """Notes that this message's body starts now; False if the row is not the lane's any more (cancelled, lease lost).

    A row with this note and no outcome is in doubt when its lane is gone (SEND-12).
    """
    values = {"b_id": claimed.delivery_id, "b_owner": owner, "body_started_at": now, "attempt": claimed.attempt + 1,
              "first_tried_at": claimed.first_tried_at or now}
    return connection.execute(_MARK, values).rowcount == 1


def settle(connection: Connection, settled: Settled, owner: str) -> bool:
    """Stores an outcome; False if somebody else settled the row meanwhile.

    A temporary failure of an instance that was cancelled meanwhile ends as ``cancelled``.
    """
    tried = settled.event != "leave_out"
    claimed = settled.claimed
    values: dict[str, object] = {
        "b_id": claimed.delivery_id, "b_owner": owner, "b_attempt": settled.attempt, "reason": settled.reason,
        "next_at": settled.next_at, "code": settled.code, "status_text": settled.status_text,
        "bounce_class": settled.bounce_class, "changed_at": settled.at,
        "attempt": settled.attempt if tried else claimed.attempt,
        "first_tried_at": (claimed.first_tried_at or settled.at) if tried else claimed.first_tried_at,
        "accepted_at": settled.at if settled.event == "accept" else None}
    return connection.execute(_settle_statement(settled.event), values).rowcount == 1


@functools.cache
def _settle_statement(event: str) -> sa.Update:
    """The guarded step of one event; made once, for it runs with every message."""
    t = delivery.c
    state = rules.STEPS[rules.CLAIMED, event]
    mine = sa.and_(t.state == rules.CLAIMED, t.lease_owner == sa.bindparam("b_owner"))
    if rules.IN_DOUBT in rules.states_before(event):
        mine = sa.or_(mine, sa.and_(t.state == rules.IN_DOUBT, t.attempt == sa.bindparam("b_attempt")))
    values = {name: sa.bindparam(name) for name in (
        "reason", "next_at", "code", "status_text", "bounce_class", "changed_at", "attempt", "first_tried_at",
        "accepted_at")}
    values |= {"state": sa.literal(state), "lease_owner": sa.null(), "lease_until": sa.null()}
    if state == rules.DEFERRED:
        values["body_started_at"] = sa.null()
        values["state"] = sa.case((_sending(None, t.instance_id), rules.DEFERRED), else_=rules.CANCELLED)
    return sa.update(delivery).where(t.id == sa.bindparam("b_id"), mine).values(values)


def release(connection: Connection, instance_id: int, owner: str, now: dt.datetime,
            next_at: dt.datetime | None) -> int:
    """Gives back what the lane has in hand and has not started; ``next_at`` holds it back (SEND-32)."""
    t = delivery.c
    return connection.execute(
        sa.update(delivery)
        .where(t.instance_id == instance_id, t.state == rules.CLAIMED, t.lease_owner == owner,
               t.body_started_at.is_(None))
        .values(state=_open_or_cancelled(), lease_owner=None, lease_until=None, next_at=next_at,
                changed_at=now)).rowcount


def extend(connection: Connection, instance_id: int, owner: str, lease_until: dt.datetime) -> None:
    """Lets the lane keep what it has in hand until ``lease_until``."""
    t = delivery.c
    connection.execute(sa.update(delivery).where(
        t.instance_id == instance_id, t.state == rules.CLAIMED, t.lease_owner == owner)
        .values(lease_until=lease_until))


def recover(connection: Connection, brand_id: int, instance_id: int, now: dt.datetime) -> list[Claimed]:
    """Takes back what dead lanes had in hand; answers the rows that are now in doubt (SEND-12, SEND-21)."""
    t = delivery.c
    abandoned = sa.and_(t.brand_id == brand_id, t.instance_id == instance_id, t.state == rules.CLAIMED,
                        t.lease_until < now)
    gone = {"lease_owner": None, "lease_until": None, "changed_at": now}
    doubtful = connection.execute(
        sa.update(delivery).where(abandoned, t.body_started_at.is_not(None)).values(state=rules.IN_DOUBT, **gone)
        .returning(t.id, t.subscriber_id, t.email, t.remote_id, t.attempt, t.first_tried_at)).all()
    connection.execute(sa.update(delivery).where(abandoned, t.body_started_at.is_(None))
                       .values(state=_open_or_cancelled(), next_at=None, **gone))
    return [Claimed(row.id, row.subscriber_id, row.email, row.remote_id, row.attempt - 1, row.first_tried_at)
            for row in doubtful]


def cancel_open(connection: Connection, brand_id: int, instance_id: int, now: dt.datetime) -> int:
    """Cancels everybody to whom no body has started; a lane that has such a row in hand can not start it any more."""
    t = delivery.c
    return connection.execute(
        sa.update(delivery)
        .where(t.brand_id == brand_id, t.instance_id == instance_id,
               sa.or_(t.state.in_((rules.QUEUED, rules.DEFERRED)),
                      sa.and_(t.state == rules.CLAIMED, t.body_started_at.is_(None))))
        .values(state=rules.CANCELLED, lease_owner=None, lease_until=None, next_at=None, changed_at=now)).rowcount


def has_sent(connection: Connection, brand_id: int, instance_id: int) -> bool:
    """Whether anybody may have got a message of this instance."""
    t = delivery.c
    return connection.scalar(sa.select(sa.exists().where(
        t.brand_id == brand_id, t.instance_id == instance_id,
        t.state.in_((rules.CLAIMED, rules.IN_DOUBT, rules.ACCEPTED, rules.REFUSED, rules.EXPIRED)))))


def next_due(connection: Connection, instance_id: int) -> dt.datetime | None:
    """When the next retry, or the next claim that may be abandoned, is to be looked at; None: nothing waits."""
    t = delivery.c
    moments = [connection.scalar(sa.select(sa.func.min(t.next_at)).where(
        t.instance_id == instance_id, t.state == rules.DEFERRED)),
        connection.scalar(sa.select(sa.func.min(t.lease_until)).where(
            t.instance_id == instance_id, t.state == rules.CLAIMED))]
    return min((moment for moment in moments if moment is not None), default=None)


def ready_count(connection: Connection, instance_id: int, now: dt.datetime, limit: int) -> int:
    """How many recipients could be claimed now, counted up to ``limit``."""
    t = delivery.c
    ready = sa.select(t.id).where(t.instance_id == instance_id, t.state.in_((rules.QUEUED, rules.DEFERRED)),
                                  sa.or_(t.next_at.is_(None), t.next_at <= now)).limit(limit).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(ready)) or 0


def get(connection: Connection, brand_id: int, delivery_id: int) -> StoredDelivery | None:
    """The delivery of this brand, or None."""
    t = delivery.c
    row = connection.execute(
        sa.select(t.id, t.instance_id, instance.c.mailing_id, t.subscriber_id, t.email, t.remote_id, t.state,
                  t.attempt, t.accepted_at)
        .join(instance, instance.c.id == t.instance_id)
        .where(t.brand_id == brand_id, t.id == delivery_id)).first()
    return None if row is None else StoredDelivery(*row)


def prove(connection: Connection, brand_id: int, delivery_id: int, now: dt.datetime) -> bool:
    """Settles a delivery in doubt as accepted, because its recipient acted on it (SEND-24); False if it was not."""
    t = delivery.c
    return connection.execute(
        sa.update(delivery).where(t.brand_id == brand_id, t.id == delivery_id, t.state == rules.IN_DOUBT)
        .values(state=rules.ACCEPTED, accepted_at=now, changed_at=now, lease_owner=None, lease_until=None)
    ).rowcount == 1


def link_url(connection: Connection, brand_id: int, instance_id: int, number: int) -> str | None:
    """The URL of a frozen link, or None (SEND-46)."""
    return connection.scalar(sa.select(link.c.url).where(
        link.c.brand_id == brand_id, link.c.instance_id == instance_id, link.c.number == number))


def link_urls(connection: Connection, brand_id: int, instance_id: int) -> list[str]:
    """The instance's frozen links in order of their numbers."""
    return list(connection.scalars(sa.select(link.c.url).where(
        link.c.brand_id == brand_id, link.c.instance_id == instance_id).order_by(link.c.number)))


def accepted_since(connection: Connection, brand_id: int, subscriber_id: int, email: str, after: dt.datetime,
                   before: dt.datetime) -> bool:
    """Whether the address took a message in (``after``, ``before``] that did not bounce (SEND-56)."""
    t = delivery.c
    return connection.scalar(sa.select(sa.exists().where(
        t.brand_id == brand_id, t.subscriber_id == subscriber_id, t.email == email, t.state == rules.ACCEPTED,
        t.bounce_class.is_(None), t.accepted_at > after, t.accepted_at <= before)))


def _sending(brand_id: int | None, instance_id: int | sa.Column[int]) -> sa.ColumnElement[bool]:
    """Whether the instance is still in state ``sending``."""
    i = instance.c
    condition = sa.and_(i.id == instance_id, i.state == states.SENDING)
    return sa.exists().where(condition if brand_id is None else sa.and_(condition, i.brand_id == brand_id))


def _open_or_cancelled() -> sa.ColumnElement[str]:
    return sa.case((_sending(None, delivery.c.instance_id), rules.QUEUED), else_=rules.CANCELLED)


def _claimed(row: sa.Row) -> Claimed:
    held = row.was == rules.QUEUED and row.next_at is not None
    wait_s = (row.next_at - row.changed_at).total_seconds() if held else 0.0
    return Claimed(row.id, row.subscriber_id, row.email, row.remote_id, row.attempt, row.first_tried_at, wait_s)


_MARK = (
    sa.update(delivery)
    .where(delivery.c.id == sa.bindparam("b_id"), delivery.c.state == rules.CLAIMED,
           delivery.c.lease_owner == sa.bindparam("b_owner"), delivery.c.body_started_at.is_(None))
    .values({name: sa.bindparam(name) for name in ("body_started_at", "attempt", "first_tried_at")}))
