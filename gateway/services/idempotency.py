"""Was this request answered before? (SOAP-72, PUSH-73, PUSH-74)

The answer is stored in the transaction of the work, so that a kill leaves both or neither.
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

__all__ = ["StoredAnswer", "remember", "replay"]


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
        raise GatewayError("IN_PROGRESS", "The first request with this key is still running; ask again.",
                           field=field, retry_after_s=1)
    kept = stored.find(*where, not_before=unit.now - KEPT)
    if kept is not None and kept.fingerprint != fingerprint:
        raise GatewayError("IDEMPOTENCY_CONFLICT", "This key was used for another request; choose a new one.",
                           field=field)
    return kept


def remember(unit: Unit, *, operation: str, key: str, fingerprint: str, status: int, answer: bytes) -> None:
    """Stores the answer under the key; part of the unit's transaction."""
    stored.store(unit.connection, unit.brand_id, unit.actor.label, operation, key,
                 StoredAnswer(status, answer, fingerprint), unit.now)
