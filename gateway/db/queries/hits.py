"""What does the store know of opens and clicks: whom they belong to, where they lead, what came beside them?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import delivery, event, instance, link
from gateway.db.models.subscribers import address_status, subscriber
from gateway.db.queries.bulk import among
from gateway.db.queries.events import insert_or_ignore
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain.events import NewEvent
from gateway.domain.hits import Seen


@dataclass(frozen=True, slots=True)
class HitDelivery:
    """The delivery that a hit is of. ``person``: the survivor of a merged record, None for an erased one (SEND-51).

    ``answered_at``: when the mail server answered, None when it has not, or when nobody knows, as of one that evidence
    or a decision counts as accepted. ``in_hand``: a sender that lives is at it.
    """

    delivery_id: int
    instance_id: int
    person: int | None
    email: str | None
    remote_id: str | None
    in_doubt: bool
    in_hand: bool
    answered_at: dt.datetime | None


def deliveries(connection: Connection, brand_id: int, delivery_ids: Sequence[int],
               now: dt.datetime) -> dict[int, HitDelivery]:
    """Those of these deliveries that are the brand's, by id."""
    t, s, survivor = delivery.c, subscriber.c, subscriber.alias("survivor")
    person = sa.case(
        (sa.or_(s.erased_at.is_not(None), survivor.c.erased_at.is_not(None)), None),
        else_=sa.func.coalesce(s.merged_into, s.id))
    answered_at = sa.case(
        (sa.and_(t.state == rules.ACCEPTED, t.code.is_not(None)), t.accepted_at),
        (t.state.in_((rules.REFUSED, rules.EXPIRED, rules.DEFERRED)), t.changed_at))
    rows = connection.execute(
        sa.select(t.id, t.instance_id, person, t.email, t.remote_id, t.state == rules.IN_DOUBT,
                  sa.and_(t.state == rules.CLAIMED, t.lease_until > now), answered_at)
        .join(subscriber, s.id == t.subscriber_id).outerjoin(survivor, survivor.c.id == s.merged_into)
        .where(t.brand_id == brand_id, among(connection, t.id, delivery_ids)))
    return {row.id: HitDelivery(*row) for row in rows}


def instance_of(connection: Connection, brand_id: int, delivery_id: int) -> int | None:
    """The instance of the brand's delivery, for tokens that do not carry it."""
    return connection.scalar(sa.select(delivery.c.instance_id).where(
        delivery.c.brand_id == brand_id, delivery.c.id == delivery_id))


def links(connection: Connection, brand_id: int, instance_ids: Sequence[int]) -> dict[int, tuple[str, ...]]:
    """The frozen links of these instances of the brand, in order of their numbers, which have no gaps (SEND-46)."""
    rows = connection.execute(
        sa.select(link.c.instance_id, link.c.url)
        .where(link.c.brand_id == brand_id, among(connection, link.c.instance_id, instance_ids))
        .order_by(link.c.instance_id, link.c.number))
    found: dict[int, list[str]] = {}
    for row in rows:
        found.setdefault(row.instance_id, []).append(row.url)
    return {instance_id: tuple(urls) for instance_id, urls in found.items()}


def instances_with_links(connection: Connection, since: dt.datetime, limit: int) -> list[tuple[int, int]]:
    """(brand, instance) of what was frozen since then and has links, of all brands, newest first."""
    i = instance.c
    rows = connection.execute(
        sa.select(i.brand_id, i.id)
        .where(i.frozen_at >= since, sa.exists().where(link.c.instance_id == i.id, link.c.number == 0))
        .order_by(i.id.desc()).limit(limit))
    return [(row.brand_id, row.id) for row in rows]


def add(connection: Connection, brand_id: int, news: Sequence[NewEvent], recorded_at: dt.datetime) -> None:
    """Stores the hits that are not stored yet (SEND-50)."""
    shared = {"brand_id": brand_id, "recorded_at": recorded_at}
    if news:
        connection.execute(insert_or_ignore(connection, event), [
            {name: getattr(new, name) for name in NewEvent.__slots__} | shared for new in news])


def near(connection: Connection, delivery_ids: Sequence[int], since: dt.datetime,
         until: dt.datetime) -> dict[int, list[Seen]]:
    """The stored hits of these deliveries in that time, both ends included."""
    e = event.c
    rows = connection.execute(
        sa.select(e.delivery_id, e.once_key, e.occurred_at, e.link_number, e.type, e.raw)
        .where(among(connection, e.delivery_id, delivery_ids), e.occurred_at >= since, e.occurred_at <= until,
               sa.text("event.type IN ('opened', 'clicked')")))
    found: dict[int, list[Seen]] = {}
    for row in rows:
        number = row.link_number if row.type == types.CLICKED else None
        found.setdefault(row.delivery_id, []).append(
            Seen(row.once_key, row.occurred_at, number, (row.raw or {}).get("agent", "")))
    return found


def mark(connection: Connection, brand_id: int, marks: Mapping[str, str], now: dt.datetime) -> None:
    """Marks stored hits, ``once_key`` -> rule, as a machine's; one that is marked keeps its rule (SEND-52).

    They count as recorded ``now``: a feed that gave them out as a person's gives them out once more.
    """
    e = event.c
    for rule in sorted(set(marks.values())):
        keys = [key for key, found in marks.items() if found == rule]
        connection.execute(
            sa.update(event).where(e.brand_id == brand_id, among(connection, e.once_key, keys), e.automated.is_(False))
            .values(automated=True, rule=rule, recorded_at=now))


def bouncing(connection: Connection, brand_id: int, emails: Sequence[str]) -> list[str]:
    """Those of the addresses that have bounces in a row."""
    a = address_status.c
    return list(connection.scalars(sa.select(a.email).where(
        a.brand_id == brand_id, among(connection, a.email, emails), sa.or_(a.hard_in_a_row > 0, a.soft_in_a_row > 0))))
