"""How do we read members from a foreign database and write facts back into it?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.bridges import rows
from gateway.bridges.checks import PARAMETERS
from gateway.bridges.port import Description, MemberStream, Refused, RemoteGroup, RemoteMember, WritebackItem
from gateway.bridges.sql import cursor, queries
from gateway.bridges.sql.config import SqlConfig, Values, read_config
from gateway.bridges.sql.connect import Disallowed, ForeignDatabase, Parameters
from gateway.bridges.sql.memberships import Shelf
from gateway.bridges.sql.queries import Query
from gateway.bridges.sql.statements import parameters_of
from gateway.clock import system_clock
from gateway.domain.writeback import FIELD_CHANGED

NOBODY = "The foreign database has nobody with this remote ID."


class SqlBridge:
    """A foreign database of a kind that :mod:`engines` knows. Nothing is connected before the first call."""

    def __init__(self, config: SqlConfig) -> None:
        self._config = config
        self._reader = ForeignDatabase(config.url, config.timeout_s)
        self._writer = ForeignDatabase(config.url, config.timeout_s, writes=True)
        self._asker: ForeignDatabase | None = None  # for who waits
        self.writes = frozenset(config.writeback).union((FIELD_CHANGED,) if config.field_statements else ())
        self.fields = frozenset(() if config.values is None else config.values.fields)
        self.written_fields = frozenset(config.field_statements) if config.field_statements else None
        self.gives_changes = config.changed is not None

    @classmethod
    def from_config(cls, config: Mapping[str, object]) -> SqlBridge:
        """A bridge from a configuration; raises ``INVALID_VALUE`` naming the key at fault and the remedy."""
        return cls(read_config(config))

    def changed_since(self, since: str | None) -> MemberStream:
        """Everybody, or what changed since the cursor, in one read-only snapshot, a batch of rows in memory (ID-68).

        A cursor is refused where it is not ours, where the configuration was changed, and some days after everybody was
        last read: changes do not show who was deleted. Times overlap by ten minutes; rows without a time always come.
        """
        changed = self._config.changed
        if since is None:
            return self._stream(self._config.members, {}, system_clock(), lists_everybody=True)
        if changed is None:
            raise Refused("This database is not asked for changes; read everybody.")
        position = cursor.read(since, changed.mark)
        age = system_clock() - position.everybody_at
        if not dt.timedelta(days=-1) < age < dt.timedelta(days=changed.full_every_days):
            raise Refused("It is time to read everybody again.")
        return self._stream(changed.select, {"since": cursor.since(position.value, changed.kind, changed.overlap)},
                            position.everybody_at, lists_everybody=False)

    def members_by_id(self, remote_ids: Sequence[str], timeout_s: float) -> list[RemoteMember]:
        """The members with these remote IDs, by the members query itself."""
        database, found = self._quick(timeout_s), []
        with database.begun() as connection:
            for parameters in queries.spelled(remote_ids, database.ids_at_once):
                with self._shelf(database, connection, queries.among, parameters) as shelf:
                    names, listed = database.rows(connection, queries.among(self._config.members), parameters)
                    found += _members(names, [listed], self._config.separator, shelf)
        return found

    def describe(self) -> Description:
        """The groups that the configured list names now, and the fields of the configured values."""
        return Description(tuple(sorted(self.fields)), tuple(group for group, _ in self._groups()))

    def fetch(self, remote_ids: Sequence[str], fields: Collection[str], timeout_s: float) -> dict[str, dict[str, str]]:
        """The values of these people by one query, within ``timeout_s``."""
        values = self._config.values
        if values is None:
            raise Refused("The bridge's configuration has no values.")
        wanted, found = frozenset(remote_ids), {}
        database = self._quick(timeout_s)
        query, asked = _asked(values, remote_ids, database.ids_at_once)
        if not asked:
            return {}
        with database.begun() as connection:
            for parameters in asked:
                names, listed = database.rows(connection, query, parameters)
                places = _places(names, "values", ("remote_id", *values.fields.values()))
                for row in listed:
                    remote_id = (rows.text(row[places["remote_id"]]) or "").strip()
                    if remote_id in wanted:
                        told = ((name, rows.value(row[places[values.fields[name]]])) for name in fields)
                        found[remote_id] = {name: value for name, value in told if value is not None}
        return found

    def group_members(self, group_id: str) -> MemberStream:
        """Who is in the group, by the configured query, in one snapshot. Raises :class:`Refused` if none is so."""
        groups = self._config.groups
        if groups is None:
            raise Refused("The bridge's configuration has no groups.")
        key = next((key for group, key in self._groups() if group.group_id == group_id), None)
        if key is None:
            raise Refused("The foreign database does not list this group.")
        return self._stream(groups.members, {"group_id": key}, None, lists_everybody=True)

    def write_back(self, item: WritebackItem) -> None:
        """Runs the statement of the item's kind, or of its field, in a transaction of its own.

        Raises :class:`Refused` when no row has this remote ID, or the database does not take the values. What the
        configured ``repeated`` finds is written already.
        """
        statement = self._statement(item)
        try:
            with self._writer.begun() as connection:
                touched = self._writer.touched(connection, statement, self._values(statement, item))
        except Disallowed:
            if not self._is_repeated(item):
                raise
            return
        if touched == 0 and not self._is_repeated(item):
            raise Refused(NOBODY)

    def check(self) -> None:
        """Returns when the database answers a trivial query."""
        with self._reader.begun() as connection:
            self._reader.rows(connection, sa.text("SELECT 1"), {})

    def close(self) -> None:
        """Closes the connections."""
        for database in (self._reader, self._writer, self._asker):
            if database is not None:
                database.close()

    def _quick(self, timeout_s: float) -> ForeignDatabase:
        """The database with another limit; it is kept as long as the same limit is asked for."""
        limit_s = min(timeout_s, self._config.timeout_s)
        if self._asker is None or self._asker.timeout_s != limit_s:
            if self._asker is not None:
                self._asker.close()
            self._asker = ForeignDatabase(self._config.url, limit_s)
        return self._asker

    def _stream(self, query: Query, parameters: Parameters, everybody_at: dt.datetime | None, *,
                lists_everybody: bool) -> MemberStream:
        """The members that a query lists. The cursor is taken before them in the same snapshot, and told after."""
        def read() -> Iterator[RemoteMember]:
            with self._reader.begun(streams=True) as connection:
                told = None if everybody_at is None else self._position(connection, everybody_at)
                with self._shelf(self._reader, connection, cut, parameters) as shelf, \
                        self._reader.streamed(connection, query, parameters) as (names, batches):
                    yield from _members(names, batches, self._config.separator, shelf)
                stream.cursor = told

        def cut(memberships: Query) -> Query:
            return memberships if query is self._config.members else queries.of_those(memberships, query)

        stream = MemberStream(read(), lists_everybody=lists_everybody)
        return stream

    def _position(self, connection: Connection, everybody_at: dt.datetime) -> str | None:
        changed = self._config.changed
        if changed is None:
            return None
        _, ((largest,),) = self._reader.rows(connection, changed.newest, {})
        value = cursor.newest(largest, self._reader.now(connection), changed.kind)
        return None if value is None else cursor.Position(value, everybody_at).told(changed.mark)

    @contextmanager
    def _shelf(self, database: ForeignDatabase, connection: Connection, cut: Callable[[Query], Query],
               parameters: Parameters) -> Iterator[Shelf | None]:
        """The memberships of those who are read, or None where they are not listed by themselves."""
        if self._config.memberships is None:
            yield None
            return
        with closing(Shelf()) as shelf:
            with database.streamed(connection, cut(self._config.memberships), parameters) as (names, batches):
                shelf.put(names, batches)
            yield shelf

    def _groups(self) -> list[tuple[RemoteGroup, object]]:
        """The groups, each with its key as the database has it, so that a statement compares it in its own type."""
        if self._config.groups is None:
            return []
        with self._reader.begun() as connection:
            names, listed = self._reader.rows(connection, self._config.groups.list, {})
        places = _places(names, "groups.list", ("group_id", "name"))
        key, name, size = places["group_id"], places["name"], places.get("size")
        return [(RemoteGroup(group_id.strip(), rows.value(row[name]) or group_id, _size(row, size)), row[key])
                for row in listed if (group_id := rows.text(row[key])) is not None]

    def _statement(self, item: WritebackItem) -> sa.TextClause:
        statement = self._config.writeback.get(item.kind)
        if item.kind == FIELD_CHANGED and statement is None:
            statement = self._config.field_statements.get(item.field or "")
            if statement is None and self._config.field_statements:
                raise Refused(f"The bridge has no statement for the field {item.field}. Add it to "
                              "writeback.field_changed of its configuration.")
        if statement is None:
            raise Refused(f"The bridge has no statement for {item.kind}.")
        return statement

    def _values(self, statement: sa.TextClause, item: WritebackItem) -> Parameters:
        known = {name: getattr(item, name) for name in PARAMETERS}
        known["occurred_at"] = self._writer.moment(item.occurred_at)
        return {name: known[name] for name in parameters_of(statement)}

    def _is_repeated(self, item: WritebackItem) -> bool:
        query = self._config.repeated
        if query is None:
            return False
        with self._writer.begun() as connection:
            return bool(self._writer.rows(connection, query, self._values(query, item))[1])


def _members(names: Sequence[str], batches: Iterable[Sequence[sa.Row]], separator: str,
             shelf: Shelf | None) -> Iterator[RemoteMember]:
    for missing in ("remote_id", "email"):
        if missing not in names:
            raise Refused(f"The members query has no column {missing}. Name it so: SELECT ... AS {missing}.")
    read = rows.reader(names, separator)
    for batch in batches:
        if shelf is None:
            yield from map(read, batch)
            continue
        listed = [read(row) for row in batch]
        found = shelf.interests([(each.remote_id or "").strip() for each in listed])
        for each in listed:
            yield replace(each, interests=rows.interests(found.get((each.remote_id or "").strip(), [])))


def _asked(values: Values, remote_ids: Sequence[str], at_once: int) -> tuple[Query, list[Parameters]]:
    """The query for values, and the parameters of each time that it is asked; none where there is nobody to ask for."""
    if not values.asks:
        return queries.among(values.select), list(queries.spelled(remote_ids, at_once))
    keys: list[object] = list(remote_ids)
    if values.numbers:
        keys = [int(each) for each in remote_ids if rows.is_number(each)]
    return values.select, [{"remote_ids": keys}] if keys else []


def _size(row: sa.Row, place: int | None) -> int | None:
    said = None if place is None else rows.text(row[place])
    return int(said) if said is not None and rows.is_number(said) else None


def _places(names: Sequence[str], key: str, required: tuple[str, ...]) -> dict[str, int]:
    places = {name: place for place, name in enumerate(names)}
    for name in required:
        if name not in places:
            raise Refused(f"The query {key} has no column {name}. Name it so: SELECT ... AS {name}.")
    return places
