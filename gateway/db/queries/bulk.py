"""How are many rows found and written at once? One statement for thousands, whatever the database.

SQLite takes prepared statements with tuples, PostgreSQL takes COPY and pipelined updates; lists of keys
travel as one parameter, so that neither the number of variables nor the statement's text grows with them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.base import Instant

Rows = Sequence[tuple[Any, ...]]

MOST_ROWS, MOST_VALUES = 50, 999
"""Of one INSERT on SQLite: more rows gain nothing, and old versions take no more parameters."""

_SQLITE = sqlite.dialect(paramstyle="qmark")
_POSTGRESQL = postgresql.dialect(paramstyle="pyformat")


def among(connection: Connection, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The condition that the column is one of the values, of which there may be any number."""
    if is_postgresql(connection):
        return column == sa.any_(sa.literal(list(values), ARRAY(column.type)))
    return column.in_(_listed(values))


def among_those(column: sa.ColumnElement[Any], name: str, postgres: bool) -> sa.ColumnElement[bool]:
    """The condition that the column is one of the values of the parameter ``name``, which :func:`those` makes: for a
    statement that is made once and run often."""
    if postgres:
        return column == sa.any_(sa.bindparam(name, type_=ARRAY(column.type)))
    each = sa.func.json_each(sa.bindparam(name, type_=sa.String())).table_valued("value")
    return column.in_(sa.select(each.c.value))


def those(values: Sequence[Any], postgres: bool) -> Any:
    """Values as a parameter of :func:`among_those`."""
    return list(values) if postgres else json.dumps(list(values))


