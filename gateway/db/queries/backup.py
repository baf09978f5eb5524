"""How is a whole database read in one consistent picture, and put back? (operator.md: backup, restore; SEND-25)

SQLite is copied as a file by its own backup; PostgreSQL is read table by table in one snapshot, and put back in one
transaction.
"""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models import metadata
from gateway.db.models.mailings import delivery, instance
from gateway.db.queries import outcomes
from gateway.db.queries.bulk import among
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.errors import GatewayError

ID_GAP = 100_000_000
"""What was numbered after the backup was made is out in the world, in links and in other systems' tables: so many
numbers are never given again."""

PART_BYTES = 1 << 20
SLICE = 10_000
"""So many rows at a time, for an instance may have millions."""

VERSIONS = "alembic_version"
"""The table beside ours that says at which revision they are."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table of a snapshot."""

    name: str
    columns: tuple[str, ...]
    rows: int


# --- the picture ---------------------------------------------------------------------------------------------------


def copy_sqlite(source: Path, target: Path) -> None:
    """Copies a SQLite database that others may be writing to; the copy is of one moment. Raises ``sqlite3.Error``."""
    with closing(sqlite3.connect(source)) as origin, closing(sqlite3.connect(target)) as copy:
        origin.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it


def tables(connection: Connection) -> list[Table]:
    """All tables with their columns and the number of their rows, what others refer to first."""
    return [Table(t.name, tuple(column.name for column in t.columns),
                  connection.scalar(sa.select(sa.func.count()).select_from(t)) or 0) for t in metadata.sorted_tables]


def sequences(connection: Connection) -> dict[str, int]:
    """PostgreSQL: the last number that each sequence of our tables has given; 0, if none yet."""
    rows = connection.execute(sa.text(
        "SELECT s.sequencename, coalesce(s.last_value, 0) AS last_value FROM pg_sequences s JOIN pg_depend d "
        "ON d.objid = CAST(format('%I.%I', s.schemaname, s.sequencename) AS regclass) AND d.deptype IN ('a', 'i') "
        "JOIN pg_class t ON t.oid = d.refobjid AND d.refclassid = CAST('pg_class' AS regclass) "
        "WHERE s.schemaname = current_schema() AND t.relname = ANY(:ours)"), {"ours": list(metadata.tables)})
    return {row.sequencename: row.last_value for row in rows}


def copy_out(connection: Connection, table: Table) -> Iterator[bytes]:
    """PostgreSQL: the rows of a table, as COPY writes them."""
    with _cursor(connection) as cursor, cursor.copy(f"COPY {_named(table)} TO STDOUT") as copy:
        for part in copy:
            yield bytes(part)


# --- putting it back -----------------------------------------------------------------------------------------------


def copy_in(connection: Connection, table: Table, parts: Iterable[bytes]) -> None:
    """PostgreSQL: puts the rows of a table back."""
    with _cursor(connection) as cursor, cursor.copy(f"COPY {_named(table)} FROM STDIN") as copy:
        for part in parts:
            copy.write(part)


def count(connection: Connection, table: Table) -> int:
    """How many rows a table has now."""
    return connection.scalar(sa.select(sa.func.count()).select_from(sa.table(table.name))) or 0


