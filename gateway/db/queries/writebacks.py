"""Which writebacks wait, who may take one, and what became of it? (ID-58..61)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration
from gateway.db.models.mailings import event
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.models.sync import writeback
from gateway.db.queries.bulk import among
from gateway.db.queries.events import insert_or_ignore
from gateway.db.queries.feeds import in_window
from gateway.domain import writeback as rules
from gateway.domain.paging import Window
from gateway.domain.writeback import WritebackFilter, WritebackView


def add(connection: Connection, brand_id: int, *, kind: str, event_id: int, email: str | None,
        payload: Mapping[str, object], kinds: Sequence[str], subscriber_ids: Sequence[int],
        except_integration_id: int | None, now: dt.datetime, only_integration_id: int | None = None) -> list[int]:
    """Writes one row per live remote key at the address, or of these records wherever they are (ID-53, ID-59).

    Without an address the fact is about these records alone.

    Answers the integration of each new row.

    Only integrations of ``kinds`` get rows. A key that has a row of this event already gets no second one,
    and an event older than 30 days gets none (ID-58).
    """
    concerned = subscriber.c.id.in_(subscriber_ids)
    if email is not None:
        concerned = sa.or_(subscriber.c.email == email, concerned)
    keys = (
        sa.select(
            sa.literal(brand_id), remote_key.c.integration_id, event.c.id, remote_key.c.id, remote_key.c.subscriber_id,
            remote_key.c.remote_id, subscriber.c.email if email is None else sa.literal(email), sa.literal(kind),
            sa.literal(dict(payload), writeback.c.payload.type), sa.literal(rules.READY),
            sa.literal(now, writeback.c.next_at.type), event.c.occurred_at,
            sa.literal(now, writeback.c.created_at.type))
        .select_from(remote_key)
        .join(subscriber, subscriber.c.id == remote_key.c.subscriber_id)
        .join(integration, integration.c.id == remote_key.c.integration_id)
        .join(event, event.c.id == event_id)
        .where(subscriber.c.brand_id == brand_id, subscriber.c.merged_into.is_(None),
               concerned,
               remote_key.c.brand_id == brand_id, remote_key.c.ended_at.is_(None), integration.c.kind.in_(kinds),
               event.c.brand_id == brand_id, event.c.occurred_at > now - rules.MAX_AGE)
        .order_by(remote_key.c.id))
    if except_integration_id is not None:
        keys = keys.where(remote_key.c.integration_id != except_integration_id)
    if only_integration_id is not None:
        keys = keys.where(remote_key.c.integration_id == only_integration_id)
    columns = ["brand_id", "integration_id", "event_id", "remote_key_id", "subscriber_id", "remote_id", "email", "kind",
               "payload", "state", "next_at", "occurred_at", "created_at"]
    statement = insert_or_ignore(connection, writeback).from_select(columns, keys)
    return list(connection.scalars(statement.returning(writeback.c.integration_id)))


def find(connection: Connection, brand_id: int, wanted: WritebackFilter, window: Window) -> list[WritebackView]:
    """Writebacks of the brand in (created, id) order, at most ``window.size + 1`` of them."""
    t = writeback.c
    query = in_window(sa.select(writeback).where(t.brand_id == brand_id), window, t.created_at, t.id)
    if wanted.integration_id is not None:
        query = query.where(t.integration_id == wanted.integration_id)
    if wanted.state is not None:
        query = query.where(t.state == wanted.state)
    return [_view(row) for row in connection.execute(query)]


def get(connection: Connection, brand_id: int, writeback_id: int) -> WritebackView | None:
    """One writeback of the brand."""
    row = connection.execute(sa.select(writeback).where(writeback.c.brand_id == brand_id,
                                                        writeback.c.id == writeback_id)).first()
    return None if row is None else _view(row)


def open_kinds(connection: Connection, brand_id: int, integration_id: int,
               remote_ids: Sequence[str]) -> dict[str, str]:
    """The kind of the newest open status writeback of each of these remote IDs (ID-64)."""
    t = writeback.c
    query = (sa.select(t.remote_id, t.kind)
             .where(t.brand_id == brand_id, t.integration_id == integration_id, t.state.in_(rules.OPEN),
                    t.kind.in_((rules.UNSUBSCRIBE, rules.RESUBSCRIBE)), among(connection, t.remote_id, remote_ids))
             .order_by(t.id))
    return {remote_id: kind for remote_id, kind in connection.execute(query)}


def release_lost(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime) -> int:
    """Gives back the rows of dead workers, whose lease is over; answers how many."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.integration_id == integration_id,
                                   t.state == rules.PROCESSING, t.lease_until <= now)
        .values(state=rules.next_state(rules.PROCESSING, rules.LEASE_LOST), lease_owner=None,
                lease_until=None)).rowcount


