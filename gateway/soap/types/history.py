"""Which messages does the history of a person have? (SOAP-65)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Identifier, Record
from gateway.soap.types.explanation import SENTENCE, ValueChange
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional


class GetSubscriberHistoryRequest(Record):
    """Whose history, and of which time."""

    identifier = mandatory(Identifier, "Who is meant. An address that several records have: AMBIGUOUS_EMAIL.")
    since = base.since("things recorded")
    until = base.until("things recorded")
    pageSize = base.page_size()
    pageToken = base.page_token()


class HistoryEntry(Record):
    """One thing that happened to the person."""

    entryId = mandatory(Unicode, "Our id of it, unique in the person's history.")
    kind = mandatory(Unicode, "import, change, delivery or event; new words may come.")
    what = mandatory(Unicode, "The status of a decision, joined or left, the state of a delivery, or the type of an "
                              "event; new words may come.")
    recordedAt = mandatory(DateTime, "When it was recorded; a delivery is there once, when its state changed last.")
    occurredAt = mandatory(DateTime, "When it happened.")
    sentence = mandatory(Unicode, SENTENCE)
    subscriberId = optional(Unicode, "The record it happened to; another one than the person's if that was merged.")
    remoteId = optional(Unicode, "The remote ID of then.")
    email = optional(Unicode, "The address of then.")
    actor = optional(Unicode, "Who did it.")
    door = optional(Unicode, "Where it came in.")
    uploadId = optional(Unicode, "The upload, sync or bulk import.")
    row = optional(Integer32, "The position in the upload, from 1.")
    rule = optional(Unicode, "The rule of the identity handbook that decided.")
    code = optional(Unicode, "Why it failed, or what the mail server said.")
    message = optional(Unicode, "The same as one sentence.")
    change = list_of(ValueChange, "What it changed.")
    warning = list_of(Unicode, "A code that its sender was warned with.")
    interest = optional(Unicode, "The interest.")
    source = optional(Unicode, "Whose membership it is.")
    mailingId = optional(Unicode, "The mailing.")
    instanceId = optional(Unicode, "The publication of the mailing.")
    origin = optional(Unicode, "By which way.")
    reason = optional(Unicode, "The reason that was given, or why somebody was left out.")
    url = optional(Unicode, "The link that was clicked.")
    automated = mandatory(Boolean, "Whether a program did it, not the person.")
    extra = V1.extra()


class HistoryPage(Record):
    """One page of a person's history, oldest first."""

    item = list_of(HistoryEntry, "One thing.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
