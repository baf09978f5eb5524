"""Who gets this mailing, and who is left out for which first reason? (SEND-7, SEND-8, ID-46, ID-48)

One expression answers both the preview's counts and the frozen audience, so they cannot differ.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import delivery, link, mailing_interest
from gateway.db.models.subscribers import address_status, interest_opt_out, membership, remote_key, subscriber
from gateway.domain import delivery as rules


@dataclass(frozen=True, slots=True)
class Audience:
    """The rule of one mailing; its interests are rows of ``mailing_interest``."""

    brand_id: int
    mailing_id: int
    include_orphans: bool


@dataclass(frozen=True, slots=True)
class Facts:
    """``reason``: why a frozen recipient may not be mailed any more, None: still may. ``person``: the record whose
    values count, the survivor of a merged one."""

    reason: str | None
    person: int


def freeze(connection: Connection, audience: Audience, instance_id: int, now: dt.datetime) -> int:
    """Writes one delivery row per person that an included interest reaches, in one statement; answers how many.

    Recipients are ``queued``, all others ``left_out`` with the reason. Must run once per instance, in the transaction
    of its step to ``sending``.
    """
    judged = _judged(audience, now).subquery()
    state = sa.case((judged.c.reason.is_(None), rules.QUEUED), else_=rules.LEFT_OUT)
    key = remote_key.c
    remote_id = (sa.select(sa.func.min(key.remote_id))
                 .where(key.subscriber_id == judged.c.id, key.ended_at.is_(None)).scalar_subquery())
    rows = sa.select(
        sa.literal(audience.brand_id), sa.literal(instance_id), judged.c.id, judged.c.email, remote_id, state,
        judged.c.reason, sa.literal(now, delivery.c.changed_at.type)).order_by(judged.c.id)
    columns = ["brand_id", "instance_id", "subscriber_id", "email", "remote_id", "state", "reason", "changed_at"]
    statement = sa.insert(delivery).from_select(columns, rows)
    # PostgreSQL's driver tells the number only while the cursor is open
    return connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount


def count(connection: Connection, audience: Audience, now: dt.datetime) -> dict[str | None, int]:
    """How many persons by reason, as :func:`freeze` would decide now; None: recipients."""
    judged = _judged(audience, now).subquery()
    rows = connection.execute(sa.select(judged.c.reason, sa.func.count()).group_by(judged.c.reason))
    return {reason: number for reason, number in rows}


def judge(connection: Connection, audience: Audience, subscriber_ids: Sequence[int],
          now: dt.datetime) -> dict[int, str | None]:
    """What :func:`freeze` would decide now about these records: the reason, or None for a recipient.

    A record that no included interest reaches is absent. Only the records of the same addresses are looked at, for
    nobody else has a say.
    """
    s = subscriber.c
    mine = s.brand_id == audience.brand_id
    emails = list(connection.scalars(sa.select(s.email).where(mine, s.id.in_(subscriber_ids), s.email.is_not(None))))
    neighbours = connection.scalars(sa.select(s.id).where(mine, s.email.in_(emails)))
    judged = _judged(audience, now, sorted({*subscriber_ids, *neighbours})).subquery()
    rows = connection.execute(sa.select(judged.c.id, judged.c.reason).where(judged.c.id.in_(subscriber_ids)))
    return {row.id: row.reason for row in rows}


def freeze_links(connection: Connection, brand_id: int, instance_id: int, urls: Sequence[str]) -> None:
    """Stores the instance's links by their number, from 0 (SEND-46)."""
    rows = [{"brand_id": brand_id, "instance_id": instance_id, "number": number, "url": url}
            for number, url in enumerate(urls)]
    if rows:
        connection.execute(sa.insert(link), rows)


def facts(connection: Connection, brand_id: int, delivery_ids: Sequence[int],
          include_orphans: bool) -> dict[int, Facts]:
    """What is true of these frozen recipients now (SEND-9), by delivery.

    The facts of the address that was frozen and of the record count; for a merged record those of its survivor too.
    """
    rows = connection.execute(_facts_query(include_orphans), {"brand": brand_id, "deliveries": list(delivery_ids)})
    return {row.id: Facts(row.reason, row.person) for row in rows}


@functools.cache
def _facts_query(include_orphans: bool) -> sa.Select[tuple[int, str | None, int]]:
    """Made once: this runs with every group that is sent."""
    s, survivor, a, brand_id = subscriber.c, subscriber.alias("survivor"), address_status.c, sa.bindparam("brand")
    reason = sa.case(
        (sa.and_(s.orphan, sa.literal(not include_orphans)), rules.ORPHAN),
        (sa.or_(s.opted_out_at.is_not(None), a.opted_out_at.is_not(None), survivor.c.opted_out_at.is_not(None)),
         rules.UNSUBSCRIBED),
        (_flagged(brand_id, delivery.c.email).exists(), rules.REMOTE_FLAG),
        (a.bounced_at.is_not(None), rules.BAD_EMAIL),
        else_=None)
    return (
        sa.select(delivery.c.id, reason.label("reason"), sa.func.coalesce(s.merged_into, s.id).label("person"))
        .join(subscriber, s.id == delivery.c.subscriber_id)
        .outerjoin(survivor, survivor.c.id == s.merged_into)
        .outerjoin(address_status, sa.and_(a.brand_id == brand_id, a.email == delivery.c.email))
        .where(delivery.c.brand_id == brand_id, delivery.c.id.in_(sa.bindparam("deliveries", expanding=True))))


