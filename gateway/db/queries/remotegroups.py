"""Which interests does a query in an AMS define, and when was each of them resolved? (ID-38, ID-66)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.imports import upload
from gateway.db.models.mailings import instance, instance_interest, mailing_interest
from gateway.db.models.subscribers import interest, membership
from gateway.db.models.sync import sync_run
from gateway.db.queries import syncruns
from gateway.db.queries.bulk import among
from gateway.db.queries.syncruns import RunRow
from gateway.domain import sync as rules
from gateway.domain.remotegroups import LastReading


@dataclass(frozen=True, slots=True)
class DynamicInterest:
    """An interest whose people the AMS names when it is used; ``group_id``: the group's own id there."""

    interest_id: int
    name: str
    integration_id: int
    integration: str
    group_id: str


def get(connection: Connection, brand_id: int, interest_id: int) -> DynamicInterest | None:
    """The brand's dynamic interest of this id."""
    found = _find(connection, brand_id, interest.c.id == interest_id)
    return found[0] if found else None


def of_integration(connection: Connection, brand_id: int, integration_id: int) -> list[DynamicInterest]:
    """The dynamic interests of one integration, oldest first."""
    return _find(connection, brand_id, interest.c.integration_id == integration_id)


def of_instance(connection: Connection, brand_id: int, instance_id: int) -> list[DynamicInterest]:
    """The dynamic interests that an instance goes to, its own or its mailing's, and those that it leaves out; none for
    a test."""
    own, m = instance_interest.c, mailing_interest.c
    real = sa.exists().where(instance.c.brand_id == brand_id, instance.c.id == instance_id, ~instance.c.is_test)
    chosen = sa.select(own.interest_id).where(own.brand_id == brand_id, own.instance_id == instance_id)
    has_own = sa.exists().where(own.brand_id == brand_id, own.instance_id == instance_id)
    mailing_id = sa.select(instance.c.mailing_id).where(
        instance.c.brand_id == brand_id, instance.c.id == instance_id).scalar_subquery()
    of_mailing = sa.select(m.interest_id).where(m.brand_id == brand_id, m.mailing_id == mailing_id,
                                                sa.or_(m.exclude, ~has_own))
    return _find(connection, brand_id, sa.and_(real, sa.or_(interest.c.id.in_(chosen), interest.c.id.in_(of_mailing))))


def set_dynamic(connection: Connection, brand_id: int, interest_id: int) -> None:
    """Says that a group of its integration defines who is in the interest."""
    connection.execute(sa.update(interest).where(interest.c.brand_id == brand_id, interest.c.id == interest_id)
                       .values(dynamic=True))


def start(connection: Connection, brand_id: int, group: DynamicInterest, upload_id: int, *, trigger: str,
          instance_id: int | None, now: dt.datetime, lease_until: dt.datetime) -> RunRow:
    """A new run that reads this group alone; its upload is stored already."""
    run_id = connection.execute(sa.insert(sync_run).values(
        brand_id=brand_id, integration_id=group.integration_id, full_run=False, state=rules.RUNNING, counters={},
        upload_id=upload_id, started_at=now, trigger=trigger, instance_id=instance_id,
        interest_id=group.interest_id)).inserted_primary_key[0]
    made = RunRow(run_id, upload_id, rules.RUNNING, now, lease_until)
    syncruns.renew(connection, brand_id, made, lease_until)
    return made


def reading(connection: Connection, brand_id: int, integration_id: int) -> RunRow | None:
    """The run of a group that has the integration's lease (ID-67), which may be over; None: no group is being read."""
    t = sync_run.c
    row = connection.execute(
        sa.select(t.id, t.upload_id, t.state, t.started_at, upload.c.lease_until)
        .select_from(sync_run.join(upload, upload.c.id == t.upload_id))
        .where(t.brand_id == brand_id, t.integration_id == integration_id, t.state == rules.RUNNING,
               t.interest_id.is_not(None)).order_by(t.id.desc()).limit(1)).first()
    return None if row is None else RunRow(*row)


def last_resolved(connection: Connection, brand_id: int, interest_ids: Sequence[int]) -> dict[int, dt.datetime]:
    """When each of these interests was resolved last with a complete answer; one that never was is absent.

    The time is that at which the AMS was asked.
    """
    if not interest_ids:
        return {}
    t = sync_run.c
    rows = connection.execute(
        sa.select(t.interest_id, sa.func.max(t.started_at))
        .where(t.brand_id == brand_id, among(connection, t.interest_id, list(interest_ids)),
               t.state == rules.SUCCESS).group_by(t.interest_id))
    return {interest_id: at for interest_id, at in rows}


def last_readings(connection: Connection, brand_id: int, integration_id: int,
                  interest_ids: Sequence[int]) -> dict[int, LastReading]:
    """How each of these interests of one integration was read last, or is being read; one that never was is absent."""
    if not interest_ids:
        return {}
    t = sync_run.c
    newest = sa.select(sa.func.max(t.id)).where(
        t.brand_id == brand_id, t.integration_id == integration_id,
        among(connection, t.interest_id, list(interest_ids))).group_by(t.interest_id)
    rows = connection.execute(sa.select(t.interest_id, t.state, t.message, t.started_at).where(
        t.brand_id == brand_id, t.id.in_(newest)))
    return {interest_id: LastReading(state, message or "", at) for interest_id, state, message, at in rows}


def inside(connection: Connection, brand_id: int, interest_id: int, source_id: int, channel: str,
           subscriber_ids: Sequence[int]) -> set[int]:
    """Those of the people who have an open membership of this source and channel."""
    m = membership.c
    return set(connection.scalars(sa.select(m.subscriber_id).where(
        m.brand_id == brand_id, m.interest_id == interest_id, m.source_id == source_id, m.channel == channel,
        m.until.is_(None), among(connection, m.subscriber_id, list(subscriber_ids)))))


def _find(connection: Connection, brand_id: int, which: sa.ColumnElement[bool]) -> list[DynamicInterest]:
    t = interest.c
    rows = connection.execute(
        sa.select(t.id, t.name, t.integration_id, integration.c.name, t.external_id)
        .join_from(interest, integration, integration.c.id == t.integration_id)
        .where(t.brand_id == brand_id, t.dynamic, t.external_id.is_not(None), which).order_by(t.id))
    return [DynamicInterest(*row) for row in rows]
