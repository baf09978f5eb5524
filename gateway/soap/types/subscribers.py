"""Which messages does the subscribers noun have? (SOAP-33..49)

A record has no facets: what is wrong with one record is that record's result, never a fault (SOAP-34).
"""

from __future__ import annotations

from gateway.domain.records import CLEAR, KEEP, MODES
from gateway.soap.types import base
from gateway.soap.types.base import V1, Identifier, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import clearable, list_of, mandatory, optional

ImportMode = V1.enum("ImportMode", MODES, "How a batch meets the people we know: Add only creates, Update only "
                     "changes, AddOrUpdate does both, Remove ends memberships, ReplaceAll makes the interests exactly "
                     "this batch.")
EmptyValue = V1.enum("EmptyValue", (KEEP, CLEAR), "What an empty text means: keep the stored value, or clear it.")
Detail = V1.enum("Detail", ("All", "Failures", "None"), "Which results are listed; the counters are always there.")


class RecordField(Record):
    """One value of a record. A field that is not listed is kept."""

    name = mandatory(Unicode, "The field's name; case, blanks, hyphens and underscores do not count.")
    value = clearable(Unicode, "The value; nil clears it, an empty text follows emptyValue.")


class SubscriberRecord(Record):
    """One person as the sender knows them. With remoteId the person is found by it; without, by the address alone."""

    remoteId = optional(Unicode, "The person's ID in the sending system, 1 to 255 characters.")
    email = optional(Unicode, "The e-mail address.")
    field = list_of(RecordField, "A value to store.")
    addInterest = list_of(Unicode, "The name of an interest to join.")
    removeInterest = list_of(Unicode, "The name of an interest to leave.")
    doNotEmail = optional(Boolean, "The sending system's do-not-email flag; only an explicit false clears it.")


class ImportSubscribersRequest(Record):
    """Options and records of one synchronous import."""

    clientRequestId = base.client_request_id()
    mode = mandatory(ImportMode, "What may be done with each record.")
    emptyValue = optional(EmptyValue, "What an empty text means; Keep if left out.")
    interest = list_of(Unicode, "The name of an interest that every record joins or, with mode Remove, leaves.")
    dryRun = optional(Boolean, "True answers as usual and stores nothing.")
    detail = optional(Detail, "Which results to list; All if left out.")
    integration = optional(Unicode, "The integration whose remote IDs these are; that of the credentials if left out.")
    source = optional(Unicode, "A label for records that come without a remote ID.")
    record = list_of(SubscriberRecord, "A record; 1 to 1000 a call.", at_least=1)


class RecordResult(Record):
    """What became of one record or entry."""

    index = mandatory(Integer32, "The position sent, from 0.")
    status = mandatory(Unicode, "created, adopted, updated, unchanged, skipped, suppressed or failed; new words "
                                "may come.")
    subscriberId = optional(Unicode, "Our id of the person.")
    remoteId = optional(Unicode, "The remote ID as sent.")
    email = optional(Unicode, "The address as stored.")
    matchedBy = optional(Unicode, "remoteId or email if a stored record was found; new words may come.")
    rule = optional(Unicode, "The rule of the identity handbook that decided.")
    code = optional(Unicode, "Why it failed or was skipped: a code of the error catalogue; new codes may come.")
    field = optional(Unicode, "The member or field at fault.")
    message = optional(Unicode, "One sentence for a person.")
    warning = base.warnings()
    extra = V1.extra()


class BatchResult(Record):
    """The answer to a batch: received is the sum of the seven counters after it."""

    overall = mandatory(Unicode, "OK, Partial or Failed (every record failed); new words may come.")
    requestId = base.request_id()
    replayed = mandatory(Boolean, "Whether this is the stored answer to an earlier call with the same clientRequestId.")
    asOf = mandatory(DateTime, "When the batch was applied.")
    received = mandatory(Integer32, "Records sent.")
    created = mandatory(Integer32, "People stored for the first time.")
    adopted = mandatory(Integer32, "Known addresses that got their remote ID.")
    updated = mandatory(Integer32, "People that changed.")
    unchanged = mandatory(Integer32, "Records that changed nothing.")
    skipped = mandatory(Integer32, "Records that the mode does not allow.")
    suppressed = mandatory(Integer32, "People erased on request; not stored.")
    failed = mandatory(Integer32, "Records refused; each has its reason in its result.")
    result = list_of(RecordResult, "One for each record, in the order sent, as detail asked.")
    extra = V1.extra()


class SubscriberLink(Record):
    """A remote ID of the person in one integration."""

    integration = mandatory(Unicode, "The integration's name.")
    remoteId = mandatory(Unicode, "The person's ID there.")
    extra = V1.extra()


class SubscriberField(Record):
    """A stored value and who gave it. Several sources may each have a value of one field."""

    name = mandatory(Unicode, "The field's name.")
    value = optional(Unicode, "The value; absent if there is none.")
    source = mandatory(Unicode, "Who gave it: integration:NAME, upload, upload:LABEL or local; new words may come.")
    changedAt = mandatory(DateTime, "When it changed last.")
    extra = V1.extra()


