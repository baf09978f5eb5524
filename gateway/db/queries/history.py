"""What is stored of the things that happened to one person, in order of recorded time? (SOAP-65, SOAP-70)

Five kinds of row feed one list, so every row gets a number of its own in it: the place of its kind, then its id. What
was recorded at one moment stands in the order of the kinds: what was decided before what came of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import source
from gateway.db.models.mailings import delivery, event, instance, mailing
from gateway.db.models.subscribers import interest, membership
from gateway.db.queries import decisions
from gateway.db.queries.bulk import in_brand
from gateway.db.queries.decisions import StoredDecision
from gateway.db.queries.feeds import in_window
from gateway.db.queries.members import of_people
from gateway.domain.paging import Window

STEP = 10**15
"""More than any id; five times as much is still a number that JSON readers keep exactly."""

DECISION, JOINING, LEAVING, DELIVERY, EVENT = range(5)


@dataclass(frozen=True, slots=True)
class MembershipTurn:
    """A person joined or left an interest at a source."""

    number: int
    at: dt.datetime
    subscriber_id: int
    interest: str
    source_kind: str
    source_name: str


@dataclass(frozen=True, slots=True)
class DeliveryTurn:
    """Where a mailing to the person is; ``at``: since when."""

    number: int
    at: dt.datetime
    subscriber_id: int
    email: str | None
    remote_id: str | None
    state: str
    reason: str | None
    code: str | None
    instance_id: int
    mailing_id: int
    mailing: str


@dataclass(frozen=True, slots=True)
class EventTurn:
    """An event about the person."""

    number: int
    recorded_at: dt.datetime
    occurred_at: dt.datetime
    subscriber_id: int
    type: str
    remote_id: str | None
    email: str | None
    url: str | None
    origin: str | None
    reason: str | None
    code: str | None
    automated: bool
    instance_id: int | None
    mailing_id: int | None


def number(row_id: Any, place: int) -> Any:
    """The number in the list of a row of the table at ``place``; of a column as of an id."""
    return row_id + place * STEP


def decided(connection: Connection, brand_id: int, ids: Sequence[int], window: Window,
            email: str | None) -> list[StoredDecision]:
    """The decisions about these records and their address; as all the others at most ``window.size + 1``."""
    return decisions.in_feed(connection, brand_id, ids, email, window, _numbered(DECISION))


def joined(connection: Connection, brand_id: int, ids: Sequence[int], window: Window) -> list[MembershipTurn]:
    """When these records joined an interest."""
    return _memberships(connection, brand_id, ids, window, membership.c.since, JOINING)


def left(connection: Connection, brand_id: int, ids: Sequence[int], window: Window) -> list[MembershipTurn]:
    """When a membership of these records ended."""
    return _memberships(connection, brand_id, ids, window, membership.c.until, LEAVING)


def delivered(connection: Connection, brand_id: int, ids: Sequence[int], window: Window) -> list[DeliveryTurn]:
    """The deliveries to these records, by when each came into the state it is in."""
    t = delivery.c
    query = (sa.select(number(t.id, DELIVERY).label("number"), t.changed_at, t.subscriber_id, t.email, t.remote_id,
                       t.state, t.reason, t.code, t.instance_id, instance.c.mailing_id, mailing.c.name)
             .join(instance, instance.c.id == t.instance_id).join(mailing, mailing.c.id == instance.c.mailing_id)
             .where(t.brand_id == brand_id, t.subscriber_id.in_(ids)))
    rows = connection.execute(in_window(query, window, t.changed_at, number(t.id, DELIVERY)))
    return [DeliveryTurn(*row) for row in rows]


def happened(connection: Connection, brand_id: int, ids: Sequence[int], window: Window) -> list[EventTurn]:
    """The events about these records."""
    t = event.c
    query = (sa.select(number(t.id, EVENT).label("number"), t.recorded_at, t.occurred_at, t.subscriber_id, t.type,
                       t.remote_id, t.address, t.url, t.origin, t.reason, t.code, t.automated, t.instance_id,
                       instance.c.mailing_id)
             .select_from(event.outerjoin(instance, instance.c.id == t.instance_id))
             .where(in_brand(t.brand_id, brand_id), t.subscriber_id.in_(ids)))
    return [EventTurn(*row) for row in connection.execute(in_window(query, window, t.recorded_at,
                                                                     number(t.id, EVENT)))]


def _memberships(connection: Connection, brand_id: int, ids: Sequence[int], window: Window,
                 at: sa.ColumnElement[dt.datetime], place: int) -> list[MembershipTurn]:
    m = membership.c
    query = (sa.select(number(m.id, place).label("number"), at, m.subscriber_id, interest.c.name, source.c.kind,
                       source.c.name)
             .join(interest, interest.c.id == m.interest_id).join(source, source.c.id == m.source_id)
             .where(of_people(connection, brand_id, ids), at.is_not(None)))
    return [MembershipTurn(*row) for row in connection.execute(in_window(query, window, at, number(m.id, place)))]


def _numbered(place: int) -> Callable[[sa.ColumnElement[int]], sa.ColumnElement[int]]:
    return lambda row_id: number(row_id, place)
