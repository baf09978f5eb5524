"""Which interests are there, who is in them, and how many of those would get mail?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.subscribers import address_status, interest, interest_opt_out, membership, subscriber
from gateway.db.queries import remotegroups, status
from gateway.db.queries.bulk import among
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.records import InterestView

_GROUP = sa.case((interest.c.dynamic, interest.c.external_id)).label("group")


def by_name(connection: Connection, brand_id: int, names: Collection[str]) -> dict[str, int]:
    """The ids of those interests that exist, by exact name."""
    if not names:
        return {}
    rows = connection.execute(sa.select(interest.c.name, interest.c.id).where(
        interest.c.brand_id == brand_id, among(connection, interest.c.name, list(names))))
    return {name: interest_id for name, interest_id in rows}


def count(connection: Connection, brand_id: int) -> int:
    """How many interests the brand has."""
    return connection.execute(sa.select(sa.func.count()).where(interest.c.brand_id == brand_id)).scalar_one()


def add(connection: Connection, brand_id: int, name: str, description: str | None, public: bool,
        now: dt.datetime) -> int:
    """Stores an interest and answers its id."""
    return connection.execute(sa.insert(interest).values(
        brand_id=brand_id, name=name, description=description, public=public, created_at=now)).inserted_primary_key[0]


def find(connection: Connection, brand_id: int, window: Window, now: dt.datetime, *, name: str | None = None,
         public: bool | None = None, integration_name: str | None = None) -> list[InterestView]:
    """Interests in (created, id) order with their counts as of ``now``, at most ``window.size + 1`` of them."""
    t = interest.c
    query = (sa.select(t.id, t.name, t.description, t.public, integration.c.name.label("integration"), t.created_at,
                       _GROUP)
             .select_from(interest.outerjoin(integration, integration.c.id == t.integration_id))
             .where(t.brand_id == brand_id))
    query = in_window(query, window, t.created_at, t.id)
    if name is not None:
        query = query.where(t.name == name)
    if public is not None:
        query = query.where(t.public == public)
    if integration_name is not None:
        query = query.where(integration.c.name == integration_name)
    return _views(connection, brand_id, connection.execute(query).all(), now)


def get(connection: Connection, brand_id: int, interest_id: int, now: dt.datetime) -> InterestView | None:
    """One interest of the brand with its counts as of ``now``."""
    t = interest.c
    rows = connection.execute(
        sa.select(t.id, t.name, t.description, t.public, integration.c.name.label("integration"), t.created_at,
                       _GROUP)
        .select_from(interest.outerjoin(integration, integration.c.id == t.integration_id))
        .where(t.brand_id == brand_id, t.id == interest_id)).all()
    return _views(connection, brand_id, rows, now)[0] if rows else None


def set_facts(connection: Connection, brand_id: int, interest_id: int, name: str, description: str | None,
              public: bool) -> None:
    """Stores what an interest is called, how it is described and whether the preference form shows it."""
    connection.execute(sa.update(interest).where(interest.c.brand_id == brand_id, interest.c.id == interest_id).values(
        name=name, description=description, public=public))


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


def open_now(now: dt.datetime) -> sa.ColumnElement[bool]:
    """Whether a row of ``membership`` is open and does not rest (ID-38, PUSH-23)."""
    m = membership.c
    return sa.and_(m.until.is_(None), sa.or_(m.begins_at.is_(None), m.begins_at <= now),
                   sa.or_(m.ends_at.is_(None), m.ends_at > now))


def _views(connection: Connection, brand_id: int, rows: Sequence[sa.Row], now: dt.datetime) -> list[InterestView]:
    counts = _counts(connection, brand_id, [row.id for row in rows], now)
    resolved = remotegroups.last_resolved(connection, brand_id, [row.id for row in rows if row.group is not None])
    return [InterestView(row.id, row.name, row.description, row.public, row.integration, *counts.get(row.id, (0, 0)),
                         row.created_at, row.group, resolved.get(row.id)) for row in rows]


def _counts(connection: Connection, brand_id: int, interest_ids: list[int],
            now: dt.datetime) -> dict[int, tuple[int, int]]:
    """Interest id -> (members, those of them that mail would reach).

    The facts that block are joined as sets: asked for every member anew they took minutes on large interests.
    """
    if not interest_ids:
        return {}
    m, o, s, a = membership.c, interest_opt_out.c, subscriber.c, address_status.c
    has_left = sa.exists().where(o.subscriber_id == m.subscriber_id, o.interest_id == m.interest_id)
    members = (sa.select(m.interest_id, m.subscriber_id).distinct()
               .where(m.brand_id == brand_id, among(connection, m.interest_id, interest_ids), open_now(now),
                      ~has_left).subquery())
    sendable = sa.and_(~s.orphan, s.email.is_not(None), s.opted_out_at.is_(None), a.opted_out_at.is_(None),
                       a.bounced_at.is_(None), s.email.not_in(status.flagged_addresses(brand_id)))
    rows = connection.execute(
        sa.select(members.c.interest_id, sa.func.count(), sa.func.sum(sa.case((sendable, 1), else_=0)))
        .select_from(members.join(subscriber, s.id == members.c.subscriber_id)
                     .outerjoin(address_status, sa.and_(a.brand_id == brand_id, a.email == s.email)))
        .where(s.merged_into.is_(None)).group_by(members.c.interest_id))
    return {interest_id: (count, int(reached)) for interest_id, count, reached in rows}
