"""When is a message tried again, and when is it given up? Pure decisions (SEND-32, SEND-33)."""

from __future__ import annotations

import datetime as dt
import hashlib

STEPS_S = (300, 900, 1800, 3600, 7200, 14400)
LATER_S = 8 * 3600
JITTER = 0.2
AGE_LIMIT = dt.timedelta(hours=48)

MIN_WAIT_S = 1.0
MAX_WAIT_S = 300.0


def next_try(attempt: int, now: dt.datetime, first_tried_at: dt.datetime, spread: float) -> dt.datetime | None:
    """When attempt ``attempt`` (from 1) that failed at ``now`` is repeated; None: give it up.

    5, 15, 30 min, 1, 2, 4, then every 8 h, each with +-20 % jitter; ``spread`` in [0, 1) says where in that range, so
    that a stored message always has the same answer. A try that would come after the age limit of 48 h is made at the
    limit; the one that fails there is the last.
    """
    if now - first_tried_at >= AGE_LIMIT:
        return None
    base_s = STEPS_S[attempt - 1] if attempt <= len(STEPS_S) else LATER_S
    wait = dt.timedelta(seconds=base_s * (1 + JITTER * (2 * spread - 1)))
    return min(now + wait, first_tried_at + AGE_LIMIT)


def spread(delivery_id: int, attempt: int) -> float:
    """A number in [0, 1) that looks random and is the same for the same try."""
    digest = hashlib.blake2b(f"{delivery_id}:{attempt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def transport_wait_s(last_wait_s: float) -> float:
    """How long to leave a mail server alone that cannot be reached: 1 s, then twice the last wait up to 5 min."""
    return min(MAX_WAIT_S, max(MIN_WAIT_S, 2 * last_wait_s))
