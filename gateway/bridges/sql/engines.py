"""What is different from one kind of database to another: its driver, limits, snapshots and errors?"""

from __future__ import annotations

import datetime as dt
import math
import os
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.clock import UTC, instant

CONNECT_TIMEOUT_S = 10
CUT_AFTER_S = 1.0  # later than the database's own limit: it says better what happened
NAME = "gateway-bridge"
_LONG_S = 6 * 3600


class Kind(Protocol):
    """One kind of database. ``now`` asks for its own clock, in UTC; ``ids_at_once``: so many keys a statement takes."""

    now: str
    ids_at_once: int

    def engine(self, url: URL, timeout_s: float, *, writes: bool) -> Engine:
        """Connections to it, each with its limits; nothing is connected yet."""

    def begin(self, connection: Connection, timeout_s: float, *, writes: bool, streams: bool) -> Connection:
        """The connection in a transaction: of one snapshot and unable to write, unless it ``writes``."""

    @contextmanager
    def limited(self, connection: Connection, timeout_s: float) -> Iterator[None]:
        """Ends a statement or fetch that takes longer."""

    def let_go(self, connection: Connection, cursor: object) -> None:
        """Before the cursor of a result is closed that was not read to its end."""

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """An instant as a statement's parameter: UTC."""

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """Whether the error says that the system is away, rather than that it does not take the statement."""


class _Usual:
    """What most have in common."""

    now = "SELECT CURRENT_TIMESTAMP"
    ids_at_once = 1000

    @contextmanager
    def limited(self, connection: Connection, timeout_s: float) -> Iterator[None]:
        """The driver itself counts."""
        yield

    def let_go(self, connection: Connection, cursor: object) -> None:
        """Nothing."""

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """As it is."""
        return value

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """By the class of the error."""
        return (isinstance(error, OperationalError | InterfaceError | InternalError | DisconnectionError | PoolTimeout)
                or (isinstance(error, DBAPIError) and error.connection_invalidated))


class Sqlite(_Usual):
    """A file. It has no types for moments, so they are text."""

    _check_every_steps = 10_000  # of its virtual machine: some milliseconds
    _answers = frozenset({"SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_AUTH",
                          "SQLITE_READONLY", "SQLITE_RANGE"})

    def engine(self, url: URL, timeout_s: float, *, writes: bool) -> Engine:
        """Never makes an empty file where there is none."""
        address = f"file:{quote(str(url.database))}?mode=rw"

        def connect() -> sqlite3.Connection:
            made = sqlite3.connect(address, uri=True, timeout=timeout_s, check_same_thread=False)
            made.text_factory = _text  # one broken text must not end the reading of all the others
            return made

        return sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, **_pool(timeout_s))

    def begin(self, connection: Connection, timeout_s: float, *, writes: bool, streams: bool) -> Connection:
        """Reads in one transaction, which the driver would not begin by itself."""
        connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
        if not writes:
            connection.exec_driver_sql("BEGIN")
        return connection

    @contextmanager
    def limited(self, connection: Connection, timeout_s: float) -> Iterator[None]:
        """Looks at the clock every some steps."""
        if connection.invalidated:
            yield
            return
        deadline = time.monotonic() + timeout_s
        raw: Any = connection.connection.driver_connection
        raw.set_progress_handler(lambda: int(time.monotonic() > deadline), self._check_every_steps)
        yield

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """As text: UTC, ``Z``."""
        return instant(value)

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """SQLite calls nearly everything operational; some codes are answers to the statement, the rest are outages."""
        cause = getattr(error, "orig", None)
        if not isinstance(cause, sqlite3.Error):
            return super().is_away(error, writes=writes)
        code = getattr(cause, "sqlite_errorname", "SQLITE_ERROR")
        return not any(code == answer or code.startswith(answer + "_") for answer in self._answers)


