"""Which deliveries does an instance have? (SOAP-63)"""

from __future__ import annotations

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from gateway.db.models.mailings import delivery
from gateway.db.queries.feeds import in_window
from gateway.domain.paging import Window
from gateway.domain.recipients import DeliveryFilter, DeliveryView


def find(connection: Connection, brand_id: int, wanted: DeliveryFilter, mailing_id: int, frozen_at: dt.datetime,
         window: Window) -> list[DeliveryView]:
    """Deliveries in the order of their ids, at most ``window.size + 1`` of them.

    A row's time of change moves while mail goes out, and would take it from page to page: so all have the time of
    their instance, ``frozen_at``.
    """
    t = delivery.c
    at = sa.literal(frozen_at, t.changed_at.type)
    query = sa.select(delivery).where(t.brand_id == brand_id, t.instance_id == wanted.instance_id)
    if wanted.states:
        query = query.where(t.state.in_(wanted.states))
    if wanted.reasons:
        query = query.where(t.reason.in_(wanted.reasons))
    return [DeliveryView(
        row.id, mailing_id, row.instance_id, row.subscriber_id, row.email, row.remote_id, row.state, row.reason,
        row.attempt, row.code, row.status_text, row.bounce_class, row.first_tried_at, row.next_at, row.accepted_at,
        row.changed_at) for row in connection.execute(in_window(query, window, at, t.id))]
