"""How do we read members from a foreign database and write facts back into it?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.bridges.port import MemberStream, Refused, RemoteMember, WritebackItem
from gateway.bridges.sql import rows
from gateway.bridges.sql.config import PARAMETERS, SqlConfig, read_config
from gateway.bridges.sql.connect import ForeignDatabase, translated

BATCH_ROWS = 1000


class SqlBridge:
    """A foreign database on SQLite or PostgreSQL. Nothing is connected before the first call."""

    def __init__(self, config: SqlConfig) -> None:
        self._config = config
        self._database = ForeignDatabase(config.url, config.timeout_s)
        self.writes = frozenset(config.writeback)

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> SqlBridge:
        """A bridge from a configuration; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config))

    def members(self, since: str | None) -> MemberStream:
        """Everybody, in one read-only snapshot, ``BATCH_ROWS`` rows in memory. A database gives no cursor (ID-68)."""
        if since is not None:
            raise Refused("This database has no change cursor; read everybody.")
        return MemberStream(self._read(), lists_everybody=True)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """The members with these remote IDs, by the members query itself, on a connection of its own."""
        spellings = [each for remote_id in remote_ids for each in rows.spellings(remote_id)]
        with closing(ForeignDatabase(self._config.url, min(timeout_s, self._config.timeout_s))) as database, \
                translated(), database.reading() as connection:
            result = connection.execute(_among(self._config.members), {"spellings": spellings})
            names = _names(result)
            return [rows.member(dict(zip(names, row, strict=True))) for row in result.fetchmany(BATCH_ROWS)]

    def write_back(self, item: WritebackItem) -> None:
        """Runs the statement of the item's kind in a transaction of its own.

        Raises :class:`Refused` when no row has this remote ID, or the database does not take the values.
        """
        statement = self._config.writeback.get(item.kind)
        if statement is None:
            raise Refused(f"The bridge has no statement for {item.kind}.")
        known = {name: getattr(item, name) for name in PARAMETERS}
        known["occurred_at"] = self._database.moment(item.occurred_at)
        values = {name: known[name] for name in statement.compile().params}
        with translated(), self._database.writing() as connection:
            touched = connection.execute(statement, values).rowcount
            if touched == 0:
                raise Refused("The foreign database has nobody with this remote ID.")

    def probe(self) -> None:
        """Returns when the database answers a trivial query."""
        with translated(), self._database.reading() as connection:
            connection.execute(sa.text("SELECT 1")).scalar_one()

    def close(self) -> None:
        """Closes the connections."""
        self._database.close()

    def _read(self) -> Iterator[RemoteMember]:
        with translated(), self._database.reading() as connection:
            result = connection.execution_options(yield_per=BATCH_ROWS).execute(self._config.members)
            with closing(result):
                names = _names(result)
                for batch in self._batches(connection, result):
                    for row in batch:
                        yield rows.member(dict(zip(names, row, strict=True)))

    def _batches(self, connection: Connection, result: sa.CursorResult) -> Iterator[list[sa.Row]]:
        while True:
            self._database.restart_clock(connection)
            batch = result.fetchmany(BATCH_ROWS)
            if not batch:
                return
            yield list(batch)


def _names(result: sa.CursorResult) -> list[str]:
    names = [str(name).lower() for name in result.keys()]
    for missing in {"remote_id", "email"}.difference(names):
        raise Refused(f"The members query has no column {missing}. Name it so: SELECT ... AS {missing}.")
    return names


def _among(members: sa.TextClause | sa.Select) -> sa.Select:
    """The members query, cut to the rows whose remote ID is one of ``spellings``; of whatever type its column is."""
    if isinstance(members, sa.TextClause):  # the line break ends a comment, if the text ends in one
        listed = sa.text(members.text + "\n").columns(sa.column("remote_id")).subquery("listed")
    else:
        listed = members.subquery("listed")
    spelled = sa.func.trim(sa.cast(listed.c.remote_id, sa.Text))
    return sa.select(sa.text("*")).select_from(listed).where(spelled.in_(sa.bindparam("spellings", expanding=True)))
