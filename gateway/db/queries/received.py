"""Who has had a mailing before, who opened it, whom did it not reach, and who gets too much mail? (SEND-4, SEND-8)

A person counts by the record, by the survivor of a merged one, and by the address: one copy goes to each address, and
that of another record of the same address was theirs, too.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from gateway.db.models.mailings import delivery, event, instance
from gateway.db.models.subscribers import subscriber
from gateway.domain import delivery as rules
from gateway.domain import events as types
from gateway.domain import mailing as words
from gateway.domain.mailing import FrequencyCap

HAD = (*rules.OPEN, rules.IN_DOUBT, rules.ACCEPTED)
"""Who has got a copy, may have got one, or is about to: never mailed twice (SEND-12)."""


@dataclass(frozen=True, slots=True)
class Past:
    """Whose deliveries are looked at: those of the mailing, or of the whole brand, but not of ``instance_id`` itself;
    ``people``: the few records that are asked about, None for everybody."""

    brand_id: int
    mailing_id: int
    instance_id: int | None
    people: Sequence[int] | None


Whens = list[tuple[sa.ColumnElement[bool], str]]


def left_out(past: Past, audience: str | None, cap: FrequencyCap | None, now: dt.datetime) -> Whens:
    """Conditions on a row of ``subscriber`` with their reasons, in the order of SEND-8."""
    found: Whens = []
    has = partial(_is_of, past, _survivors(past))
    if audience == words.NEVER_RECEIVED:
        found = [(has(_had(past)), rules.RECEIVED_BEFORE)]
    elif audience == words.NOT_OPENED:
        found = [(has(_opened(past)), rules.OPENED_BEFORE),
                 (sa.not_(has(_of_mailing(past, _accepted()))), rules.NOT_RECEIVED)]
    elif audience == words.FAILED:
        found = [(has(_had(past)), rules.RECEIVED_BEFORE),
                 (sa.not_(has(_of_mailing(past, _failed()))), rules.NOT_FAILED)]
    if cap is not None:
        found.append((subscriber.c.email.in_(_had_enough(past, cap, now)), rules.FREQUENCY_CAP))
    return found


def _had(past: Past) -> sa.ColumnElement[bool]:
    return _of_mailing(past, sa.and_(delivery.c.state.in_(HAD), delivery.c.bounce_class.is_(None)))


def _accepted() -> sa.ColumnElement[bool]:
    return sa.and_(delivery.c.state == rules.ACCEPTED, delivery.c.bounce_class.is_(None))


def _failed() -> sa.ColumnElement[bool]:
    t = delivery.c
    return sa.or_(t.state.in_((rules.REFUSED, rules.EXPIRED)),
                  sa.and_(t.state == rules.ACCEPTED, t.bounce_class.is_not(None)))


def _opened(past: Past) -> sa.ColumnElement[bool]:
    """Deliveries with an open or a click of a person, not of a program (SEND-52)."""
    e = event.c
    hits = sa.select(e.delivery_id).where(
        e.brand_id == past.brand_id, e.instance_id.in_(_instances(past)), e.type.in_((types.OPENED, types.CLICKED)),
        e.automated.is_(False), e.delivery_id.is_not(None))
    return _of_mailing(past, delivery.c.id.in_(hits))


def _of_mailing(past: Past, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    t = delivery.c
    return sa.and_(t.brand_id == past.brand_id, t.instance_id.in_(_instances(past)), condition)


def _instances(past: Past) -> sa.Select[tuple[int]]:
    i = instance.c
    found = sa.select(i.id).where(i.brand_id == past.brand_id, i.mailing_id == past.mailing_id)
    return found if past.instance_id is None else found.where(i.id != past.instance_id)


def _is_of(past: Past, merged: sa.CTE, condition: sa.ColumnElement[bool]) -> sa.ColumnElement[bool]:
    """Whether a row of ``subscriber`` has one of these deliveries, or its address has."""
    t = delivery.c
    if past.people is not None:
        condition = sa.and_(condition, sa.or_(
            t.subscriber_id.in_(past.people), t.email.in_(_emails(past)),
            t.subscriber_id.in_(sa.select(merged.c.id).where(merged.c.survivor.in_(past.people)))))
    own = sa.select(t.subscriber_id).where(condition)
    inherited = sa.select(merged.c.survivor).join(delivery, t.subscriber_id == merged.c.id).where(condition)
    addresses = sa.select(t.email).where(condition, t.email.is_not(None))
    return sa.or_(subscriber.c.id.in_(own), subscriber.c.id.in_(inherited), subscriber.c.email.in_(addresses))


def _survivors(past: Past) -> sa.CTE:
    """(id, survivor) of every merged record, for each step of a chain of merges."""
    first, above = subscriber.alias("tombstone"), subscriber.alias("above")
    found = sa.select(first.c.id, first.c.merged_into.label("survivor")).where(
        first.c.brand_id == past.brand_id, first.c.merged_into.is_not(None)).cte("survivors", recursive=True)
    return found.union_all(
        sa.select(found.c.id, above.c.merged_into).join(above, above.c.id == found.c.survivor)
        .where(above.c.merged_into.is_not(None)))


def _had_enough(past: Past, cap: FrequencyCap, now: dt.datetime) -> sa.Select[tuple[str]]:
    """Addresses that have had as many mailings in so many days as the brand allows."""
    t, since = delivery.c, now - dt.timedelta(days=cap.days)
    found = sa.select(t.email).where(
        t.brand_id == past.brand_id, t.changed_at > since, t.state.in_(HAD), t.bounce_class.is_(None),
        sa.func.coalesce(t.accepted_at, t.changed_at) > since, t.email.is_not(None))
    if past.instance_id is not None:
        found = found.where(t.instance_id != past.instance_id)
    if past.people is not None:
        found = found.where(t.email.in_(_emails(past)))
    return found.group_by(t.email).having(sa.func.count() >= cap.mailings)


def _emails(past: Past) -> sa.Select[tuple[str]]:
    asked = subscriber.alias("asked")
    return sa.select(asked.c.email).where(asked.c.id.in_(past.people or ()), asked.c.email.is_not(None))
