"""How do we connect to a foreign database so that it can neither hang us nor show its password?"""

from __future__ import annotations

import datetime as dt
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import (
    DBAPIError,
    DisconnectionError,
    IntegrityError,
    InterfaceError,
    InternalError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.exc import TimeoutError as PoolTimeout

from gateway.bridges.port import Outage, Refused
from gateway.clock import instant

CONNECT_TIMEOUT_S = 10
_CHECK_EVERY_STEPS = 10_000  # of SQLite's virtual machine: some milliseconds
_ANSWERS = frozenset({"SQLITE_ERROR", "SQLITE_CONSTRAINT", "SQLITE_MISMATCH", "SQLITE_TOOBIG", "SQLITE_AUTH",
                      "SQLITE_READONLY", "SQLITE_RANGE"})
"""SQLite calls nearly everything operational; these codes are answers to the statement, the rest are outages."""


class ForeignDatabase:
    """One foreign database with a limit on every statement: ``timeout_s`` seconds per statement or fetch."""

    def __init__(self, url: URL, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._engine = _sqlite_engine(url, timeout_s) if url.drivername == "sqlite" else _postgresql_engine(
            url, timeout_s)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that cannot write."""
        with self._engine.connect() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("PRAGMA query_only = ON")
            else:
                connection = connection.execution_options(postgresql_readonly=True)
            self.restart_clock(connection)
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction: commits on success, rolls back on error."""
        with self._engine.begin() as connection:
            if self._is_sqlite:
                connection.exec_driver_sql("PRAGMA query_only = OFF")
            self.restart_clock(connection)
            yield connection

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """An instant as a statement's parameter: SQLite has no type for it, so it gets text (UTC, ``Z``)."""
        return instant(value) if self._is_sqlite else value

    def restart_clock(self, connection: Connection) -> None:
        """Gives the next fetch its full time (PostgreSQL counts every fetch by itself)."""
        if self._is_sqlite:
            deadline = time.monotonic() + self._timeout_s
            raw: Any = connection.connection.driver_connection
            raw.set_progress_handler(lambda: int(time.monotonic() > deadline), _CHECK_EVERY_STEPS)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @property
    def _is_sqlite(self) -> bool:
        return self._engine.dialect.name == "sqlite"


@contextmanager
def translated() -> Iterator[None]:
    """Turns errors of the database into :class:`Outage` and :class:`Refused`, whose texts hold no statement,
    value or credential."""
    try:
        yield
    except SQLAlchemyError as error:
        raise _translate(error) from None


def _translate(error: SQLAlchemyError) -> Outage | Refused:
    cause = getattr(error, "orig", None)
    name = type(cause if cause is not None else error).__name__
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorname", "SQLITE_ERROR")
        away = not any(code == answer or code.startswith(answer + "_") for answer in _ANSWERS)
        name = code
    else:
        away = (isinstance(error, OperationalError | InterfaceError | InternalError | DisconnectionError | PoolTimeout)
                or (isinstance(error, DBAPIError) and error.connection_invalidated))
    if away:
        return Outage(f"The foreign database cannot be reached or is too slow ({name}).")
    if isinstance(error, IntegrityError):
        return Refused(f"The foreign database does not allow this value ({name}).")
    return Refused(f"The foreign database does not take the statement ({name}). Check the bridge's configuration "
                   "against its tables and rights.")


def _postgresql_engine(url: URL, timeout_s: float) -> Engine:
    milliseconds = int(timeout_s * 1000)
    given = url.query.get("options", "")
    # in UTC, so that an instant means the same in a column without time zone
    options = f"{given} -c statement_timeout={milliseconds} -c lock_timeout={milliseconds} -c TimeZone=UTC"
    arguments = {"connect_timeout": CONNECT_TIMEOUT_S, "application_name": "gateway-bridge",
                 "options": options.strip()}
    return sa.create_engine(url, connect_args=arguments, pool_size=1, max_overflow=1, pool_timeout=timeout_s,
                            pool_pre_ping=True, hide_parameters=True)


def _sqlite_engine(url: URL, timeout_s: float) -> Engine:
    address = f"file:{quote(str(url.database))}?mode=rw"  # never makes an empty file where there is none

    def connect() -> sqlite3.Connection:
        made = sqlite3.connect(address, uri=True, timeout=timeout_s, check_same_thread=False)
        made.text_factory = _text  # one broken text must not end the reading of all the others
        return made

    return sa.create_engine("sqlite://", creator=connect, poolclass=sa.QueuePool, pool_size=1, max_overflow=1,
                            pool_timeout=timeout_s, hide_parameters=True)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")
