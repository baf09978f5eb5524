"""What do the grids of single recipients show: who got what, and who was left out? (aapi.md section 7.3)"""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.mailings import delivery, instance, mailing
from gateway.db.models.subscribers import subscriber
from gateway.db.queries.grids.base import (
    ACCOUNT,
    BRAND,
    HAS_BOUNCED,
    OF_DELIVERY,
    OUT,
    RECENT_SINCE,
    Dialect,
    Expression,
    Grid,
    Join,
    bit,
    bounced,
    hit_exists,
    repeated_bouncer,
)
from gateway.db.queries.grids.people import FACTS, cancel_code
from gateway.domain import delivery as states
from gateway.domain import events as types
from gateway.domain.bounces import BounceClass

HARD, SOFT, BLOCK = BounceClass.HARD.value, BounceClass.SOFT.value, BounceClass.BLOCK.value
BLOCKED = sa.and_(OUT, sa.func.coalesce(delivery.c.bounce_class, "") == BLOCK)
"""Refused because of us, not of the address."""

SENT = sa.and_(OUT, sa.func.coalesce(delivery.c.bounce_class, "") != BLOCK)
DELIVERED = sa.and_(OUT, sa.func.coalesce(delivery.c.bounce_class, "").not_in((HARD, BLOCK)))
NOT_SUPPRESSED = delivery.c.state != states.LEFT_OUT
RECENT, OLDER = instance.c.send_at >= RECENT_SINCE, instance.c.send_at < RECENT_SINCE


def _did() -> dict[str, Expression]:
    d = delivery.c
    return {"was_delivered": bit(DELIVERED), "was_opened": bit(hit_exists(types.OPENED, d.id)),
            "was_clicked": bit(hit_exists(types.CLICKED, d.id))}


def _grid(age: Expression, elements: dict[str, Expression]) -> Grid:
    d = delivery.c
    return Grid(delivery, (d.brand_id == BRAND, NOT_SUPPRESSED, age), (d.id,), elements, OF_DELIVERY)


def _actions() -> Grid:
    d = delivery.c
    return _grid(RECENT, {**_did(), "email": d.email, "mailing_instance_id": d.instance_id, "user_id": d.remote_id})


def _archive() -> Grid:
    d = delivery.c
    return _grid(OLDER, {**_did(), "email": d.email, "mailing_instance_id": d.instance_id, "user_id": d.remote_id,
                         "Mailing_Name": mailing.c.name, "Mailing_date": instance.c.send_at})


def _history(*, recent: bool) -> Grid:
    d = delivery.c
    elements = {
        **_did(), "Email": d.email, "Mailing_date": instance.c.send_at, "Mailing_id": instance.c.mailing_id,
        "Mailing_instance_id": d.instance_id, "Mailing_name": mailing.c.name, "Subscriber_ID": d.subscriber_id,
        "User_id": d.remote_id}
    if not recent:
        return _grid(OLDER, elements | {"Was_bounced": bit(HAS_BOUNCED)})
    return _grid(RECENT, elements | {
        "was_blocked": bit(BLOCKED), "Was_Hard_bounced": bit(bounced(HARD)),
        "Was_Soft_bounced": bit(bounced(SOFT)),
        "Was_Repeat_bounced": bit(sa.and_(HAS_BOUNCED, repeated_bouncer(d.subscriber_id, d.id) == 1))})


def _domains(dialect: Dialect) -> Grid:
    d = delivery.c
    domain = dialect.domain(d.email).label("domain")
    found = (sa.select(d.instance_id, domain, sa.func.count().label("emails"))
             .where(d.brand_id == BRAND, NOT_SUPPRESSED, d.email.is_not(None)).group_by(d.instance_id, domain)
             .subquery("domains"))
    return Grid(found, (), (found.c.instance_id, found.c.domain), {
        "Domain": found.c.domain, "email_count": found.c.emails, "mailing_instance_id": found.c.instance_id},
        wide=False)


def _suppressed() -> Grid:
    d = delivery.c
    return Grid(delivery, (d.brand_id == BRAND, d.state == states.LEFT_OUT), (d.id,), {
        "brand_id": ACCOUNT, "subscriber_match_id": d.id, "subscriber_id": d.subscriber_id,
        "email": sa.func.coalesce(d.email, subscriber.c.email, type_=sa.Text), "reason": d.reason,
        "mailing_id": instance.c.mailing_id, "mailing_instance_id": d.instance_id, "mailing_date": instance.c.send_at,
        "mailing_name": mailing.c.name, "mailing_instance_name": mailing.c.subject, "cancelled_id": cancel_code()},
        (*OF_DELIVERY, Join(subscriber, subscriber.c.id == d.subscriber_id), FACTS))


def build(dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {
        "mailing_activity_subscriber_actions": _actions(), "mailing_activity_subscriber_archive": _archive(),
        "subscriber_mailing_history": _history(recent=True), "subscriber_mailing_history_all": _history(recent=False),
        "mailing_activity_domains": _domains(dialect), "suppressed_subscribers": _suppressed(),
    }