def expire(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime) -> int:
    """Ends the rows whose event is older than 30 days; they stay listed. Answers how many."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.integration_id == integration_id,
                                   t.state.in_(rules.states_before(rules.AGED)), t.occurred_at <= now - rules.MAX_AGE)
        .values(state=rules.EXPIRED, finished_at=now, message="Older than 30 days.")).rowcount


def candidates(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime, limit: int) -> list[int]:
    """The ids of rows that may be written now, oldest first: one per remote key at most (ID-61)."""
    t = writeback.c
    return list(connection.scalars(
        sa.select(t.id).where(t.brand_id == brand_id, t.integration_id == integration_id, _may_be_claimed(now))
        .order_by(t.id).limit(limit)))


def claim(connection: Connection, brand_id: int, writeback_id: int, owner: str, now: dt.datetime,
          lease_until: dt.datetime) -> WritebackView | None:
    """Takes one row, or answers None when another worker has it or it must wait."""
    t = writeback.c
    row = connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, _may_be_claimed(now))
        .values(state=rules.PROCESSING, lease_owner=owner, lease_until=lease_until).returning(writeback)).first()
    return None if row is None else _view(row)


def settle(connection: Connection, brand_id: int, writeback_id: int, owner: str, **values: object) -> bool:
    """Stores what became of a claimed row; False when the claim is lost."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, t.state == rules.PROCESSING,
                                   t.lease_owner == owner)
        .values(lease_owner=None, lease_until=None, **values)).rowcount == 1


def move(connection: Connection, brand_id: int, writeback_id: int, state_before: str, **values: object) -> bool:
    """Changes a row by hand; False when it has left ``state_before`` meanwhile."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, t.state == state_before)
        .values(**values)).rowcount == 1


def due(connection: Connection, now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, integration) with rows to write, to give back or to expire, of systems that are up or to be probed."""
    t = writeback.c
    aged = sa.and_(t.state.in_(rules.states_before(rules.AGED)), t.occurred_at <= now - rules.MAX_AGE)
    lost = sa.and_(t.state == rules.PROCESSING, t.lease_until <= now)
    rows = connection.execute(
        sa.select(t.brand_id, t.integration_id).distinct()
        .select_from(writeback.join(integration, integration.c.id == t.integration_id))
        .where(sa.or_(aged, lost, _may_be_claimed(now)),
               sa.or_(integration.c.state == rules.UP, integration.c.probe_at <= now))
        .order_by(t.brand_id, t.integration_id))
    return [(brand_id, integration_id) for brand_id, integration_id in rows]


def _may_be_claimed(now: dt.datetime) -> sa.ColumnElement[bool]:
    t, earlier = writeback.c, writeback.alias("earlier")
    blocked = sa.exists().where(earlier.c.remote_key_id == t.remote_key_id, earlier.c.id < t.id,
                                earlier.c.state.in_(rules.OPEN)).correlate(writeback)
    return sa.and_(t.state.in_(rules.states_before(rules.CLAIMED)), t.next_at <= now, ~blocked)


def _view(row: sa.Row) -> WritebackView:
    return WritebackView(
        writeback_id=row.id, integration_id=row.integration_id, event_id=row.event_id, subscriber_id=row.subscriber_id,
        remote_id=row.remote_id, email=row.email, kind=row.kind, state=row.state, tries=row.tries,
        next_at=row.next_at, occurred_at=row.occurred_at, created_at=row.created_at, finished_at=row.finished_at,
        message=row.message, payload=row.payload)
