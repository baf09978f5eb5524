"""Which writebacks wait, who may take one, and what became of it? (ID-58..61)"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Collection, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.accounts import integration
from gateway.db.models.mailings import delivery, event, instance, mailing
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.models.sync import writeback
from gateway.db.queries.bulk import among, among_those, in_brand, those
from gateway.db.queries.events import insert_or_ignore
from gateway.db.queries.feeds import in_window
from gateway.domain import events as types
from gateway.domain import writeback as rules
from gateway.domain.paging import Window
from gateway.domain.writeback import Fact, WritebackFilter, WritebackView

_ALWAYS = dt.timedelta(days=36_500)
_ACKNOWLEDGED = ("state", "tries", "next_at", "message", "finished_at", "payload")
_NEW = ("brand_id", "integration_id", "event_id", "remote_key_id", "subscriber_id", "remote_id", "email", "kind",
        "payload", "state", "next_at", "occurred_at", "created_at")

_OF_FIELDS = sa.text("writeback.kind = 'field_changed'")
"""A few rows among many, which have an index of their own: it serves where the condition reads so."""


def add(connection: Connection, brand_id: int, *, kind: str, facts: Sequence[Fact], integration_ids: Sequence[int],
        now: dt.datetime) -> list[tuple[int, int]]:
    """Writes one row per fact and live remote key of these integrations, of whom the fact is about (ID-53, ID-59).

    Answers the event and the integration of each new row. A key that has a row of this event already gets no second
    one, and an event older than 30 days gets none (ID-58). Rows are numbered in the order of the facts.
    """
    if not facts or not integration_ids:
        return []
    happened = _happened(connection, brand_id, [fact.event_id for fact in facts], now)
    by_email, by_person = _keys(connection, brand_id, facts, integration_ids)
    rows = []
    for fact in facts:
        at = happened.get(fact.event_id)
        keys = {key.id: key for subscriber_id in fact.subscriber_ids for key in by_person.get(subscriber_id, ())}
        keys |= {key.id: key for key in by_email.get(fact.email or "", ())}
        rows += [dict(
            brand_id=brand_id, integration_id=key.integration_id, event_id=fact.event_id, remote_key_id=key_id,
            subscriber_id=key.subscriber_id, remote_id=key.remote_id, email=fact.email or key.email, kind=kind,
            payload=dict(fact.payload), state=rules.READY, next_at=now, occurred_at=at, created_at=now)
            for key_id, key in sorted(keys.items()) if at is not None]
    if not rows:
        return []
    statement = insert_or_ignore(connection, writeback).returning(writeback.c.event_id, writeback.c.integration_id)
    return [(event_id, integration_id) for event_id, integration_id in connection.execute(statement, rows)]


def _happened(connection: Connection, brand_id: int, event_ids: Sequence[int],
              now: dt.datetime) -> dict[int, dt.datetime]:
    """When those of the events happened that are young enough to be told."""
    e = event.c
    rows = connection.execute(sa.select(e.id, e.occurred_at).where(
        in_brand(e.brand_id, brand_id), among(connection, e.id, event_ids), e.occurred_at > now - rules.MAX_AGE))
    return {row.id: row.occurred_at for row in rows}


def _keys(connection: Connection, brand_id: int, facts: Sequence[Fact],
          integration_ids: Sequence[int]) -> tuple[dict[str, list[sa.Row]], dict[int, list[sa.Row]]]:
    """The live keys of these integrations, by the address and by the record that the facts are about."""
    k, s = remote_key.c, subscriber.c
    keys = (sa.select(k.id, k.integration_id, k.subscriber_id, k.remote_id, s.email)
            .join(subscriber, s.id == k.subscriber_id)
            .where(s.merged_into.is_(None), in_brand(k.brand_id, brand_id), k.ended_at.is_(None),
                   k.integration_id.in_(integration_ids)))
    by_email: dict[str, list[sa.Row]] = {}
    emails = list(dict.fromkeys(fact.email for fact in facts if fact.email is not None))
    if emails:
        for row in connection.execute(keys.where(s.brand_id == brand_id, among(connection, s.email, emails))):
            by_email.setdefault(row.email, []).append(row)
    by_person: dict[int, list[sa.Row]] = {}
    people = list(dict.fromkeys(each for fact in facts for each in fact.subscriber_ids))
    if people:
        for row in connection.execute(keys.where(in_brand(s.brand_id, brand_id),
                                                 among(connection, k.subscriber_id, people))):
            by_person.setdefault(row.subscriber_id, []).append(row)
    return by_email, by_person


def telling_instances(connection: Connection, instance_ids: Collection[int]) -> set[int]:
    """Those of these instances, of whatever brand, whose mailing wants its activity told (ID-57)."""
    postgres = is_postgresql(connection)
    return set(connection.scalars(_telling_query(postgres), {"b_ids": those([*instance_ids], postgres)}))


@functools.cache
def _telling_query(postgres: bool) -> sa.Select[tuple[int]]:
    """Made once, for it runs with every fold."""
    return (sa.select(instance.c.id).join(mailing, mailing.c.id == instance.c.mailing_id)
            .where(among_those(instance.c.id, "b_ids", postgres), mailing.c.writes_activity))


def add_activity(connection: Connection, brand_id: int, *, kind: str, once_keys: Sequence[str],
                 integration_ids: Sequence[int], now: dt.datetime) -> list[int]:
    """One row per event of telling mailings among these, which are of this ``kind``, and live remote key of the person.

    Only what a person did, and of the opens and of the clicks on one link only the first (ID-57). Else as :func:`add`.
    """
    e, k, s, first = event.c, remote_key.c, subscriber.c, event.alias("first")
    json_object = sa.func.jsonb_build_object if is_postgresql(connection) else sa.func.json_object
    told = [("instance_id", e.instance_id), ("mailing", mailing.c.name)]
    told += {rules.MAIL_CLICKED: [("link", e.url)],
             rules.MAIL_BOUNCED: [("code", e.code), ("bounce_class", e.reason)]}.get(kind, [])
    payload = json_object(*(part for pair in told for part in pair))
    moment = sa.literal(now, writeback.c.next_at.type)
    found = (
        sa.select(sa.literal(brand_id), k.integration_id, e.id, k.id, k.subscriber_id, k.remote_id, e.address,
                  sa.literal(kind), sa.type_coerce(payload, writeback.c.payload.type), sa.literal(rules.READY),
                  moment, e.occurred_at, moment)
        .select_from(event).join(instance, instance.c.id == e.instance_id)
        .join(mailing, sa.and_(mailing.c.id == instance.c.mailing_id, mailing.c.writes_activity))
        .join(subscriber, s.id == e.subscriber_id)
        .join(remote_key, k.subscriber_id == sa.func.coalesce(s.merged_into, s.id))
        .where(e.brand_id == brand_id, among(connection, e.once_key, once_keys), e.automated.is_(False),
               e.occurred_at > now - rules.MAX_AGE, in_brand(k.brand_id, brand_id), k.ended_at.is_(None),
               k.integration_id.in_(integration_ids))
        .order_by(e.id, k.id))
    if kind in (rules.MAIL_OPENED, rules.MAIL_CLICKED):
        same_link = sa.or_(first.c.link_number == e.link_number, e.link_number.is_(None))
        found = found.where(~sa.exists().where(
            first.c.delivery_id == e.delivery_id, sa.text("first.type IN ('opened', 'clicked')"),
            first.c.type == kind, same_link, first.c.automated.is_(False), first.c.id < e.id))
    statement = insert_or_ignore(connection, writeback).from_select(_NEW, found)
    return list(connection.scalars(statement.returning(writeback.c.integration_id)))


def sent_keys(connection: Connection, brand_id: int, delivery_ids: Sequence[int]) -> list[str]:
    """The ``once_key`` of the event ``sent`` of each of these deliveries' last attempts."""
    t = delivery.c
    rows = connection.execute(sa.select(t.id, t.attempt).where(in_brand(t.brand_id, brand_id),
                                                               among(connection, t.id, delivery_ids)))
    return [f"smtp:{row.id}:{row.attempt}:{types.SENT}" for row in rows]


