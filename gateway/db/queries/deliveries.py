"""Which recipients wait, who has them in hand, and what became of each? (SEND-10, SEND-12)

Every step is guarded by the state it may start from, the sender that has the row in hand and the attempt, so a sender
that was given up for dead changes nothing that others decided meanwhile.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery, instance, link
from gateway.db.queries.bulk import among, among_those, those
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.domain.delivery import Claimed


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
          lease_until: dt.datetime, limit: int, skip: Collection[str] = ()) -> list[Claimed]:
    """Takes up to ``limit`` recipients of a sending instance in hand: due retries first, then in order of id.

    The row's attempt counts up with the claim (SEND-19). Recipients of the domain groups ``skip`` are passed over
    (SEND-35).
    """
    taken: list[sa.Row] = []
    for state in (rules.DEFERRED, rules.QUEUED):
        if len(taken) < limit:
            values = {"b_brand": brand_id, "b_instance": instance_id, "b_owner": owner, "b_now": now,
                      "b_until": lease_until, "b_limit": limit - len(taken)} | ({"b_skip": list(skip)} if skip else {})
            statement = _claim_statement(state, bool(skip), is_postgresql(connection))
            taken += connection.execute(statement, values).all()
    return [_claimed(row) for row in sorted(taken, key=itemgetter(0))]


@functools.cache
def _claim_statement(state: str, skips: bool, postgres: bool) -> Any:
    """Made once, for it runs all the time."""
    t = delivery.c
    ready = sa.select(t.id).where(t.instance_id == sa.bindparam("b_instance"), t.state == state)
    if state == rules.DEFERRED:
        ready = ready.where(t.next_at <= sa.bindparam("b_now", type_=t.next_at.type)).order_by(t.next_at)
    else:
        ready = ready.order_by(t.id)
    if skips:
        group = sa.func.coalesce(t.domain_group, "")
        ready = ready.where(group.not_in(sa.bindparam("b_skip", expanding=True)))
    ready = ready.limit(sa.bindparam("b_limit", type_=sa.Integer))
    if postgres:  # as a CTE it runs once; as a plain subquery it may run, and lock, again
        ready = sa.select(ready.with_for_update(skip_locked=True).cte("ready").c.id)
    brand, number = sa.bindparam("b_brand", type_=t.brand_id.type), sa.bindparam("b_instance", type_=t.id.type)
    sending = sa.exists().where(instance.c.id == number, instance.c.brand_id == brand,
                                instance.c.state == states.SENDING)
    return (sa.update(delivery).where(t.id.in_(ready), t.brand_id == brand, t.state == state, sending)
            .values(state=rules.CLAIMED, lease_owner=sa.bindparam("b_owner"), attempt=t.attempt + 1,
                    lease_until=sa.bindparam("b_until", type_=t.lease_until.type), next_at=None)
            .returning(*_CLAIMED))


def release(connection: Connection, owner: str, delivery_ids: Sequence[int], now: dt.datetime) -> None:
    """Gives back claimed rows whose body has not started; no attempt is counted (SEND-32, SEND-38)."""
    if delivery_ids:
        postgres = is_postgresql(connection)
        connection.execute(_release_statement(postgres), {"b_owner": owner, "b_ids": those(delivery_ids, postgres),
                                                          "b_now": now})


@functools.cache
def _release_statement(postgres: bool) -> sa.Update:
    t = delivery.c
    return _in_hand(postgres).values(
        state=sa.case((is_cancelled(), rules.CANCELLED), else_=rules.QUEUED), lease_owner=None, lease_until=None,
        next_at=None, attempt=t.attempt - 1, changed_at=sa.bindparam("b_now", type_=t.changed_at.type))


def extend(connection: Connection, owner: str, delivery_ids: Sequence[int], lease_until: dt.datetime) -> set[int]:
    """Lets a sender keep these rows until ``lease_until``; answers those that are still its own (SEND-22)."""
    postgres = is_postgresql(connection)
    return set(connection.scalars(_extend_statement(postgres), {
        "b_owner": owner, "b_ids": those(delivery_ids, postgres), "b_until": lease_until}))


@functools.cache
def _extend_statement(postgres: bool) -> Any:
    t = delivery.c
    return _in_hand(postgres).values(lease_until=sa.bindparam("b_until", type_=t.lease_until.type)).returning(t.id)


def _in_hand(postgres: bool) -> sa.Update:
    """A change of those rows ``b_ids`` that ``b_owner`` has in hand."""
    t = delivery.c
    return sa.update(delivery).where(among_those(t.id, "b_ids", postgres), t.state == rules.CLAIMED,
                                     t.lease_owner == sa.bindparam("b_owner"))


def claimed_by(connection: Connection, owner: str, named: Sequence[int]) -> list[tuple[int, int, Claimed]]:
    """(brand, instance, row) of everything that a sender has in hand: ``named`` by its journal, or of an unfinished
    instance."""
    t, i = delivery.c, instance.c
    mine = (t.state == rules.CLAIMED, t.lease_owner == owner)
    unfinished = sa.select(i.id).where(i.state.in_((states.SENDING, states.PAUSED, states.CANCELLED)))
    found = {row.id: row for condition in (among(connection, t.id, named), t.instance_id.in_(unfinished))
             for row in connection.execute(sa.select(*_CLAIMED, t.brand_id, t.instance_id).where(condition, *mine))}
    return [(row.brand_id, row.instance_id, _claimed(row)) for row in found.values()]


def lost(connection: Connection, before: dt.datetime, here: Collection[str]) -> list[tuple[str, int, int, Claimed]]:
    """(owner, brand, instance, row) of what senders have in hand whose lease ended before ``before`` and who are not
    ``here``: nobody will ever tell what became of it (SEND-22)."""
    t, i = delivery.c, instance.c
    unfinished = sa.select(i.id).where(i.state.in_((states.SENDING, states.PAUSED, states.CANCELLED)))
    rows = connection.execute(
        sa.select(*_CLAIMED, t.brand_id, t.instance_id, t.lease_owner)
        .where(t.instance_id.in_(unfinished), t.state == rules.CLAIMED, t.lease_until < before))
    return [(row.lease_owner or "", row.brand_id, row.instance_id, _claimed(row)) for row in rows
            if row.lease_owner not in here]


def cancel_open(connection: Connection, brand_id: int, instance_id: int, now: dt.datetime) -> int:
    """Cancels everybody who waits (SEND-38); what a sender has in hand, it lets go of and cancels within a second."""
    t = delivery.c
    return connection.execute(
        sa.update(delivery)
        .where(t.brand_id == brand_id, t.instance_id == instance_id, t.state.in_((rules.QUEUED, rules.DEFERRED)))
        .values(state=rules.CANCELLED, next_at=None, changed_at=now)).rowcount


def has_sent(connection: Connection, brand_id: int, instance_id: int) -> bool:
    """Whether anybody may have got a message of this instance."""
    t = delivery.c
    return connection.scalar(sa.select(sa.exists().where(
        t.brand_id == brand_id, t.instance_id == instance_id,
        t.state.in_((rules.CLAIMED, rules.IN_DOUBT, rules.ACCEPTED, rules.REFUSED, rules.EXPIRED)))))


def next_due(connection: Connection, instance_id: int) -> dt.datetime | None:
    """When the next retry, or the next claim that may be lost, is to be looked at; None: nothing waits."""
    t = delivery.c
    retry = connection.scalar(sa.select(sa.func.min(t.next_at)).where(
        t.instance_id == instance_id, t.state == rules.DEFERRED))
    lease = connection.scalar(sa.select(sa.func.min(t.lease_until)).where(
        t.instance_id == instance_id, t.state == rules.CLAIMED))
    moments = (retry, lease and lease + rules.LOST_AFTER)
    return min((moment for moment in moments if moment is not None), default=None)


def ready_count(connection: Connection, instance_id: int, now: dt.datetime, limit: int) -> int:
    """How many recipients could be claimed now, counted up to ``limit``."""
    t = delivery.c
    ready = sa.select(t.id).where(t.instance_id == instance_id, sa.or_(
        t.state == rules.QUEUED, sa.and_(t.state == rules.DEFERRED, t.next_at <= now))).limit(limit).subquery()
    return connection.scalar(sa.select(sa.func.count()).select_from(ready)) or 0


def ready_instances(connection: Connection, instance_ids: Sequence[int], now: dt.datetime) -> list[int]:
    """Those of the instances that have somebody to claim now, oldest first."""
    postgres = is_postgresql(connection)
    return list(connection.scalars(_ready_statement(postgres), {"b_ids": those(instance_ids, postgres), "b_now": now}))


@functools.cache
def _ready_statement(postgres: bool) -> Any:
    t, i = delivery.c, instance.c
    queued = sa.exists().where(t.instance_id == i.id, t.state == rules.QUEUED)
    retries = sa.exists().where(t.instance_id == i.id, t.state == rules.DEFERRED,
                                t.next_at <= sa.bindparam("b_now", type_=t.next_at.type))
    return (sa.select(i.id).where(among_those(i.id, "b_ids", postgres), sa.or_(queued, retries))
            .order_by(i.frozen_at, i.id))


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


def is_cancelled() -> sa.ColumnElement[bool]:
    """Whether the row's instance is cancelled, in a statement about deliveries."""
    return sa.exists().where(instance.c.id == delivery.c.instance_id, instance.c.state == states.CANCELLED)


def _claimed(row: sa.Row) -> Claimed:
    delivery_id, subscriber_id, email, remote_id, attempt, first_tried_at, domain_group = row[:len(_CLAIMED)]
    return Claimed(delivery_id, subscriber_id, email, remote_id, attempt - 1, first_tried_at, domain_group or "")


_CLAIMED = (delivery.c.id, delivery.c.subscriber_id, delivery.c.email, delivery.c.remote_id, delivery.c.attempt,
            delivery.c.first_tried_at, delivery.c.domain_group)
