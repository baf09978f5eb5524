"""How far is a brand on its way to One-to-Many, or back? (ID-73..75)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import identity_switch

RUNNING, ON, OFF = "running", "on", "off"


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch. ``checkpoint`` is the last address that is done while it is ``running``, else None."""

    switch_id: int
    state: str
    fingerprint: str
    counters: Mapping[str, int]
    checkpoint: str | None
    actor: str
    created_at: dt.datetime
    finished_at: dt.datetime | None


def running(connection: Connection, brand_id: int) -> Switch | None:
    """The switch whose merging is not finished."""
    return _one(connection, brand_id, identity_switch.c.state == RUNNING)


def newest(connection: Connection, brand_id: int) -> Switch | None:
    """The brand's last switch."""
    return _one(connection, brand_id, sa.true())


def add(connection: Connection, brand_id: int, state: str, fingerprint: str, counters: Mapping[str, int], actor: str,
        now: dt.datetime) -> int:
    """Stores a switch and answers its id; one that is not running is finished at once."""
    return connection.execute(sa.insert(identity_switch).values(
        brand_id=brand_id, state=state, fingerprint=fingerprint, counters=dict(counters), checkpoint=None, actor=actor,
        created_at=now, finished_at=None if state == RUNNING else now)).inserted_primary_key[0]


def advance(connection: Connection, switch_id: int, checkpoint: str, counters: Mapping[str, int]) -> None:
    """Notes the last address that is done, and what was done so far."""
    connection.execute(sa.update(identity_switch).where(identity_switch.c.id == switch_id).values(
        checkpoint=checkpoint, counters=dict(counters)))


def finish(connection: Connection, switch_id: int, state: str, now: dt.datetime) -> None:
    """Ends a running switch; the address that it was at is forgotten (ID-35)."""
    connection.execute(sa.update(identity_switch).where(identity_switch.c.id == switch_id).values(
        state=state, checkpoint=None, finished_at=now))


def _one(connection: Connection, brand_id: int, where: sa.ColumnElement[bool]) -> Switch | None:
    t = identity_switch.c
    row = connection.execute(
        sa.select(t.id, t.state, t.fingerprint, t.counters, t.checkpoint, t.actor, t.created_at, t.finished_at)
        .where(t.brand_id == brand_id, where).order_by(t.id.desc()).limit(1)).first()
    return None if row is None else Switch(*row)
