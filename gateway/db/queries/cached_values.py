"""What did foreign systems say of people lately, of fields whose values may be kept? Nothing stays longer (ID-77)"""

from __future__ import annotations

import contextlib
import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, Engine

from gateway.db.engine import is_postgresql
from gateway.db.models.subscribers import cached_value, field, remote_key
from gateway.db.queries.bulk import among, in_brand


def fresh(connection: Connection, brand_id: int, integration_id: int, remote_ids: Sequence[str],
          since: Mapping[int, dt.datetime]) -> dict[str, dict[int, str]]:
    """remote ID -> field id -> what the system said of it at the field's time in ``since`` or later."""
    t = cached_value.c
    found: dict[str, dict[int, str]] = {}
    if not (remote_ids and since):
        return found
    rows = connection.execute(sa.select(t.remote_id, t.field_id, t.value, t.fetched_at).where(
        in_brand(t.brand_id, brand_id), t.integration_id == integration_id,
        among(connection, t.remote_id, remote_ids), among(connection, t.field_id, sorted(since))))
    for remote_id, field_id, value, fetched_at in rows:
        if fetched_at >= since[field_id]:
            found.setdefault(remote_id, {})[field_id] = value
    return found


def keep(connection: Connection, brand_id: int, integration_id: int, answers: Mapping[str, Mapping[int, str | None]],
         now: dt.datetime) -> None:
    """Keeps what the system said now: remote ID -> field id -> value, None where it has none any more.

    Nothing is kept of a field whose caching was switched off, or of a link that ended, since it was asked.
    """
    field_ids = sorted({field_id for values in answers.values() for field_id in values})
    allowed = set(connection.scalars(
        sa.select(field.c.id).where(field.c.brand_id == brand_id, among(connection, field.c.id, field_ids),
                                    field.c.cache_hours.is_not(None)).with_for_update(read=True)))
    k = remote_key.c
    there = set(connection.scalars(
        sa.select(k.remote_id).where(k.brand_id == brand_id, k.integration_id == integration_id,
                                     among(connection, k.remote_id, sorted(answers)), k.ended_at.is_(None))
        .with_for_update(read=True)))
    rows, gone = [], []
    for remote_id in sorted(there & answers.keys()):
        for field_id, value in sorted(answers[remote_id].items()):
            if field_id in allowed and value is not None:
                rows.append({"brand_id": brand_id, "integration_id": integration_id, "remote_id": remote_id,
                             "field_id": field_id, "value": value, "fetched_at": now})
            elif value is None:
                gone.append((remote_id, field_id))
    with wiping(connection):
        if rows:
            insert = (postgresql.insert if is_postgresql(connection) else sqlite.insert)(cached_value)
            connection.execute(insert.on_conflict_do_update(
                index_elements=["integration_id", "remote_id", "field_id"],
                set_={"value": insert.excluded.value, "fetched_at": insert.excluded.fetched_at}), rows)
        for field_id in sorted({field_id for _, field_id in gone}):
            ids = [remote_id for remote_id, each in gone if each == field_id]
            connection.execute(sa.delete(cached_value).where(
                in_brand(cached_value.c.brand_id, brand_id), cached_value.c.integration_id == integration_id,
                among(connection, cached_value.c.remote_id, ids), cached_value.c.field_id == field_id))


def forget_field(connection: Connection, brand_id: int, field_id: int) -> None:
    """Nothing of the field is kept any more."""
    t = cached_value.c
    with wiping(connection):
        connection.execute(sa.delete(cached_value).where(in_brand(t.brand_id, brand_id), t.field_id == field_id))


def forget_keys(connection: Connection, brand_id: int, keys: Sequence[tuple[int, str]]) -> None:
    """Nothing of these people is kept any more; keys as (integration id, remote ID)."""
    t = cached_value.c
    with wiping(connection):
        for integration_id in sorted({integration_id for integration_id, _ in keys}):
            ids = [remote_id for owner, remote_id in keys if owner == integration_id]
            connection.execute(sa.delete(cached_value).where(
                in_brand(t.brand_id, brand_id), t.integration_id == integration_id,
                among(connection, t.remote_id, ids)))


def cached_fields(connection: Connection) -> list[tuple[int, int]]:
    """(field id, hours) of each field of all brands whose values are kept; 0 hours where only some are left."""
    f, t = field.c, cached_value.c
    left = sa.exists().where(t.field_id == f.id)
    rows = connection.execute(sa.select(f.id, sa.func.coalesce(f.cache_hours, 0)).where(
        sa.or_(f.cache_hours.is_not(None), left)).order_by(f.id))
    return [(row[0], row[1]) for row in rows]


def purge(connection: Connection, field_id: int, before: dt.datetime) -> int:
    """Deletes what was said of the field at ``before`` or earlier, of all brands; answers how many values."""
    t = cached_value.c
    with wiping(connection):
        return connection.execute(
            sa.delete(cached_value).where(t.field_id == field_id, t.fetched_at <= before)).rowcount


@contextlib.contextmanager
def wiping(connection: Connection) -> Iterator[None]:
    """What is deleted or replaced meanwhile is overwritten in the file of SQLite; free pages, too, hold nothing of it.

    Only here, for it would make every other deletion dearer.
    """
    if is_postgresql(connection):
        yield
        return
    before = connection.exec_driver_sql("PRAGMA secure_delete").scalar_one()
    connection.exec_driver_sql("PRAGMA secure_delete=ON").scalar_one()
    try:
        yield
    finally:
        connection.exec_driver_sql(f"PRAGMA secure_delete={int(before)}").scalar_one()


def forget_log(engine: Engine) -> None:
    """Empties SQLite's write-ahead log, in which old pages stand until they are overwritten. In use, it stays."""
    if engine.dialect.name != "sqlite":
        return
    with engine.connect() as connection:
        raw = connection.connection.driver_connection
        before = raw.execute("PRAGMA busy_timeout").fetchone()[0]
        raw.execute("PRAGMA busy_timeout=100")
        try:
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            raw.execute(f"PRAGMA busy_timeout={int(before)}")
