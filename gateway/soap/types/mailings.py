"""Which messages does the mailings noun have? (SOAP-54..60)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Identifier, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

STATES_NOTE = "draft, in_review, approved or released"
INSTANCE_STATES_NOTE = "scheduled, preparing, sending, paused, sent or cancelled"


class StateCount(Record):
    """How many deliveries are in one state."""

    state = mandatory(Unicode, "left_out, queued, claimed, deferred, in_doubt, accepted, refused, expired or "
                               "cancelled; new words may come.")
    count = mandatory(Integer32, "So many.")
    extra = V1.extra()


class ReasonCount(Record):
    """How many people are left out for one reason."""

    reason = mandatory(Unicode, "For example unsubscribed, bad_email, duplicate_address; new words may come.")
    count = mandatory(Integer32, "So many.")
    extra = V1.extra()


class MailingInstance(Record):
    """One publication of a mailing."""

    instanceId = mandatory(Unicode, "Our id of the instance.")
    mailingId = mandatory(Unicode, "The mailing it publishes.")
    state = mandatory(Unicode, f"{INSTANCE_STATES_NOTE}; new words may come.")
    reason = optional(Unicode, "Why it is paused or cancelled.")
    sendAt = mandatory(DateTime, "When it is due.")
    notAfter = optional(DateTime, "When it is given up if it could not be sent.")
    createdAt = mandatory(DateTime, "When it was scheduled.")
    finishedAt = optional(DateTime, "When it was sent or cancelled.")
    stateCount = list_of(StateCount, "Deliveries by state.")
    warning = base.warnings()
    extra = V1.extra()


class Mailing(Record):
    """Content and audience rule."""

    mailingId = mandatory(Unicode, "Our id of the mailing.")
    state = mandatory(Unicode, f"{STATES_NOTE}; new words may come.")
    name = mandatory(Unicode, "Its name, for people who work with it.")
    subject = mandatory(Unicode, "The subject line, with merge tags.")
    fromName = optional(Unicode, "The sender's name.")
    fromAddress = mandatory(Unicode, "The sender's address.")
    replyTo = optional(Unicode, "Where replies go.")
    html = mandatory(Unicode, "The HTML part, with merge tags.")
    text = optional(Unicode, "The text part; made from the HTML if absent.")
    interest = list_of(Unicode, "The name of an interest whose members get it.")
    excludeInterest = list_of(Unicode, "The name of an interest whose members do not get it.")
    includeOrphans = mandatory(Boolean, "Whether orphans get it.")
    trackOpens = mandatory(Boolean, "Whether opens are counted.")
    trackClicks = mandatory(Boolean, "Whether clicks are counted.")
    folder = optional(Unicode, "A folder name, for people who work with it.")
    createdBy = mandatory(Unicode, "Who created it.")
    createdAt = mandatory(DateTime, "When it was created.")
    changedAt = mandatory(DateTime, "When it changed last.")
    instance = list_of(MailingInstance, "Its instances, newest first, at most 100.")
    warning = base.warnings()
    extra = V1.extra()


class CreateMailingRequest(Record):
    """The draft to create."""

    clientRequestId = base.client_request_id()
    name = mandatory(Unicode, "Its name, for people who work with it.")
    subject = mandatory(Unicode, "The subject line; merge tags are allowed.")
    fromName = optional(Unicode, "The sender's name.")
    fromAddress = mandatory(Unicode, "The sender's address.")
    replyTo = optional(Unicode, "Where replies go; the sender's address if left out.")
    html = mandatory(Unicode, "The HTML part; merge tags are allowed.")
    text = optional(Unicode, "The text part; made from the HTML if left out.")
    interest = list_of(Unicode, "The name of an interest whose members get it; several are joined by or.")
    excludeInterest = list_of(Unicode, "The name of an interest whose members do not get it.")
    includeOrphans = optional(Boolean, "Whether orphans get it; false if left out.")
    trackOpens = optional(Boolean, "Whether opens are counted; true if left out.")
    trackClicks = optional(Boolean, "Whether clicks are counted; true if left out.")
    folder = optional(Unicode, "A folder name, for people who work with it.")


class UpdateMailingRequest(Record):
    """What to change in a draft; members left out stay."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing; it must be a draft.")
    name = optional(Unicode, "Its name.")
    subject = optional(Unicode, "The subject line.")
    fromName = optional(Unicode, "The sender's name; empty for none.")
    fromAddress = optional(Unicode, "The sender's address.")
    replyTo = optional(Unicode, "Where replies go; empty for the sender's address.")
    html = optional(Unicode, "The HTML part.")
    text = optional(Unicode, "The text part; empty to have it made from the HTML.")
    interest = list_of(Unicode, "The names of all interests whose members get it; at least one replaces all of them.")
    excludeInterest = list_of(Unicode, "The names of all interests whose members do not get it; at least one "
                                       "replaces all of them, a single empty one clears them.")
    includeOrphans = optional(Boolean, "Whether orphans get it.")
    trackOpens = optional(Boolean, "Whether opens are counted.")
    trackClicks = optional(Boolean, "Whether clicks are counted.")
    folder = optional(Unicode, "A folder name; empty for none.")


