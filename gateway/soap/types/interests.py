"""Which messages does the interests noun have? (SOAP-50..53)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Identifier, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

MemberMode = V1.enum("MemberMode", ("Add", "Remove", "ReplaceAll"), "What happens to the members: Add and Remove "
                     "change those that are named, ReplaceAll makes them exactly the members that the caller gave.")


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


class UpdateInterestRequest(Record):
    """What to change in an interest; members left out stay."""

    clientRequestId = base.client_request_id()
    interestId = mandatory(Unicode, "The interest.")
    name = optional(Unicode, "Its name, 1 to 255 characters, unique in the brand.")
    description = optional(Unicode, "What it is about; empty for nothing.")
    public = optional(Boolean, "Whether the preference form shows it.")


class ChangeInterestMembersRequest(Record):
    """Who is to be in an interest, of those that the caller added."""

    clientRequestId = base.client_request_id()
    interest = mandatory(Unicode, "The name of the interest; it must exist.")
    mode = mandatory(MemberMode, "What happens to the members.")
    member = list_of(Identifier, "A known person; 1 to 1000 a call.", at_least=1)


class FindInterestChangesRequest(Record):
    """Filters, joined by and. Without an interest, since is needed and lies a week back at most."""

    interest = optional(Unicode, "Only the interest of this name.")
    since = base.since("changes recorded")
    until = base.until("changes recorded")
    pageSize = base.page_size()
    pageToken = base.page_token()


class InterestChange(Record):
    """Somebody joined or left an interest."""

    change = mandatory(Unicode, "joined or left; new words may come.")
    at = mandatory(DateTime, "When.")
    interestId = mandatory(Unicode, "Our id of the interest.")
    interest = mandatory(Unicode, "Its name.")
    subscriberId = mandatory(Unicode, "Our id of the person.")
    email = optional(Unicode, "The person's address.")
    source = mandatory(Unicode, "Whose membership it is, in the words of SubscriberField.source.")
    origin = optional(Unicode, "By which way, when it was the person's own wish: link, form, admin, api and the like.")
    extra = V1.extra()


class InterestChangePage(Record):
    """One page of changes, in the order recorded."""

    item = list_of(InterestChange, "A change.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()
