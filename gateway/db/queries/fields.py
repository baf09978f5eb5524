"""Which fields does a brand have?"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import field
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.tiers import FieldChoices
from gateway.domain.values import Field


def add(connection: Connection, brand_id: int, rows: Sequence[dict[str, object]], now: dt.datetime) -> None:
    """Stores fields (``name``, ``folded``, ``kind``, perhaps ``max_length``: all rows say the same) that the brand does
    not have yet."""
    if rows:
        connection.execute(insert_or_ignore(connection, field),
                           [{"brand_id": brand_id, "created_at": now, **row} for row in rows])


def set_default(connection: Connection, brand_id: int, folded: str, default: str) -> None:
    """What rendering shows of this field from now on where a person has no value."""
    connection.execute(sa.update(field).where(field.c.brand_id == brand_id, field.c.folded == folded).values(
        default_value=default))


def defaults(connection: Connection, brand_id: int) -> dict[str, str]:
    """Field name -> what rendering shows where a person has no value, for fields that have such a text."""
    return dict(connection.execute(_defaults_query(), {"b_brand": brand_id}).all())


@functools.cache
def _defaults_query() -> sa.Select[tuple[str, str]]:
    """Made once, as those below: they run with every group that is sent."""
    t = field.c
    return sa.select(t.name, t.default_value).where(
        t.brand_id == sa.bindparam("b_brand"), t.default_value.is_not(None), t.default_value != "")


def of_brand(connection: Connection, brand_id: int) -> dict[str, Field]:
    """The brand's fields by folded name."""
    t = field.c
    rows = connection.execute(sa.select(t.folded, t.name, t.kind, t.max_length).where(t.brand_id == brand_id))
    return {folded: Field(name, kind, max_length) for folded, name, kind, max_length in rows}


def names_of(connection: Connection, brand_id: int, kind: str) -> list[str]:
    """The names of the brand's fields of one kind."""
    return list(connection.scalars(_names_query(), {"b_brand": brand_id, "b_kind": kind}).all())


@functools.cache
def _names_query() -> sa.Select[tuple[str]]:
    t = field.c
    return sa.select(t.name).where(t.brand_id == sa.bindparam("b_brand"), t.kind == sa.bindparam("b_kind"))


def choices(connection: Connection, brand_id: int) -> list[FieldChoices]:
    """The brand's fields with what it chose for each, by folded name."""
    t = field.c
    rows = connection.execute(
        sa.select(t.id, t.name, t.kind, t.max_length, sa.func.coalesce(t.default_value, ""), t.cache_hours, t.required)
        .where(t.brand_id == brand_id).order_by(t.folded))
    return [FieldChoices(*row) for row in rows]


def set_choices(connection: Connection, brand_id: int, field_id: int, cache_hours: int | None, required: bool) -> None:
    """How long fetched values of the field are kept, and whether who has none is left out (ID-77)."""
    connection.execute(sa.update(field).where(field.c.brand_id == brand_id, field.c.id == field_id).values(
        cache_hours=cache_hours, required=required))
