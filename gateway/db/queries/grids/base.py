"""How is a grid described, and with which expressions? (aapi.md sections 7.1 and 7.2)

A grid is a row source, the condition on it, what tells its rows apart, and an expression for each element. Adding one
is adding such a description to a family and its names to ``aapi/grids/catalogue.txt``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from gateway.db.models.accounts import brand
from gateway.db.models.base import Instant
from gateway.db.models.mailings import delivery, event, instance, mailing
from gateway.db.models.subscribers import interest, remote_key, subscriber
from gateway.domain import delivery as states
from gateway.domain import events as types

Expression = sa.ColumnElement[Any]

BRAND = sa.bindparam("grid_brand", type_=sa.BigInteger)
INTEGRATION = sa.bindparam("grid_integration", type_=sa.BigInteger)
"""The caller's, 0 for none."""

NOW = sa.bindparam("grid_now", type_=Instant)
RECENT_SINCE = sa.bindparam("grid_recent_since", type_=Instant)
RANKS = sa.bindparam("grid_ranks", type_=sa.Text)
"""JSON: source id -> place in the brand's order of sources."""

PAGE = sa.select(sa.table("page", sa.column("grid_0", sa.BigInteger)).c.grid_0)
"""The primary keys of the rows of a page, while they are looked up."""

_ACCOUNT = brand.alias("account").c
ACCOUNT = (sa.select(sa.func.coalesce(_ACCOUNT.external_id, _ACCOUNT.id, type_=sa.BigInteger))
           .where(_ACCOUNT.id == BRAND).correlate_except(_ACCOUNT.id.table).scalar_subquery())
"""The number of the brand as callers know it."""


@dataclass(frozen=True, slots=True)
class Join:
    """A table that elements may need; joined only where one of them does. ``optional``: there may be no row of it."""

    table: sa.FromClause
    on: Expression
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """One grid. ``row``: what tells two rows of ``source`` apart; ``where`` has the brand.

    ``wide``: a page's rows are found first and their columns looked up afterwards, for which ``row`` must be the
    primary key of the table ``source``. ``solid``: nullable columns that are never null here. ``order``:
    what rows are sorted by where the catalogue names no key. ``shown``: what looks an element up for all rows of a page
    at once (:data:`PAGE`), where that costs less than ``elements``, by which rows are filtered and sorted. ``person``:
    the subscriber whose remote IDs the elements of that kind show.
    """

    source: sa.FromClause
    where: tuple[Expression, ...]
    row: tuple[Expression, ...]
    elements: Mapping[str, Expression]
    joins: tuple[Join, ...] = ()
    wide: bool = True
    solid: tuple[Expression, ...] = ()
    order: tuple[Expression, ...] = ()
    shown: Mapping[str, Expression] = field(default_factory=dict)
    person: Expression | None = None


OF_MAILING = (Join(instance, instance.c.id == event.c.instance_id),
              Join(mailing, mailing.c.id == instance.c.mailing_id))
OF_DELIVERY = (Join(instance, instance.c.id == delivery.c.instance_id),
               Join(mailing, mailing.c.id == instance.c.mailing_id))

OPENED = (event.c.type == types.OPENED, event.c.automated.is_(False), sa.text("event.type IN ('opened', 'clicked')"))
CLICKED = (event.c.type == types.CLICKED, event.c.automated.is_(False), OPENED[2])
"""Hits of people; the text is that of the indexes on hits."""

OUT = delivery.c.state.in_(states.OUT)
HAS_BOUNCED = delivery.c.bounce_class.is_not(None)


def bit(condition: Expression) -> Expression:
    """1 or 0."""
    return sa.case((sa.func.coalesce(condition, sa.false()), 1), else_=0)


def null(kind: Any = sa.Integer) -> Expression:
    """An element that this product has nothing for."""
    return sa.cast(sa.null(), kind)


def number(value: int) -> Expression:
    """The same number in each row; cast, for an order by a bare number is one by a place."""
    return sa.cast(sa.literal_column(str(value)), sa.Integer)


def words(text: str) -> Expression:
    """The same text in each row."""
    return sa.cast(sa.literal_column(f"'{text}'"), sa.Text)


def remote_id(subscriber_id: Expression) -> Expression:
    """The ID in the caller's integration, else the oldest identity's, else NULL (aapi.md section 6)."""
    k = remote_key.alias("identity").c
    return (sa.select(k.remote_id).where(k.subscriber_id == subscriber_id, k.ended_at.is_(None))
            .order_by(sa.case((k.integration_id == INTEGRATION, 0), else_=1), k.id).limit(1)
            .correlate_except(k.id.table).scalar_subquery())


def interest_name(interest_id: Expression) -> Expression:
    """The name of an interest of the brand."""
    i = interest.alias("named").c
    return (sa.select(i.name).where(i.id == interest_id, i.brand_id == BRAND).correlate_except(i.id.table)
            .scalar_subquery())


