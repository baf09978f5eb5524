"""By which remote keys may somebody's personal data be asked for, and what waits to be written back? (ID-36, ID-76)"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import remote_key
from gateway.db.queries.bulk import among, in_brand


class PersonKey(NamedTuple):
    """A live remote key of somebody."""

    subscriber_id: int
    integration_id: int
    remote_id: str


def keys(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> list[PersonKey]:
    """The live remote keys of these people, oldest first."""
    k = remote_key.c
    rows = connection.execute(
        sa.select(k.subscriber_id, k.integration_id, k.remote_id)
        .where(in_brand(k.brand_id, brand_id), among(connection, k.subscriber_id, subscriber_ids),
               k.ended_at.is_(None)).order_by(k.id))
    return [PersonKey(*row) for row in rows]