class Postgresql(_Usual):
    """PostgreSQL counts every fetch by itself; who does not answer at all is cut off."""

    _away = ("08", "28", "3D", "40", "53", "57", "58", "XX", "55P03", "55006")  # classes of SQLSTATE, and two of 55

    def engine(self, url: URL, timeout_s: float, *, writes: bool) -> Engine:
        """In UTC, so that an instant means the same in a column without time zone."""
        limit = int(timeout_s * 1000)
        given = url.query.get("options", "")
        options = f"{given} -c statement_timeout={limit} -c lock_timeout={limit} -c TimeZone=UTC"
        arguments = {"connect_timeout": _connect_s(timeout_s), "application_name": NAME, "options": options.strip()}
        made = sa.create_engine(url, connect_args=arguments, **_pool(timeout_s))

        @sa.event.listens_for(made, "connect")
        def _note(_raw: Any, record: Any) -> None:
            record.info["fresh"] = True

        @sa.event.listens_for(made, "checkout")
        def _ping(raw: Any, record: Any, _proxy: object) -> None:
            """Makes another connection in the place of one that is dead; the pool's own ping would wait for ever."""
            if record.info.pop("fresh", False):
                return
            try:
                with _watched(raw, timeout_s):
                    made.dialect.do_ping(raw)
            except made.dialect.loaded_dbapi.Error as error:
                raise DisconnectionError from error

        return made

    def begin(self, connection: Connection, timeout_s: float, *, writes: bool, streams: bool) -> Connection:
        """A read-only snapshot for all statements of a reading."""
        if writes:
            return connection
        return connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)

    @contextmanager
    def limited(self, connection: Connection, timeout_s: float) -> Iterator[None]:
        """Ends the connection to a server that does not even say that the time is over."""
        if connection.invalidated:
            yield
            return
        with _watched(connection.connection.driver_connection, timeout_s):
            yield

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """By its code. A server that has become a copy takes no writes until another is found under its address."""
        state = getattr(getattr(error, "orig", None), "sqlstate", None)
        if state is None:
            return super().is_away(error, writes=writes)
        return state.startswith(self._away) or (writes and state == "25006")


