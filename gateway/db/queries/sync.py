"""Which sync runs are there, and what does the store know of an integration's links? (ID-65..72)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.imports import upload
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.models.sync import sync_run
from gateway.db.queries.bulk import among
from gateway.db.queries.identities import named_keys
from gateway.domain import sync as rules


@dataclass(frozen=True, slots=True)
class RunRow:
    """One sync run; its upload carries the decisions and, while it runs, the lease."""

    run_id: int
    upload_id: int
    state: str
    started_at: dt.datetime
    lease_until: dt.datetime | None


@dataclass(frozen=True, slots=True)
class KeyState:
    """What the store knows of a remote key. ``is_live``: the link has not ended."""

    email: str | None
    is_flagged: bool
    is_live: bool


def newest(connection: Connection, brand_id: int, integration_id: int) -> RunRow | None:
    """The newest run of the integration."""
    row = connection.execute(
        sa.select(sync_run.c.id, sync_run.c.upload_id, sync_run.c.state, sync_run.c.started_at, upload.c.lease_until)
        .select_from(sync_run.join(upload, upload.c.id == sync_run.c.upload_id))
        .where(sync_run.c.brand_id == brand_id, sync_run.c.integration_id == integration_id)
        .order_by(sync_run.c.id.desc()).limit(1)).first()
    return None if row is None else RunRow(*row)


def start(connection: Connection, brand_id: int, integration_id: int, upload_id: int, *, full: bool, now: dt.datetime,
          lease_until: dt.datetime) -> RunRow:
    """A new run, whose upload is stored already."""
    run_id = connection.execute(sa.insert(sync_run).values(
        brand_id=brand_id, integration_id=integration_id, full_run=full, state=rules.RUNNING, counters={},
        upload_id=upload_id, started_at=now)).inserted_primary_key[0]
    made = RunRow(run_id, upload_id, rules.RUNNING, now, lease_until)
    renew(connection, brand_id, made, lease_until)
    return made


def renew(connection: Connection, brand_id: int, run: RunRow, lease_until: dt.datetime) -> bool:
    """Moves the end of the lease; False when the run was given up and another one may be at work."""
    running = sa.exists().where(sync_run.c.id == run.run_id, sync_run.c.state == rules.RUNNING)
    return connection.execute(
        sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == run.upload_id, running)
        .values(lease_until=lease_until)).rowcount == 1


def finish(connection: Connection, brand_id: int, run: RunRow, state: str, counters: Mapping[str, int], message: str,
           now: dt.datetime) -> bool:
    """Ends a run; False when it had ended already."""
    ended = connection.execute(
        sa.update(sync_run).where(sync_run.c.brand_id == brand_id, sync_run.c.id == run.run_id,
                                  sync_run.c.state == rules.RUNNING)
        .values(state=state, counters=dict(counters), message=message or None, finished_at=now)).rowcount == 1
    connection.execute(
        sa.update(upload).where(upload.c.brand_id == brand_id, upload.c.id == run.upload_id)
        .values(counters=dict(counters), lease_until=None, finished_at=now))
    return ended


def due(connection: Connection, kinds: Sequence[str], now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, integration) whose newest run is a day old, failed an hour ago, or lost its worker (ID-66)."""
    last = (sa.select(sa.func.max(sync_run.c.id)).group_by(sync_run.c.integration_id))
    state, started = sync_run.c.state, sync_run.c.started_at
    rows = connection.execute(
        sa.select(sync_run.c.brand_id, sync_run.c.integration_id)
        .select_from(sync_run.join(upload, upload.c.id == sync_run.c.upload_id)
                     .join(integration, integration.c.id == sync_run.c.integration_id))
        .where(sync_run.c.id.in_(last), integration.c.kind.in_(kinds), sa.or_(
            sa.and_(state == rules.RUNNING, upload.c.lease_until <= now),
            sa.and_(state == rules.FAILED, started <= now - rules.AFTER_FAILURE),
            sa.and_(state != rules.RUNNING, started <= now - rules.NIGHTLY)))
        .order_by(sync_run.c.brand_id, sync_run.c.integration_id))
    return [(brand_id, integration_id) for brand_id, integration_id in rows]


def key_states(connection: Connection, brand_id: int, integration_id: int,
               keys: Sequence[str]) -> dict[str, KeyState]:
    """What is known of these remote IDs; unknown ones are absent."""
    named = named_keys(connection, brand_id, integration_id, keys)
    rows = connection.execute(
        sa.select(named.c.remote_id, subscriber.c.email, named.c.do_not_email, named.c.ended_at.is_(None))
        .join_from(named, subscriber, subscriber.c.id == named.c.subscriber_id))
    return {key: KeyState(email, bool(flag), bool(live)) for key, email, flag, live in rows}


def keys_at(connection: Connection, brand_id: int, integration_id: int, emails: Sequence[str]) -> dict[str, list[str]]:
    """The live remote IDs of the integration at each of these addresses."""
    found: dict[str, list[str]] = {}
    for email, remote_id in connection.execute(
            sa.select(subscriber.c.email, remote_key.c.remote_id)
            .join_from(subscriber, remote_key, remote_key.c.subscriber_id == subscriber.c.id)
            .where(subscriber.c.brand_id == brand_id, among(connection, subscriber.c.email, emails),
                   subscriber.c.merged_into.is_(None), *_of(brand_id, integration_id),
                   remote_key.c.ended_at.is_(None))):
        found.setdefault(email, []).append(remote_id)
    return found


def count_links(connection: Connection, brand_id: int, integration_id: int) -> int:
    """How many live links the integration has."""
    return connection.execute(sa.select(sa.func.count()).select_from(remote_key).where(
        *_of(brand_id, integration_id), remote_key.c.ended_at.is_(None))).scalar_one()


def links(connection: Connection, brand_id: int, integration_id: int, made_until: dt.datetime | None, after_id: int,
          limit: int) -> list[tuple[int, str]]:
    """(id, remote ID) of live links with ids above ``after_id``, in order; of those made until then, if it is given."""
    query = (sa.select(remote_key.c.id, remote_key.c.remote_id)
             .where(*_of(brand_id, integration_id), remote_key.c.ended_at.is_(None), remote_key.c.id > after_id)
             .order_by(remote_key.c.id).limit(limit))
    if made_until is not None:
        query = query.where(remote_key.c.created_at <= made_until)
    return [(key_id, remote_id) for key_id, remote_id in connection.execute(query)]


def _of(brand_id: int, integration_id: int) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return remote_key.c.brand_id == brand_id, remote_key.c.integration_id == integration_id
