"""How do we speak with a foreign database so that it can neither hang us nor show its password?"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.engine import URL, Connection
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from gateway.bridges.port import Outage, Refused
from gateway.bridges.sql.engines import KINDS, Kind

BATCH_ROWS = 1000
Parameters = Mapping[str, object]


class Disallowed(Refused):
    """A rule of the database forbids the value, such as a key that is there already."""


class ForeignDatabase:
    """One foreign database with a limit on every statement: ``timeout_s`` seconds per statement or fetch.

    Nothing is connected before the first call. Within :meth:`begun` everything raises :class:`Outage` and
    :class:`Refused`, whose texts hold no statement, value or credential.
    """

    def __init__(self, url: URL, timeout_s: float, *, writes: bool = False) -> None:
        self.timeout_s = timeout_s
        self._writes = writes
        self._kind = KINDS[url.get_backend_name()]
        self._engine = self._kind.engine(url, timeout_s, writes=writes)

    @property
    def ids_at_once(self) -> int:
        """How many remote IDs a statement takes."""
        return self._kind.ids_at_once

    @contextmanager
    def begun(self, *, streams: bool = False) -> Iterator[Connection]:
        """A transaction. One that writes is committed on success; one that reads cannot write and sees one moment.

        ``streams``: for a list that takes longer than a statement may.
        """
        with self._translated():
            connection = self._engine.connect()
            try:
                with self._limited(connection):
                    connection = self._kind.begin(connection, self.timeout_s, writes=self._writes, streams=streams)
                yield connection
                if self._writes:
                    with self._limited(connection):
                        connection.commit()
            finally:
                with self._limited(connection):
                    connection.close()

    def rows(self, connection: Connection, query: sa.Executable, parameters: Parameters) -> tuple[
            list[str], list[sa.Row]]:
        """The columns in lower case, and all rows of a query that has few."""
        with self._limited(connection):
            result = connection.execute(query, dict(parameters))
            return _names(result), list(result)

    def touched(self, connection: Connection, statement: sa.Executable, parameters: Parameters) -> int:
        """Runs a statement; how many rows it touched, below zero where nobody knows."""
        with self._limited(connection):
            return connection.execute(statement, dict(parameters)).rowcount

    @contextmanager
    def streamed(self, connection: Connection, query: sa.Executable, parameters: Parameters) -> Iterator[
            tuple[list[str], Iterator[list[sa.Row]]]]:
        """The columns in lower case, and the rows in batches of ``BATCH_ROWS``, of which one is in memory."""
        with self._limited(connection):
            result = connection.execute(query, dict(parameters), execution_options={"yield_per": BATCH_ROWS})
        ended, cursor = False, result.cursor

        def batches() -> Iterator[list[sa.Row]]:
            nonlocal ended
            while True:
                with self._limited(connection):
                    batch = result.fetchmany(BATCH_ROWS)
                if not batch:
                    ended = True
                    return
                yield list(batch)

        try:
            yield _names(result), batches()
        finally:
            if not ended:
                self._kind.let_go(connection, cursor)
            result.close()

    def now(self, connection: Connection) -> object:
        """The database's own clock."""
        return self.rows(connection, sa.text(self._kind.now), {})[1][0][0]

    def moment(self, value: dt.datetime) -> dt.datetime | str:
        """An instant as a statement's parameter: UTC, as text where there is no type for it."""
        return self._kind.moment(value)

    def close(self) -> None:
        """Closes all connections."""
        self._engine.dispose()

    @contextmanager
    def _limited(self, connection: Connection) -> Iterator[None]:
        with self._kind.limited(connection, self.timeout_s):
            yield

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except SQLAlchemyError as error:
            raise _translate(error, self._kind, self._writes) from None


def _names(result: sa.CursorResult) -> list[str]:
    return [str(name).lower() for name in result.keys()]


def _translate(error: SQLAlchemyError, kind: Kind, writes: bool) -> Outage | Refused:
    cause = getattr(error, "orig", None)
    name = type(cause if cause is not None else error).__name__
    if isinstance(cause, sqlite3.Error):
        name = getattr(cause, "sqlite_errorname", name)
    elif cause is not None and cause.args and isinstance(cause.args[0], int):
        name = f"{name} {cause.args[0]}"
    if kind.is_away(error, writes=writes):
        return Outage(f"The foreign database cannot be reached or is too slow ({name}).")
    if isinstance(error, IntegrityError):
        return Disallowed(f"The foreign database does not allow this value ({name}).")
    return Refused(f"The foreign database does not take the statement ({name}). Check the bridge's configuration "
                   "against its tables and rights.")
