"""What do the grids of opens and clicks show? (aapi.md section 7.3) Of people: a machine's hits are left out."""

from __future__ import annotations

import sqlalchemy as sa

from gateway.db.models.mailings import event, instance, mailing
from gateway.db.queries.grids.base import (
    BRAND,
    CLICKED,
    OF_MAILING,
    OPENED,
    Dialect,
    Expression,
    Grid,
    Join,
    null,
    part,
)
from gateway.domain import events as types

SOLID = (event.c.instance_id, event.c.address)
KNOWN = event.c.address.is_not(None)
"""Of a person who was erased nothing is left to show; the figures still count the hit."""


def first_open(e: sa.FromClause = event) -> Expression:
    """Whether this open is the first of its delivery."""
    t, earlier = e.c, event.alias("earlier").c
    return ~sa.exists().where(
        earlier.delivery_id == t.delivery_id, earlier.type == types.OPENED, earlier.automated.is_(False),
        sa.or_(earlier.occurred_at < t.occurred_at,
               sa.and_(earlier.occurred_at == t.occurred_at, earlier.id < t.id)),
        sa.text("earlier.type IN ('opened', 'clicked')")).correlate(e)


def _opens() -> Grid:
    e = event.c
    return Grid(event, (e.brand_id == BRAND, *OPENED, KNOWN), (e.id,), {
        "email": e.address, "mailing_id": instance.c.mailing_id, "mailing_instance_id": e.instance_id,
        "open_date": e.occurred_at, "user_id": e.remote_id, "email_client_name": e.client_name,
        "email_client_type_name": e.client_type, "ip_address": e.raw["ip"].as_string()}, OF_MAILING, solid=SOLID)


def _clicks() -> Grid:
    e = event.c
    return Grid(event, (e.brand_id == BRAND, *CLICKED, KNOWN), (e.id,), {
        "Email": e.address, "Id": e.link_number + 1, "Link": e.url, "link_date": e.occurred_at,
        "link_name": null(sa.Text), "mailing_id": instance.c.mailing_id, "mailing_instance_id": e.instance_id,
        "mailing_name": mailing.c.name, "user_id": e.remote_id}, OF_MAILING, solid=SOLID)


def _first_opens() -> Grid:
    e = event.c
    return Grid(event, (e.brand_id == BRAND, *OPENED, KNOWN, first_open()), (e.id,), {
        "email": e.address, "first_open_date": e.occurred_at, "mailing_id": instance.c.mailing_id,
        "mailing_instance_id": e.instance_id, "mailing_name": mailing.c.name, "user_id": e.remote_id,
        "email_client_name": e.client_name, "email_client_type_name": e.client_type}, OF_MAILING, solid=SOLID)


def _by_hour(dialect: Dialect, *, first: bool) -> Grid:
    e = event.c
    hour = dialect.hour(e.occurred_at).label("hour")
    found = (sa.select(e.instance_id, hour, sa.func.count().label("opens"))
             .where(e.brand_id == BRAND, *OPENED, *((first_open(),) if first else ()))
             .group_by(e.instance_id, hour).subquery("hours"))
    h = found.c
    return Grid(found, (), (h.instance_id, h.hour), {
        "Year": part(h.hour, 1, 4), "Month": part(h.hour, 6, 2), "Day": part(h.hour, 9, 2),
        "Hour": part(h.hour, 12, 2), "mailing_id": instance.c.mailing_id, "mailing_Instance_id": h.instance_id,
        "open_count": h.opens}, (Join(instance, instance.c.id == h.instance_id),), wide=False)


def build(dialect: Dialect) -> dict[str, Grid]:
    """The grids of this family by token."""
    return {
        "mailing_activity_opens": _opens(), "mailing_activity_clicks": _clicks(),
        "mailing_activity_first_open": _first_opens(),
        "mailing_activity_opens_by_hour": _by_hour(dialect, first=False),
        "mailing_activity_first_open_by_hour": _by_hour(dialect, first=True),
    }
