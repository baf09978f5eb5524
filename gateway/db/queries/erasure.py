"""Where does anything personal of somebody stand, and how does it go? Every table that may hold it (ID-35)."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.imports import decision, idempotency, refusal, upload
from gateway.db.models.mailings import delivery, event
from gateway.db.models.subscribers import (
    address_status,
    interest_opt_out,
    membership,
    remote_key,
    source_values,
    subscriber,
    subscriber_merge,
)
from gateway.db.models.sync import writeback
from gateway.db.queries import cached_values
from gateway.db.queries.bulk import among, in_brand, not_among
from gateway.db.queries.members import of_people
from gateway.domain import delivery as delivering
from gateway.domain import records as words
from gateway.domain import writeback as writing

GONE = " erased "
"""Begins what stands in place of a remote ID: no record can ever name it, for outer blanks are removed (ID-6)."""


@dataclass(frozen=True, slots=True)
class Traces:
    """Everything by which a person is found in one brand.

    ``subscriber_ids``: the record and all that were merged into it. ``keys``: (integration id, remote ID).
    ``addresses``: those they have or had that nobody else has now; ``shared``: those that somebody else has.
    ``other_ids``: the records of those others, who may be the same person in another system.
    """

    subscriber_ids: tuple[int, ...]
    keys: tuple[tuple[int, str], ...]
    addresses: tuple[str, ...]
    shared: tuple[str, ...]
    other_ids: tuple[int, ...] = ()


def family(connection: Connection, brand_id: int, subscriber_id: int) -> list[int]:
    """The live record that this id leads to, and every record that was merged into it; the live one first."""
    t = subscriber.c
    top: int = subscriber_id
    while True:
        above = connection.scalar(sa.select(t.merged_into).where(t.brand_id == brand_id, t.id == top))
        if above is None:
            break
        top = above
    found, newest = [top], [top]
    while newest:
        newest = list(connection.scalars(sa.select(t.id).where(
            t.brand_id == brand_id, among(connection, t.merged_into, newest)).order_by(t.id)))
        found += newest
    return found


def is_erased(connection: Connection, brand_id: int, subscriber_id: int) -> bool:
    """Whether the record's person was forgotten already."""
    t = subscriber.c
    return connection.scalar(sa.select(t.erased_at).where(t.brand_id == brand_id, t.id == subscriber_id)) is not None


def traces(connection: Connection, brand_id: int, subscriber_ids: Sequence[int], named: Collection[str]) -> Traces:
    """By what the person with these records is found; ``named`` are addresses that the request itself names."""
    k, t = remote_key.c, subscriber.c
    keys = connection.execute(
        sa.select(k.integration_id, k.remote_id).where(in_brand(k.brand_id, brand_id),
                                                       among(connection, k.subscriber_id, subscriber_ids))
        .order_by(k.id)).all()
    addresses = set(named) | _addresses(connection, brand_id, subscriber_ids)
    rows = connection.execute(sa.select(t.id, t.email).where(
        t.brand_id == brand_id, t.merged_into.is_(None), among(connection, t.email, sorted(addresses)),
        not_among(connection, t.id, subscriber_ids)).order_by(t.id)).all()
    others = {row.email for row in rows}
    return Traces(tuple(subscriber_ids), tuple((row[0], row[1]) for row in keys), tuple(sorted(addresses - others)),
                  tuple(sorted(others)), tuple(row.id for row in rows))


