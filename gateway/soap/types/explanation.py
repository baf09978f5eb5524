"""How does the whole answer about one person look? (SOAP-48, ID-79)

The same tree of facts as in JSON, with lists under the name of one of their items.
"""

from __future__ import annotations

from gateway.soap.types.base import V1, Identifier, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

SENTENCE = "The same for a person to read."


class ExplainSubscriberRequest(Record):
    """Whom to explain, in general or with regard to one mailing."""

    identifier = mandatory(Identifier, "Who is meant. Everybody who has the address is explained.")
    instanceId = optional(Unicode, "One publication of a mailing: did it reach the person?")
    mailingId = optional(Unicode, "A mailing: would it reach the person now?")
    integration = optional(Unicode, "Whose remote ID it is; that of the credentials if left out.")


class NamedText(Record):
    """A text by name."""

    name = mandatory(Unicode, "Its name.")
    value = mandatory(Unicode, "The text.")
    extra = V1.extra()


class ValueChange(Record):
    """One thing that changed, or would change."""

    name = mandatory(Unicode, "What changed: a field, email, interest and the like.")
    old = optional(Unicode, "What it was; absent where there was nothing.")
    new = optional(Unicode, "What it became; absent where nothing is left.")
    extra = V1.extra()


class Decision(Record):
    """A stored decision about a record that named the person."""

    decisionId = mandatory(Unicode, "Our id of the decision.")
    recordedAt = mandatory(DateTime, "When it was taken.")
    door = mandatory(Unicode, "Where the record came in: soap, push, sync and the like; new words may come.")
    actor = mandatory(Unicode, "Who sent it.")
    uploadId = optional(Unicode, "The upload, sync or bulk import.")
    row = optional(Integer32, "The position in the upload, from 1.")
    line = optional(Integer32, "The line of its file, from 1.")
    subscriberId = optional(Unicode, "The record it was about; another one than the person's if that was merged.")
    remoteId = optional(Unicode, "The remote ID as sent.")
    email = optional(Unicode, "The address as sent.")
    rule = optional(Unicode, "The rule of the identity handbook that decided.")
    meaning = optional(Unicode, "The rule in one sentence.")
    status = mandatory(Unicode, "The status words of RecordResult.")
    code = optional(Unicode, "Why it failed or was skipped: a code of the error catalogue.")
    field = optional(Unicode, "The member or field at fault.")
    message = optional(Unicode, "One sentence for a person.")
    change = list_of(ValueChange, "What it changed.")
    warning = list_of(Unicode, "A code that its sender was warned with.")
    extra = V1.extra()


class Blocker(Record):
    """One fact that keeps mail from the person."""

    fact = mandatory(Unicode, "opt_out, remote_flag, bad_email, orphan, invalid_address, duplicate_address, "
                              "excluded_interest, not_targeted, merged or erased; new words may come.")
    on = mandatory(Unicode, "Where it sits: address, record, remoteKey, neighbour or mailing; new words may come.")
    sentence = mandatory(Unicode, SENTENCE)
    undo = mandatory(Unicode, "Where it can be undone.")
    since = optional(DateTime, "Since when.")
    origin = optional(Unicode, "Who set it: link, one-click, form, complaint, admin, api and the like.")
    reason = optional(Unicode, "The reason that was given.")
    subscriberId = optional(Unicode, "The neighbour, or who gets the copy instead.")
    integration = optional(Unicode, "The foreign system.")
    remoteId = optional(Unicode, "The person's ID there.")
    extra = V1.extra()


class Verdict(Record):
    """Would, or did, a mailing reach the person?"""

    question = mandatory(Unicode, "sendable (in general), mailing (now) or instance (what is stored of it).")
    reaches = optional(Boolean, "The answer; absent while it is not decided.")
    sentence = mandatory(Unicode, SENTENCE)
    mailingId = optional(Unicode, "The mailing that was asked about.")
    instanceId = optional(Unicode, "The instance that was asked about.")
    state = optional(Unicode, "The state of the stored delivery.")
    reason = optional(Unicode, "Why it is left out.")
    code = optional(Unicode, "What the mail server said, as a status code.")
    at = optional(DateTime, "When that was.")
    blocker = list_of(Blocker, "Every fact that stands against it now, the deciding one first.")
    extra = V1.extra()