def replace_sqlite(fresh: Path, target: Path) -> None:
    """Puts a SQLite file in the place of another in one step. Raises ``STATE_CONFLICT`` when somebody has that open."""
    require_alone(fresh)
    require_alone(target)
    remove_companions(target)  # of a database that is gone or damaged: SQLite would write them into the new one
    os.replace(fresh, target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def require_alone(path: Path) -> None:
    """Raises ``STATE_CONFLICT`` when somebody has a SQLite file open."""
    if path.exists() and not _is_one_file(path):
        raise GatewayError("STATE_CONFLICT", "The database is in use: stop all of the gateway's processes first.")


def remove_companions(path: Path) -> None:
    """Removes what SQLite keeps beside a database file."""
    for end in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def drop_ours(connection: Connection) -> None:
    """PostgreSQL: removes our tables from the current schema; what others have there stays.

    Raises ``STATE_CONFLICT`` when something of theirs depends on ours.
    """
    quote = connection.dialect.identifier_preparer.quote
    there = set(sa.inspect(connection).get_table_names())
    names = ", ".join(quote(name) for name in (*metadata.tables, VERSIONS) if name in there)
    try:
        if names:
            connection.exec_driver_sql(f"DROP TABLE {names}")
    except sa.exc.InternalError as error:
        detail = getattr(getattr(error.orig, "diag", None), "message_detail", None) or ""
        raise GatewayError("STATE_CONFLICT", "Something else in the database depends on the gateway's tables; drop it "
                                             f"first, and make it again afterwards. {detail.strip()}") from error


def use_schema(connection: Connection, name: str) -> None:
    """PostgreSQL: makes a schema that this transaction works in; a rollback leaves nothing of it.

    Raises ``STATE_CONFLICT`` when our user must not make one.
    """
    quoted = connection.dialect.identifier_preparer.quote(name)
    try:
        connection.exec_driver_sql(f"CREATE SCHEMA {quoted}")
    except sa.exc.ProgrammingError as error:
        raise GatewayError("STATE_CONFLICT", "The backup is restored on trial in a schema of its own, which the "
                                             "gateway's user must not make: GRANT CREATE ON DATABASE.") from error
    connection.exec_driver_sql(f"SET LOCAL search_path TO {quoted}")


def is_used(connection: Connection) -> bool:
    """Whether the database holds a brand, or tables that are not ours."""
    names = set(sa.inspect(connection).get_table_names())
    if names - {*metadata.tables, VERSIONS}:
        return True
    return "brand" in names and connection.scalar(sa.text("SELECT 1 FROM brand LIMIT 1")) is not None


def foreign_revision(connection: Connection, is_known: Callable[[str], bool]) -> bool:
    """Whether tables with names of ours are not of a revision that this code knows, but another program's."""
    names = set(sa.inspect(connection).get_table_names())
    if VERSIONS not in names:
        return bool(names & set(metadata.tables))
    return not all(map(is_known, connection.scalars(sa.text(f"SELECT version_num FROM {VERSIONS}"))))  # noqa: S608 - ours


def others(connection: Connection) -> int:
    """PostgreSQL: how many other programs are connected to this database."""
    return connection.scalar(sa.text("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                                     "AND pid <> pg_backend_pid() AND backend_type = 'client backend'")) or 0


def problems(connection: Connection) -> list[str]:
    """SQLite: what its own checks say against the file."""
    found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check(3)") if row[0] != "ok"]
    return found + [f"{row[0]} refers to a missing {row[2]}" for row in
                    connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(3)]


def is_damaged(path: Path) -> bool:
    """SQLite: whether a file is damaged, or no database at all."""
    try:
        with closing(sqlite3.connect(path)) as connection:
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok")
    except sqlite3.OperationalError:  # somebody has it
        return False
    except sqlite3.DatabaseError:
        return True


def set_sequences(connection: Connection, last: Mapping[str, int]) -> None:
    """PostgreSQL: lets sequences go on after the number that each has given (:func:`sequences`)."""
    quote = connection.dialect.identifier_preparer.quote
    for name, value in last.items():
        if value:
            connection.execute(sa.text("SELECT setval(CAST(:name AS regclass), :value)"),
                               {"name": quote(name), "value": value})


def skip_numbers(connection: Connection) -> None:
    """Lets no number be given again that was given after the backup."""
    if is_postgresql(connection):
        set_sequences(connection, {name: value + ID_GAP for name, value in sequences(connection).items()})
        return
    connection.execute(sa.text("UPDATE sqlite_sequence SET seq = seq + :gap"), {"gap": ID_GAP})
    unused = sa.text("INSERT INTO sqlite_sequence (name, seq) SELECT :name, :gap "
                     "WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = :name)")
    connection.execute(unused, [{"name": t.name, "gap": ID_GAP} for t in metadata.sorted_tables
                                if t.dialect_options["sqlite"]["autoincrement"]])


# --- what nobody knows any more (SEND-25) --------------------------------------------------------------------------


def unfinished(connection: Connection, now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, instance) of all that was preparing, sending or paused, or scheduled for a time that is past."""
    t = instance.c
    rows = connection.execute(sa.select(t.brand_id, t.id).where(sa.or_(
        t.state.in_((states.PREPARING, states.SENDING, states.PAUSED)),
        sa.and_(t.state == states.SCHEDULED, t.send_at <= now))).order_by(t.id))
    return [(row.brand_id, row.id) for row in rows]


def hand_to_journal(connection: Connection, sender: str, attempts: Mapping[int, int], now: dt.datetime) -> int:
    """Lets unsettled rows be claimed by the sender whose journal names them, for the attempt that it names, so that
    recovery reads there what became of them. Not those whose attempt is later than the journal's."""
    t, number = delivery.c, 0
    by_attempt: dict[int, list[int]] = {}
    for delivery_id, attempt in attempts.items():
        by_attempt.setdefault(attempt, []).append(delivery_id)
    for attempt, ids in sorted(by_attempt.items()):
        number += connection.execute(
            sa.update(delivery).where(among(connection, t.id, ids), t.state.in_(_UNSETTLED), t.attempt <= attempt)
            .values(state=rules.CLAIMED, lease_owner=sender, lease_until=now, attempt=attempt)).rowcount
    return number


def doubt(connection: Connection, instance_ids: list[int], now: dt.datetime, senders: Iterable[str]) -> int:
    """Unsettled rows of these instances are in doubt, but for those in the hands of ``senders``; says how many."""
    t, number = delivery.c, 0
    mine = sa.or_(t.lease_owner.is_(None), t.lease_owner.not_in(list(senders)))
    for instance_id in instance_ids:
        some = sa.select(t.id).where(t.instance_id == instance_id, t.state.in_(_UNSETTLED), mine).limit(SLICE)
        while ids := list(connection.scalars(
                sa.update(delivery).where(t.id.in_(some))
                .values(state=rules.IN_DOUBT, lease_owner=None, lease_until=None, next_at=None, changed_at=now)
                .returning(t.id))):
            outcomes.add_events(connection, "in_doubt", ids, now)
            number += len(ids)
    return number


_UNSETTLED = (rules.QUEUED, rules.CLAIMED, rules.DEFERRED)


def _is_one_file(path: Path) -> bool:
    """Leaves WAL mode, which SQLite does for a database's single user only; nothing is beside the file then.

    True also for a file that is damaged so that nobody can use it.
    """
    with closing(sqlite3.connect(path, timeout=1, isolation_level=None)) as connection:
        try:
            return bool(connection.execute("PRAGMA journal_mode=DELETE").fetchone()[0] == "delete")
        except sqlite3.OperationalError:
            return False
        except sqlite3.DatabaseError:
            return True


def _named(table: Table) -> str:
    quoted: Callable[[str], str] = '"{}"'.format
    return f"{quoted(table.name)} ({', '.join(map(quoted, table.columns))})"


def _cursor(connection: Connection) -> Any:
    return connection.connection.driver_connection.cursor()
