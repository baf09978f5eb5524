"""What is in the rate buckets that all senders of all hosts share? (SEND-34)

Whoever takes tokens holds one lock for all buckets to the end of the transaction, so no token is taken twice, and
senders that take from several buckets in any order never wait for each other in a circle.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.transport import rate_bucket
from gateway.domain.limits import Bucket

DOMAIN = "domain:"
_LOCK = int.from_bytes(b"buckets", "big")


def lock(connection: Connection, fresh: Mapping[str, Bucket]) -> dict[str, Bucket]:
    """The buckets of these names, which nobody else changes before the end of the transaction; a new one begins as
    given."""
    if is_postgresql(connection):  # on SQLite a transaction that writes is the only one
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    found = find(connection, fresh)
    new = {name: bucket for name, bucket in fresh.items() if name not in found}
    if new:
        connection.execute(sa.insert(rate_bucket), [{"name": name, **_columns(new[name])} for name in new])
    return found | new


def store(connection: Connection, buckets: Mapping[str, Bucket]) -> None:
    """Writes buckets that the caller has locked."""
    if buckets:
        statement = sa.update(rate_bucket).where(rate_bucket.c.name == sa.bindparam("b_name"))
        connection.execute(statement, [{"b_name": name, **_columns(buckets[name])} for name in sorted(buckets)])


def find(connection: Connection, names: Collection[str]) -> dict[str, Bucket]:
    """Those of the buckets that there are, without a lock."""
    return _read(connection, sa.select(rate_bucket).where(rate_bucket.c.name.in_(names)))


def of_domains(connection: Connection) -> dict[str, Bucket]:
    """All buckets of destinations by the destination's name, without a lock."""
    found = _read(connection, sa.select(rate_bucket).where(rate_bucket.c.name.startswith(DOMAIN, autoescape=True)))
    return {name.removeprefix(DOMAIN): bucket for name, bucket in found.items()}


def forget(connection: Connection, before: dt.datetime) -> int:
    """Removes buckets that nobody has touched since; says how many."""
    return connection.execute(sa.delete(rate_bucket).where(rate_bucket.c.filled_at < before)).rowcount


def _read(connection: Connection, query: sa.Select[tuple[object, ...]]) -> dict[str, Bucket]:
    return {row.name: Bucket(row.tokens, row.filled_at, row.rate, row.slowed_at) for row in connection.execute(query)}


def _columns(bucket: Bucket) -> dict[str, object]:
    return {"tokens": bucket.tokens, "filled_at": bucket.filled_at, "rate": bucket.slowed,
            "slowed_at": bucket.slowed_at}