def open_values(connection: Connection, brand_id: int,
                subscriber_ids: Sequence[int]) -> dict[int, dict[str, str | None]]:
    """Record -> field -> the value that an open writeback carries, which comes before all others (ID-36, ID-64).

    None: the field was cleared. Of several the newest counts. Costs next to nothing where no field was changed here.
    """
    postgres = is_postgresql(connection)
    found: dict[int, dict[str, str | None]] = {}
    for subscriber_id, payload in connection.execute(_open_values_statement(postgres), {
            "b_brand": brand_id, "b_ids": those(subscriber_ids, postgres)}):
        found.setdefault(subscriber_id, {})[payload["field"]] = payload.get("value") or None
    return found


@functools.cache
def _open_values_statement(postgres: bool) -> sa.Select:
    """Made once, for it runs with every few messages."""
    t, k = writeback.c, remote_key.c
    return (sa.select(k.subscriber_id, t.payload).join(remote_key, k.id == t.remote_key_id)
            .where(_OF_FIELDS, in_brand(t.brand_id, sa.bindparam("b_brand", type_=t.brand_id.type)),
                   t.state.in_(rules.OPEN), among_those(k.subscriber_id, "b_ids", postgres)).order_by(t.id))


def find(connection: Connection, brand_id: int, wanted: WritebackFilter, window: Window,
         now: dt.datetime) -> list[WritebackView]:
    """Writebacks of the brand in (created, id) order, at most ``window.size + 1`` of them."""
    t = writeback.c
    if wanted.until is None:  # the rows are the truth (ID-63), whatever a clock said when they were stored
        window = replace(window, upper=now + _ALWAYS)
    query = in_window(sa.select(writeback).where(t.brand_id == brand_id), window, t.created_at, t.id)
    if wanted.integration_id is not None:
        query = query.where(t.integration_id == wanted.integration_id)
    if wanted.state == rules.TO_BE_WRITTEN:
        query = query.where(_may_be_claimed(now))
    elif wanted.state is not None:
        query = query.where(t.state == wanted.state)
    return [_view(row) for row in connection.execute(query)]


