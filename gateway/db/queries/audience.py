"""Who gets this mailing, and who is left out for which first reason? (SEND-7, SEND-8, ID-46, ID-48)

One expression answers both the preview's counts and the frozen audience, so they cannot differ.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery, instance_interest, link, mailing_interest
from gateway.db.models.subscribers import address_status, interest_opt_out, membership, remote_key, subscriber
from gateway.db.queries import received
from gateway.db.queries.bulk import among, among_those, in_brand, those
from gateway.db.queries.received import Past
from gateway.domain import delivery as rules
from gateway.domain.mailing import FrequencyCap
from gateway.domain.providers import PROVIDER_DOMAINS


@dataclass(frozen=True, slots=True)
class Audience:
    """The rule of one mailing; its interests are rows of ``mailing_interest``.

    ``only``: whom of them it is sent to again (SEND-4); ``instance_id``: the instance in question, whose own
    deliveries are no past, and whose own interests (``instance_interest``), where it has some, stand for those that
    the mailing includes; ``cap``: the brand's limit.
    """

    brand_id: int
    mailing_id: int
    include_orphans: bool
    only: str | None = None
    instance_id: int | None = None
    cap: FrequencyCap | None = None


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
    place = sa.func.strpos if is_postgresql(connection) else sa.func.instr
    domain = sa.func.substr(judged.c.email, place(judged.c.email, "@") + 1)
    rows = sa.select(
        sa.literal(audience.brand_id), sa.literal(instance_id), judged.c.id, judged.c.email, remote_id, state,
        judged.c.reason, sa.literal(now, delivery.c.changed_at.type),
        sa.case((judged.c.reason.is_(None), domain))).order_by(judged.c.id)
    columns = ["brand_id", "instance_id", "subscriber_id", "email", "remote_id", "state", "reason", "changed_at",
               "domain_group"]
    statement = sa.insert(delivery).from_select(columns, rows)
    with _as_sets(connection):
        # PostgreSQL's driver tells the number only while the cursor is open
        number = connection.execute(statement, execution_options={"preserve_rowcount": True}).rowcount
    _name_providers(connection, instance_id)
    return number


def count(connection: Connection, audience: Audience, now: dt.datetime) -> dict[str | None, int]:
    """How many persons by reason, as :func:`freeze` would decide now; None: recipients."""
    judged = _judged(audience, now).subquery()
    with _as_sets(connection):
        rows = connection.execute(sa.select(judged.c.reason, sa.func.count()).group_by(judged.c.reason)).all()
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


def facts(connection: Connection, brand_id: int, mailing_id: int, instance_id: int, delivery_ids: Sequence[int],
          include_orphans: bool, now: dt.datetime) -> dict[int, Facts]:
    """What is true of these frozen recipients of the mailing's instance now (SEND-9), by delivery.

    The facts of the address that was frozen and of the record count; for a merged record those of its survivor too.
    Who has left every included interest that they were in has opted out of the mailing; a membership that ended
    otherwise changes nothing any more.
    """
    postgres = is_postgresql(connection)
    rows = connection.execute(_facts_query(include_orphans, postgres), {
        "brand": brand_id, "mailing": mailing_id, "instance": instance_id, "now": now,
        "deliveries": those(delivery_ids, postgres)}).all()
    return {delivery_id: Facts(reason, person) for delivery_id, reason, person in rows}


@functools.cache
def _facts_query(include_orphans: bool, postgres: bool) -> sa.Select[tuple[int, str | None, int]]:
    """Made once: this runs with every group that is sent."""
    s, survivor, a, brand_id = subscriber.c, subscriber.alias("survivor"), address_status.c, sa.bindparam("brand")
    person, mailing_id, instance_id = (sa.func.coalesce(s.merged_into, s.id), sa.bindparam("mailing"),
                                       sa.bindparam("instance"))
    now = sa.bindparam("now", type_=delivery.c.changed_at.type)
    left, m = interest_opt_out.c, membership.c
    meant = _included(brand_id, mailing_id, instance_id)
    has_left = sa.exists().where(left.subscriber_id == person, left.interest_id.in_(meant))
    included, excluded = (
        _open_members(now).where(m.subscriber_id == person, in_brand(m.brand_id, brand_id),
                                 m.interest_id.in_(those_of)).exists()
        for those_of in (meant, _named(brand_id, mailing_id, exclude=True)))
    reason = sa.case(
        (excluded, rules.EXCLUDED_INTEREST),
        (sa.and_(s.orphan, sa.literal(not include_orphans)), rules.ORPHAN),
        (sa.or_(s.opted_out_at.is_not(None), a.opted_out_at.is_not(None), survivor.c.opted_out_at.is_not(None)),
         rules.UNSUBSCRIBED),
        (sa.and_(has_left, ~included), rules.UNSUBSCRIBED),
        (_flagged(brand_id, delivery.c.email).exists(), rules.REMOTE_FLAG),
        (a.bounced_at.is_not(None), rules.BAD_EMAIL),
        else_=None)
    return (
        sa.select(delivery.c.id, reason.label("reason"), person.label("person"))
        .join(subscriber, s.id == delivery.c.subscriber_id)
        .outerjoin(survivor, survivor.c.id == s.merged_into)
        .outerjoin(address_status, sa.and_(a.brand_id == brand_id, a.email == delivery.c.email))
        .where(in_brand(delivery.c.brand_id, brand_id), among_those(delivery.c.id, "deliveries", postgres)))


def survivors(connection: Connection, brand_id: int, subscriber_ids: Sequence[int]) -> dict[int, int]:
    """For those of the records that were merged meanwhile: record -> survivor."""
    s = subscriber.c
    rows = connection.execute(sa.select(s.id, s.merged_into).where(
        in_brand(s.brand_id, brand_id), among(connection, s.id, subscriber_ids), s.merged_into.is_not(None)))
    return {row.id: row.merged_into for row in rows}


def current_email(connection: Connection, brand_id: int, subscriber_id: int) -> str | None:
    """The address that a record has now."""
    s = subscriber.c
    return connection.scalar(sa.select(s.email).where(s.brand_id == brand_id, s.id == subscriber_id))


@contextlib.contextmanager
def _as_sets(connection: Connection) -> Iterator[None]:
    """Keeps PostgreSQL from going through an audience row by row.

    It does so while it has not counted its tables yet, as in the first minute after a large import, and a freeze that
    takes seconds then takes hours.
    """
    postgres = is_postgresql(connection)
    if postgres:
        connection.exec_driver_sql("SET LOCAL enable_nestloop = off")
    yield
    if postgres:
        connection.exec_driver_sql("SET LOCAL enable_nestloop = on")


def _name_providers(connection: Connection, instance_id: int) -> None:
    """Domains of one provider are one destination (SEND-34). By itself: looked up with each row that is written, the
    names would take ten times as long as all the rest."""
    t = delivery.c
    connection.execute(sa.update(delivery).where(
        t.instance_id == instance_id, t.domain_group.in_(list(PROVIDER_DOMAINS)))
        .values(domain_group=sa.case(PROVIDER_DOMAINS, value=t.domain_group)))


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
        *received.left_out(Past(brand_id, audience.mailing_id, audience.instance_id, people), audience.only,
                           audience.cap, now),
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
    """Who is in one of the interests that are meant: an open membership that does not rest, and not left by the person
    (ID-39, PUSH-23)."""
    brand_id, mailing_id, m = audience.brand_id, audience.mailing_id, membership.c
    named = (_named(brand_id, mailing_id, exclude=exclude) if exclude or audience.instance_id is None
             else _included(brand_id, mailing_id, audience.instance_id))
    found = _open_members(now).where(m.brand_id == brand_id, m.interest_id.in_(named))
    return found if people is None else found.where(m.subscriber_id.in_(people))


def _named(brand_id: int | sa.BindParameter[int], mailing_id: int | sa.BindParameter[int], *,
           exclude: bool) -> sa.Select[tuple[int]]:
    """The interests that the mailing itself includes or excludes."""
    mi = mailing_interest.c
    return sa.select(mi.interest_id).where(mi.brand_id == brand_id, mi.mailing_id == mailing_id,
                                           mi.exclude.is_(exclude))


def _included(brand_id: int | sa.BindParameter[int], mailing_id: int | sa.BindParameter[int],
              instance_id: int | sa.BindParameter[int]) -> sa.CompoundSelect[tuple[int]]:
    """The interests to which the instance goes: its own, or else those that its mailing includes."""
    ii = instance_interest.c
    own = sa.and_(ii.brand_id == brand_id, ii.instance_id == instance_id)
    return sa.union_all(_named(brand_id, mailing_id, exclude=False).where(~sa.exists().where(own)),
                        sa.select(ii.interest_id).where(own))


def _open_members(now: dt.datetime | sa.BindParameter[dt.datetime]) -> sa.Select[tuple[int]]:
    """The memberships that count; whose they are and in which interest, the caller says, and that they are the
    brand's."""
    m, left = membership.c, interest_opt_out.c
    has_left = sa.exists().where(left.subscriber_id == m.subscriber_id, left.interest_id == m.interest_id)
    return (
        sa.select(m.subscriber_id)
        .where(m.since <= now, sa.or_(m.until.is_(None), m.until > now),
               sa.or_(m.begins_at.is_(None), m.begins_at <= now), sa.or_(m.ends_at.is_(None), m.ends_at > now),
               ~has_left))


def _flagged(brand_id: int | sa.BindParameter[int], email: sa.Column[str] | None = None,
             people: Sequence[int] | None = None) -> sa.Select[tuple[str]]:
    """Addresses at which a live record has a flagged key; a key keeps its flag when its link ends (ID-32, ID-45).

    With ``email`` only that column's address is looked up, with ``people`` only these records: for few rows cheaper
    than the whole set.
    """
    s, key = subscriber.alias("holder"), remote_key.alias("flag")
    found = (sa.select(s.c.email).join(key, key.c.subscriber_id == s.c.id)
             .where(key.c.do_not_email, s.c.merged_into.is_(None), s.c.email.is_not(None)))
    if people is not None:
        found = found.where(key.c.subscriber_id.in_(people), s.c.id.in_(people))
    # Either way one of the two is looked for by the brand and leads to the other: else each row reads all keys
    if email is None:
        return found.where(key.c.brand_id == brand_id, in_brand(s.c.brand_id, brand_id))
    return found.where(s.c.brand_id == brand_id, in_brand(key.c.brand_id, brand_id), s.c.email == email)
