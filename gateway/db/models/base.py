"""What do all tables share: metadata, naming of constraints, and the column type of an instant."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, ForeignKey, Integer, MetaData, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from gateway.clock import UTC, to_millis

metadata = MetaData(naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
})


class Instant(TypeDecorator[dt.datetime]):
    """An aware UTC datetime of whole milliseconds; SQLite keeps it as text that sorts by time."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        value = to_millis(value)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class JsonText(TypeDecorator[str]):
    """A JSON document that the code reads and writes as text; ``jsonb`` is not used, so that equal
    text stays equal and an unchanged document can be recognised without parsing it."""

    impl = Text
    cache_ok = True


Json = JSON().with_variant(JSONB(), "postgresql")
"""A small JSON document that is read whole (options, counters)."""

BigId = BigInteger().with_variant(Integer, "sqlite")


def id_column() -> Column[int]:
    """A primary key that is ours, never changes and is never reused (tables set ``sqlite_autoincrement``)."""
    return Column("id", BigId, primary_key=True, autoincrement=True)


def ref(name: str, target: str, *, nullable: bool = False, index: bool = False, **kw: Any) -> Column[int]:
    """A foreign key column ``name`` to ``target.id``."""
    return Column(name, BigId, ForeignKey(f"{target}.id"), nullable=nullable, index=index, **kw)


def unchecked(name: str, *, nullable: bool = False, index: bool = False) -> Column[int]:
    """A column that refers to a row of another table, like :func:`ref`, without a constraint that says so.

    For the tables that an import writes by the million: each constraint costs a look-up a row, and a lock on
    PostgreSQL, to prove what holds anyway. Nothing that they refer to is ever deleted, and they are written only by
    functions that have just made or read what they name (tests/db/test_references.py).
    """
    return Column(name, BigId, nullable=nullable, index=index)


def brand_ref() -> Column[int]:
    """The brand (tenant) that a row belongs to; every query of a tenant's table is filtered by it."""
    return ref("brand_id", "brand")
