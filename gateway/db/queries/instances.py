"""Which publications does a mailing have, in which state is each, and which of them wait for the worker?"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.accounts import brand
from gateway.db.models.mailings import delivery, instance, instance_interest
from gateway.db.models.subscribers import interest
from gateway.db.queries.bulk import among
from gateway.domain import delivery as rules
from gateway.domain import mailing as states
from gateway.domain.mailing import OpenInstance

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
    paused_from: str | None = None
    audience: str | None = None
    spread_s: int | None = None
    recipients: int | None = None
    token_key: int | None = None


def add(connection: Connection, brand_id: int, mailing_id: int, *, send_at: dt.datetime, not_after: dt.datetime | None,
        created_by: str, now: dt.datetime, audience: str | None = None, spread_s: int | None = None,
        is_test: bool = False) -> int:
    """Stores a scheduled instance and answers its id."""
    return connection.execute(
        sa.insert(instance).values(brand_id=brand_id, mailing_id=mailing_id, state=states.SCHEDULED, send_at=send_at,
                                   not_after=not_after, created_by=created_by, created_at=now, audience=audience,
                                   spread_s=spread_s, is_test=is_test)
        .returning(instance.c.id)).scalar_one()


def set_interests(connection: Connection, brand_id: int, instance_id: int, interest_ids: Collection[int]) -> None:
    """Says whom a new instance goes to, in place of the interests that its mailing includes; none: to those."""
    rows = [{"brand_id": brand_id, "instance_id": instance_id, "interest_id": each} for each in interest_ids]
    if rows:
        connection.execute(sa.insert(instance_interest), rows)


def interest_names(connection: Connection, brand_id: int, instance_id: int) -> tuple[str, ...]:
    """The interests that the instance goes to in place of its mailing's, in order of their names; mostly none."""
    t = instance_interest.c
    return tuple(connection.scalars(
        sa.select(interest.c.name).join(instance_interest, t.interest_id == interest.c.id)
        .where(t.brand_id == brand_id, t.instance_id == instance_id).order_by(interest.c.name)))


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


def unfinished(connection: Connection, brand_id: int, mailing_ids: Collection[int]) -> list[StoredInstance]:
    """What of these mailings is not out yet, in order of the ids, each as read until the transaction ends."""
    t = instance.c
    query = sa.select(instance).where(
        t.brand_id == brand_id, among(connection, t.mailing_id, list(mailing_ids)), t.state.in_(states.UNFINISHED)
    ).order_by(t.id)
    return [_view(row) for row in connection.execute(query.with_for_update() if is_postgresql(connection) else query)]


def set_state(connection: Connection, brand_id: int, instance_id: int, state: str, *, reason: str | None = None,
              **values: object) -> None:
    """Moves an instance whose row the caller has locked; ``values`` are other columns of the row."""
    connection.execute(sa.update(instance).values(state=state, reason=reason, **values)
                       .where(instance.c.brand_id == brand_id, instance.c.id == instance_id))


def sending(connection: Connection, now: dt.datetime) -> list[tuple[OpenInstance, Mapping[str, object]]]:
    """The instances of all brands that are being sent and not late, each with its brand's settings."""
    rows = connection.execute(_sending_query(), {"b_now": now})
    return [(OpenInstance(row.brand_id, row.id, row.mailing_id, row.recipients or 0, row.spread_s,
                          row.frozen_at or row.send_at), row.settings or {}) for row in rows]


@functools.cache
def _sending_query() -> sa.Select[Any]:
    """Made once: a sender asks all the time."""
    i = instance.c
    return (sa.select(i.brand_id, i.id, i.mailing_id, i.recipients, i.spread_s, i.frozen_at, i.send_at,
                      brand.c.settings)
            .join(brand, brand.c.id == i.brand_id)
            .where(i.state == states.SENDING,
                   sa.or_(i.not_after.is_(None), i.not_after >= sa.bindparam("b_now", type_=i.not_after.type)))
            .order_by(i.frozen_at, i.id))


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


