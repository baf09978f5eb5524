"""Which mappings of columns has a brand saved?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.imports import column_mapping

_MINE = column_mapping.c


def get(connection: Connection, brand_id: int, name: str) -> sa.Row | None:
    """The mapping of this name."""
    return connection.execute(sa.select(column_mapping).where(
        _MINE.brand_id == brand_id, _MINE.name == name)).one_or_none()


def find(connection: Connection, brand_id: int) -> Sequence[sa.Row]:
    """All mappings of the brand by name."""
    return connection.execute(sa.select(column_mapping).where(_MINE.brand_id == brand_id).order_by(_MINE.name)).all()


def save(connection: Connection, brand_id: int, name: str, columns: Any, now: dt.datetime) -> None:
    """Stores the mapping, in the place of an older one of its name."""
    same = sa.and_(_MINE.brand_id == brand_id, _MINE.name == name)
    if not connection.execute(sa.update(column_mapping).where(same).values(columns=columns, created_at=now)).rowcount:
        connection.execute(sa.insert(column_mapping).values(brand_id=brand_id, name=name, columns=columns,
                                                            created_at=now))


def delete(connection: Connection, brand_id: int, name: str) -> bool:
    """Removes the mapping; False when there is none."""
    return connection.execute(sa.delete(column_mapping).where(
        _MINE.brand_id == brand_id, _MINE.name == name)).rowcount == 1
