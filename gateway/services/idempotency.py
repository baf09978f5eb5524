"""Was this request answered before? (SOAP-72, PUSH-73, PUSH-74)

The answer is stored in the transaction of the work, so that a kill leaves both or neither. Work that cannot be one
transaction reserves its key first, so that it is not done twice at the same time.
"""

from __future__ import annotations

import datetime as dt
import re

from gateway.db.queries import idempotency as stored
from gateway.db.queries.idempotency import StoredAnswer
from gateway.db.unit import Unit
from gateway.errors import GatewayError

KEPT = dt.timedelta(days=7)
_KEY = re.compile(r"[\x21-\x7e]{1,255}")

RESERVED = 0
"""The status of an answer that is not there yet."""

RESERVED_FOR = dt.timedelta(minutes=15)
"""Longer than such work takes; whoever has not answered by then was killed, and the key is free again."""

__all__ = ["StoredAnswer", "release", "remember", "replay", "reserve"]


def replay(unit: Unit, *, operation: str, key: str, fingerprint: str, field: str) -> StoredAnswer | None:
    """The answer that this actor got for the same operation, key and content, or None for a new key.

    ``fingerprint`` is a hash of the content, ``field`` the name of the key's member in the door's words.
    Raises ``INVALID_VALUE`` (not 1-255 visible ASCII characters), ``IDEMPOTENCY_CONFLICT`` (other content),
    ``IN_PROGRESS`` (the first request still runs).
    """
    if _KEY.fullmatch(key) is None:
        raise GatewayError("INVALID_VALUE", "The key has 1 to 255 visible ASCII characters.", field=field)
    where = (unit.connection, unit.brand_id, unit.actor.label, operation, key)
    if not stored.try_lock(*where):
        raise _in_progress(field)
    kept = stored.find(*where, not_before=unit.now - KEPT)
    if kept is None or (kept.status == RESERVED and kept.stored_at and kept.stored_at < unit.now - RESERVED_FOR):
        return None
    if kept.fingerprint != fingerprint:
        raise GatewayError("IDEMPOTENCY_CONFLICT", "This key was used for another request; choose a new one.",
                           field=field)
    if kept.status == RESERVED:
        raise _in_progress(field)
    return kept


def reserve(unit: Unit, *, operation: str, key: str, fingerprint: str) -> None:
    """Takes a key for which :func:`replay` found nothing in the same unit: until :func:`remember` or :func:`release`
    the same request is ``IN_PROGRESS``, for 15 minutes at most."""
    remember(unit, operation=operation, key=key, fingerprint=fingerprint, status=RESERVED, answer=b"")


def release(unit: Unit, *, operation: str, key: str) -> None:
    """Gives a reserved key back: its work was refused and may be asked for again."""
    stored.forget_one(unit.connection, unit.brand_id, unit.actor.label, operation, key)


def remember(unit: Unit, *, operation: str, key: str, fingerprint: str, status: int, answer: bytes) -> None:
    """Stores the answer under the key; part of the unit's transaction."""
    stored.store(unit.connection, unit.brand_id, unit.actor.label, operation, key,
                 StoredAnswer(status, answer, fingerprint), unit.now)


def _in_progress(field: str) -> GatewayError:
    return GatewayError("IN_PROGRESS", "The first request with this key is still running; ask again.", field=field,
                        retry_after_s=1)