def get(connection: Connection, brand_id: int, writeback_id: int) -> WritebackView | None:
    """One writeback of the brand."""
    row = connection.execute(sa.select(writeback).where(writeback.c.brand_id == brand_id,
                                                        writeback.c.id == writeback_id)).first()
    return None if row is None else _view(row)


def named(connection: Connection, brand_id: int, integration_id: int,
          writeback_ids: Sequence[int]) -> dict[int, WritebackView]:
    """Those of these rows that are this integration's, locked until the transaction ends."""
    t = writeback.c
    query = sa.select(writeback).where(t.brand_id == brand_id, t.integration_id == integration_id,
                                       among(connection, t.id, writeback_ids)).order_by(t.id).with_for_update()
    return {row.id: _view(row) for row in connection.execute(query)}


def store(connection: Connection, brand_id: int, integration_id: int, rows: Sequence[WritebackView]) -> None:
    """Stores what an acknowledgement made of these rows."""
    t = writeback.c
    if rows:
        connection.execute(
            sa.update(writeback).where(t.brand_id == brand_id, t.integration_id == integration_id,
                                       t.id == sa.bindparam("row_id"))
            .values({name: sa.bindparam(f"new_{name}") for name in _ACKNOWLEDGED}),
            [{"row_id": row.writeback_id} | {f"new_{name}": getattr(row, name) for name in _ACKNOWLEDGED}
             for row in rows])


def open_kinds(connection: Connection, brand_id: int, integration_id: int,
               remote_ids: Sequence[str]) -> dict[str, str]:
    """The kind of the newest open status writeback of each of these remote IDs (ID-64)."""
    t = writeback.c
    query = (sa.select(t.remote_id, t.kind)
             .where(t.brand_id == brand_id, t.integration_id == integration_id, t.state.in_(rules.OPEN),
                    t.kind.in_((rules.UNSUBSCRIBE, rules.RESUBSCRIBE)), among(connection, t.remote_id, remote_ids))
             .order_by(t.id))
    return {remote_id: kind for remote_id, kind in connection.execute(query)}