class SourceValue(Record):
    """What one source says of a field."""

    source = mandatory(Unicode, "Who gave it.")
    value = mandatory(Unicode, "The value.")
    changedAt = mandatory(DateTime, "When it changed last.")
    effective = mandatory(Boolean, "Whether it is the one that counts.")
    extra = V1.extra()


class FieldAnswer(Record):
    """A field with every source's value."""

    name = mandatory(Unicode, "The field's name.")
    value = mandatory(Unicode, "The value that counts.")
    why = mandatory(Unicode, "Why it counts: onlySource, priority, newest or writeback; new words may come.")
    sentence = mandatory(Unicode, SENTENCE)
    sourceValue = list_of(SourceValue, "What a source says, the one that counts first.")
    extra = V1.extra()


class MembershipFact(Record):
    """A membership in an interest, ended ones too."""

    interest = mandatory(Unicode, "The interest's name.")
    source = mandatory(Unicode, "Who added the person.")
    channel = mandatory(Unicode, "The way it came by; another way leaves it alone.")
    state = mandatory(Unicode, "open, resting (outside its dates), ended or left; new words may come.")
    since = mandatory(DateTime, "When it began.")
    until = optional(DateTime, "When it ended.")
    beginsAt = optional(DateTime, "From when its source wants it.")
    endsAt = optional(DateTime, "Until when its source wants it.")
    detail = list_of(NamedText, "What the source says of it: type, subType, role and the like.")
    extra = V1.extra()


class LeftInterest(Record):
    """An interest that the person has left; no import undoes it."""

    interest = mandatory(Unicode, "The interest's name.")
    leftAt = mandatory(DateTime, "When.")
    origin = mandatory(Unicode, "By which way: link, form, admin, api and the like.")
    extra = V1.extra()


class LinkFact(Record):
    """A remote ID of the person, ended ones too."""

    integration = mandatory(Unicode, "The integration's name.")
    label = mandatory(Unicode, "What the ID is called there, for example iMIS ID.")
    remoteId = mandatory(Unicode, "The person's ID there.")
    since = mandatory(DateTime, "When it was stored.")
    endedAt = optional(DateTime, "Since when the system no longer lists it.")
    doNotEmail = mandatory(Boolean, "The system's do-not-email flag.")
    flaggedAt = optional(DateTime, "Since when, if known.")
    extra = V1.extra()


class OpenWriteback(Record):
    """A fact on its way to a foreign system; until it is there it comes before what a sync brings."""

    writebackId = mandatory(Unicode, "Our id of the writeback.")
    integration = mandatory(Unicode, "The foreign system.")
    remoteId = mandatory(Unicode, "The person's ID there.")
    kind = mandatory(Unicode, "What is told; new words may come.")
    state = mandatory(Unicode, "How far it is; new words may come.")
    occurredAt = mandatory(DateTime, "When the fact happened.")
    message = optional(Unicode, "Why it has not arrived.")
    extra = V1.extra()


class SyncForecast(Record):
    """What the next sync would make of a remote ID."""

    integration = mandatory(Unicode, "The foreign system.")
    remoteId = mandatory(Unicode, "The person's ID there.")
    asked = mandatory(Unicode, "asked, down, callsUs, noLookup or busy: whether the system could be asked now.")
    sentence = mandatory(Unicode, SENTENCE)
    outcome = optional(Unicode, "new, changed, adopted, revived, unchanged, ended, conflicting, rejected or gone.")
    rule = optional(Unicode, "The rule that would decide.")
    wouldBeOrphan = mandatory(Boolean, "Whether the person would be left without a link.")
    change = list_of(ValueChange, "What would change.")
    warning = list_of(Unicode, "A code that the sync would warn with.")
    extra = V1.extra()


