"""How do we talk to the database: one engine for SQLite or PostgreSQL, write and read transactions."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import Connection, Engine, make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import StaticPool

from gateway.errors import GatewayError
from gateway.log import event as log_event

__all__ = ["Connection", "Engine", "begin", "create_engine", "engine_on", "feed", "is_postgresql", "read",
           "sqlite_file"]

log = logging.getLogger("gateway.db")
BUSY_TIMEOUT_S = 30.0


def create_engine(url: str) -> Engine:
    """An engine for ``sqlite:///...`` or ``postgresql+psycopg://...``.

    SQLite runs in WAL mode with full sync, so a commit survives a power failure, and with foreign keys
    on. PostgreSQL commits as safely, and compiles no statements (``jit``). Transactions are begun by :func:`begin`
    and :func:`read`, never implicitly. No error's text shows the values of a statement: they are people's addresses.
    """
    if make_url(url).get_backend_name() != "sqlite":
        engine = sa.create_engine(url, pool_pre_ping=True, hide_parameters=True, pool_size=10, max_overflow=20)
        event.listen(engine, "connect", _prepare_postgresql)
        return engine
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True, pool_size=10,
                              max_overflow=20)
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def engine_on(connection: sqlite3.Connection) -> Engine:
    """An engine whose only connection is this one, with ``isolation_level`` None and its files as the caller wants
    them: for scratch that nobody else sees."""
    engine = sa.create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool, hide_parameters=True)
    event.listen(engine, "connect", _teach_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def sqlite_file(url: str) -> Path | None:
    """The file of a SQLite database; None for PostgreSQL."""
    made = make_url(url)
    return Path(made.database or "") if made.get_backend_name() == "sqlite" else None


def _prepare_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # we say BEGIN ourselves
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "cache_size=-8000"):
        connection.execute(f"PRAGMA {pragma}")
    _teach_sqlite(connection, _record)


def _teach_sqlite(connection: Any, _record: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    connection.create_function("lower_all", 1, _lower_all, deterministic=True)


def _lower_all(value: Any) -> Any:
    """What ``lower`` is on a PostgreSQL with a locale: SQLite's own knows the letters of ASCII alone."""
    return value.lower() if isinstance(value, str) else value


def _prepare_postgresql(connection: Any, _record: object) -> None:
    # Our statements look single rows up through indexes; without statistics the planner thinks some of them so dear
    # that it compiles them, which takes longer than they do.
    connection.execute("SET jit TO off")
    # A claim and a fold must outlive a power failure before the journal goes on (SEND-19, SEND-20), whatever the server
    # is set to.
    connection.execute("SET synchronous_commit TO on")
    connection.commit()


def _begin_sqlite(connection: Connection) -> None:
    # A writer takes the lock at once: a deferred one that writes late may find its snapshot stale and fail.
    read_only = connection.get_execution_options().get("gateway_read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")


@contextmanager
def begin(engine: Engine, wait_s: float = BUSY_TIMEOUT_S) -> Iterator[Connection]:
    """A write transaction: commits on success, rolls back on error. On SQLite it is the only writer.

    Raises :class:`GatewayError` ``UNAVAILABLE`` when the store cannot be reached, or (SQLite) other writers keep it
    busy for ``wait_s``.
    """
    with _translated(), engine.connect() as connection, _patience(connection, wait_s), connection.begin():
        yield connection


@contextmanager
def _patience(connection: Connection, wait_s: float) -> Iterator[None]:
    """Lets this SQLite connection wait another time for the lock than connections usually do."""
    if wait_s == BUSY_TIMEOUT_S or is_postgresql(connection):
        yield
        return
    raw = connection.connection.driver_connection
    raw.execute(f"PRAGMA busy_timeout={int(wait_s * 1000)}")
    try:
        yield
    finally:
        raw.execute(f"PRAGMA busy_timeout={int(BUSY_TIMEOUT_S * 1000)}")


@contextmanager
def read(engine: Engine) -> Iterator[Connection]:
    """A read transaction with one consistent snapshot (SQLite; on PostgreSQL: repeatable read)."""
    with _translated(), engine.connect() as connection:
        options: dict[str, Any] = {"gateway_read_only": True}
        if engine.dialect.name == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        connection = connection.execution_options(**options)
        with connection.begin():
            yield connection


@contextmanager
def feed(engine: Engine) -> Iterator[Connection]:
    """A transaction to read a feed in, whose upper bound no running transaction can undercut (SOAP-70).

    SQLite: the write lock, so nobody else is writing. PostgreSQL: read committed, so that rows are read
    with a newer snapshot than the horizon was (:func:`gateway.db.queries.feeds.upper_bound`).
    """
    if engine.dialect.name == "sqlite":
        with begin(engine) as connection:
            yield connection
        return
    with _translated(), engine.connect() as connection:
        connection = connection.execution_options(postgresql_readonly=True)
        with connection.begin():
            yield connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        log_event(log, "database refused", level=logging.ERROR, reason=type(error.orig).__name__)
        raise GatewayError("UNAVAILABLE", "The store is busy or cannot be reached; nothing was done. Try again.",
                           retry_after_s=5) from error


def is_postgresql(connection: Connection) -> bool:
    """Whether this connection speaks to PostgreSQL (else SQLite)."""
    return connection.dialect.name == "postgresql"
