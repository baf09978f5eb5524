"""Which interests does an integration keep under its own ids, and who is in them through which channel?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import interest, interest_opt_out, membership, subscriber
from gateway.db.queries.bulk import among, insert_rows
from gateway.db.queries.identities import named_keys
from gateway.domain.interests import OwnInterest

PAGE = 10_000
"""Rows that are looked at in one go."""

_JOINED = ("brand_id", "subscriber_id", "interest_id", "source_id", "channel", "since")


@dataclass(frozen=True, slots=True)
class Listed:
    """Who has a remote ID; ``has_left``: this person has left the interest in question (ID-39)."""

    remote_id: str
    subscriber_id: int
    has_left: bool


def by_external(connection: Connection, brand_id: int, integration_id: int,
                external_ids: Collection[str]) -> dict[str, OwnInterest]:
    """Those of the integration's interests that exist, by external id (PUSH-23)."""
    t = interest.c
    rows = connection.execute(sa.select(t.external_id, t.id, t.name).where(
        t.brand_id == brand_id, t.integration_id == integration_id,
        among(connection, t.external_id, list(external_ids))))
    return {external_id: OwnInterest(interest_id, name) for external_id, interest_id, name in rows}


def add(connection: Connection, brand_id: int, integration_id: int, external_id: str, name: str,
        now: dt.datetime) -> OwnInterest:
    """Stores an interest that the integration owns; the name must be free."""
    interest_id = connection.execute(sa.insert(interest).values(
        brand_id=brand_id, name=name, public=False, integration_id=integration_id, external_id=external_id,
        created_at=now)).inserted_primary_key[0]
    return OwnInterest(interest_id, name)


def rename(connection: Connection, brand_id: int, names: Mapping[int, str]) -> None:
    """Gives interests new names, id -> name, all at once: some may get the names that others of them have.

    Nobody else has any of the names.
    """
    between = {interest_id: f"\x01{interest_id}" for interest_id in names}  # a text that no door lets in
    t = interest.c
    for step in (between, names) if len(names) > 1 else (names,):
        connection.execute(sa.update(interest).where(
            t.brand_id == brand_id, t.id == sa.bindparam("of")).values(name=sa.bindparam("new")),
            [{"of": interest_id, "new": name} for interest_id, name in step.items()])


def listed(connection: Connection, brand_id: int, integration_id: int, interest_id: int,
           remote_ids: Sequence[str]) -> dict[str, Listed]:
    """Who has these remote IDs; one that nobody has, or whose link has ended, is absent."""
    if not remote_ids:
        return {}
    named = named_keys(connection, brand_id, integration_id, remote_ids)
    left = interest_opt_out.c
    rows = connection.execute(sa.select(
        named.c.remote_id, named.c.subscriber_id,
        sa.exists().where(left.subscriber_id == named.c.subscriber_id, left.interest_id == interest_id))
        .where(named.c.ended_at.is_(None)))
    return {remote_id: Listed(remote_id, person, bool(has_left)) for remote_id, person, has_left in rows}


def member_pages(connection: Connection, brand_id: int, interest_ids: Sequence[int], source_id: int,
                 channel: str, joined_by: dt.datetime | None = None) -> Iterator[list[tuple[int, int]]]:
    """(membership id, subscriber id) of every open row of this source and channel in these interests, in pages.

    ``joined_by``: without those who joined later.
    """
    m, after = membership.c, 0
    query = sa.select(m.id, m.subscriber_id).where(
        m.brand_id == brand_id, m.interest_id.in_(interest_ids), m.source_id == source_id, m.channel == channel,
        m.until.is_(None)).order_by(m.id).limit(PAGE)
    if joined_by is not None:
        query = query.where(m.since <= joined_by)
    while True:
        page = connection.execute(query.where(m.id > after)).all()
        if not page:
            return
        after = page[-1][0]
        yield [(row_id, subscriber_id) for row_id, subscriber_id in page]


def join(connection: Connection, brand_id: int, interest_id: int, source_id: int, channel: str,
         subscriber_ids: Sequence[int], now: dt.datetime) -> None:
    """Opens a membership for each of these people, who have none of this source and channel, and marks them changed."""
    if not subscriber_ids:
        return
    insert_rows(connection, membership, _JOINED, [
        (brand_id, subscriber_id, interest_id, source_id, channel, now) for subscriber_id in sorted(subscriber_ids)])
    t = subscriber.c
    connection.execute(sa.update(subscriber).where(
        t.brand_id == brand_id, among(connection, t.id, list(subscriber_ids))).values(changed_at=now))