def count_refusal(connection: Connection, brand_id: int, instance_id: int) -> int:
    """Notes that the mail server refused us once more, and answers how often in a row (SEND-36)."""
    t = instance.c
    return connection.execute(
        sa.update(instance).where(t.brand_id == brand_id, t.id == instance_id)
        .values(transport_refusals=t.transport_refusals + 1).returning(t.transport_refusals)).scalar_one()


def forget_refusals(connection: Connection, instance_ids: Collection[int]) -> None:
    """The mail server took something of these instances: refusals are no longer in a row."""
    t = instance.c
    if instance_ids:
        connection.execute(sa.update(instance).where(t.id.in_(instance_ids), t.transport_refusals > 0)
                           .values(transport_refusals=0))


def untold(connection: Connection, reasons: Collection[str], now: dt.datetime,
           since: dt.datetime) -> list[tuple[int, int]]:
    """(brand, instance) of all that stopped for one of these reasons, or ended so ``since``, of which nobody was told
    and nobody is being told now."""
    t = instance.c
    rows = connection.execute(sa.select(t.brand_id, t.id).where(
        t.reason.in_(reasons), sa.func.coalesce(t.told_reason, "") != t.reason, _nobody_tells(now),
        sa.or_(t.state == states.PAUSED, sa.and_(t.state == states.CANCELLED, t.finished_at > since))).order_by(t.id))
    return [(row.brand_id, row.id) for row in rows]


def begin_telling(connection: Connection, brand_id: int, instance_id: int, reason: str, now: dt.datetime,
                  until: dt.datetime) -> bool:
    """Reserves the telling of this reason until then; False where it was told, or somebody else tells it now."""
    t = instance.c
    return connection.execute(
        sa.update(instance).where(t.brand_id == brand_id, t.id == instance_id, t.reason == reason,
                                  t.told_reason.is_distinct_from(reason), _nobody_tells(now))
        .values(telling_until=until)).rowcount == 1


def end_telling(connection: Connection, brand_id: int, instance_id: int, reason: str, *, told: bool) -> None:
    """Ends what :func:`begin_telling` reserved, ``told`` or not, unless it stopped for another reason meanwhile."""
    t = instance.c
    connection.execute(sa.update(instance).where(t.brand_id == brand_id, t.id == instance_id, t.reason == reason)
                       .values({"telling_until": None} | ({"told_reason": reason} if told else {})))


def _nobody_tells(now: dt.datetime) -> sa.ColumnElement[bool]:
    return sa.or_(instance.c.telling_until.is_(None), instance.c.telling_until < now)


def due(connection: Connection, now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, instance) of all work of all brands that waits, also for one more worker to help (SEND-6)."""
    i, t = instance.c, delivery.c
    mine = t.instance_id == i.id
    queued = sa.exists().where(mine, t.state == rules.QUEUED)
    retries = sa.exists().where(mine, t.state == rules.DEFERRED, t.next_at <= now)
    lost = sa.exists().where(mine, t.state == rules.CLAIMED, t.lease_until < now - rules.LOST_AFTER)
    pending = sa.exists().where(mine, t.state.in_(rules.OPEN))
    waiting = sa.exists().where(mine, t.state.in_((rules.QUEUED, rules.DEFERRED)))
    unfinished = i.state.in_(states.UNFINISHED)
    waits = sa.or_(
        sa.and_(i.state == states.SCHEDULED, i.send_at <= now), i.state == states.PREPARING,
        sa.and_(unfinished, i.not_after < now),
        sa.and_(i.state == states.SENDING, sa.or_(queued, retries, lost, ~pending)),
        sa.and_(i.state == states.PAUSED, lost),
        sa.and_(i.state == states.CANCELLED, i.finished_at > now - LOOK_BACK, sa.or_(lost, waiting)))
    return [(row.brand_id, row.id) for row in
            connection.execute(sa.select(i.brand_id, i.id).where(waits).order_by(i.send_at, i.id))]


def _view(row: sa.Row) -> StoredInstance:
    return StoredInstance(row.id, row.mailing_id, row.state, row.reason, row.send_at, row.not_after, row.created_at,
                          row.frozen_at, row.finished_at, row.paused_from, row.audience, row.spread_s,
                          row.recipients, row.token_key)
