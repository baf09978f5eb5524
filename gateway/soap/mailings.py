"""Which operations does the mailings noun have? (SOAP-54..60)"""

from __future__ import annotations

from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.mailing import MailingFilter
from gateway.services import mailings, testcopies
from gateway.services.gateway import Gateway, Unit
from gateway.soap import convert, faults
from gateway.soap.encode import Values
from gateway.soap.operation import ACT, FIND, READ, STEP, WRITE, operation
from gateway.soap.types.mailings import (
    CancelMailingRequest,
    CreateMailingRequest,
    FindMailingsRequest,
    GetMailingRequest,
    Mailing,
    MailingInstance,
    MailingPage,
    MailingPreview,
    PreviewMailingRequest,
    ScheduleMailingRequest,
    SendMailingRequest,
    SendTestMailingRequest,
    TestResult,
    UpdateMailingRequest,
)

STATES = ("draft", "in_review", "approved", "released")


@operation("CreateMailing", CreateMailingRequest, Mailing, way=WRITE, right="send")
def create_mailing(unit: Unit, request: Any) -> Values:
    """Creates a draft and names in warnings what may be wrong with it.

    Send a clientRequestId: without one a repeated call makes a second draft.
    """
    return convert.mailing(mailings.create(unit, convert.draft(request)))


@operation("UpdateMailing", UpdateMailingRequest, Mailing, way=WRITE, right="send")
def update_mailing(unit: Unit, request: Any) -> Values:
    """Changes the given members of a draft; any other state is refused with STATE_CONFLICT."""
    mailing_id = convert.row_id(request.mailingId, "mailingId")
    return convert.mailing(mailings.update(unit, mailing_id, convert.draft_changes(request)))


@operation("GetMailing", GetMailingRequest, Mailing, way=READ, right="report")
def get_mailing(unit: Unit, request: Any) -> Values:
    """Shows a mailing with its newest 100 instances."""
    return convert.mailing(mailings.get(unit, convert.row_id(request.mailingId, "mailingId")))


@operation("FindMailings", FindMailingsRequest, MailingPage, way=FIND, right="report")
def find_mailings(unit: Unit, request: Any) -> Values:
    """Lists mailings in pages, in the order of their creation."""
    if request.state is not None and request.state not in STATES:
        raise faults.unknown_word("state", STATES)
    wanted = MailingFilter(state=request.state, name=request.name, since=convert.instant_of(request.since, "since"),
                           until=convert.instant_of(request.until, "until"))
    page = mailings.find(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.mailing, unit.actor.request_id)


@operation("PreviewMailing", PreviewMailingRequest, MailingPreview, way=READ, right="send")
def preview_mailing(unit: Unit, request: Any) -> Values:
    """Shows the message as one person would get it, and how many people would get it now or be left out."""
    mailing_id = convert.row_id(request.mailingId, "mailingId")
    return convert.preview(mailings.preview(unit, mailing_id, convert.identifier(request.identifier)))


@operation("SendTestMailing", SendTestMailingRequest, TestResult, way=ACT, right="send")
def send_test_mailing(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Sends marked test copies to 1 to 20 addresses; they make no instance and no figures."""
    copies = testcopies.send_tests(gateway, actor, convert.row_id(request.mailingId, "mailingId"),
                                tuple(request.address), convert.identifier(request.identifier))
    return {"requestId": actor.request_id, "copy": [convert.test_copy(each) for each in copies]}


@operation("ScheduleMailing", ScheduleMailingRequest, MailingInstance, way=WRITE, right="send")
def schedule_mailing(unit: Unit, request: Any) -> Values:
    """Makes an instance that is sent at sendAt.

    A time more than 5 minutes in the past is refused with INVALID_VALUE. A mailing that has an instance already needs
    again, else STATE_CONFLICT: a repeated call never mails twice.
    """
    return convert.instance(mailings.schedule(
        unit, convert.row_id(request.mailingId, "mailingId"), convert.instant_of(request.sendAt, "sendAt"),
        convert.instant_of(request.notAfter, "notAfter"), bool(request.again)))


@operation("SendMailing", SendMailingRequest, MailingInstance, way=WRITE, right="send")
def send_mailing(unit: Unit, request: Any) -> Values:
    """Makes an instance that is sent now.

    A mailing that has an instance already needs again, else STATE_CONFLICT: a repeated call never mails twice.
    """
    return convert.instance(mailings.send(
        unit, convert.row_id(request.mailingId, "mailingId"), convert.instant_of(request.notAfter, "notAfter"),
        bool(request.again)))


@operation("CancelMailing", CancelMailingRequest, MailingInstance, way=STEP, right="send")
def cancel_mailing(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Ends an instance: what waits is not sent, what is out is out. A sent one is refused with STATE_CONFLICT."""
    instance_id = convert.row_id(request.instanceId, "instanceId")
    with gateway.unit(actor) as unit:
        mailings.cancel(unit, instance_id)
    return convert.instance(mailings.let_go(gateway, actor, instance_id))


OPERATIONS = (create_mailing, update_mailing, get_mailing, find_mailings, preview_mailing, send_test_mailing,
              schedule_mailing, send_mailing, cancel_mailing)
