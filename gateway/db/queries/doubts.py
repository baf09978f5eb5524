"""Which deliveries of an instance are of unknown outcome, and what becomes of them by decision? (SEND-24)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import delivery
from gateway.db.queries.bulk import among
from gateway.domain import delivery as rules


def are_of(connection: Connection, brand_id: int, instance_id: int, delivery_ids: Sequence[int]) -> set[int]:
    """Those of these deliveries that are of this instance, in whatever state."""
    t = delivery.c
    return set(connection.scalars(sa.select(t.id).where(
        t.brand_id == brand_id, t.instance_id == instance_id, among(connection, t.id, delivery_ids))))


def is_any(connection: Connection, brand_id: int, instance_id: int) -> bool:
    """Whether a delivery of this instance is in doubt."""
    t = delivery.c
    return bool(connection.scalar(sa.select(sa.exists().where(
        t.instance_id == instance_id, t.state == rules.IN_DOUBT, t.brand_id == brand_id))))


def decide(connection: Connection, brand_id: int, instance_id: int, step: str, now: dt.datetime, *,
           delivery_ids: Sequence[int] | None, max_attempt: int | None = None, limit: int) -> list[int]:
    """Takes up to ``limit`` deliveries in doubt (of these, None: of all; tried at most so often) by ``step`` of
    ``STEPS`` to where it leads; answers their ids."""
    t = delivery.c
    chosen = sa.select(t.id).where(t.brand_id == brand_id, t.instance_id == instance_id, t.state == rules.IN_DOUBT)
    if delivery_ids is not None:
        chosen = chosen.where(among(connection, t.id, delivery_ids))
    if max_attempt is not None:
        chosen = chosen.where(t.attempt <= max_attempt)
    ids = list(connection.scalars(chosen.order_by(t.id).limit(limit)))
    state = rules.STEPS[rules.IN_DOUBT, step]
    values: dict[str, object] = {"state": state, "lease_owner": None, "lease_until": None, "next_at": None,
                                 "changed_at": now}
    if state == rules.ACCEPTED:
        values["accepted_at"] = now
    found = connection.scalars(
        sa.update(delivery).where(among(connection, t.id, ids), t.state == rules.IN_DOUBT).values(values)
        .returning(t.id))
    return sorted(found)