class GetMailingRequest(Record):
    """Which mailing to show."""

    mailingId = mandatory(Unicode, "The mailing.")


class FindMailingsRequest(Record):
    """Filters, joined by and; none finds all mailings."""

    state = optional(Unicode, f"{STATES_NOTE}.")
    name = optional(Unicode, "Only mailings of this name.")
    since = base.since("mailings created")
    until = base.until("mailings created")
    pageSize = base.page_size()
    pageToken = base.page_token()


class MailingPage(Record):
    """One page of mailings."""

    item = list_of(Mailing, "A mailing.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()


class PreviewMailingRequest(Record):
    """What to preview, and as whom."""

    mailingId = mandatory(Unicode, "The mailing.")
    identifier = optional(Identifier, "The person whose values are filled in; defaults if left out.")


class MailingPreview(Record):
    """The message as one person would get it, and its audience as of now."""

    subject = mandatory(Unicode, "The subject line.")
    html = mandatory(Unicode, "The HTML part.")
    text = mandatory(Unicode, "The text part.")
    sizeBytes = mandatory(Integer32, "The size of the whole message.")
    recipients = mandatory(Integer32, "People who would get it now.")
    leftOut = list_of(ReasonCount, "People who would not, by reason.")
    warning = base.warnings()
    extra = V1.extra()


class SendTestMailingRequest(Record):
    """Where to send test copies; they make no instance and no figures."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing.")
    address = list_of(Unicode, "An address to send a copy to; 1 to 20.", at_least=1)
    identifier = optional(Identifier, "The person whose values are filled in; defaults if left out.")


class TestCopy(Record):
    """What became of one test copy."""

    __test__ = False  # not a test class, whatever its name

    address = mandatory(Unicode, "The address.")
    status = mandatory(Unicode, "accepted, refused, deferred or failed; new words may come.")
    code = optional(Unicode, "Why it failed: a code of the error catalogue; new codes may come.")
    message = optional(Unicode, "One sentence for a person.")
    extra = V1.extra()


class TestResult(Record):
    """What became of the test copies."""

    __test__ = False  # not a test class, whatever its name

    requestId = base.request_id()
    copy = list_of(TestCopy, "One for each address, in the order sent.")
    extra = V1.extra()


class ScheduleMailingRequest(Record):
    """When to send what."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing.")
    sendAt = mandatory(DateTime, "When to send; not more than 5 minutes in the past. " + base.NO_OFFSET_NOTE)
    notAfter = optional(DateTime, "Give up what is not sent by then. " + base.NO_OFFSET_NOTE)
    again = optional(Boolean, "True if the mailing has an instance already and is to be sent once more.")


class SendMailingRequest(Record):
    """What to send now."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing.")
    notAfter = optional(DateTime, "Give up what is not sent by then. " + base.NO_OFFSET_NOTE)
    again = optional(Boolean, "True if the mailing has an instance already and is to be sent once more.")


class CancelMailingRequest(Record):
    """Which instance to cancel."""

    clientRequestId = base.client_request_id()
    instanceId = mandatory(Unicode, "The instance; what is out is out.")