class PersonAnswer(Record):
    """One record, whole."""

    subscriberId = mandatory(Unicode, "Our id.")
    email = optional(Unicode, "The address.")
    mode = mandatory(Unicode, "emailAndRemoteId, emailOnly, imisLegacy or oneToMany; new words may come.")
    modeSentence = mandatory(Unicode, "How the record is known, for a person to read.")
    status = mandatory(Unicode, "active, unsubscribed or bad_email; new words may come.")
    sendable = mandatory(Boolean, "Whether a mailing would reach the person.")
    source = mandatory(Unicode, "Who delivers the person now.")
    firstSource = mandatory(Unicode, "Who delivered the person first.")
    orphan = mandatory(Boolean, "Whether the last remote ID ended.")
    mergedInto = optional(Unicode, "The record that this one was merged into; it is explained next.")
    merged = list_of(Unicode, "A record that was merged into this one.")
    erasedAt = optional(DateTime, "When the person was erased on request.")
    createdAt = mandatory(DateTime, "When the record was stored first.")
    changedAt = mandatory(DateTime, "When it changed last.")
    link = list_of(LinkFact, "A remote ID.")
    field = list_of(FieldAnswer, "A field.")
    membership = list_of(MembershipFact, "A membership.")
    leftInterest = list_of(LeftInterest, "An interest that the person has left.")
    decision = list_of(Decision, "A decision, newest first, at most 100.")
    moreDecisions = mandatory(Boolean, "Whether there are older ones; GetSubscriberHistory has them.")
    verdict = mandatory(Verdict, "Whether mail reaches the person, and why not.")
    writeback = list_of(OpenWriteback, "A fact on its way to a foreign system.")
    nextSync = list_of(SyncForecast, "What the next sync would make of a remote ID.")
    extra = V1.extra()


class AddressAnswer(Record):
    """What is known of the address by itself, whoever has it."""

    email = mandatory(Unicode, "The address.")
    records = mandatory(Integer32, "How many records have it.")
    optedOutAt = optional(DateTime, "Since when it gets no mail by its owner's wish.")
    optOutOrigin = optional(Unicode, "By which way.")
    optOutReason = optional(Unicode, "The reason that was given.")
    bouncedAt = optional(DateTime, "Since when it counts as dead.")
    bounceCode = optional(Unicode, "What the mail server said.")
    erased = mandatory(Boolean, "Whether its person asked to be forgotten.")
    sentence = mandatory(Unicode, SENTENCE)
    extra = V1.extra()


class NextRecord(Record):
    """What would become of a record that came now with exactly these identifiers."""

    status = mandatory(Unicode, "The status words of RecordResult.")
    rule = optional(Unicode, "The rule that would decide.")
    meaning = optional(Unicode, "The rule in one sentence.")
    code = optional(Unicode, "Why it would fail.")
    message = optional(Unicode, "The same as one sentence.")
    sentence = mandatory(Unicode, SENTENCE)
    extra = V1.extra()


class AskedIdentifier(Record):
    """The identifiers as they were sent."""

    subscriberId = optional(Unicode, "Our id.")
    remoteId = optional(Unicode, "The remote ID.")
    email = optional(Unicode, "The address.")
    extra = V1.extra()


class Explanation(Record):
    """Who somebody is, whence each value came, which rules decided, what stands against mail, and what comes next."""

    asked = mandatory(AskedIdentifier, "Who was asked about.")
    asOf = mandatory(DateTime, "The moment this is true of.")
    sentence = mandatory(Unicode, "The whole in one sentence.")
    person = list_of(PersonAnswer, "Everybody meant, lowest id first; none if nobody has the identifiers.")
    address = optional(AddressAnswer, "What is known of the address, if one was named.")
    nextRecord = optional(NextRecord, "What would become of a record that came now.")
    unmatched = list_of(Decision, "A decision about a record with these identifiers that came to nobody.")
    moreUnmatched = mandatory(Boolean, "Whether there are older ones.")
    extra = V1.extra()
