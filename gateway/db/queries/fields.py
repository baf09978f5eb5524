"""Which fields does a brand have?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import field
from gateway.db.queries.events import insert_or_ignore
from gateway.domain.values import Field


def add(connection: Connection, brand_id: int, rows: Sequence[dict[str, object]], now: dt.datetime) -> None:
    """Stores fields (``name``, ``folded``, ``kind``, perhaps ``max_length``) that the brand does not have yet."""
    for row in rows:
        connection.execute(insert_or_ignore(connection, field).values(brand_id=brand_id, created_at=now, **row))


def of_brand(connection: Connection, brand_id: int) -> dict[str, Field]:
    """The brand's fields by folded name."""
    t = field.c
    rows = connection.execute(sa.select(t.folded, t.name, t.kind, t.max_length).where(t.brand_id == brand_id))
    return {folded: Field(name, kind, max_length) for folded, name, kind, max_length in rows}
