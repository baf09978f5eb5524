"""Which messages does the reporting noun have? (SOAP-61..64; sending.md section 8)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.soap.types.mailings import ReasonCount
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional


class TierCount(Record):
    """How many deliveries were personalised from one tier."""

    tier = mandatory(Unicode, "live, cached, default or empty; new words may come.")
    count = mandatory(Integer32, "So many.")
    extra = V1.extra()


class GetMailingReportRequest(Record):
    """Which figures: one instance's, or the sum of a mailing's instances. Give exactly one."""

    instanceId = optional(Unicode, "The instance.")
    mailingId = optional(Unicode, "The mailing.")


class MailingReport(Record):
    """The figures. targeted = sum of leftOut + pending + inDoubt + sent + cancelled; sent = delivered + all bounced."""

    mailingId = mandatory(Unicode, "The mailing.")
    instanceId = list_of(Unicode, "The instances counted: one, or all of the mailing.")
    settled = mandatory(Boolean, "False until 24 hours after the sending ended: figures may still move.")
    asOf = mandatory(DateTime, "When the figures were taken.")
    targeted = mandatory(Integer32, "Everybody the audience rule reached.")
    leftOut = list_of(ReasonCount, "People not mailed, by reason.")
    pending = mandatory(Integer32, "Waiting, or to be tried again.")
    inDoubt = mandatory(Integer32, "Outcome unknown, held for a decision.")
    cancelled = mandatory(Integer32, "Not sent because the instance was cancelled.")
    sent = mandatory(Integer32, "Accepted, refused or expired.")
    bouncedHard = mandatory(Integer32, "Bounced: the address is bad.")
    bouncedSoft = mandatory(Integer32, "Bounced: for now, or given up after retries.")
    bouncedBlock = mandatory(Integer32, "Bounced: blocked by policy.")
    bouncedOther = mandatory(Integer32, "Bounced: of no clear class.")
    delivered = mandatory(Integer32, "Sent without those bounced.")
    opens = mandatory(Integer32, "Opens by people.")
    uniqueOpens = mandatory(Integer32, "Recipients with an open or a click.")
    opensAutomated = mandatory(Integer32, "Opens by programs.")
    uniqueOpensAutomated = mandatory(Integer32, "Recipients with an open by a program.")
    clicks = mandatory(Integer32, "Clicks by people.")
    uniqueClicks = mandatory(Integer32, "Recipients with a click.")
    clicksAutomated = mandatory(Integer32, "Clicks by programs.")
    uniqueClicksAutomated = mandatory(Integer32, "Recipients with a click by a program.")
    firstOpenAt = optional(DateTime, "When a person opened it first.")
    firstClickAt = optional(DateTime, "When a person clicked first.")
    unsubscribed = mandatory(Integer32, "Recipients who unsubscribed by this mailing.")
    complaints = mandatory(Integer32, "Recipients who reported it as spam; each is unsubscribed too.")
    optedOut = optional(Integer32, "Recipients who left an interest by this mailing; absent if not measured.")
    forwards = optional(Integer32, "Sent on to a friend; absent if not measured.")
    personalisation = list_of(TierCount, "Deliveries by the tier that served their values.")
    note = list_of(Unicode, "What to know when reading the figures.")
    extra = V1.extra()


class Event(Record):
    """Something that happened to somebody."""

    eventId = mandatory(Unicode, "Our id of the event.")
    type = mandatory(Unicode, "sent, deferred, bounced, in_doubt, opened, clicked, unsubscribed, resubscribed, "
                              "opted_out, complained or merged; new words may come.")
    occurredAt = mandatory(DateTime, "When it happened.")
    recordedAt = mandatory(DateTime, "When it was recorded here; since and until compare this.")
    mailingId = optional(Unicode, "The mailing.")
    instanceId = optional(Unicode, "The instance.")
    deliveryId = optional(Unicode, "The delivery.")
    subscriberId = optional(Unicode, "Our id of the person.")
    remoteId = optional(Unicode, "The person's remote ID.")
    email = optional(Unicode, "The address.")
    url = optional(Unicode, "The link that was clicked.")
    origin = optional(Unicode, "Where it came from, for example link, one_click, form, complaint, admin, api; "
                               "new words may come.")
    reason = optional(Unicode, "The reason given.")
    code = optional(Unicode, "The status code of a bounce.")
    automated = mandatory(Boolean, "Whether a program did it, not a person.")
    extra = V1.extra()


class FindEventsRequest(Record):
    """Filters, joined by and; none finds everything."""

    type = list_of(Unicode, "Only events of these types.")
    mailingId = optional(Unicode, "Only events of this mailing.")
    instanceId = optional(Unicode, "Only events of this instance.")
    since = base.since("events recorded")
    until = base.until("events recorded")
    pageSize = base.page_size()
    pageToken = base.page_token()


class FindUnsubscribesRequest(Record):
    """Filters, joined by and; none finds everybody who unsubscribed."""

    since = base.since("unsubscribes recorded")
    until = base.until("unsubscribes recorded")
    instanceId = optional(Unicode, "Only unsubscribes by this instance.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class EventPage(Record):
    """One page of events."""

    item = list_of(Event, "An event.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()


class FindDeliveriesRequest(Record):
    """Which deliveries of one publication; the filters are joined by and."""

    instanceId = mandatory(Unicode, "The publication.")
    state = list_of(Unicode, "Only deliveries in one of these states: left_out, queued, claimed, deferred, in_doubt, "
                             "accepted, refused, expired or cancelled.")
    reason = list_of(Unicode, "Only people left out for one of these reasons, for example unsubscribed.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class Delivery(Record):
    """One recipient of a mailing, or one person that was left out."""

    deliveryId = mandatory(Unicode, "Our id of the delivery.")
    mailingId = mandatory(Unicode, "The mailing.")
    instanceId = mandatory(Unicode, "The publication.")
    subscriberId = mandatory(Unicode, "Our id of the person.")
    email = optional(Unicode, "The address when the audience was frozen.")
    remoteId = optional(Unicode, "The remote ID when the audience was frozen.")
    state = mandatory(Unicode, "left_out, queued, claimed, deferred, in_doubt, accepted, refused, expired or "
                               "cancelled; new words may come.")
    reason = optional(Unicode, "Why the person was left out; new words may come.")
    attempts = mandatory(Integer32, "How often it was tried.")
    code = optional(Unicode, "What the mail server said last, as a status code.")
    statusText = optional(Unicode, "The same in its words.")
    bounceClass = optional(Unicode, "hard, soft, block or other; new words may come.")
    firstTriedAt = optional(DateTime, "When it was tried first.")
    nextAt = optional(DateTime, "When a deferred one is tried again.")
    acceptedAt = optional(DateTime, "When the mail server took it.")
    changedAt = mandatory(DateTime, "When its state changed last.")
    extra = V1.extra()


class DeliveryPage(Record):
    """One page of deliveries."""

    item = list_of(Delivery, "A delivery.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