class Mysql(_Usual):
    """MariaDB and MySQL."""

    _away = frozenset({
        1021, 1030, 1037, 1038, 1040, 1041, 1042, 1043, 1044, 1045, 1049, 1053, 1129, 1130, 1135, 1152, 1153, 1156,
        1157, 1158, 1159, 1160, 1161, 1184, 1203, 1205, 1206, 1213, 1226, 1290, 1317, 1836, 1880, 1927, 1969, 3024,
        3159, 4031})

    def engine(self, url: URL, timeout_s: float, *, writes: bool) -> Engine:
        """In UTC and in the whole of Unicode; a value that is too long is an error, never cut."""
        arguments = {"connect_timeout": _connect_s(timeout_s), "read_timeout": math.ceil(timeout_s + CUT_AFTER_S),
                     "write_timeout": math.ceil(timeout_s + CUT_AFTER_S), "program_name": NAME, "charset": "utf8mb4",
                     "init_command": "SET SESSION time_zone = '+00:00', net_write_timeout = 3600, "
                                     f"innodb_lock_wait_timeout = {math.ceil(timeout_s)}, "
                                     "sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')"}
        return sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, **_pool(timeout_s))

    def begin(self, connection: Connection, timeout_s: float, *, writes: bool, streams: bool) -> Connection:
        """A read-only snapshot. The server's limit holds for a whole statement, so that a long list has a long one;
        each fetch of it has the limit of the socket."""
        limit_s = _LONG_S if streams else timeout_s
        limit = f"max_statement_time = {limit_s:.3f}" if getattr(connection.dialect, "is_mariadb", False) else (
            f"max_execution_time = {int(limit_s * 1000)}")
        connection.exec_driver_sql(f"SET SESSION {limit}")
        if not writes:
            connection.exec_driver_sql("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
        return connection

    def let_go(self, connection: Connection, cursor: object) -> None:
        """Hangs up: the driver would read the rest to its end, also where it has lost the server."""
        unread = getattr(cursor, "_result", None)
        if unread is not None:
            unread.unbuffered_active = False
        if not connection.invalidated:
            connection.invalidate()

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """Without its zone, which the database does not know."""
        return value.astimezone(UTC).replace(tzinfo=None)

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """By its number: those of 2000 and more are said by the client, which has lost the server."""
        code = _number(error)
        if code is None:
            return super().is_away(error, writes=writes)
        return code in self._away or code <= 0 or 2000 <= code < 3000


class Mssql(_Usual):
    """SQL Server. It has no read-only transactions: a reading asks for a read-only copy and is rolled back."""

    now = "SELECT SYSUTCDATETIME()"
    ids_at_once = 150  # a statement takes 2,100 parameters, and a number has some spellings
    _away = frozenset({-2, 233, 596, 601, 701, 802, 976, 978, 983, 1204, 1205, 1222, 3906, 4060, 4221, 6005, 8645, 8651,
                       9001, 9002, 10053, 10054, 10060, 10928, 10929, 11001, 17142, 18401, 18451, 18452, 18456, 18461,
                       40143, 40197, 40501, 40540, 40613, 42108, 42109, 49918, 49919, 49920})

    def engine(self, url: URL, timeout_s: float, *, writes: bool) -> Engine:
        """With a limit for the login, for every statement and for every lock."""
        arguments = {"login_timeout": _connect_s(timeout_s), "timeout": math.ceil(timeout_s), "appname": NAME,
                     "charset": "UTF-8", "use_datetime2": True, "read_only": not writes}
        made = sa.create_engine(url, connect_args=arguments, pool_pre_ping=True, **_pool(timeout_s))

        @sa.event.listens_for(made, "connect")
        def _limit_locks(raw: Any, _record: object) -> None:
            cursor = raw.cursor()
            cursor.execute(f"SET LOCK_TIMEOUT {int(timeout_s * 1000)}")
            cursor.close()

        return made

    def begin(self, connection: Connection, timeout_s: float, *, writes: bool, streams: bool) -> Connection:
        """The transaction that its driver begins; who reads never commits it."""
        return connection

    def let_go(self, connection: Connection, cursor: object) -> None:
        """Hangs up: the driver would read the rest to its end."""
        if not connection.invalidated:
            connection.invalidate()

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """Without its zone, as ``datetime2`` is."""
        return value.astimezone(UTC).replace(tzinfo=None)

    def is_away(self, error: SQLAlchemyError, *, writes: bool) -> bool:
        """By its number: those of 20000 and more are said by the client, which has lost the server."""
        code = _number(error)
        if code is None:
            return super().is_away(error, writes=writes)
        return code in self._away or 20000 <= code < 30000


def _pool(timeout_s: float) -> dict[str, Any]:
    return {"pool_size": 1, "max_overflow": 1, "pool_timeout": timeout_s, "hide_parameters": True}


def _connect_s(timeout_s: float) -> int:
    return max(2, min(CONNECT_TIMEOUT_S, math.ceil(timeout_s)))


def _number(error: SQLAlchemyError) -> int | None:
    given = getattr(getattr(error, "orig", None), "args", ())
    if given and isinstance(given[0], tuple) and given[0]:  # as one of the drivers packs it
        given = given[0]
    return given[0] if given and isinstance(given[0], int) else None


class _Watch:
    """One thread that looks a few times a second at whose time is over; it ends when there is nobody to watch."""

    _every_s, _idle_rounds = 0.25, 20

    def __init__(self) -> None:
        self._armed: dict[int, tuple[Any, float]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def arm(self, raw: Any, deadline: float) -> None:
        """Cuts the connection at the deadline, unless it is disarmed before."""
        with self._lock:
            self._armed[id(raw)] = (raw, deadline)
            if self._thread is None or not self._thread.is_alive():  # not alive: this process was forked
                self._thread = threading.Thread(target=self._run, name="sql-bridge-watch", daemon=True)
                self._thread.start()

    def disarm(self, raw: Any) -> None:
        """Leaves the connection alone."""
        with self._lock:
            self._armed.pop(id(raw), None)

    def _run(self) -> None:
        idle = 0
        while True:
            time.sleep(self._every_s)
            with self._lock:
                now = time.monotonic()
                over = [key for key, (_, deadline) in self._armed.items() if deadline <= now]
                for key in over:
                    _cut(self._armed.pop(key)[0])
                idle = 0 if self._armed else idle + 1
                if idle > self._idle_rounds:
                    self._thread = None
                    return


_WATCH = _Watch()


@contextmanager
def _watched(raw: Any, timeout_s: float) -> Iterator[None]:
    _WATCH.arm(raw, time.monotonic() + timeout_s + CUT_AFTER_S)
    try:
        yield
    finally:
        _WATCH.disarm(raw)


def _cut(raw: Any) -> None:
    """Ends both directions of the connection's socket, which wakes up who waits for it."""
    try:
        with socket.socket(fileno=os.dup(raw.pgconn.socket)) as copy:
            copy.shutdown(socket.SHUT_RDWR)
    except Exception:  # it has no socket any more, which was to be reached; nobody waits for this thread
        return


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


KINDS: dict[str, Kind] = {"sqlite": Sqlite(), "postgresql": Postgresql(), "mysql": Mysql(), "mariadb": Mysql(),
                          "mssql": Mssql()}
"""By the name before ``:`` or ``+`` of a URL."""
