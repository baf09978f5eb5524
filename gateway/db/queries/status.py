"""Which facts block mail to a record, said in SQL? And how are they set and cleared? (ID-43..46)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.subscribers import address_status, remote_key, subscriber
from gateway.domain.suppression import COMPLAINT


def opted_out(brand_id: int) -> sa.ColumnElement[bool]:
    """Whether a row of ``subscriber`` or its address is opted out (ID-43)."""
    a = address_status.c
    return sa.or_(subscriber.c.opted_out_at.is_not(None), sa.exists().where(
        a.brand_id == brand_id, a.email == subscriber.c.email, a.opted_out_at.is_not(None)))


def flagged(brand_id: int) -> sa.ColumnElement[bool]:
    """Whether any record at the address of a row of ``subscriber`` has a flagged key (ID-45, ID-46)."""
    other, k = subscriber.alias("neighbour"), remote_key.c
    return sa.or_(
        sa.exists().where(k.subscriber_id == subscriber.c.id, k.do_not_email),
        sa.exists().where(other.c.brand_id == brand_id, other.c.email == subscriber.c.email,
                          other.c.merged_into.is_(None), k.subscriber_id == other.c.id, k.do_not_email))


def flagged_addresses(brand_id: int) -> sa.Select[tuple[str]]:
    """All addresses at which a live record has a flagged key (ID-46), for queries over many people."""
    s, k = subscriber.alias("holder"), remote_key.alias("flag")
    return (sa.select(s.c.email).join(k, k.c.subscriber_id == s.c.id)
            .where(k.c.brand_id == brand_id, k.c.do_not_email, s.c.merged_into.is_(None), s.c.email.is_not(None)))


def bounced(brand_id: int) -> sa.ColumnElement[bool]:
    """Whether the address of a row of ``subscriber`` has bounced (ID-44)."""
    a = address_status.c
    return sa.exists().where(a.brand_id == brand_id, a.email == subscriber.c.email, a.bounced_at.is_not(None))


def blocked(brand_id: int) -> sa.ColumnElement[bool]:
    """Whether a row of ``subscriber`` is not sendable (ID-46); the address must be there, too."""
    return sa.or_(subscriber.c.orphan, subscriber.c.email.is_(None), opted_out(brand_id), flagged(brand_id),
                  bounced(brand_id))


def shown(brand_id: int, word: str) -> sa.ColumnElement[bool]:
    """Whether the status shown of a row of ``subscriber`` is this word (ID-46)."""
    out = sa.or_(opted_out(brand_id), flagged(brand_id))
    if word == "unsubscribed":
        return out
    if word == "bad_email":
        return sa.and_(~out, bounced(brand_id))
    return sa.and_(~out, ~bounced(brand_id))


def opt_out_addresses(connection: Connection, brand_id: int, reasons: Mapping[str, str | None], origin: str,
                      now: dt.datetime) -> None:
    """Marks the addresses as opted out, each with its reason; one that is so already keeps its time and origin."""
    if not reasons:
        return
    insert = postgresql.insert if is_postgresql(connection) else sqlite.insert
    statement = insert(address_status)
    given = {name: statement.excluded[name] for name in ("opted_out_at", "opt_out_origin", "opt_out_reason")}
    connection.execute(statement.on_conflict_do_update(
        index_elements=["brand_id", "email"], set_=given, where=address_status.c.opted_out_at.is_(None)),
        [{"brand_id": brand_id, "email": email, "opted_out_at": now, "opt_out_origin": origin,
          "opt_out_reason": reason} for email, reason in reasons.items()])


def opt_out_people(connection: Connection, brand_id: int, subscriber_ids: list[int], origin: str,
                   now: dt.datetime) -> None:
    """Marks these records as opted out."""
    t = subscriber.c
    connection.execute(sa.update(subscriber).where(
        t.brand_id == brand_id, t.id.in_(subscriber_ids), t.opted_out_at.is_(None)).values(
        opted_out_at=now, opt_out_origin=origin, changed_at=now))


def mark_complaint(connection: Connection, brand_id: int, email: str | None, subscriber_ids: list[int]) -> None:
    """Gives opt-outs of the address and of these records the origin ``complaint``; their time stays (ID-51)."""
    for table, which in ((address_status, address_status.c.email == email),
                         (subscriber, subscriber.c.id.in_(subscriber_ids))):
        connection.execute(sa.update(table).where(
            table.c.brand_id == brand_id, which, table.c.opted_out_at.is_not(None)).values(opt_out_origin=COMPLAINT))


def clear_address(connection: Connection, brand_id: int, email: str) -> None:
    """Takes opt-out and bounce from the address and starts its counts of bounces anew (ID-51)."""
    t = address_status.c
    connection.execute(sa.update(address_status).where(t.brand_id == brand_id, t.email == email).values(
        opted_out_at=None, opt_out_origin=None, opt_out_reason=None, bounced_at=None, bounce_code=None,
        hard_in_a_row=0, soft_in_a_row=0, first_soft_at=None))


def clear_opt_out(connection: Connection, brand_id: int, email: str) -> None:
    """Takes the opt-out from the address, and nothing else."""
    t = address_status.c
    connection.execute(sa.update(address_status).where(t.brand_id == brand_id, t.email == email).values(
        opted_out_at=None, opt_out_origin=None, opt_out_reason=None))


def clear_people(connection: Connection, brand_id: int, subscriber_ids: list[int], now: dt.datetime) -> None:
    """Takes the opt-out from these records."""
    t = subscriber.c
    connection.execute(sa.update(subscriber).where(t.brand_id == brand_id, t.id.in_(subscriber_ids)).values(
        opted_out_at=None, opt_out_origin=None, changed_at=now))


def set_bounced(connection: Connection, brand_id: int, email: str, code: str | None, now: dt.datetime) -> bool:
    """Sets the bounce fact; whether it was not set before."""
    values = {"bounced_at": now, "bounce_code": code}
    return _upsert(connection, brand_id, email, values, address_status.c.bounced_at.is_(None))


def touch_address(connection: Connection, brand_id: int, email: str, now: dt.datetime) -> None:
    """Marks every live record at the address as changed, so that feeds by time of change show it."""
    t = subscriber.c
    connection.execute(sa.update(subscriber).where(
        t.brand_id == brand_id, t.email == email, t.merged_into.is_(None)).values(changed_at=now))


def _upsert(connection: Connection, brand_id: int, email: str, values: dict[str, object],
            where: sa.ColumnElement[bool]) -> bool:
    insert = postgresql.insert if is_postgresql(connection) else sqlite.insert
    statement = insert(address_status).values(brand_id=brand_id, email=email, **values).on_conflict_do_update(
        index_elements=["brand_id", "email"], set_=values, where=where)
    return connection.execute(statement.returning(address_status.c.email)).first() is not None