def release_lost(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime) -> int:
    """Gives back the rows of dead workers, whose lease is over; answers how many."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.integration_id == integration_id,
                                   t.state == rules.PROCESSING, _is_lost(now))
        .values(state=rules.next_state(rules.PROCESSING, rules.LEASE_LOST), lease_owner=None,
                lease_until=None)).rowcount


def expire(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime) -> int:
    """Ends the rows whose event is older than 30 days; they stay listed, without values. Answers how many."""
    t = writeback.c
    aged = (t.brand_id == brand_id, t.integration_id == integration_id,
            t.state.in_(rules.states_before(rules.AGED)), t.occurred_at <= now - rules.MAX_AGE)
    for row in connection.execute(sa.select(t.id, t.payload).where(*aged, _OF_FIELDS)).all():
        connection.execute(sa.update(writeback).where(t.id == row.id).values(
            payload=rules.kept(rules.FIELD_CHANGED, rules.EXPIRED, row.payload)))
    return connection.execute(sa.update(writeback).where(*aged).values(
        state=rules.EXPIRED, finished_at=now, message="Older than 30 days.")).rowcount


def candidates(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime, limit: int) -> list[int]:
    """The ids of rows that may be written now: one per remote key at most, its oldest (ID-61).

    In the order in which they began to wait; those that met an outage come after all that waited then.
    """
    t = writeback.c
    return list(connection.scalars(
        sa.select(t.id).where(t.brand_id == brand_id, t.integration_id == integration_id, _may_be_claimed(now))
        .order_by(t.next_at, t.id).limit(limit)))


def claim(connection: Connection, brand_id: int, writeback_id: int, owner: str, now: dt.datetime,
          lease_until: dt.datetime) -> WritebackView | None:
    """Takes one row, or answers None when another worker has it or it must wait."""
    t = writeback.c
    row = connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, _may_be_claimed(now))
        .values(state=rules.PROCESSING, lease_owner=owner, lease_until=lease_until).returning(writeback)).first()
    return None if row is None else _view(row)


def settle(connection: Connection, brand_id: int, writeback_id: int, owner: str, **values: object) -> bool:
    """Stores what became of a claimed row; False when the claim is lost."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, t.state == rules.PROCESSING,
                                   t.lease_owner == owner)
        .values(lease_owner=None, lease_until=None, **values)).rowcount == 1


def move(connection: Connection, brand_id: int, writeback_id: int, state_before: str, **values: object) -> bool:
    """Changes a row by hand; False when it has left ``state_before`` meanwhile."""
    t = writeback.c
    return connection.execute(
        sa.update(writeback).where(t.brand_id == brand_id, t.id == writeback_id, t.state == state_before)
        .values(**values)).rowcount == 1


def due(connection: Connection, kinds: Sequence[str], now: dt.datetime) -> list[tuple[int, int]]:
    """(brand, integration) with rows to write, to give back or to expire, of systems that are up or to be probed.

    We write only into integrations of ``kinds`` or with a webhook, and not if they fetch their rows themselves (ID-63).
    """
    t = writeback.c
    aged = sa.and_(t.state.in_(rules.states_before(rules.AGED)), t.occurred_at <= now - rules.MAX_AGE)
    lost = sa.and_(t.state == rules.PROCESSING, _is_lost(now))
    rows = connection.execute(
        sa.select(t.brand_id, t.integration_id).distinct()
        .select_from(writeback.join(integration, integration.c.id == t.integration_id))
        .where(sa.or_(aged, lost, sa.and_(
            sa.or_(integration.c.kind.in_(kinds), integration.c.webhook.is_not(None)), integration.c.pulls.is_(None),
            _may_be_claimed(now))),
               sa.or_(integration.c.state == rules.UP,
                      _is_over(integration.c.probe_at, now, rules.LONGEST_PROBE_WAIT)))
        .order_by(t.brand_id, t.integration_id))
    return [(brand_id, integration_id) for brand_id, integration_id in rows]


def _may_be_claimed(now: dt.datetime) -> sa.ColumnElement[bool]:
    t, earlier = writeback.c, writeback.alias("earlier")
    blocked = sa.exists().where(earlier.c.remote_key_id == t.remote_key_id, earlier.c.id < t.id,
                                earlier.c.state.in_(rules.OPEN)).correlate(writeback)
    return sa.and_(t.state.in_(rules.states_before(rules.CLAIMED)), _is_over(t.next_at, now, rules.LONGEST_WAIT),
                   ~blocked)


def _is_lost(now: dt.datetime) -> sa.ColumnElement[bool]:
    return _is_over(writeback.c.lease_until, now, rules.LEASE)


def _is_over(moment: sa.ColumnElement, now: dt.datetime, longest: dt.timedelta) -> sa.ColumnElement[bool]:
    """It has come, or is farther away than any wait of ours lasts: then a clock that was ahead of time stored it."""
    return sa.or_(moment <= now, moment > now + longest + rules.CLOCKS_DIFFER)


def _view(row: sa.Row) -> WritebackView:
    return WritebackView(
        writeback_id=row.id, integration_id=row.integration_id, event_id=row.event_id, subscriber_id=row.subscriber_id,
        remote_id=row.remote_id, email=row.email, kind=row.kind, state=row.state, tries=row.tries,
        next_at=row.next_at, occurred_at=row.occurred_at, created_at=row.created_at, finished_at=row.finished_at,
        message=row.message, payload=row.payload)
