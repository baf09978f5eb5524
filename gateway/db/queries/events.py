"""Which events are stored, and which of them does a feed show?"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import event, instance
from gateway.db.queries.bulk import among
from gateway.db.queries.feeds import in_window
from gateway.domain.events import EventFilter, EventView, NewEvent
from gateway.domain.paging import Window


def insert_or_ignore(connection: Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that does nothing where a unique key is taken."""
    insert = postgresql.insert if is_postgresql(connection) else sqlite.insert
    return insert(table).on_conflict_do_nothing()


def add(connection: Connection, brand_id: int, new: NewEvent, recorded_at: dt.datetime) -> int | None:
    """Stores the event and answers its id, or None when its ``once_key`` is stored already (SEND-50)."""
    values = {name: getattr(new, name) for name in NewEvent.__slots__}
    values |= {"brand_id": brand_id, "recorded_at": recorded_at}
    return connection.execute(_insert(is_postgresql(connection)), values).scalar()


def add_all(connection: Connection, brand_id: int, news: Sequence[NewEvent], recorded_at: dt.datetime) -> None:
    """Stores many events that were never stored before, whose ids nobody needs."""
    shared = {"brand_id": brand_id, "recorded_at": recorded_at}
    if news:
        connection.execute(sa.insert(event), [
            {name: getattr(new, name) for name in NewEvent.__slots__} | shared for new in news])


def ids(connection: Connection, brand_id: int, once_keys: Sequence[str]) -> dict[str, int]:
    """``once_key`` -> id of those that are stored."""
    rows = connection.execute(sa.select(event.c.once_key, event.c.id).where(
        event.c.brand_id == brand_id, among(connection, event.c.once_key, once_keys)))
    return {row.once_key: row.id for row in rows}


@functools.cache
def _insert(postgres: bool) -> sa.Insert:
    """Made once: this runs with every message that is sent."""
    insert = postgresql.insert if postgres else sqlite.insert
    columns = (*NewEvent.__slots__, "brand_id", "recorded_at")
    return (insert(event).values({name: sa.bindparam(name) for name in columns}).on_conflict_do_nothing()
            .returning(event.c.id))


def find(connection: Connection, brand_id: int, wanted: EventFilter, window: Window) -> list[EventView]:
    """Events of the brand in (recorded, id) order, at most ``window.size + 1`` of them."""
    query = (sa.select(event, instance.c.mailing_id)
             .select_from(event.outerjoin(instance, event.c.instance_id == instance.c.id))
             .where(event.c.brand_id == brand_id))
    query = in_window(query, window, event.c.recorded_at, event.c.id)
    if wanted.types:
        query = query.where(event.c.type.in_(wanted.types))
    if wanted.instance_id is not None:
        query = query.where(event.c.instance_id == wanted.instance_id)
    if wanted.mailing_id is not None:
        query = query.where(instance.c.mailing_id == wanted.mailing_id)
    return [_view(row) for row in connection.execute(query)]


def _view(row: sa.Row) -> EventView:
    return EventView(
        event_id=row.id, type=row.type, occurred_at=row.occurred_at, recorded_at=row.recorded_at,
        mailing_id=row.mailing_id, instance_id=row.instance_id, delivery_id=row.delivery_id,
        subscriber_id=row.subscriber_id, remote_id=row.remote_id, address=row.address, url=row.url,
        origin=row.origin, reason=row.reason, code=row.code, automated=row.automated)