def survivors(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, int]:
    """For those of the records that were merged meanwhile: record -> survivor."""
    s = subscriber.c
    rows = connection.execute(sa.select(s.id, s.merged_into).where(
        s.brand_id == brand_id, s.id.in_(subscriber_ids), s.merged_into.is_not(None)))
    return {row.id: row.merged_into for row in rows}


def current_email(connection: Connection, brand_id: int, subscriber_id: int) -> str | None:
    """The address that a record has now."""
    s = subscriber.c
    return connection.scalar(sa.select(s.email).where(s.brand_id == brand_id, s.id == subscriber_id))


def _judged(audience: Audience, now: dt.datetime,
            people: Sequence[int] | None = None) -> sa.Select[tuple[int, str, str]]:
    """id, email and final reason of everybody reached; the lowest sendable id of an address gets its copy.

    ``people``: the few records that are looked at; they must be all of their addresses.
    """
    first = _reasons(audience, now, people).subquery()
    place = sa.func.row_number().over(partition_by=(first.c.email, first.c.reason), order_by=first.c.id)
    placed = sa.select(first, place.label("place")).subquery()
    duplicate = sa.and_(placed.c.reason.is_(None), placed.c.place > 1)
    return sa.select(placed.c.id, placed.c.email,
                     sa.case((duplicate, rules.DUPLICATE_ADDRESS), else_=placed.c.reason).label("reason"))


def _reasons(audience: Audience, now: dt.datetime,
             people: Sequence[int] | None) -> sa.Select[tuple[int, str, str]]:
    """id, email and the first reason of SEND-8 that needs no look at others in the audience."""
    brand_id, s, a = audience.brand_id, subscriber.c, address_status.c
    reason = sa.case(
        (s.id.in_(_members(audience, now, people, exclude=True)), rules.EXCLUDED_INTEREST),
        (sa.or_(s.email.is_(None), s.email.not_like("_%@_%")), rules.INVALID_ADDRESS),
        (sa.and_(s.orphan, sa.literal(not audience.include_orphans)), rules.ORPHAN),
        (sa.or_(s.opted_out_at.is_not(None), a.opted_out_at.is_not(None)), rules.UNSUBSCRIBED),
        (s.email.in_(_flagged(brand_id, people=people)), rules.REMOTE_FLAG),
        (a.bounced_at.is_not(None), rules.BAD_EMAIL),
        else_=sa.cast(sa.null(), sa.String))
    found = (
        sa.select(s.id, s.email, reason.label("reason"))
        .select_from(subscriber)
        .outerjoin(address_status, sa.and_(a.brand_id == brand_id, a.email == s.email))
        .where(s.brand_id == brand_id, s.merged_into.is_(None),
               s.id.in_(_members(audience, now, people, exclude=False))))
    return found if people is None else found.where(s.id.in_(people))


def _members(audience: Audience, now: dt.datetime, people: Sequence[int] | None, *,
             exclude: bool) -> sa.Select[tuple[int]]:
    """Who is in one of the mailing's interests: an open membership that does not rest, and not left by the person
    (ID-39, PUSH-23)."""
    m, mi, left = membership.c, mailing_interest.c, interest_opt_out.c
    has_left = sa.exists().where(left.subscriber_id == m.subscriber_id, left.interest_id == m.interest_id)
    found = (
        sa.select(m.subscriber_id)
        .join(mailing_interest, mi.interest_id == m.interest_id)
        .where(mi.brand_id == audience.brand_id, mi.mailing_id == audience.mailing_id, mi.exclude.is_(exclude),
               m.brand_id == audience.brand_id, m.since <= now, sa.or_(m.until.is_(None), m.until > now),
               sa.or_(m.begins_at.is_(None), m.begins_at <= now), sa.or_(m.ends_at.is_(None), m.ends_at > now),
               ~has_left))
    return found if people is None else found.where(m.subscriber_id.in_(people))


def _flagged(brand_id: int | sa.BindParameter[int], email: sa.Column[str] | None = None,
             people: Sequence[int] | None = None) -> sa.Select[tuple[str]]:
    """Addresses at which a live record has a flagged key; a key keeps its flag when its link ends (ID-32, ID-45).

    With ``email`` only that column's address is looked up, with ``people`` only these records: for few rows cheaper
    than the whole set.
    """
    s, key = subscriber.alias("holder"), remote_key.alias("flag")
    found = (sa.select(s.c.email).join(key, key.c.subscriber_id == s.c.id)
             .where(key.c.brand_id == brand_id, key.c.do_not_email, s.c.brand_id == brand_id,
                    s.c.merged_into.is_(None), s.c.email.is_not(None)))
    if people is not None:
        found = found.where(key.c.subscriber_id.in_(people), s.c.id.in_(people))
    return found if email is None else found.where(s.c.email == email)
