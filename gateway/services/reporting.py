"""What came of a mailing? Its report, and the feeds of events and unsubscribes (SOAP-61..64, sending.md section 8)."""

from __future__ import annotations

import datetime as dt

from gateway.db.queries import events, instances, mailings, reports
from gateway.db.queries.instances import StoredInstance
from gateway.db.unit import Unit
from gateway.domain import events as types
from gateway.domain import metrics
from gateway.domain.events import EventFilter, EventView
from gateway.domain.metrics import Report
from gateway.domain.paging import Page, PageRequest
from gateway.errors import GatewayError
from gateway.services.paging import close_page, open_window


def report(unit: Unit, *, instance_id: int | None = None, mailing_id: int | None = None) -> Report:
    """The figures of one instance, or the sum over a mailing's instances (SEND-59). Reads only.

    Raises ``INVALID_REQUEST`` unless at least one id is given, ``NOT_FOUND`` for an unknown one or two that do not
    belong together. Every sum of SEND-11 and SEND-58 holds: all counts come from one snapshot.
    """
    unit.actor.require("report")
    if instance_id is None and mailing_id is None:
        raise GatewayError("INVALID_REQUEST", "Name an instance or a mailing.", field="instanceId")
    chosen, of_mailing = _chosen(unit, instance_id, mailing_id)
    ids = tuple(one.instance_id for one in chosen)
    return metrics.summarise(
        mailing_id=of_mailing, instance_ids=ids, as_of=unit.now,
        rows=reports.delivery_counts(unit.connection, unit.brand_id, ids),
        events=reports.event_counts(unit.connection, unit.brand_id, ids), finished_at=_finished_at(chosen))


def find_events(unit: Unit, wanted: EventFilter, request: PageRequest) -> Page[EventView]:
    """A page of events in the order in which they were recorded. The first page needs ``gateway.feed``.

    Raises ``INVALID_VALUE`` for an unknown type or a bad page size, ``INVALID_TOKEN``.
    """
    unit.actor.require("report")
    unknown = [kind for kind in wanted.types if kind not in types.TYPES]
    if unknown:
        raise GatewayError("INVALID_VALUE", f"There is no event type '{unknown[0][:40]}'. Types: "
                                            f"{', '.join(types.TYPES)}.", field="type")
    return _page(unit, "events", wanted, request)


def find_unsubscribes(unit: Unit, since: dt.datetime | None, until: dt.datetime | None, instance_id: int | None,
                      request: PageRequest) -> Page[EventView]:
    """Who unsubscribed, by whatever way (``origin``), in the order recorded. Otherwise as :func:`find_events`."""
    unit.actor.require("report")
    wanted = EventFilter(types=(types.UNSUBSCRIBED,), instance_id=instance_id, since=since, until=until)
    return _page(unit, "unsubscribes", wanted, request)


def _page(unit: Unit, operation: str, wanted: EventFilter, request: PageRequest) -> Page[EventView]:
    window = open_window(unit, operation, wanted, request)
    rows = events.find(unit.connection, unit.brand_id, wanted, window)
    return close_page(unit, operation, wanted, window, rows, lambda row: (row.recorded_at, row.event_id))


def _chosen(unit: Unit, instance_id: int | None, mailing_id: int | None) -> tuple[list[StoredInstance], int]:
    if instance_id is not None:
        one = instances.get(unit.connection, unit.brand_id, instance_id)
        if one is None or mailing_id not in (None, one.mailing_id):
            raise GatewayError("NOT_FOUND", "There is no mailing instance of this id.", field="instanceId")
        return [one], one.mailing_id
    if mailing_id is None or mailings.get(unit.connection, unit.brand_id, mailing_id) is None:
        raise GatewayError("NOT_FOUND", "There is no mailing of this id.", field="mailingId")
    return instances.of_mailings(unit.connection, unit.brand_id, [mailing_id]), mailing_id


def _finished_at(chosen: list[StoredInstance]) -> dt.datetime | None:
    ends = [one.finished_at for one in chosen]
    return None if not ends or None in ends else max(end for end in ends if end)
