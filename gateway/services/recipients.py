"""Who was to get a mailing, and what became of each of them? (SOAP-63)"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.db.queries import instances
from gateway.db.queries import recipients as stored
from gateway.db.unit import Unit
from gateway.domain import delivery as words
from gateway.domain.paging import Page, PageRequest
from gateway.domain.recipients import DeliveryFilter, DeliveryView
from gateway.errors import GatewayError
from gateway.services.paging import close_page, open_window


def find(unit: Unit, wanted: DeliveryFilter, request: PageRequest) -> Page[DeliveryView]:
    """A page of an instance's deliveries in the order in which the audience was frozen: one for each recipient and
    for each person that was left out. The first page needs ``gateway.feed``.

    Raises ``NOT_ALLOWED``, ``NOT_FOUND``, ``INVALID_VALUE`` for an unknown state or reason, and as every bad page.
    """
    unit.actor.require("report")
    _check("state", wanted.states, words.STATES)
    _check("reason", wanted.reasons, words.REASONS)
    instance = instances.get(unit.connection, unit.brand_id, wanted.instance_id)
    if instance is None:
        raise GatewayError("NOT_FOUND", "There is no mailing instance of this id.", field="instanceId")
    window = open_window(unit, "deliveries", wanted, request)
    frozen_at = instance.created_at
    rows = stored.find(unit.connection, unit.brand_id, wanted, instance.mailing_id, frozen_at, window)
    return close_page(unit, "deliveries", wanted, window, rows, lambda row: (frozen_at, row.delivery_id))


def _check(field: str, given: Sequence[str], known: Sequence[str]) -> None:
    unknown = [word for word in given if word not in known]
    if unknown:
        raise GatewayError("INVALID_VALUE", f"There is no {field} '{unknown[0][:40]}'. Known are {', '.join(known)}.",
                           field=field)
