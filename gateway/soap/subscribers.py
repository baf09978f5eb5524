"""Which operations does the subscribers noun have? (SOAP-39, SOAP-43..46)"""

from __future__ import annotations

from typing import Any

from gateway.domain.records import SubscriberFilter
from gateway.services import imports, subscribers, suppression
from gateway.services.gateway import Unit
from gateway.soap import convert, faults
from gateway.soap.bulk import ImportCall, read_import
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, READ, WRITE, operation
from gateway.soap.types.subscribers import (
    BatchResult,
    FindSubscribersRequest,
    GetSubscriberRequest,
    ImportSubscribersRequest,
    ResubscribeRequest,
    Subscriber,
    SubscriberPage,
    UnsubscribeRequest,
)

STATUSES = ("active", "unsubscribed", "bad_email")


@operation("ImportSubscribers", ImportSubscribersRequest, BatchResult, way=WRITE, right="import", decode=read_import)
def import_subscribers(unit: Unit, request: ImportCall) -> Values:
    """Creates and updates up to 1,000 people, with one result for each record in the order sent.

    A bad record is a failed result, never a fault; a fault means that nothing of the call was stored. No import
    changes anybody's status: who unsubscribed stays unsubscribed.
    """
    return convert.batch(imports.import_records(unit, request.records, request.options))


@operation("GetSubscriber", GetSubscriberRequest, Subscriber, way=READ, right="report")
def get_subscriber(unit: Unit, request: Any) -> Values:
    """Shows one person with values, memberships and status.

    A record that was merged into another answers with mergedInto. An address that several records have is refused
    with AMBIGUOUS_EMAIL.
    """
    return convert.subscriber(subscribers.get(unit, convert.identifier(request.identifier)))


@operation("FindSubscribers", FindSubscribersRequest, SubscriberPage, way=FIND, right="report")
def find_subscribers(unit: Unit, request: Any) -> Values:
    """Lists people in pages, in the order of their last change.

    Use asOf as the next changedSince and no change is lost.
    """
    if request.status is not None and request.status not in STATUSES:
        raise faults.unknown_word("status", STATUSES)
    wanted = SubscriberFilter(
        email=request.email, remote_id=request.remoteId, status=request.status, interest=request.interest,
        source=request.source, orphan=request.orphan,
        since=convert.instant_of(request.changedSince, "changedSince"),
        until=convert.instant_of(request.changedUntil, "changedUntil"))
    page = subscribers.find(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.subscriber, unit.actor.request_id)


@operation("Unsubscribe", UnsubscribeRequest, BatchResult, way=WRITE, right="import")
def unsubscribe(unit: Unit, request: Any) -> Values:
    """Stops all mail to up to 1,000 addresses, whether we know a person of the address or not.

    Acts on the address and every record that has it, and is written back to the systems the person comes from.
    Harmless if repeated.
    """
    return convert.batch(suppression.unsubscribe(unit, entries(request)))


@operation("Resubscribe", ResubscribeRequest, BatchResult, way=WRITE, right="import")
def resubscribe(unit: Unit, request: Any) -> Values:
    """Clears the opt-out and the bounce of up to 1,000 addresses on the ground that reason names.

    A warning of a result names what still blocks mail. Harmless if repeated.
    """
    return convert.batch(suppression.resubscribe(unit, entries(request)))


def entries(request: Any) -> list[Any]:
    """The entries of a status request."""
    return [convert.status_entry(each) for each in request.entry]


OPERATIONS = (import_subscribers, get_subscriber, find_subscribers, unsubscribe, resubscribe)
