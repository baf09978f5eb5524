"""Which messages does the interests noun have? (SOAP-50, SOAP-51)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional


class Interest(Record):
    """A list that people join and leave."""

    interestId = mandatory(Unicode, "Our id of the interest.")
    name = mandatory(Unicode, "Its name, unique in the brand.")
    description = optional(Unicode, "What it is about.")
    public = mandatory(Boolean, "Whether the preference form shows it.")
    integration = optional(Unicode, "The integration that owns it; absent for our own.")
    members = mandatory(Integer32, "People with an open membership.")
    sendable = mandatory(Integer32, "Those of them that a mailing would reach.")
    createdAt = mandatory(DateTime, "When it was created.")
    extra = V1.extra()


class CreateInterestRequest(Record):
    """The interest to create."""

    clientRequestId = base.client_request_id()
    name = mandatory(Unicode, "Its name, 1 to 255 characters, unique in the brand.")
    description = optional(Unicode, "What it is about.")
    public = optional(Boolean, "Whether the preference form shows it; false if left out.")


class FindInterestsRequest(Record):
    """Filters, joined by and; none finds all interests."""

    name = optional(Unicode, "Only the interest of this name.")
    public = optional(Boolean, "Only public interests, or only others.")
    integration = optional(Unicode, "Only interests that this integration owns.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class InterestPage(Record):
    """One page of interests."""

    item = list_of(Interest, "An interest.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
