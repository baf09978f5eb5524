"""Who was erased and must not come back? Keyed hashes alone: nothing readable is kept (ID-35)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import suppression
from gateway.db.queries.bulk import among
from gateway.db.queries.events import insert_or_ignore


def suppressed(connection: Connection, brand_id: int, hashes: Collection[str]) -> set[str]:
    """Those of the hashes (of addresses and of remote IDs alike) that belong to somebody who was erased."""
    if not hashes:
        return set()
    return set(connection.scalars(sa.select(suppression.c.hash).where(
        suppression.c.brand_id == brand_id, among(connection, suppression.c.hash, list(hashes)))))


def is_empty(connection: Connection, brand_id: int) -> bool:
    """Whether nobody was ever erased in this brand: then there is nothing to hash and to look up."""
    return connection.scalar(sa.select(suppression.c.hash).where(suppression.c.brand_id == brand_id).limit(1)) is None


def add(connection: Connection, brand_id: int, kinds: Mapping[str, str], now: dt.datetime) -> None:
    """Remembers these hashes, each with its kind (``email``, ``key``); safe to repeat."""
    for digest, kind in kinds.items():
        connection.execute(insert_or_ignore(connection, suppression).values(
            brand_id=brand_id, kind=kind, hash=digest, erased_at=now))
