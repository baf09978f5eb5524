"""What is stored about one person, with all of its times and origins? (ID-79)"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.clock import instant
from gateway.db.models.accounts import integration
from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import (
    address_status,
    interest,
    interest_opt_out,
    membership,
    remote_key,
    subscriber,
)
from gateway.db.models.sync import writeback
from gateway.db.queries import remotegroups
from gateway.db.queries.members import of_people
from gateway.domain import writeback as writeback_rules


@dataclass(frozen=True, slots=True)
class StoredRecord:
    """A row of ``subscriber``, a tombstone or an erased one too."""

    subscriber_id: int
    email: str | None
    keyless: bool
    is_main: bool
    source_id: int
    first_source_id: int
    orphan: bool
    merged_into: int | None
    erased_at: dt.datetime | None
    opted_out_at: dt.datetime | None
    opt_out_origin: str | None
    created_at: dt.datetime
    changed_at: dt.datetime


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A remote key with its integration; ``identity``: standard or imis_legacy (ID-3)."""

    subscriber_id: int
    integration_id: int
    integration: str
    identity: str
    remote_id: str
    since: dt.datetime
    ended_at: dt.datetime | None
    do_not_email: bool
    flagged_at: dt.datetime | None


@dataclass(frozen=True, slots=True)
class StoredMembership:
    """A membership as it is stored."""

    interest_id: int
    interest: str
    source_id: int
    channel: str
    since: dt.datetime
    until: dt.datetime | None
    begins_at: dt.datetime | None
    ends_at: dt.datetime | None
    detail: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class StoredLeft:
    """An interest that the person left (ID-39)."""

    interest_id: int
    interest: str
    left_at: dt.datetime
    origin: str


@dataclass(frozen=True, slots=True)
class StoredAddress:
    """The facts about an address by itself (ID-43, ID-44)."""

    opted_out_at: dt.datetime | None
    opt_out_origin: str | None
    opt_out_reason: str | None
    bounced_at: dt.datetime | None
    bounce_code: str | None


@dataclass(frozen=True, slots=True)
class StoredOutcome:
    """The delivery of a person in an instance (SEND-10)."""

    subscriber_id: int
    email: str | None
    state: str
    reason: str | None
    code: str | None
    changed_at: dt.datetime
    tiers: str | None


@dataclass(frozen=True, slots=True)
class StoredWriteback:
    """An open writeback of a person."""

    writeback_id: int
    integration: str
    remote_id: str
    kind: str
    state: str
    occurred_at: dt.datetime
    message: str | None


def records(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, StoredRecord]:
    """These records of the brand by id; others are absent."""
    t = subscriber.c
    rows = connection.execute(
        sa.select(t.id, t.email, t.keyless, t.is_main, t.source_id, t.first_source_id, t.orphan, t.merged_into,
                  t.erased_at, t.opted_out_at, t.opt_out_origin, t.created_at, t.changed_at)
        .where(t.brand_id == brand_id, t.id.in_(subscriber_ids)).order_by(t.id))
    return {row.id: StoredRecord(*row) for row in rows}


def at_address(connection: Connection, brand_id: int, email: str) -> list[int]:
    """The live records of this normalised address, lowest id first."""
    t = subscriber.c
    return list(connection.scalars(sa.select(t.id).where(
        t.brand_id == brand_id, t.email == email, t.merged_into.is_(None)).order_by(t.id)))


def holders(connection: Connection, brand_id: int, integration_id: int | None, remote_id: str) -> list[int]:
    """The live records with this remote ID, in one integration or (None) in any, lowest id first."""
    k, s = remote_key.c, subscriber.c
    query = (sa.select(k.subscriber_id).distinct().join(subscriber, s.id == k.subscriber_id)
             .where(k.brand_id == brand_id, k.remote_id == remote_id, s.brand_id == brand_id, s.merged_into.is_(None))
             .order_by(k.subscriber_id))
    return list(connection.scalars(query if integration_id is None else query.where(
        k.integration_id == integration_id)))


