"""Which operations has the life of a mailing: review, publication, pause, doubts? (SOAP-59, SOAP-60)"""

from __future__ import annotations

from typing import Any

from gateway.domain.accounts import Actor
from gateway.domain.mailing import duration_s
from gateway.services import doubts, mailings, review
from gateway.services.gateway import Gateway, Unit
from gateway.soap import convert, faults
from gateway.soap.encode import Values
from gateway.soap.operation import READ, STEP, WRITE, operation
from gateway.soap.types.lifecycle import (
    ApproveMailingRequest,
    AudienceCount,
    CountAudienceRequest,
    DecideInDoubtRequest,
    InDoubtDecided,
    MailingFiles,
    PauseMailingRequest,
    PublishMailingRequest,
    RejectMailingRequest,
    ResumeMailingRequest,
    SetMailingFilesRequest,
    SubmitMailingRequest,
)
from gateway.soap.types.mailings import Mailing, MailingInstance


@operation("SubmitMailing", SubmitMailingRequest, Mailing, way=WRITE, right="send")
def submit_mailing(unit: Unit, request: Any) -> Values:
    """Asks an administrator to approve a draft, where the brand reviews its mailings."""
    return convert.mailing(review.submit(unit, convert.row_id(request.mailingId, "mailingId")))


@operation("ApproveMailing", ApproveMailingRequest, Mailing, way=WRITE, right="admin")
def approve_mailing(unit: Unit, request: Any) -> Values:
    """Lets a submitted mailing be sent. Any change of it takes the approval back."""
    return convert.mailing(review.approve(unit, convert.row_id(request.mailingId, "mailingId"), request.note))


@operation("RejectMailing", RejectMailingRequest, Mailing, way=WRITE, right="admin")
def reject_mailing(unit: Unit, request: Any) -> Values:
    """Makes a submitted or approved mailing a draft again; the note tells its author why."""
    return convert.mailing(review.reject(unit, convert.row_id(request.mailingId, "mailingId"), request.note))


@operation("PublishMailing", PublishMailingRequest, MailingInstance, way=WRITE, right="send")
def publish_mailing(unit: Unit, request: Any) -> Values:
    """Makes an instance that is sent now or later, to everybody or to some, at once or distributed over hours.

    A mailing that has an instance already needs again, else STATE_CONFLICT: a repeated call never mails twice.
    """
    send_at = convert.instant_of(request.sendAt, "sendAt")
    if send_at is not None or request.sendAtLocal is not None or request.timeZone is not None:
        send_at = mailings.moment_of(unit, send_at, request.sendAtLocal, request.timeZone)
    return convert.instance(mailings.schedule(
        unit, convert.row_id(request.mailingId, "mailingId"), send_at or unit.now,
        convert.instant_of(request.notAfter, "notAfter"), bool(request.again), audience_=request.audience,
        spread_s=None if request.spreadOver is None else duration_s(request.spreadOver, "spreadOver")))


@operation("SetMailingFiles", SetMailingFilesRequest, MailingFiles, way=WRITE, right="send")
def set_mailing_files(unit: Unit, request: Any) -> Values:
    """Makes the files of a mailing exactly these: attachments, and images within the HTML. The draft of an approved
    mailing has to be approved again. A released one is refused with STATE_CONFLICT."""
    mailing_id = convert.row_id(request.mailingId, "mailingId")
    return convert.files(mailings.update(unit, mailing_id, {"files": convert.mailing_files(request.file or ())}))


@operation("PauseMailing", PauseMailingRequest, MailingInstance, way=STEP, right="send")
def pause_mailing(gateway: Gateway, actor: Actor, request: Any) -> Values:
    """Stops an instance until it is resumed; what is out is out. One that has ended is refused with STATE_CONFLICT."""
    instance_id = convert.row_id(request.instanceId, "instanceId")
    with gateway.unit(actor) as unit:
        mailings.pause(unit, instance_id)
    return convert.instance(mailings.let_go(gateway, actor, instance_id))


@operation("ResumeMailing", ResumeMailingRequest, MailingInstance, way=WRITE, right="send")
def resume_mailing(unit: Unit, request: Any) -> Values:
    """Lets a paused instance go on where it stopped; nobody gets it twice. One that has ended is refused with
    STATE_CONFLICT."""
    return convert.instance(mailings.resume(unit, convert.row_id(request.instanceId, "instanceId")))


@operation("CountAudience", CountAudienceRequest, AudienceCount, way=READ, right="send")
def count_audience(unit: Unit, request: Any) -> Values:
    """Counts whom a mailing would reach now, everybody or some, and who is left out for which reason."""
    return convert.audience(mailings.count_audience(unit, convert.row_id(request.mailingId, "mailingId"),
                                                    request.audience))


@operation("DecideInDoubt", DecideInDoubtRequest, InDoubtDecided, way=WRITE, right="send")
def decide_in_doubt(unit: Unit, request: Any) -> Values:
    """Decides what becomes of messages of which nobody knows whether they arrived. They are held until then."""
    instance_id = convert.row_id(request.instanceId, "instanceId")
    named = [convert.row_id(each, "deliveryId") for each in request.deliveryId or ()]
    if bool(named) == bool(request.all):
        raise faults.one_of_two("deliveryId", "all")
    decided = doubts.decide(unit, instance_id, request.decision, named or None)
    return {"decided": decided, "instance": convert.instance(mailings.get_instance(unit, instance_id))}


OPERATIONS = (submit_mailing, approve_mailing, reject_mailing, set_mailing_files, publish_mailing, pause_mailing,
              resume_mailing, count_audience, decide_in_doubt)
