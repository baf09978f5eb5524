"""How are many rows found and written at once? One statement for thousands, whatever the database.

SQLite takes prepared statements with tuples, PostgreSQL takes COPY; lists of keys travel as one
parameter, so that neither the number of variables nor the statement's text grows with them.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.base import Instant


def among(connection: Connection, column: sa.ColumnElement[Any], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """The condition that the column is one of the values, of which there may be any number."""
    if is_postgresql(connection):
        return column == sa.any_(sa.literal(list(values), ARRAY(column.type)))
    listed = sa.func.json_each(sa.literal(json.dumps(list(values)))).table_valued("value")
    return column.in_(sa.select(listed.c.value))


def insert_rows(connection: Connection, table: sa.Table, names: tuple[str, ...],
                rows: Sequence[tuple[Any, ...]]) -> None:
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
    text, order = _insert_statement(table, names)
    connection.exec_driver_sql(text, _for_sqlite(table, dict(zip(names, zip(*rows, strict=True), strict=True)), order))


@lru_cache(maxsize=100)
def _insert_statement(table: sa.Table, names: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """The text with question marks, and the names in whose order they stand."""
    compiled = sa.insert(table).compile(dialect=_SQLITE, column_keys=list(names))
    assert compiled.positiontup is not None
    return str(compiled), tuple(compiled.positiontup)


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


_SQLITE = sqlite.dialect(paramstyle="qmark")
