"""Which integrations fill the interests of a mailing, and how are an integration's interests used? (ID-66)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.accounts import integration, source
from gateway.db.models.mailings import instance, instance_interest, mailing_interest
from gateway.db.models.subscribers import interest, membership
from gateway.domain import mailing as states
from gateway.domain.schedule import Use

SOON, LATELY, NEW = dt.timedelta(days=1), dt.timedelta(days=90), dt.timedelta(days=7)


def feeding(connection: Connection, brand_id: int, instance_id: int, kinds: Sequence[str]) -> list[int]:
    """The integrations of these kinds that own an interest which the instance includes or excludes, or have put
    somebody into one; none for a test. Groups that are read when they are used (``dynamic``) are not among them."""
    named = _named(connection, brand_id, instance_id)
    if not named:
        return []
    fills = sa.exists().where(_fills(), interest.c.brand_id == brand_id, ~interest.c.dynamic, interest.c.id.in_(named))
    return list(connection.scalars(sa.select(integration.c.id).where(
        integration.c.brand_id == brand_id, integration.c.kind.in_(kinds), fills).order_by(integration.c.id)))


def preparing(connection: Connection, brand_id: int) -> list[int]:
    """The brand's instances whose audience is not frozen yet although their time has come."""
    return list(connection.scalars(sa.select(instance.c.id).where(
        instance.c.brand_id == brand_id, instance.c.state == states.PREPARING).order_by(instance.c.id)))


def use(connection: Connection, brand_id: int, integration_id: int, now: dt.datetime) -> Use:
    """How the integration and the interests that it fills are used."""
    found = connection.execute(sa.select(integration.c.created_at, integration.c.cursor).where(
        integration.c.brand_id == brand_id, integration.c.id == integration_id)).one()
    filled = connection.execute(
        sa.select(interest.c.id, interest.c.created_at)
        .join(integration, integration.c.id == integration_id)
        .where(interest.c.brand_id == brand_id, _fills())).all()
    since = now - NEW
    return Use(_mailed(connection, brand_id, [row.id for row in filled], instance.c.state.in_(
                   (states.SCHEDULED, states.PREPARING)), instance.c.send_at <= now + SOON),
               _mailed(connection, brand_id, [row.id for row in filled], instance.c.frozen_at >= now - LATELY),
               found.created_at >= since or any(row.created_at >= since for row in filled),
               found.cursor is not None)


def _mailed(connection: Connection, brand_id: int, interest_ids: Sequence[int],
            *which: sa.ColumnElement[bool]) -> bool:
    i = instance.c
    own = sa.select(instance_interest.c.instance_id).where(instance_interest.c.brand_id == brand_id,
                                                           instance_interest.c.interest_id.in_(interest_ids))
    of_mailing = sa.select(mailing_interest.c.mailing_id).where(mailing_interest.c.brand_id == brand_id,
                                                                mailing_interest.c.interest_id.in_(interest_ids))
    return bool(interest_ids) and connection.execute(
        sa.select(i.id).where(i.brand_id == brand_id, ~i.is_test, *which,
                              sa.or_(i.id.in_(own), i.mailing_id.in_(of_mailing))).limit(1)).first() is not None


def _named(connection: Connection, brand_id: int, instance_id: int) -> list[int]:
    """The interests that an instance goes to, its own or its mailing's, and those it leaves out; of a test none."""
    i, own, given = instance.c, instance_interest.c, mailing_interest.c
    mailing_id = connection.scalar(sa.select(i.mailing_id).where(i.brand_id == brand_id, i.id == instance_id,
                                                                 ~i.is_test))
    if mailing_id is None:
        return []
    goes_to = list(connection.scalars(sa.select(own.interest_id).where(own.brand_id == brand_id,
                                                                       own.instance_id == instance_id)))
    of_mailing = sa.select(given.interest_id).where(given.brand_id == brand_id, given.mailing_id == mailing_id)
    return goes_to + list(connection.scalars(of_mailing.where(given.exclude) if goes_to else of_mailing))


def _fills() -> sa.ColumnElement[bool]:
    """The integration of the query owns the interest of the query, or has put somebody into it."""
    put = sa.exists().where(membership.c.interest_id == interest.c.id, membership.c.until.is_(None),
                            membership.c.source_id == source.c.id, source.c.integration_id == integration.c.id)
    return sa.or_(interest.c.integration_id == integration.c.id, put)
