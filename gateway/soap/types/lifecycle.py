"""Which messages has the life of a mailing: review, publication, pause, doubts? (SOAP-59, SOAP-60)"""

from __future__ import annotations

from gateway.domain.mailing import AUDIENCES, DECISIONS
from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.soap.types.mailings import MailingInstance, ReasonCount
from gateway.spynekit.kinds import Boolean, ByteArray, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

Audience = V1.enum("Audience", AUDIENCES, "Whom a mailing that is sent again goes to, of all whom its interests reach: "
                                          "who never got it, who got it and did not open it, whom it could not reach.")
Decision = V1.enum("InDoubtDecision", DECISIONS, "What becomes of a message of unknown outcome: sent once more, so "
                                                 "that it may arrive twice, or counted as sent.")


class SubmitMailingRequest(Record):
    """Which draft is to be approved."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing; a draft.")


class ApproveMailingRequest(Record):
    """Which submitted mailing may be sent."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing; submitted.")
    note = optional(Unicode, "A note for its author, up to 2000 characters.")


class RejectMailingRequest(Record):
    """Which submitted or approved mailing is a draft again."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing; submitted or approved.")
    note = optional(Unicode, "Why, for its author; up to 2000 characters.")


class PublishMailingRequest(Record):
    """What to publish, when, to whom, and over what time."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing.")
    sendAt = optional(DateTime, "When to send; not more than 5 minutes in the past. Without it and sendAtLocal: now. "
                                + base.NO_OFFSET_NOTE)
    sendAtLocal = optional(Unicode, "Instead of sendAt: a time on the wall such as 2026-05-01T09:00. Where clocks are "
                                    "put forward, a time that is left out is as much later; where they are put back, "
                                    "one that comes twice is the first.")
    timeZone = optional(Unicode, "Of sendAtLocal, such as Europe/Berlin; the brand's if left out.")
    notAfter = optional(DateTime, "Give up what is not sent by then. " + base.NO_OFFSET_NOTE)
    again = optional(Boolean, "True if the mailing has an instance already and is to be sent once more.")
    audience = optional(Audience, "Only with again: whom it goes to; everybody if left out.")
    spreadOver = optional(Unicode, "Distribute it over so long: seconds, or a duration such as PT4H; a minute to 14 "
                                   "days.")


class PauseMailingRequest(Record):
    """Which instance is to stop until it is resumed."""

    clientRequestId = base.client_request_id()
    instanceId = mandatory(Unicode, "The instance.")


class ResumeMailingRequest(Record):
    """Which paused instance is to go on."""

    clientRequestId = base.client_request_id()
    instanceId = mandatory(Unicode, "The instance.")


class MailingFile(Record):
    """A file that a mailing carries."""

    name = mandatory(Unicode, "Its name, such as agenda.pdf.")
    contentType = optional(Unicode, "Such as application/pdf; application/octet-stream if left out.")
    contentId = optional(Unicode, "Of an image within the HTML, which shows it as cid:NAME; an attachment if left "
                                  "out.")
    data = mandatory(ByteArray, "Its bytes.")


class SetMailingFilesRequest(Record):
    """All files that a mailing is to carry; none takes all away."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing; not released.")
    file = list_of(MailingFile, "A file, in their order; up to 20, together up to 10 MiB as they are mailed.")


class FileFacts(Record):
    """What is told of a file of a mailing."""

    name = mandatory(Unicode, "Its name.")
    contentType = mandatory(Unicode, "Its type.")
    contentId = optional(Unicode, "The name by which the HTML shows it; absent: an attachment.")
    sizeBytes = mandatory(Integer32, "Its size.")
    extra = V1.extra()


class MailingFiles(Record):
    """The files of a mailing."""

    mailingId = mandatory(Unicode, "The mailing.")
    file = list_of(FileFacts, "A file.")
    warning = base.warnings()
    extra = V1.extra()


class CountAudienceRequest(Record):
    """Whose audience to count."""

    mailingId = mandatory(Unicode, "The mailing.")
    audience = optional(Audience, "As of PublishMailing; everybody if left out.")


class AudienceCount(Record):
    """Whom a mailing would reach now."""

    recipients = mandatory(Integer32, "People who would get it now.")
    leftOut = list_of(ReasonCount, "People who would not, by reason.")
    extra = V1.extra()


class DecideInDoubtRequest(Record):
    """What becomes of messages of unknown outcome. Name deliveries, or say all."""

    clientRequestId = base.client_request_id()
    instanceId = mandatory(Unicode, "The instance.")
    decision = mandatory(Decision, "What becomes of them.")
    deliveryId = list_of(Unicode, "A delivery in doubt, as FindDeliveries shows it; up to 5000.")
    all = optional(Boolean, "True for all of the instance that are in doubt.")


class InDoubtDecided(Record):
    """What came of a decision."""

    decided = mandatory(Integer32, "So many were in doubt, and are no more.")
    instance = mandatory(MailingInstance, "The instance as it is now.")
    extra = V1.extra()
