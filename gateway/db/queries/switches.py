"""How far is a brand on its way to One-to-Many, or back? (ID-73..75)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.subscribers import identity_switch, subscriber
from gateway.db.queries.bulk import among

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


def unfinished_of_all(connection: Connection) -> list[tuple[int, int, dt.datetime]]:
    """(brand, switch, since when) of every switch whose merging is not finished, in any brand."""
    t = identity_switch.c
    rows = connection.execute(sa.select(t.brand_id, t.id, t.created_at).where(t.state == RUNNING).order_by(t.id))
    return [(row[0], row[1], row[2]) for row in rows]


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


def shared_addresses(connection: Connection, brand_id: int, after: str, limit: int) -> list[str]:
    """The next addresses, in order, that several live records have."""
    t = subscriber.c
    return list(connection.scalars(
        sa.select(t.email).where(*_live(brand_id), t.email > after).group_by(t.email)
        .having(sa.func.count() > 1).order_by(t.email).limit(limit)))


def unfinished(connection: Connection, brand_id: int, after: str, limit: int) -> list[tuple[str, int]]:
    """The next addresses, in order, with a live record that is no main, and how many live records each has."""
    t = subscriber.c
    not_main = sa.func.sum(sa.case((t.is_main, 0), else_=1))
    rows = connection.execute(
        sa.select(t.email, sa.func.count()).where(*_live(brand_id), t.email > after).group_by(t.email)
        .having(not_main > 0).order_by(t.email).limit(limit))
    return [(email, count) for email, count in rows]


def totals(connection: Connection, brand_id: int) -> tuple[int, int]:
    """How many live records with an address there are, and how many addresses they have."""
    t = subscriber.c
    row = connection.execute(
        sa.select(sa.func.count(), sa.func.count(sa.distinct(t.email))).where(*_live(brand_id))).one()
    return row[0], row[1]


def make_mains(connection: Connection, brand_id: int, emails: Sequence[str]) -> None:
    """Makes the one record of each of these addresses its main; nothing that anybody sees of it changes."""
    connection.execute(sa.update(subscriber).where(
        *_live(brand_id), among(connection, subscriber.c.email, emails)).values(is_main=True))


def clear_mains(connection: Connection, brand_id: int) -> None:
    """Nobody is a main any more, so that an address may have several records again (ID-75)."""
    connection.execute(sa.update(subscriber).where(subscriber.c.brand_id == brand_id, subscriber.c.is_main)
                       .values(is_main=False))


def _live(brand_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    return subscriber.c.brand_id == brand_id, subscriber.c.merged_into.is_(None), subscriber.c.email.is_not(None)


def _one(connection: Connection, brand_id: int, where: sa.ColumnElement[bool]) -> Switch | None:
    t = identity_switch.c
    row = connection.execute(
        sa.select(t.id, t.state, t.fingerprint, t.counters, t.checkpoint, t.actor, t.created_at, t.finished_at)
        .where(t.brand_id == brand_id, where).order_by(t.id.desc()).limit(1)).first()
    return None if row is None else Switch(*row)