def _addresses(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> set[str]:
    """The addresses that these records have or had: of themselves, their mail, their events, their decisions."""
    found: set[str] = set()
    for table, column in ((subscriber, "id"), (delivery, "subscriber_id"), (writeback, "subscriber_id")):
        found.update(connection.scalars(sa.select(table.c.email).where(
            table.c.brand_id == brand_id, table.c.email.is_not(None),
            among(connection, table.c[column], subscriber_ids))))
    found.update(connection.scalars(sa.select(event.c.address).where(
        event.c.brand_id == brand_id, event.c.address.is_not(None),
        among(connection, event.c.subscriber_id, subscriber_ids))))
    d = decision.c
    for email, changes in connection.execute(
            sa.select(d.email, d.changes).where(d.brand_id == brand_id, d.status.in_(_STORED),
                                                among(connection, d.subscriber_id, subscriber_ids))):
        found.update([email] if email else [])
        found.update(address for address in json.loads(changes or "{}").get("email", ()) if address)
    return found


_STORED = (words.CREATED, words.ADOPTED, words.UPDATED)
"""Outcomes whose address became the person's; that of a failed record may be anybody's."""


def counts(connection: Connection, brand_id: int, found: Traces) -> dict[str, int]:
    """How many rows hold something of the person: documents of values, memberships, deliveries, events."""
    tables = {"values": source_values, "memberships": membership, "deliveries": delivery, "events": event}
    return {name: connection.scalar(
        sa.select(sa.func.count()).select_from(table).where(
            in_brand(table.c.brand_id, brand_id), among(connection, table.c.subscriber_id, found.subscriber_ids))) or 0
        for name, table in tables.items()}


def knows_address(connection: Connection, brand_id: int, email: str) -> bool:
    """Whether anything is stored of an address that no live record has."""
    columns = (address_status.c.email, decision.c.email, event.c.address, delivery.c.email)
    return any(connection.scalar(sa.select(sa.literal(1)).where(
        column.table.c.brand_id == brand_id, column == email).limit(1)) for column in columns)


def being_sent(connection: Connection, brand_id: int, found: Traces) -> int:
    """How many messages to the person a worker has in its hands now."""
    t = delivery.c
    return connection.scalar(sa.select(sa.func.count()).select_from(delivery).where(
        t.brand_id == brand_id, t.state == delivering.CLAIMED,
        among(connection, t.subscriber_id, found.subscriber_ids))) or 0


def open_writebacks(connection: Connection, brand_id: int, found: Traces) -> list[int]:
    """The writebacks about the person that their systems have not got yet."""
    t = writeback.c
    return list(connection.scalars(sa.select(t.id).where(
        t.brand_id == brand_id, t.state.in_(writing.OPEN), _of_keys(connection, found)).order_by(t.id)))


def drop_rejects(connection: Connection, brand_id: int, found: Traces) -> list[str]:
    """The files of failed rows in which the person stands; no upload points to them any more. Ask before ``forget``."""
    d, u = decision.c, upload.c
    failed = sa.select(d.upload_id).where(d.brand_id == brand_id, d.status == words.FAILED,
                                          _about(connection, brand_id, found))
    names = list(connection.scalars(sa.select(u.rejects_name).where(
        u.brand_id == brand_id, u.rejects_name.is_not(None), u.id.in_(failed))))
    connection.execute(sa.update(upload).where(u.brand_id == brand_id, among(connection, u.rejects_name, names))
                       .values(rejects_name=None))
    return names


def forget(connection: Connection, brand_id: int, found: Traces, now: dt.datetime) -> None:
    """Removes every value, address and remote ID of the person; rows that others count on stay, without person."""
    cached_values.forget_keys(connection, brand_id, found.keys)
    _forget_records(connection, brand_id, found, now)
    _forget_mail(connection, brand_id, found, now)
    _forget_writebacks(connection, brand_id, found, now)
    _forget_decisions(connection, brand_id, found)
    for address in found.addresses:
        _forget_requests(connection, brand_id, address)
    for _, remote_id in found.keys:
        connection.execute(sa.delete(refusal).where(refusal.c.brand_id == brand_id,
                                                    refusal.c.remote_id == remote_id))
        _forget_answers(connection, brand_id, f'"{remote_id}"', f">{remote_id}<")


def _forget_records(connection: Connection, brand_id: int, found: Traces, now: dt.datetime) -> None:
    def of(table: sa.Table, name: str = "subscriber_id") -> tuple[sa.ColumnElement[bool], ...]:
        return in_brand(table.c.brand_id, brand_id), among(connection, table.c[name], found.subscriber_ids)

    m = membership.c
    connection.execute(sa.delete(source_values).where(*of(source_values)))
    connection.execute(sa.delete(interest_opt_out).where(*of(interest_opt_out)))
    connection.execute(sa.delete(address_status).where(
        address_status.c.brand_id == brand_id, among(connection, address_status.c.email, found.addresses)))
    connection.execute(sa.update(membership).where(of_people(connection, brand_id, found.subscriber_ids)).values(
        until=sa.func.coalesce(m.until, sa.literal(now, m.until.type)), detail=None))
    connection.execute(sa.update(remote_key).where(*of(remote_key)).values(
        remote_id=sa.literal(GONE) + sa.cast(remote_key.c.id, sa.String), do_not_email=False, flagged_at=None,
        ended_at=sa.func.coalesce(remote_key.c.ended_at, sa.literal(now, remote_key.c.ended_at.type))))
    connection.execute(sa.update(subscriber).where(*of(subscriber, "id")).values(
        email=None, keyless=False, is_main=False, erased_at=now, opted_out_at=None, opt_out_origin=None,
        changed_at=now))
    for name in ("loser_id", "survivor_id"):
        connection.execute(sa.update(subscriber_merge).where(*of(subscriber_merge, name)).values(before="{}"))


def _forget_mail(connection: Connection, brand_id: int, found: Traces, now: dt.datetime) -> None:
    t, e = delivery.c, event.c
    theirs = among(connection, t.subscriber_id, found.subscriber_ids)
    waiting = [state for state in delivering.OPEN if state != delivering.CLAIMED]
    connection.execute(sa.update(delivery).where(t.brand_id == brand_id, theirs, t.state.in_(waiting)).values(
        state=delivering.LEFT_OUT, reason=delivering.ERASED, next_at=None, changed_at=now))
    connection.execute(sa.update(delivery).where(
        t.brand_id == brand_id, sa.or_(theirs, among(connection, t.email, found.addresses)))
        .values(email=None, remote_id=None, status_text=None))
    personal = {"address": None, "remote_id": None, "raw": sa.null(), "reason": None}
    connection.execute(sa.update(event).where(
        e.brand_id == brand_id, among(connection, e.subscriber_id, found.subscriber_ids))
        .values(subscriber_id=None, **personal))
    connection.execute(sa.update(event).where(e.brand_id == brand_id, among(connection, e.address, found.addresses))
                       .values(**personal))


def _forget_writebacks(connection: Connection, brand_id: int, found: Traces, now: dt.datetime) -> None:
    """Open ones are closed here; the caller has decided that they may be."""
    t = writeback.c
    mine = (t.brand_id == brand_id, sa.or_(_of_keys(connection, found), among(connection, t.email, found.addresses)))
    connection.execute(sa.update(writeback).where(*mine, t.state.in_(writing.OPEN)).values(
        state=writing.CLOSED, finished_at=now, lease_owner=None, lease_until=None))
    connection.execute(sa.update(writeback).where(*mine).values(
        remote_id="", email=None, payload={}, message=None))


def _of_keys(connection: Connection, found: Traces) -> sa.ColumnElement[bool]:
    mine = sa.select(remote_key.c.id).where(among(connection, remote_key.c.subscriber_id, found.subscriber_ids))
    return sa.or_(among(connection, writeback.c.subscriber_id, found.subscriber_ids),
                  writeback.c.remote_key_id.in_(mine))


def _forget_decisions(connection: Connection, brand_id: int, found: Traces) -> None:
    d = decision.c
    told = [d.changes.contains(json.dumps(address, ensure_ascii=False), autoescape=True) for address in found.addresses]
    connection.execute(sa.update(decision).where(
        d.brand_id == brand_id, sa.or_(_about(connection, brand_id, found), *told)).values(
        remote_id=None, email=None, message=None, changes=None))


def _about(connection: Connection, brand_id: int, found: Traces) -> sa.ColumnElement[bool]:
    """Whether a decision is about the person: by our id, by an address as it was sent, or by a remote ID."""
    d = decision.c
    whose = [among(connection, d.subscriber_id, found.subscriber_ids),
             among(connection, sa.func.lower(sa.func.trim(d.email), type_=sa.String), found.addresses)]
    for integration_id in {integration_id for integration_id, _ in found.keys}:
        ids = [remote_id for owner, remote_id in found.keys if owner == integration_id]
        whose.append(sa.and_(among(connection, d.remote_id, ids), d.upload_id.in_(
            sa.select(upload.c.id).where(upload.c.brand_id == brand_id, upload.c.integration_id == integration_id))))
    return sa.or_(*whose)


def _forget_requests(connection: Connection, brand_id: int, address: str) -> None:
    r = refusal.c
    connection.execute(sa.delete(refusal).where(r.brand_id == brand_id, sa.or_(
        *(sa.func.lower(column).contains(address, autoescape=True) for column in (r.operation, r.message, r.email)))))
    _forget_answers(connection, brand_id, address)


def _forget_answers(connection: Connection, brand_id: int, *texts: str) -> None:
    """Remembered answers that name somebody go whole: the same request again is then done again (SOAP-73)."""
    answer = idempotency.c.answer
    for text in texts:
        part = sa.literal(text.encode(), answer.type)
        holds = sa.func.instr(answer, part)
        if is_postgresql(connection):
            holds = sa.func.position(part.op("IN", return_type=answer.type)(answer))
        connection.execute(sa.delete(idempotency).where(idempotency.c.brand_id == brand_id, holds > 0))
