"""Which interests does an integration keep under its own ids, and who is in them through which channel?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import interest
from gateway.db.queries.bulk import among
from gateway.domain.interests import OwnInterest


def by_external(connection: Connection, brand_id: int, integration_id: int,
                external_ids: Collection[str]) -> dict[str, OwnInterest]:
    """Those of the integration's interests that exist, by external id (PUSH-23)."""
    t = interest.c
    rows = connection.execute(sa.select(t.external_id, t.id, t.name).where(
        t.brand_id == brand_id, t.integration_id == integration_id,
        among(connection, t.external_id, list(external_ids))))
    return {external_id: OwnInterest(interest_id, name) for external_id, interest_id, name in rows}


def add(connection: Connection, brand_id: int, integration_id: int, external_id: str, name: str,
        now: dt.datetime) -> OwnInterest:
    """Stores an interest that the integration owns; the name must be free."""
    interest_id = connection.execute(sa.insert(interest).values(
        brand_id=brand_id, name=name, public=False, integration_id=integration_id, external_id=external_id,
        created_at=now)).inserted_primary_key[0]
    return OwnInterest(interest_id, name)


def rename(connection: Connection, brand_id: int, interest_id: int, name: str) -> bool:
    """Gives the interest this name, unless another interest of the brand has it; whether it did."""
    t, other = interest.c, interest.alias("other")
    taken = sa.exists().where(other.c.brand_id == brand_id, other.c.name == name, other.c.id != interest_id)
    return connection.execute(sa.update(interest).where(
        t.brand_id == brand_id, t.id == interest_id, ~taken).values(name=name)).rowcount == 1
