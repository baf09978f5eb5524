"""Which publications does a mailing have, in which state is each, and which of them wait for the worker?"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery, instance
from gateway.domain import delivery as rules
from gateway.domain import mailing as states

LOOK_BACK = dt.timedelta(days=2)
"""Instances that ended longer ago have no claims left that could have run out."""


@dataclass(frozen=True, slots=True)
class StoredInstance:
    """An instance row."""

    instance_id: int
    mailing_id: int
    state: str
    reason: str | None
    send_at: dt.datetime
    not_after: dt.datetime | None
    created_at: dt.datetime
    frozen_at: dt.datetime | None
    finished_at: dt.datetime | None


def add(connection: Connection, brand_id: int, mailing_id: int, *, send_at: dt.datetime, not_after: dt.datetime | None,
        created_by: str, now: dt.datetime) -> int:
    """Stores a scheduled instance and answers its id."""
    return connection.execute(
        sa.insert(instance).values(brand_id=brand_id, mailing_id=mailing_id, state=states.SCHEDULED, send_at=send_at,
                                   not_after=not_after, created_by=created_by, created_at=now)
        .returning(instance.c.id)).scalar_one()


def get(connection: Connection, brand_id: int, instance_id: int, *, lock: bool = False) -> StoredInstance | None:
    """The instance of this brand, or None. ``lock`` keeps its state as read until the transaction ends."""
    query = sa.select(instance).where(instance.c.brand_id == brand_id, instance.c.id == instance_id)
    if lock and is_postgresql(connection):
        query = query.with_for_update()
    row = connection.execute(query).first()
    return None if row is None else _view(row)


def of_mailings(connection: Connection, brand_id: int, mailing_ids: Sequence[int]) -> list[StoredInstance]:
    """The instances of these mailings, newest first."""
    t = instance.c
    query = sa.select(instance).where(t.brand_id == brand_id, t.mailing_id.in_(mailing_ids)).order_by(t.id.desc())
    return [_view(row) for row in connection.execute(query)]


def set_state(connection: Connection, brand_id: int, instance_id: int, state: str, *, reason: str | None = None,
              frozen_at: dt.datetime | None = None, finished_at: dt.datetime | None = None) -> None:
    """Moves an instance whose row the caller has locked; times that are None stay as they are."""
    values: dict[str, object] = {"state": state, "reason": reason}
    values.update({name: at for name, at in (("frozen_at", frozen_at), ("finished_at", finished_at)) if at})
    connection.execute(sa.update(instance).values(values)
                       .where(instance.c.brand_id == brand_id, instance.c.id == instance_id))


def counts(connection: Connection, brand_id: int, instance_ids: Sequence[int]) -> dict[int, dict[str, int]]:
    """Numbers of deliveries by state, per instance; instances without deliveries are absent."""
    t = delivery.c
    rows = connection.execute(
        sa.select(t.instance_id, t.state, sa.func.count())
        .where(t.brand_id == brand_id, t.instance_id.in_(instance_ids)).group_by(t.instance_id, t.state))
    found: dict[int, dict[str, int]] = {}
    for instance_id, state, number in rows:
        found.setdefault(instance_id, {})[state] = number
    return found


def finish(connection: Connection, brand_id: int, instance_id: int, now: dt.datetime) -> bool:
    """Ends a sending instance that has no pending delivery; False if it has, or is in another state."""
    t = delivery.c
    pending = sa.exists().where(t.instance_id == instance.c.id, t.state.in_(rules.OPEN))
    return connection.execute(
        sa.update(instance).values(state=states.SENT, finished_at=now)
        .where(instance.c.brand_id == brand_id, instance.c.id == instance_id, instance.c.state == states.SENDING,
               ~pending)).rowcount == 1


def due(connection: Connection, now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, instance) of all work of all brands that waits and that nobody has in hand (SEND-6)."""
    i, t = instance.c, delivery.c
    mine = t.instance_id == i.id
    ready = sa.exists().where(mine, t.state.in_((rules.QUEUED, rules.DEFERRED)),
                              sa.or_(t.next_at.is_(None), t.next_at <= now))
    in_hand = sa.exists().where(mine, t.state == rules.CLAIMED, t.lease_until >= now)
    abandoned = sa.exists().where(mine, t.state == rules.CLAIMED, t.lease_until < now)
    pending = sa.exists().where(mine, t.state.in_(rules.OPEN))
    unfinished = i.state.in_((states.SCHEDULED, states.PREPARING, states.SENDING))
    waits = sa.or_(
        sa.and_(i.state == states.SCHEDULED, i.send_at <= now), i.state == states.PREPARING,
        sa.and_(unfinished, i.not_after < now),
        sa.and_(i.state == states.SENDING, sa.or_(sa.and_(ready, ~in_hand), abandoned, ~pending)),
        sa.and_(i.state == states.CANCELLED, i.finished_at > now - LOOK_BACK, abandoned))
    return [(row.brand_id, row.id) for row in
            connection.execute(sa.select(i.brand_id, i.id).where(waits).order_by(i.send_at, i.id))]


def _view(row: sa.Row) -> StoredInstance:
    return StoredInstance(row.id, row.mailing_id, row.state, row.reason, row.send_at, row.not_after, row.created_at,
                          row.frozen_at, row.finished_at)