def merged_into(connection: Connection, brand_id: int, subscriber_id: int) -> list[int]:
    """The tombstones of this record, those of its tombstones too (ID-26), lowest id first."""
    t = subscriber.c
    found: list[int] = []
    wave = [subscriber_id]
    while wave:
        wave = [each for each in connection.scalars(sa.select(t.id).where(
            t.brand_id == brand_id, t.merged_into.in_(wave))) if each not in found]
        found += wave
    return sorted(found)


def keys(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> list[StoredKey]:
    """All remote keys of these records, ended ones too, oldest first."""
    k, i = remote_key.c, integration.c
    rows = connection.execute(
        sa.select(k.subscriber_id, k.integration_id, i.name, i.identity, k.remote_id, k.created_at, k.ended_at,
                  k.do_not_email, k.flagged_at)
        .join(integration, i.id == k.integration_id)
        .where(k.brand_id == brand_id, k.subscriber_id.in_(subscriber_ids)).order_by(k.id))
    return [StoredKey(*row) for row in rows]


def memberships(connection: Connection, brand_id: int, subscriber_id: int) -> list[StoredMembership]:
    """All memberships of a record, by interest and then oldest first."""
    m = membership.c
    rows = connection.execute(
        sa.select(m.interest_id, interest.c.name, m.source_id, m.channel, m.since, m.until, m.begins_at, m.ends_at,
                  interest.c.dynamic, m.detail)
        .join(interest, interest.c.id == m.interest_id)
        .where(of_people(connection, brand_id, [subscriber_id])).order_by(interest.c.name, m.since, m.id)).all()
    resolved = remotegroups.last_resolved(connection, brand_id, [row.interest_id for row in rows if row.dynamic])
    return [StoredMembership(*row[:-2], json.loads(row.detail or "{}") | _defined(row, resolved)) for row in rows]


def _defined(row: sa.Row, resolved: Mapping[int, dt.datetime]) -> dict[str, str]:
    """Where it is said who is in a dynamic interest, and of when that is."""
    if not row.dynamic:
        return {}
    at = resolved.get(row.interest_id)
    return {"definedIn": "AMS", "lastResolved": "never" if at is None else instant(at)}


def left_interests(connection: Connection, brand_id: int, subscriber_id: int) -> list[StoredLeft]:
    """The interests that the person left, by name."""
    o = interest_opt_out.c
    rows = connection.execute(
        sa.select(o.interest_id, interest.c.name, o.left_at, o.origin)
        .join(interest, interest.c.id == o.interest_id)
        .where(o.brand_id == brand_id, o.subscriber_id == subscriber_id).order_by(interest.c.name))
    return [StoredLeft(*row) for row in rows]


def address(connection: Connection, brand_id: int, email: str) -> StoredAddress | None:
    """What is known of a normalised address."""
    t = address_status.c
    row = connection.execute(
        sa.select(t.opted_out_at, t.opt_out_origin, t.opt_out_reason, t.bounced_at, t.bounce_code)
        .where(t.brand_id == brand_id, t.email == email)).first()
    return None if row is None else StoredAddress(*row)


def outcomes(connection: Connection, brand_id: int, instance_id: int,
             subscriber_ids: Sequence[int]) -> dict[int, StoredOutcome]:
    """The deliveries of these records in an instance, by record."""
    t = delivery.c
    rows = connection.execute(
        sa.select(t.subscriber_id, t.email, t.state, t.reason, t.code, t.changed_at, t.tiers)
        .where(t.brand_id == brand_id, t.instance_id == instance_id, t.subscriber_id.in_(subscriber_ids)))
    return {row.subscriber_id: StoredOutcome(*row) for row in rows}


def open_writebacks(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> list[StoredWriteback]:
    """The open writebacks of these records' remote keys, oldest first (ID-61)."""
    t, k = writeback.c, remote_key.c
    rows = connection.execute(
        sa.select(t.id, integration.c.name, t.remote_id, t.kind, t.state, t.occurred_at, t.message)
        .join(integration, integration.c.id == t.integration_id).join(remote_key, k.id == t.remote_key_id)
        .where(t.brand_id == brand_id, k.subscriber_id.in_(subscriber_ids), t.state.in_(writeback_rules.OPEN))
        .order_by(t.id))
    return [StoredWriteback(*row) for row in rows]
