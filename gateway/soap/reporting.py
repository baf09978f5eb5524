"""Which operations does the reporting noun have? (SOAP-61..64)"""

from __future__ import annotations

from typing import Any

from gateway.domain.events import EventFilter
from gateway.domain.recipients import DeliveryFilter
from gateway.services import recipients, reporting
from gateway.services.gateway import Unit
from gateway.soap import convert, faults
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, READ, operation
from gateway.soap.types.reporting import (
    DeliveryPage,
    EventPage,
    FindDeliveriesRequest,
    FindEventsRequest,
    FindUnsubscribesRequest,
    GetMailingReportRequest,
    MailingReport,
)


@operation("GetMailingReport", GetMailingReportRequest, MailingReport, way=READ, right="report")
def get_mailing_report(unit: Unit, request: Any) -> Values:
    """Shows the figures of one instance, or of a mailing as the sum of its instances. Give exactly one of the two."""
    if (request.instanceId is None) == (request.mailingId is None):
        raise faults.one_of_two("instanceId", "mailingId")
    return convert.report(reporting.report(
        unit, instance_id=convert.optional_id(request.instanceId, "instanceId"),
        mailing_id=convert.optional_id(request.mailingId, "mailingId")))


@operation("FindEvents", FindEventsRequest, EventPage, way=FIND, right="report")
def find_events(unit: Unit, request: Any) -> Values:
    """Lists what happened to whom in pages, in the order it was recorded.

    Use asOf as the next since: nothing is lost and nothing comes twice.
    """
    wanted = EventFilter(
        types=tuple(request.type or ()), mailing_id=convert.optional_id(request.mailingId, "mailingId"),
        instance_id=convert.optional_id(request.instanceId, "instanceId"),
        since=convert.instant_of(request.since, "since"), until=convert.instant_of(request.until, "until"))
    page = reporting.find_events(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.event, unit.actor.request_id)


@operation("FindUnsubscribes", FindUnsubscribesRequest, EventPage, way=FIND, right="report")
def find_unsubscribes(unit: Unit, request: Any) -> Values:
    """Lists who unsubscribed in pages: who, address, remote ID, time, origin, reason and instance."""
    page = reporting.find_unsubscribes(
        unit, convert.instant_of(request.since, "since"), convert.instant_of(request.until, "until"),
        convert.optional_id(request.instanceId, "instanceId"), convert.page_request(request))
    return convert.page(page, convert.event, unit.actor.request_id)


@operation("FindDeliveries", FindDeliveriesRequest, DeliveryPage, way=FIND, right="report")
def find_deliveries(unit: Unit, request: Any) -> Values:
    """Lists what became of each person that one publication was for, in pages: recipients and who was left out."""
    wanted = DeliveryFilter(convert.row_id(request.instanceId, "instanceId"), tuple(request.state or ()),
                            tuple(request.reason or ()))
    page = recipients.find(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.delivery, unit.actor.request_id)


OPERATIONS = (get_mailing_report, find_events, find_unsubscribes, find_deliveries)
