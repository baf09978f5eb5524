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
from gateway.db.queries.events import insert_or_ignore
from gateway.domain import writeback as rules
from gateway.domain.paging import Window
from gateway.domain.writeback import WritebackFilter, WritebackView


def add(connection: Connection, brand_id: int, *, kind: str, event_id: int, email: str, payload: Mapping[str, object],
        kinds: Sequence[str], except_integration_id: int | None, now: dt.datetime) -> list[int]:
    """Writes one row per live remote key at the address (ID-53, ID-59); answers the integration of each new row.

    Only integrations of ``kinds`` get rows. A key that has a row of this event already gets no second one,
    and an event older than 30 days gets none (ID-58).
    """
    keys = (
        sa.select(
            sa.literal(brand_id), remote_key.c.integration_id, event.c.id, remote_key.c.id, remote_key.c.subscriber_id,
            remote_key.c.remote_id, sa.literal(email), sa.literal(kind),
            sa.literal(dict(payload), writeback.c.payload.type), sa.literal(rules.READY),
            sa.literal(now, writeback.c.next_at.type), event.c.occurred_at,
            sa.literal(now, writeback.c.created_at.type))
        .select_from(remote_key)
        .join(subscriber, subscriber.c.id == remote_key.c.subscriber_id)
        .join(integration, integration.c.id == remote_key.c.integration_id)
        .join(event, event.c.id == event_id)
        .where(subscriber.c.brand_id == brand_id, subscriber.c.email == email, subscriber.c.merged_into.is_(None),
               remote_key.c.brand_id == brand_id, remote_key.c.ended_at.is_(None), integration.c.kind.in_(kinds),
               event.c.brand_id == brand_id, event.c.occurred_at > now - rules.MAX_AGE)
        .order_by(remote_key.c.id))
    if except_integration_id is not None:
        keys = keys.where(remote_key.c.integration_id != except_integration_id)
    columns = ["brand_id", "integration_id", "event_id", "remote_key_id", "subscriber_id", "remote_id", "email", "kind",
               "payload", "state", "next_at", "occurred_at", "created_at"]
    statement = insert_or_ignore(connection, writeback).from_select(columns, keys)
    return list(connection.scalars(statement.returning(writeback.c.integration_id)))


def find(connection: Connection, brand_id: int, wanted: WritebackFilter, window: Window) -> list[WritebackView]:
    """Writebacks of the brand in (created, id) order, at most ``window.size + 1`` of them."""
    t = writeback.c
    query = (sa.select(writeback).where(t.brand_id == brand_id, t.created_at < window.upper)
             .order_by(t.created_at, t.id).limit(window.size + 1))
    if window.since is not None:
        query = query.where(t.created_at >= window.since)
    if window.after is not None:
        at, row_id = window.after
        query = query.where(sa.or_(t.created_at > at, sa.and_(t.created_at == at, t.id > row_id)))
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
                    t.kind.in_((rules.UNSUBSCRIBE, rules.RESUBSCRIBE)), t.remote_id.in_(remote_ids))
             .order_by(t.id))
    return {remote_id: kind for remote_id, kind in connection.execute(query)}


def _view(row: sa.Row) -> WritebackView:
    return WritebackView(
        writeback_id=row.id, integration_id=row.integration_id, event_id=row.event_id, subscriber_id=row.subscriber_id,
        remote_id=row.remote_id, email=row.email, kind=row.kind, state=row.state, tries=row.tries,
        next_at=row.next_at, occurred_at=row.occurred_at, created_at=row.created_at, finished_at=row.finished_at,
        message=row.message, payload=row.payload)
