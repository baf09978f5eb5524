"""How is one remote key changed by a deliberate act?"""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import remote_key
from gateway.db.queries import cached_values


def rename(connection: Connection, brand_id: int, integration_id: int, old: str, new: str) -> None:
    """Gives a key another remote ID, which nobody has; flag, link and writebacks stay with it (ID-29)."""
    k = remote_key.c
    connection.execute(sa.update(remote_key).where(
        k.brand_id == brand_id, k.integration_id == integration_id, k.remote_id == old).values(remote_id=new))
    cached_values.forget_keys(connection, brand_id, [(integration_id, old)])  # nobody is called that any more
