"""Which messages have the groups of foreign systems, orphans and comparisons? (ID-32, ID-38)"""

from __future__ import annotations

from gateway.soap.types import base
from gateway.soap.types.base import V1, Record
from gateway.spynekit.kinds import Boolean, DateTime, Integer32, Unicode
from gateway.spynekit.models import list_of, mandatory, optional

INTEGRATION = "The integration whose system is meant; it must be one that we can call."


class FindRemoteGroupsRequest(Record):
    """Whose groups."""

    integration = mandatory(Unicode, INTEGRATION)


class RemoteGroup(Record):
    """A group, list or saved search of a foreign system."""

    groupId = mandatory(Unicode, "The system's own id of it.")
    name = mandatory(Unicode, "Its name there.")
    size = optional(Integer32, "How many are in it, if the system says so.")
    interestId = optional(Unicode, "It is this interest here already.")
    interest = optional(Unicode, "That interest's name.")
    resolvedAt = optional(DateTime, "When it was last asked who is in it; absent if never.")
    extra = V1.extra()


class RemoteGroupList(Record):
    """What the system offers now."""

    item = list_of(RemoteGroup, "A group.")
    requestId = base.request_id()
    extra = V1.extra()


class AddDynamicInterestRequest(Record):
    """The group of which an interest is to be made."""

    clientRequestId = base.client_request_id()
    integration = mandatory(Unicode, INTEGRATION)
    groupId = mandatory(Unicode, "The group, by the system's own id.")
    name = optional(Unicode, "The interest's name; that of the group if left out.")


class ResolveInterestRequest(Record):
    """The interest of which the system is to say who is in it."""

    clientRequestId = base.client_request_id()
    interest = mandatory(Unicode, "The name of an interest that a group defines.")
    release = optional(Boolean, "Lets go of the brake; only an administrator may.")


class GroupResolution(Record):
    """How it ended."""

    interest = mandatory(Unicode, "The interest.")
    state = mandatory(Unicode, "success, partial (the system broke off; nobody was taken out), held (by the brake) or "
                               "failed; new words may come.")
    message = optional(Unicode, "Why, for a person.")
    members = mandatory(Integer32, "People of the group who are in the interest.")
    joined = mandatory(Integer32, "Those of them who were not before.")
    left = mandatory(Integer32, "People who were in it and are not any more.")
    optedOut = mandatory(Integer32, "People of the group who left the interest by their own act and stay out.")
    rejected = mandatory(Integer32, "People of the group who were not taken, for example for a bad address.")
    requestId = base.request_id()
    extra = V1.extra()


class FindOrphansRequest(Record):
    """Which orphans."""

    integration = optional(Unicode, "Only those whose last link was to this system.")
    pageSize = base.page_size()
    pageToken = base.page_token()


class OrphanRemedy(Record):
    """Something that can be done."""

    remedy = mandatory(Unicode, "join, comes_back, other_record, include or erase; new words may come.")
    message = mandatory(Unicode, "One sentence for a person.")
    operation = optional(Unicode, "What does it.")
    extra = V1.extra()


class Orphan(Record):
    """A person whose last link to a foreign system ended: kept, and not mailed unless a mailing includes orphans."""

    subscriberId = mandatory(Unicode, "Our id of the person.")
    email = optional(Unicode, "The last address.")
    integration = optional(Unicode, "The system of the last link.")
    remoteId = optional(Unicode, "The id that the person had there.")
    endedAt = optional(DateTime, "When the link ended.")
    reason = mandatory(Unicode, "deleted, gone (from a complete sync), address_empty, moved or unknown; new words may "
                                "come.")
    message = mandatory(Unicode, "The reason as a sentence.")
    remedy = list_of(OrphanRemedy, "What can be done, the likeliest first.")
    extra = V1.extra()


class OrphanPage(Record):
    """One page of orphans."""

    item = list_of(Orphan, "An orphan.")
    nextToken = base.next_token()
    asOf = base.as_of()
    requestId = base.request_id()
    extra = V1.extra()


class ReconcileIntegrationRequest(Record):
    """What to compare."""

    integration = mandatory(Unicode, INTEGRATION)
    list = optional(Unicode, "Only the interest of this name, or members for everybody; all if left out.")
    names = optional(Boolean, "Whether people are named, 1000 at most; false if left out.")


class DifferenceCount(Record):
    """How many people differ in one way."""

    kind = mandatory(Unicode, "only_there, only_here, address, flag, member_there or member_here; new words may come.")
    reason = mandatory(Unicode, "Why, in one word; new words may come.")
    count = mandatory(Integer32, "How many.")
    extra = V1.extra()


class ComparedList(Record):
    """How one list compares."""

    name = mandatory(Unicode, "The interest, or members for everybody.")
    subject = mandatory(Unicode, "everybody, list or group; new words may come.")
    agrees = mandatory(Boolean, "Nothing differs.")
    there = mandatory(Integer32, "People in it there.")
    here = mandatory(Integer32, "People in it here, through this system.")
    others = mandatory(Integer32, "People who are in it here through others only.")
    note = optional(Unicode, "What to know of it.")
    difference = list_of(DifferenceCount, "What differs, by kind and reason.")
    extra = V1.extra()


class Difference(Record):
    """A person of whom both sides do not say the same."""

    list = mandatory(Unicode, "In which list.")
    kind = mandatory(Unicode, "As in DifferenceCount.")
    reason = mandatory(Unicode, "As in DifferenceCount.")
    mendedBy = mandatory(Unicode, "sync (the next one), writeback (one that waits), person (somebody decides) or "
                                  "meant; new words may come.")
    message = mandatory(Unicode, "One sentence for a person.")
    remoteId = optional(Unicode, "The person's id there.")
    subscriberId = optional(Unicode, "Our id of the person.")
    there = optional(Unicode, "What the system says.")
    here = optional(Unicode, "What is stored.")
    extra = V1.extra()


class Reconciliation(Record):
    """How a foreign system compares with what is stored."""

    integration = mandatory(Unicode, "The integration.")
    state = mandatory(Unicode, "agrees or differs.")
    list = list_of(ComparedList, "A list.")
    person = list_of(Difference, "Somebody who differs, if names were asked for.")
    complete = mandatory(Boolean, "Whether everybody who differs is named.")
    startedAt = mandatory(DateTime, "When it was begun.")
    finishedAt = mandatory(DateTime, "When it was done.")
    requestId = base.request_id()
    extra = V1.extra()
