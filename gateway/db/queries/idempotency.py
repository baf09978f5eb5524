"""Which answers are remembered under an idempotency key?"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.imports import idempotency


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """The answer of the first request: its status, its bytes, and what was asked."""

    status: int
    answer: bytes
    fingerprint: str
    stored_at: dt.datetime | None = None


def try_lock(connection: Connection, brand_id: int, principal: str, operation: str, key: str) -> bool:
    """Whether no other transaction works under this key now; held to the end of the transaction.

    SQLite has one writer, so the first request is always over.
    """
    if not is_postgresql(connection):
        return True
    text = "\0".join([str(brand_id), principal, operation, key])
    number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big", signed=True)
    return bool(connection.execute(sa.text("SELECT pg_try_advisory_xact_lock(:n)"), {"n": number}).scalar())


def find(connection: Connection, brand_id: int, principal: str, operation: str, key: str,
         not_before: dt.datetime) -> StoredAnswer | None:
    """The remembered answer that is younger than ``not_before``."""
    row = connection.execute(sa.select(idempotency).where(
        idempotency.c.brand_id == brand_id, idempotency.c.principal == principal,
        idempotency.c.operation == operation, idempotency.c.key == key,
        idempotency.c.created_at >= not_before)).one_or_none()
    return None if row is None else StoredAnswer(row.status, bytes(row.answer), row.fingerprint,
                                                     row.created_at)


def store(connection: Connection, brand_id: int, principal: str, operation: str, key: str, kept: StoredAnswer,
          now: dt.datetime) -> None:
    """Remembers an answer in place of one that has run out."""
    forget_one(connection, brand_id, principal, operation, key)
    connection.execute(sa.insert(idempotency).values(
        brand_id=brand_id, principal=principal, operation=operation, key=key, fingerprint=kept.fingerprint,
        status=kept.status, answer=kept.answer, created_at=now))


def forget_one(connection: Connection, brand_id: int, principal: str, operation: str, key: str) -> None:
    """Removes what is remembered under this key."""
    connection.execute(sa.delete(idempotency).where(
        idempotency.c.brand_id == brand_id, idempotency.c.principal == principal,
        idempotency.c.operation == operation, idempotency.c.key == key))


def forget(connection: Connection, before: dt.datetime) -> int:
    """Removes answers that have run out and says how many."""
    return connection.execute(sa.delete(idempotency).where(idempotency.c.created_at < before)).rowcount