class SubscriberInterest(Record):
    """A membership in an interest."""

    name = mandatory(Unicode, "The interest's name.")
    source = mandatory(Unicode, "Who added the person, in the words of SubscriberField.source.")
    since = mandatory(DateTime, "When the membership began.")
    until = optional(DateTime, "When it ended; absent while it is open.")
    extra = V1.extra()


class Subscriber(Record):
    """One stored person."""

    subscriberId = mandatory(Unicode, "Our id; never changes and is never reused.")
    email = optional(Unicode, "The address, lower case.")
    remoteId = optional(Unicode, "The remote ID in the integration of the credentials, else the oldest one.")
    link = list_of(SubscriberLink, "Every remote ID of the person.")
    status = mandatory(Unicode, "active, unsubscribed or bad_email; new words may come.")
    sendable = mandatory(Boolean, "Whether a mailing would reach the person.")
    blockedBy = list_of(Unicode, "A fact that blocks mail: opt_out, remote_flag, bad_email or orphan; new words "
                                 "may come.")
    source = mandatory(Unicode, "Who delivers the person now, in the words of SubscriberField.source.")
    firstSource = mandatory(Unicode, "Who delivered the person first; never changes.")
    orphan = mandatory(Boolean, "Whether the last remote ID ended; an orphan is kept and not mailed.")
    mergedInto = optional(Unicode, "The subscriberId of the record that this one was merged into.")
    field = list_of(SubscriberField, "A stored value.")
    interest = list_of(SubscriberInterest, "A membership, ended ones too.")
    createdAt = mandatory(DateTime, "When the record was stored first.")
    changedAt = mandatory(DateTime, "When it changed last.")
    extra = V1.extra()


class GetSubscriberRequest(Record):
    """Whom to show."""

    identifier = mandatory(Identifier, "Who is meant. An address that several records have: AMBIGUOUS_EMAIL.")


class FindSubscribersRequest(Record):
    """Filters, joined by and; none finds everybody."""

    email = optional(Unicode, "Only people with this address.")
    remoteId = optional(Unicode, "Only the person with this remote ID in any integration.")
    status = optional(Unicode, "active, unsubscribed or bad_email.")
    interest = optional(Unicode, "Only members of the interest of this name.")
    source = optional(Unicode, "Only people of this source, in the words of Subscriber.source.")
    orphan = optional(Boolean, "Only orphans, or only others.")
    changedSince = base.since("people who changed")
    changedUntil = base.until("people who changed")
    pageSize = base.page_size()
    pageToken = base.page_token()


class SubscriberPage(Record):
    """One page of people."""

    item = list_of(Subscriber, "A person.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()


class UnsubscribeEntry(Record):
    """Whom to unsubscribe, by at least one identifier; acts on the address, known or not."""

    subscriberId = optional(Unicode, "Our id of the subscriber.")
    remoteId = optional(Unicode, "The remote ID in the integration of the credentials.")
    email = optional(Unicode, "The e-mail address.")
    reason = optional(Unicode, "Why, for the record and the writeback.")


class UnsubscribeRequest(Record):
    """Whom to unsubscribe."""

    clientRequestId = base.client_request_id()
    entry = list_of(UnsubscribeEntry, "An entry; 1 to 1000 a call.", at_least=1)


class ResubscribeEntry(Record):
    """Whose opt-out and bounce to clear, by at least one identifier."""

    subscriberId = optional(Unicode, "Our id of the subscriber.")
    remoteId = optional(Unicode, "The remote ID in the integration of the credentials.")
    email = optional(Unicode, "The e-mail address.")
    reason = mandatory(Unicode, "On what ground: it is recorded.")


class ResubscribeRequest(Record):
    """Whose opt-outs to clear."""

    clientRequestId = base.client_request_id()
    entry = list_of(ResubscribeEntry, "An entry; 1 to 1000 a call.", at_least=1)


class OptOutEntry(Record):
    """Who leaves, by at least one identifier; an address means every record that has it."""

    subscriberId = optional(Unicode, "Our id of the subscriber.")
    remoteId = optional(Unicode, "The remote ID in the integration of the credentials.")
    email = optional(Unicode, "The e-mail address.")
    reason = optional(Unicode, "Why, for the record.")


class OptOutRequest(Record):
    """Who leaves which interests."""

    clientRequestId = base.client_request_id()
    interest = list_of(Unicode, "The name of an interest to leave; it must exist.", at_least=1)
    entry = list_of(OptOutEntry, "An entry; 1 to 1000 a call.", at_least=1)


class ChangeRemoteIdRequest(Record):
    """Which remote ID became which."""

    clientRequestId = base.client_request_id()
    oldRemoteId = mandatory(Unicode, "The remote ID that the system no longer uses.")
    newRemoteId = mandatory(Unicode, "What it is called now.")
    integration = optional(Unicode, "The integration whose remote IDs these are; that of the credentials if left out.")
