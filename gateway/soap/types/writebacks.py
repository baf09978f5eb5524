"""Which messages does the writebacks noun have? (SOAP-66, SOAP-67)"""

from __future__ import annotations

from gateway.domain.writeback import DONE, NOT_DONE
from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

AckStatus = V1.enum("AckStatus", (DONE, NOT_DONE), "What became of a writeback: your system has stored it, or refuses "
                    "it.")
INTEGRATION = ("The integration, if not that of the credentials; only an administrator's credentials may name another.")


class FindWritebacksRequest(Record):
    """Which writebacks of an integration."""

    integration = optional(Unicode, INTEGRATION)
    state = optional(Unicode, "open, which is the default: what is to be written now. Or only writebacks in one state: "
                              "ready, processing, sent, error, failed, expired or closed.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class Writeback(Record):
    """A fact that happened here and that your system should know. Set its value; the same may come again."""

    writebackId = mandatory(Unicode, "Our id of the writeback: stable, never used again.")
    integration = mandatory(Unicode, "Whose writeback it is.")
    kind = mandatory(Unicode, "unsubscribe, resubscribe, bad_email, corrected_address, interest_left or "
                              "interest_joined; new words may come.")
    state = mandatory(Unicode, "ready, processing, sent, error (refused, tried again), failed (a person decides), "
                               "expired or closed; new words may come.")
    subscriberId = mandatory(Unicode, "Our id of the person.")
    remoteId = mandatory(Unicode, "Your id of the person; empty if the person was erased.")
    email = optional(Unicode, "The address that the fact is about; for corrected_address the right one.")
    occurredAt = mandatory(DateTime, "When it happened.")
    recordedAt = mandatory(DateTime, "When it was recorded here; the pages are in this order.")
    origin = optional(Unicode, "Where it came from, for example link, one_click, form, complaint, admin, api; "
                               "new words may come.")
    reason = optional(Unicode, "The reason given, at most 250 characters.")
    code = optional(Unicode, "bad_email: the status code of the bounce.")
    bounceClass = optional(Unicode, "bad_email: hard, soft, block or other; new words may come.")
    interest = optional(Unicode, "interest_left, interest_joined: the interest's name.")
    tries = mandatory(Integer32, "How often it was refused.")
    nextAt = optional(DateTime, "state error: when it is offered again.")
    finishedAt = optional(DateTime, "When it was settled, expired or closed.")
    message = optional(Unicode, "Why it was refused last.")
    extra = V1.extra()


class WritebackPage(Record):
    """One page of writebacks."""

    item = list_of(Writeback, "A writeback.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()


class WritebackAck(Record):
    """What became of one writeback in your system."""

    writebackId = mandatory(Unicode, "The writeback.")
    status = mandatory(AckStatus, "Done: stored, or there was nothing to do. Failed: refused; it is offered again "
                                  "after 5 and 30 minutes, then a person decides.")
    message = optional(Unicode, "Why it failed, for the person who looks after it; at most 1000 characters are kept.")


class RetryWritebackRequest(Record):
    """Which failed writeback to offer, or to write, again."""

    clientRequestId = base.client_request_id()
    writebackId = mandatory(Unicode, "The writeback; in state failed.")
    integration = optional(Unicode, INTEGRATION)


class CloseWritebackRequest(Record):
    """Which writeback will not be written."""

    clientRequestId = base.client_request_id()
    writebackId = mandatory(Unicode, "The writeback; in state ready, error, failed or expired.")
    integration = optional(Unicode, INTEGRATION)


class WritebackDecided(Record):
    """What a writeback is now."""

    writebackId = mandatory(Unicode, "The writeback.")
    state = mandatory(Unicode, "ready or closed; new words may come.")
    requestId = base.request_id()
    extra = V1.extra()


class SetMailingActivityRequest(Record):
    """Whether systems are told what becomes of a mailing, person by person."""

    clientRequestId = base.client_request_id()
    mailingId = mandatory(Unicode, "The mailing, in whatever state it is.")
    writeActivity = mandatory(Boolean, "True: systems that take it are told, from now on, who got, opened and clicked "
                                       "it and whose copy came back.")


class AckWritebacksRequest(Record):
    """What became of writebacks in your system."""

    clientRequestId = base.client_request_id()
    integration = optional(Unicode, INTEGRATION)
    ack = list_of(WritebackAck, "An acknowledgement; 1 to 1000 a call.", at_least=1)
