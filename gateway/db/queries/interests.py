"""Which interests are there, who is in them, and how many of those would get mail?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.subscribers import interest, interest_opt_out, membership, subscriber
from gateway.db.queries import status
from gateway.db.queries.bulk import among
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.records import InterestView


def by_name(connection: Connection, brand_id: int, names: Collection[str]) -> dict[str, int]:
    """The ids of those interests that exist, by exact name."""
    if not names:
        return {}
    rows = connection.execute(sa.select(interest.c.name, interest.c.id).where(
        interest.c.brand_id == brand_id, among(connection, interest.c.name, list(names))))
    return {name: interest_id for name, interest_id in rows}


def add(connection: Connection, brand_id: int, name: str, description: str | None, public: bool,
        now: dt.datetime) -> int:
    """Stores an interest and answers its id."""
    return connection.execute(sa.insert(interest).values(
        brand_id=brand_id, name=name, description=description, public=public, created_at=now)).inserted_primary_key[0]


def find(connection: Connection, brand_id: int, window: Window, *, name: str | None = None,
         public: bool | None = None, integration_name: str | None = None) -> list[InterestView]:
    """Interests in (created, id) order with their counts, at most ``window.size + 1`` of them."""
    t = interest.c
    query = (sa.select(t.id, t.name, t.description, t.public, integration.c.name.label("integration"), t.created_at)
             .select_from(interest.outerjoin(integration, integration.c.id == t.integration_id))
             .where(t.brand_id == brand_id))
    query = in_window(query, window, t.created_at, t.id)
    if name is not None:
        query = query.where(t.name == name)
    if public is not None:
        query = query.where(t.public == public)
    if integration_name is not None:
        query = query.where(integration.c.name == integration_name)
    return _views(connection, brand_id, connection.execute(query).all())


def get(connection: Connection, brand_id: int, interest_id: int) -> InterestView | None:
    """One interest of the brand with its counts."""
    t = interest.c
    rows = connection.execute(
        sa.select(t.id, t.name, t.description, t.public, integration.c.name.label("integration"), t.created_at)
        .select_from(interest.outerjoin(integration, integration.c.id == t.integration_id))
        .where(t.brand_id == brand_id, t.id == interest_id)).all()
    return _views(connection, brand_id, rows)[0] if rows else None


def other_members(connection: Connection, brand_id: int, interest_ids: Sequence[int], source_id: int,
                  channel: str) -> list[tuple[int, int]]:
    """(membership id, subscriber id) of every open row of this source and channel in these interests."""
    m = membership.c
    return [(row_id, subscriber_id) for row_id, subscriber_id in connection.execute(
        sa.select(m.id, m.subscriber_id).where(
            m.brand_id == brand_id, m.interest_id.in_(interest_ids), m.source_id == source_id, m.channel == channel,
            m.until.is_(None)).order_by(m.id))]


def end_memberships(connection: Connection, brand_id: int, membership_ids: Sequence[int], now: dt.datetime) -> None:
    """Ends these rows and marks their people as changed."""
    m = membership.c
    chosen = among(connection, m.id, membership_ids)
    connection.execute(sa.update(subscriber).where(
        subscriber.c.brand_id == brand_id, subscriber.c.id.in_(sa.select(m.subscriber_id).where(chosen)))
        .values(changed_at=now))
    connection.execute(sa.update(membership).where(m.brand_id == brand_id, chosen).values(until=now))


def _views(connection: Connection, brand_id: int, rows: Sequence[sa.Row]) -> list[InterestView]:
    counts = _counts(connection, brand_id, [row.id for row in rows])
    return [InterestView(row.id, row.name, row.description, row.public, row.integration, *counts.get(row.id, (0, 0)),
                         row.created_at) for row in rows]


def _counts(connection: Connection, brand_id: int, interest_ids: list[int]) -> dict[int, tuple[int, int]]:
    """Interest id -> (members, those of them that mail would reach)."""
    if not interest_ids:
        return {}
    m, o = membership.c, interest_opt_out.c
    has_left = sa.exists().where(o.subscriber_id == m.subscriber_id, o.interest_id == m.interest_id)
    members = (sa.select(m.interest_id, m.subscriber_id).distinct()
               .where(m.brand_id == brand_id, among(connection, m.interest_id, interest_ids), m.until.is_(None),
                      ~has_left).subquery())
    sendable = status.blocked(brand_id)
    rows = connection.execute(
        sa.select(members.c.interest_id, sa.func.count(),
                  sa.func.sum(sa.case((sendable, 0), else_=1)))
        .select_from(members.join(subscriber, subscriber.c.id == members.c.subscriber_id))
        .where(subscriber.c.merged_into.is_(None)).group_by(members.c.interest_id))
    return {interest_id: (count, int(reached)) for interest_id, count, reached in rows}
