"""How much is there in each state, over all brands, and what time does the database have? For operators."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.imports import upload
from gateway.db.models.mailings import delivery
from gateway.db.models.sync import writeback


def database_clock(connection: Connection) -> dt.datetime | None:
    """The database server's time; None for SQLite, which has this machine's."""
    if not is_postgresql(connection):
        return None
    return connection.execute(sa.text("SELECT clock_timestamp()")).scalar_one()


def _by_state(connection: Connection, column: sa.Column) -> dict[str, int]:
    return {state: count for state, count in connection.execute(sa.select(column, sa.func.count()).group_by(column))}


def deliveries_by_state(connection: Connection) -> dict[str, int]:
    """Deliveries of all brands by state."""
    return _by_state(connection, delivery.c.state)


def uploads_by_state(connection: Connection) -> dict[str, int]:
    """Imports of all brands by state."""
    return _by_state(connection, upload.c.state)


def writebacks_by_state(connection: Connection) -> dict[str, int]:
    """Writebacks of all brands by state."""
    return _by_state(connection, writeback.c.state)
