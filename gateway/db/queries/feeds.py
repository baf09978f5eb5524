"""Up to which moment is a feed complete, and which of its rows does a page hold? (SOAP-68..70)"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.clock import to_millis
from gateway.db.engine import is_postgresql
from gateway.domain.paging import Window

OLDEST = sa.text("""
    SELECT coalesce(extract(epoch FROM clock_timestamp() - min(xact_start)), 0) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
""")


def upper_bound(connection: Connection, now: dt.datetime) -> dt.datetime:
    """A moment before which no row can appear any more; rows are stamped with their unit's start.

    Must run in ``gateway.feed``: there SQLite holds the write lock, so ``now`` is exact; PostgreSQL is
    asked for the age of its oldest running transaction. Hosts that share a database keep their clocks
    together (``gateway doctor``).
    """
    if not is_postgresql(connection):
        return now
    age_s = float(connection.execute(OLDEST).scalar_one())
    return to_millis(now - dt.timedelta(seconds=age_s))


def in_window(query: sa.Select, window: Window, at: sa.ColumnElement, row_id: sa.ColumnElement) -> sa.Select:
    """The query cut to the window, in (``at``, ``row_id``) order; one row more than a page shows that it goes on."""
    query = query.where(at < window.upper).order_by(at, row_id).limit(window.size + 1)
    if window.since is not None:
        query = query.where(at >= window.since)
    if window.after is not None:
        last_at, last_id = window.after
        query = query.where(sa.or_(at > last_at, sa.and_(at == last_at, row_id > last_id)))
    return query
