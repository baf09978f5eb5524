"""What does the store say of an integration's people and of the lists they are in, for comparing? (ID-38, ID-39)"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import source
from gateway.db.models.subscribers import interest, interest_opt_out, membership, remote_key, subscriber
from gateway.db.models.sync import writeback
from gateway.db.queries.bulk import among, in_brand
from gateway.db.queries.identities import named_keys
from gateway.domain.reconcile import Here, Waiting

PAGE = 5000
"""Rows that are looked at in one go."""


@dataclass(frozen=True, slots=True)
class Link:
    """A live link."""

    key_id: int
    remote_id: str
    here: Here


def links(connection: Connection, brand_id: int, integration_id: int) -> Iterator[list[Link]]:
    """All live links of the integration, in pages."""
    k, t, after = remote_key.c, subscriber.c, 0
    query = (sa.select(k.id, k.remote_id, t.id, t.email, k.do_not_email)
             .join(subscriber, t.id == k.subscriber_id)
             .where(k.brand_id == brand_id, k.integration_id == integration_id, k.ended_at.is_(None))
             .order_by(k.id).limit(PAGE))
    while True:
        rows = connection.execute(query.where(k.id > after)).all()
        if not rows:
            return
        after = rows[-1][0]
        yield [Link(key_id, remote_id, Here(subscriber_id, email, bool(flag), None))
               for key_id, remote_id, subscriber_id, email, flag in rows]


def keys(connection: Connection, brand_id: int, integration_id: int, remote_ids: Sequence[str]) -> dict[str, Here]:
    """What is stored under these remote IDs; unknown ones are absent."""
    named = named_keys(connection, brand_id, integration_id, remote_ids)
    rows = connection.execute(
        sa.select(named.c.remote_id, subscriber.c.id, subscriber.c.email, named.c.do_not_email, named.c.ended_at)
        .join_from(named, subscriber, subscriber.c.id == named.c.subscriber_id))
    return {remote_id: Here(subscriber_id, email, bool(flag), ended_at)
            for remote_id, subscriber_id, email, flag, ended_at in rows}


def waiting(connection: Connection, brand_id: int, integration_id: int,
            remote_ids: Sequence[str]) -> dict[str, dict[str, Waiting]]:
    """Remote ID -> kind -> its newest writeback."""
    t = writeback.c
    found: dict[str, dict[str, Waiting]] = {}
    for remote_id, row_id, kind, state, payload in connection.execute(
            sa.select(t.remote_id, t.id, t.kind, t.state, t.payload)
            .where(t.brand_id == brand_id, t.integration_id == integration_id,
                   among(connection, t.remote_id, list(remote_ids))).order_by(t.id)):
        found.setdefault(remote_id, {})[kind] = Waiting(row_id, kind, state, (payload or {}).get("interest"))
    return found


def source_of(connection: Connection, brand_id: int, integration_id: int) -> int:
    """The source of the integration's values and memberships; 0 while it has none."""
    return connection.scalar(sa.select(source.c.id).where(
        source.c.brand_id == brand_id, source.c.kind == "integration", source.c.integration_id == integration_id)) or 0


def interest_names(connection: Connection, brand_id: int) -> dict[int, str]:
    """All interests of the brand."""
    t = interest.c
    return {interest_id: name for interest_id, name in connection.execute(
        sa.select(t.id, t.name).where(t.brand_id == brand_id))}


def members(connection: Connection, brand_id: int, integration_id: int, source_id: int, channel: str,
            interest_ids: Collection[int] | None = None) -> Iterator[list[tuple[int, str, int]]]:
    """(interest, remote ID, subscriber) of everybody who is in an interest through this source and channel, once for
    each of their live links to the integration, in pages. Who left an interest is not in it."""
    m, k = membership.c, remote_key.c
    after = 0
    page = sa.select(m.id, m.interest_id, m.subscriber_id).where(
        m.brand_id == brand_id, m.source_id == source_id, m.channel == channel, m.until.is_(None), ~_has_left())
    if interest_ids is not None:
        page = page.where(among(connection, m.interest_id, sorted(interest_ids)))
    while True:
        rows = page.where(m.id > after).order_by(m.id).limit(PAGE).subquery()
        last = connection.scalar(sa.select(sa.func.max(rows.c.id)))
        if last is None:
            return
        found = connection.execute(
            sa.select(rows.c.interest_id, k.remote_id, rows.c.subscriber_id)
            .join_from(rows, remote_key, k.subscriber_id == rows.c.subscriber_id)
            # By the person: without statistics, as right after a first sync, PostgreSQL else compares every key of the
            # integration with every member of the page.
            .where(in_brand(k.brand_id, brand_id), in_brand(k.integration_id, integration_id), k.ended_at.is_(None))
            .order_by(rows.c.id, k.id))
        after = last
        yield [(interest_id, remote_id, subscriber_id) for interest_id, remote_id, subscriber_id in found]


def inside(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], source_id: int, channel: str,
           interest_ids: Collection[int]) -> set[tuple[int, int]]:
    """(subscriber, interest) of those who are in one of the interests through this source and channel."""
    m = membership.c
    return {(subscriber_id, interest_id) for subscriber_id, interest_id in connection.execute(
        sa.select(m.subscriber_id, m.interest_id).where(
            m.brand_id == brand_id, m.source_id == source_id, m.channel == channel, m.until.is_(None), ~_has_left(),
            among(connection, m.interest_id, sorted(interest_ids)),
            among(connection, m.subscriber_id, list(subscriber_ids))))}


def left(connection: Connection, brand_id: int, subscriber_ids: Sequence[int],
         interest_ids: Collection[int]) -> set[tuple[int, int]]:
    """(subscriber, interest) of those who left one of the interests by their own act (ID-39)."""
    o = interest_opt_out.c
    return {(subscriber_id, interest_id) for subscriber_id, interest_id in connection.execute(
        sa.select(o.subscriber_id, o.interest_id).where(
            o.brand_id == brand_id, among(connection, o.subscriber_id, list(subscriber_ids)),
            among(connection, o.interest_id, sorted(interest_ids))))}


def count_others(connection: Connection, brand_id: int, source_id: int, channel: str,
                 interest_ids: Collection[int]) -> dict[int, int]:
    """Interest -> how many are in it only through other sources or channels."""
    m = membership.c
    own = membership.alias("own")
    same = sa.exists().where(own.c.subscriber_id == m.subscriber_id, own.c.interest_id == m.interest_id,
                             own.c.source_id == source_id, own.c.channel == channel, own.c.until.is_(None))
    rows = connection.execute(
        sa.select(m.interest_id, sa.func.count(m.subscriber_id.distinct()))
        .join_from(membership, subscriber, subscriber.c.id == m.subscriber_id)
        .where(m.brand_id == brand_id, among(connection, m.interest_id, sorted(interest_ids)), m.until.is_(None),
               subscriber.c.merged_into.is_(None), ~_has_left(), ~same).group_by(m.interest_id))
    return {interest_id: number for interest_id, number in rows}


def _has_left() -> sa.ColumnElement[bool]:
    o, m = interest_opt_out.c, membership.c
    return sa.exists().where(o.subscriber_id == m.subscriber_id, o.interest_id == m.interest_id)
