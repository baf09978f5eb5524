"""How much is there in each state, over all brands, and what time does the database have? For operators."""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.accounts import integration
from gateway.db.models.imports import upload
from gateway.db.models.mailings import delivery, instance
from gateway.db.models.sync import writeback
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.domain import writeback as writing


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


def stopped_instances(connection: Connection) -> dict[str, list[tuple[int, int]]]:
    """Reason -> (brand, instance) of all instances that were not paused by a person, oldest first."""
    t = instance.c
    found: dict[str, list[tuple[int, int]]] = {}
    for row in connection.execute(sa.select(t.reason, t.brand_id, t.id).where(
            t.state == states.PAUSED, t.reason.is_not(None)).order_by(t.id)):
        found.setdefault(row.reason, []).append((row.brand_id, row.id))
    return found


def doubts_by_instance(connection: Connection, limit: int) -> list[tuple[int, int, int]]:
    """(brand, instance, how many) of the first instances that have deliveries in doubt."""
    t = delivery.c
    rows = connection.execute(sa.select(t.brand_id, t.instance_id, sa.func.count()).where(t.state == rules.IN_DOUBT)
                              .group_by(t.brand_id, t.instance_id).order_by(t.instance_id).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def uploads_by_state(connection: Connection) -> dict[str, int]:
    """Imports of all brands by state."""
    return _by_state(connection, upload.c.state)


def writebacks_by_state(connection: Connection) -> dict[str, int]:
    """Writebacks of all brands by state."""
    return _by_state(connection, writeback.c.state)


def failed_writebacks(connection: Connection, limit: int) -> list[tuple[int, str, int]]:
    """(brand, integration, how many) of integrations with writebacks that wait for a person (ID-60)."""
    t, i = writeback.c, integration.c
    rows = connection.execute(
        sa.select(i.brand_id, i.name, sa.func.count()).join(integration, i.id == t.integration_id)
        .where(t.state == writing.FAILED).group_by(i.brand_id, i.name, i.id).order_by(i.id).limit(limit))
    return [(row[0], row[1], row[2]) for row in rows]


def long_away(connection: Connection, failures: int, limit: int) -> list[tuple[int, str, int, int]]:
    """(brand, integration, outages in a row, writebacks that wait) of systems that met so many outages (ID-60)."""
    t, i = writeback.c, integration.c
    waiting = sa.select(sa.func.count()).where(t.integration_id == i.id, t.state == writing.READY).scalar_subquery()
    rows = connection.execute(
        sa.select(i.brand_id, i.name, i.failures, waiting).where(i.state == writing.DOWN, i.failures >= failures)
        .order_by(i.id).limit(limit))
    return [(row[0], row[1], row[2], row[3]) for row in rows]
