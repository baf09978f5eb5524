"""Who waits for whom? Changes of identity and status in one brand run one after the other (ID-31)."""

from __future__ import annotations

from zlib import crc32

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql

_BRAND_LOCKS = 0x6777  # the first half of the advisory key: keeps our locks apart from anybody else's
_SENDER_LOCKS = 0x6778


def lock_brand(connection: Connection, brand_id: int) -> None:
    """Waits until no other transaction holds this brand's lock; held until the transaction ends.

    SQLite has one writer at a time, so there is nothing to do. Taking it twice is harmless.
    """
    if is_postgresql(connection):
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:space, :brand)"),
                           {"space": _BRAND_LOCKS, "brand": brand_id % 2**31})


def lock_sender(connection: Connection, owner: str) -> None:
    """Waits until no other transaction claims rows for this sender; held until the transaction ends (SEND-21).

    Where a process is killed while it waits for its commit, PostgreSQL commits all the same, maybe a little later:
    whoever looks for the dead sender's rows must not look before.
    """
    if is_postgresql(connection):
        connection.execute(sa.text("SELECT pg_advisory_xact_lock(:space, :owner)"),
                           {"space": _SENDER_LOCKS, "owner": crc32(owner.encode()) - 2**31})


def wait_at_most(connection: Connection, seconds: float) -> None:
    """Lets this transaction wait so long for any lock; after that it ends with ``UNAVAILABLE``.

    PostgreSQL only: on SQLite a unit says itself how long it waits.
    """
    if is_postgresql(connection):
        connection.execute(sa.text("SELECT set_config('lock_timeout', :limit, true)"),
                           {"limit": f"{int(seconds * 1000)}ms"})