def hit_exists(kind: str, delivery_id: Expression) -> Expression:
    """Whether a person opened, or clicked in, this delivery."""
    e = event.alias(f"any_{kind}").c
    return sa.exists().where(
        e.delivery_id == delivery_id, e.type == kind, e.automated.is_(False),
        sa.text(f"any_{kind}.type IN ('opened', 'clicked')")).correlate_except(e.id.table)


def bounced(*classes: str) -> Expression:
    """Whether the delivery has had a bounce of one of these classes.

    Its own class is that of the last one, and all that is left of an erased person's. Earlier ones are looked for among
    the events of its person, or of whom that record was merged into, for there is an index.
    """
    d, e, s = delivery.c, event.alias("bounce").c, subscriber.alias("bouncer").c
    person = (sa.select(sa.func.coalesce(s.merged_into, s.id)).where(s.id == d.subscriber_id)
              .correlate_except(s.id.table).scalar_subquery())
    earlier = sa.exists().where(e.subscriber_id == person, e.type == types.BOUNCED, e.delivery_id == d.id,
                                e.reason.in_(classes)).correlate_except(e.id.table)
    return sa.or_(d.bounce_class.in_(classes), sa.and_(HAS_BOUNCED, earlier))


def repeated_bouncer(subscriber_id: Expression, up_to: Expression | None = None) -> Expression:
    """Whether the last three publishings to the subscriber bounced, up to this delivery or by now."""
    d = delivery.alias("lately").c
    last = (sa.select(sa.case((d.bounce_class.in_(("hard", "soft")), 1), else_=0).label("bounced"))
            .where(d.subscriber_id == subscriber_id, d.state.in_(states.OUT)).order_by(d.id.desc()).limit(3)
            .correlate_except(d.id.table))
    if up_to is not None:
        last = last.where(d.id <= up_to)
    three = last.subquery("three")
    return (sa.select(sa.case((sa.func.sum(three.c.bounced) == 3, 1), else_=0)).correlate_except(three)
            .scalar_subquery())


# --- of a dialect ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Dialect:
    """What SQLite and PostgreSQL say differently."""

    postgres: bool

    def hour(self, at: Expression) -> Expression:
        """``2030-09-01T13``: the UTC hour as text that sorts."""
        if self.postgres:
            form = sa.literal_column("'YYYY-MM-DD\"T\"HH24'")
            return sa.func.to_char(sa.func.timezone("UTC", at), form, type_=sa.Text)
        return sa.func.strftime(sa.literal_column("'%Y-%m-%dT%H'"), at, type_=sa.Text)

    def day(self, at: Expression) -> Expression:
        """Midnight UTC of that day."""
        if self.postgres:
            utc = sa.func.timezone("UTC", at)
            return sa.func.timezone("UTC", sa.func.date_trunc(sa.literal_column("'day'"), utc), type_=Instant)
        return sa.type_coerce(sa.func.strftime(sa.literal_column("'%Y-%m-%d 00:00:00.000000'"), at), Instant)

    def domain(self, email: Expression) -> Expression:
        """What stands after the @."""
        if self.postgres:
            return sa.func.lower(sa.func.split_part(email, "@", 2), type_=sa.Text)
        return sa.func.lower(sa.func.substr(email, sa.func.instr(email, "@") + 1), type_=sa.Text)

    def position(self, text: Expression, word: str) -> Expression:
        """Where the word begins in the text, from 1; 0: nowhere."""
        find = sa.func.strpos if self.postgres else sa.func.instr
        return find(text, word, type_=sa.Integer)

    def before(self, text: Expression, word: str) -> Expression:
        """The text up to the word; all of it where it is missing."""
        at = self.position(text, word)
        return sa.case((at > 0, sa.func.substr(text, 1, at - 1)), else_=text)

    def after(self, text: Expression, word: str, end: str) -> Expression:
        """The text behind the first ``end`` that follows the word; NULL where it is missing."""
        rest = sa.func.substr(text, self.position(text, word), type_=sa.Text)
        at = self.position(rest, end)
        return sa.case((sa.and_(self.position(text, word) > 0, at > 0), sa.func.substr(rest, at + len(end))),
                       else_=sa.null())

    def between(self, text: Expression, word: str, end: str) -> Expression:
        """What stands between the word and the first ``end`` that follows it; NULL where one is missing."""
        rest = sa.func.substr(text, self.position(text, word) + len(word), type_=sa.Text)
        at = self.position(rest, end)
        return sa.case((sa.and_(self.position(text, word) > 0, at > 1), sa.func.trim(sa.func.substr(rest, 1, at - 1))),
                       else_=sa.null())


def part(hour: Expression, start: int, length: int) -> Expression:
    """A number out of the text of an hour."""
    return sa.cast(sa.func.substr(hour, start, length), sa.Integer)