def not_among(connection: Connection, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The condition that the column, which is never null, is none of the values."""
    if is_postgresql(connection):
        return column != sa.all_(sa.literal(list(values), ARRAY(column.type)))
    return column.not_in(_listed(values))


def in_brand(column: sa.ColumnElement[int], brand_id: int | sa.BindParameter[int]) -> sa.ColumnElement[bool]:
    """The condition that rows found by their ids are the brand's, which nobody should look for them by.

    SQLite does not know how many rows a brand has, and else reads all of them for the sake of one person's.
    """
    return column + 0 == brand_id


def _listed(values: Sequence[Any]) -> sa.Select[tuple[Any]]:
    return sa.select(sa.func.json_each(sa.literal(json.dumps(list(values)))).table_valued("value").c.value)


def insert_rows(connection: Connection, table: sa.Table, names: tuple[str, ...], rows: Rows) -> None:
    """Inserts the rows, tuples in the order of ``names``; other columns get their defaults. Not for JSON columns."""
    if not rows:
        return
    if is_postgresql(connection):
        columns = ", ".join(f'"{name}"' for name in names)
        with (connection.connection.cursor() as cursor,
              cursor.copy(f'COPY "{table.name}" ({columns}) FROM STDIN') as copy):
            for row in rows:
                copy.write_row(row)
        return
    head, one, order = _insert_statement(table, names)
    _insert_many(connection, head, one,
                 _for_sqlite(table, dict(zip(names, zip(*rows, strict=True), strict=True)), order))


def insert_columns(connection: Connection, table: sa.Table, columns: Mapping[str, Sequence[Any]],
                   constants: Mapping[str, Any]) -> None:
    """Inserts as many rows as the columns are long, ``constants`` in each; other columns get their defaults.

    Columns hold texts, numbers or None, constants also truths and instants. Not for JSON columns. On SQLite the
    constants are part of the statement, so that they are not bound once a row.
    """
    names = ", ".join(f'"{name}"' for name in (*columns, *constants))
    if not is_postgresql(connection):
        places = ", ".join(["?"] * len(columns) + [_literal(table.c[name], constants[name]) for name in constants])
        _insert_many(connection, f'INSERT INTO "{table.name}" ({names})', f"({places})",
                     list(zip(*columns.values(), strict=True)))
        return
    tail = "".join(f"\t{_spelled(constants[name])}" for name in constants)
    lines = map("\t".join, zip(*map(_copied, columns.values()), strict=True))
    with (connection.connection.cursor() as cursor,
          cursor.copy(f'COPY "{table.name}" ({names}) FROM STDIN') as copy):
        copy.write("".join([f"{line}{tail}\n" for line in lines]))


def _insert_many(connection: Connection, head: str, one: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Inserts the rows; ``head`` is the statement as far as its columns, ``one`` the places of one row's values.

    SQLite takes many in one statement for less than half of what as many statements cost, each of which begins, ends
    and looks up the table's last id.
    """
    if not rows:
        return
    width = len(rows[0])
    together = max(1, min(MOST_ROWS, MOST_VALUES // width))
    whole = len(rows) - len(rows) % together
    if whole:
        flat, step = tuple(chain.from_iterable(rows[:whole])), together * width
        connection.exec_driver_sql(f"{head} VALUES {', '.join([one] * together)}",
                                   [flat[at:at + step] for at in range(0, len(flat), step)])
    if whole < len(rows):
        connection.exec_driver_sql(f"{head} VALUES {one}", rows[whole:])


def _literal(column: sa.Column[Any], value: Any) -> str:
    return "NULL" if value is None else _literal_writer(column)(value)


@lru_cache(maxsize=200)
def _literal_writer(column: sa.Column[Any]) -> Callable[[Any], str]:
    writer = column.type.dialect_impl(_SQLITE).literal_processor(_SQLITE)
    assert writer is not None
    return writer


def _copied(values: Sequence[Any]) -> Sequence[str]:
    """The values as COPY reads them: a backslash before what it would take for its own."""
    if None in values or not isinstance(values[0] if values else "", str):
        return [str(value) if type(value) is int else _spelled(value) for value in values]
    together = "".join(values)
    if "\\" not in together and together.isprintable():
        return values
    return [_spelled(value) for value in values]


def _spelled(value: Any) -> str:
    if value is None:
        return "\\N"
    text = value.isoformat() if isinstance(value, dt.datetime) else str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def array_literal(values: Sequence[Any]) -> str:
    """Texts, numbers or None as PostgreSQL writes an array: one parameter, made at once and not item by item."""
    if values and None not in values and isinstance(values[0], str):
        together = "\n".join(values)
        if together.count("\n") == len(values) - 1:  # else one of them has more lines
            inside = together.replace("\\", "\\\\").replace('"', '\\"').replace("\n", '","')
            return '{"' + inside + '"}'
    return "{" + ",".join([_element(value) for value in values]) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' if isinstance(value, str) else str(value)


def update_rows(connection: Connection, table: sa.Table, key: tuple[str, ...], names: tuple[str, ...],
                rows: Rows) -> None:
    """Sets ``names`` where ``key`` holds, once per row; rows are tuples of key, then values. Not for JSON columns."""
    if not rows:
        return
    postgresql_here = is_postgresql(connection)
    text, order = _update_statement(table, key, names, postgresql_here)
    if postgresql_here:
        connection.exec_driver_sql(text, [dict(zip((*key, *names), row, strict=True)) for row in rows])
    else:
        columns = dict(zip((*key, *names), zip(*rows, strict=True), strict=True))
        connection.exec_driver_sql(text, _for_sqlite(table, columns, order))


@lru_cache(maxsize=100)
def _insert_statement(table: sa.Table, names: tuple[str, ...]) -> tuple[str, str, tuple[str, ...]]:
    """The text as far as its columns, the question marks, and the names in whose order they stand."""
    compiled = sa.insert(table).compile(dialect=_SQLITE, column_keys=list(names))
    head, _, one = str(compiled).partition(" VALUES ")
    return head, one, tuple(compiled.positiontup or ())


@lru_cache(maxsize=100)
def _update_statement(table: sa.Table, key: tuple[str, ...], names: tuple[str, ...],
                      postgresql_here: bool) -> tuple[str, tuple[str, ...]]:
    # Parameters of the key carry a mark, for SQLAlchemy keeps the plain names to itself in an UPDATE.
    statement = sa.update(table).where(*(table.c[name] == sa.bindparam(f"of_{name}") for name in key)).values(
        {name: sa.bindparam(f"to_{name}") for name in names})
    compiled = statement.compile(dialect=_POSTGRESQL if postgresql_here else _SQLITE)
    text, order = str(compiled), tuple(compiled.positiontup or ())
    plain = {f"of_{name}": name for name in key} | {f"to_{name}": name for name in names}
    for marked, name in plain.items():
        text = text.replace(f"%({marked})s", f"%({name})s")
    return text, tuple(plain[marked] for marked in order)


def _for_sqlite(table: sa.Table, columns: dict[str, Sequence[Any]], order: tuple[str, ...]) -> list[Any]:
    """Rows for the driver: instants become the text that their column type writes, each made once."""
    write = Instant().dialect_impl(_SQLITE).bind_processor(_SQLITE)
    assert write is not None
    written: dict[dt.datetime | None, Any] = {None: None}
    for name in order:
        if isinstance(table.c[name].type, Instant):
            for moment in set(columns[name]) - written.keys():
                written[moment] = write(moment)
            columns[name] = [written[moment] for moment in columns[name]]
    return list(zip(*(columns[name] for name in order), strict=True))
