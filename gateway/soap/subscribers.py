"""Which operations does the subscribers noun have? (SOAP-39, SOAP-43..49, SOAP-65)"""

from __future__ import annotations

from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.records import SubscriberFilter
from gateway.services import explain, history, imports, optout, remoteids, subscribers, suppression
from gateway.services.gateway import Gateway, Unit
from gateway.soap import convert, explained, faults
from gateway.soap.bulk import ImportCall, read_import
from gateway.soap.encode import Values
from gateway.soap.operation import ASK, FIND, READ, WRITE, operation
from gateway.soap.types.explanation import ExplainSubscriberRequest, Explanation
from gateway.soap.types.history import GetSubscriberHistoryRequest, HistoryPage
from gateway.soap.types.subscribers import (
    BatchResult,
    ChangeRemoteIdRequest,
    FindSubscribersRequest,
    GetSubscriberRequest,
    ImportSubscribersRequest,
    OptOutRequest,
    RecordResult,
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


@operation("OptOut", OptOutRequest, BatchResult, way=WRITE, right="import")
def opt_out(unit: Unit, request: Any) -> Values:
    """Lets up to 1,000 people leave these interests and no others; imports do not add them again.

    Harmless if repeated. An interest that does not exist is refused with LIST_UNKNOWN.
    """
    return convert.batch(optout.opt_out(unit, request.interest, entries(request)))


@operation("ExplainSubscriber", ExplainSubscriberRequest, Explanation, way=ASK, right="")
def explain_subscriber(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Tells who somebody is, whence each value came, which rules decided, and why mail reaches them or does not.

    Foreign systems are asked what they list now; that may take two seconds. Needs the right to report or to send.
    """
    return explained.explanation(explain.explain(
        gateway, actor, convert.identifier(request.identifier),
        mailing_id=convert.optional_id(request.mailingId, "mailingId"),
        instance_id=convert.optional_id(request.instanceId, "instanceId"), integration=request.integration))


@operation("GetSubscriberHistory", GetSubscriberHistoryRequest, HistoryPage, way=FIND, right="report")
def get_subscriber_history(unit: Unit, request: Any) -> Values:
    """Lists what happened to one person in pages, oldest first: imports, changes, deliveries and events."""
    page = history.find(unit, convert.identifier(request.identifier), convert.instant_of(request.since, "since"),
                        convert.instant_of(request.until, "until"), convert.page_request(request))
    return convert.page(page, explained.history_entry, unit.actor.request_id)


@operation("ChangeRemoteId", ChangeRemoteIdRequest, RecordResult, way=WRITE, right="import")
def change_remote_id(unit: Unit, request: Any) -> Values:
    """Tells that a foreign system calls a person by another remote ID now: the one act that joins two remote IDs.

    If somebody has the new one already, the two records become one. Harmless if repeated.
    """
    return convert.outcome(remoteids.change_remote_id(unit, request.oldRemoteId, request.newRemoteId,
                                                      request.integration))


def entries(request: Any) -> list[Any]:
    """The entries of a status request."""
    return [convert.status_entry(each) for each in request.entry]


OPERATIONS = (import_subscribers, get_subscriber, find_subscribers, unsubscribe, resubscribe, opt_out,
              explain_subscriber, get_subscriber_history, change_remote_id)
