"""Which operations does the interests noun have? (SOAP-50..53)"""

from __future__ import annotations

from typing import Any

from gateway.services import interests, members
from gateway.services.gateway import Unit
from gateway.services.interests import InterestChanges, InterestFilter
from gateway.services.members import InterestChangeFilter
from gateway.soap import convert
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, WRITE, operation
from gateway.soap.types.interests import (
    ChangeInterestMembersRequest,
    CreateInterestRequest,
    FindInterestChangesRequest,
    FindInterestsRequest,
    Interest,
    InterestChangePage,
    InterestPage,
    UpdateInterestRequest,
)
from gateway.soap.types.subscribers import BatchResult


@operation("CreateInterest", CreateInterestRequest, Interest, way=WRITE, right="import")
def create_interest(unit: Unit, request: Any) -> Values:
    """Creates an interest. A name that is taken is refused with ALREADY_EXISTS."""
    return convert.interest(interests.create(unit, request.name, request.description, bool(request.public)))


@operation("FindInterests", FindInterestsRequest, InterestPage, way=FIND, right="report")
def find_interests(unit: Unit, request: Any) -> Values:
    """Lists interests in pages, with how many people are in them and how many of those a mailing would reach."""
    wanted = InterestFilter(name=request.name, public=request.public, integration=request.integration)
    page = interests.find(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.interest, unit.actor.request_id)


@operation("UpdateInterest", UpdateInterestRequest, Interest, way=WRITE, right="import")
def update_interest(unit: Unit, request: Any) -> Values:
    """Changes the given members of an interest; its people and mailings keep it.

    A name that is taken is refused with ALREADY_EXISTS. Harmless if repeated.
    """
    changes = InterestChanges(request.name, request.description, request.public)
    return convert.interest(interests.update(unit, convert.row_id(request.interestId, "interestId"), changes))


@operation("ChangeInterestMembers", ChangeInterestMembersRequest, BatchResult, way=WRITE, right="import")
def change_interest_members(unit: Unit, request: Any) -> Values:
    """Adds, removes or replaces the members that the caller gave an interest; those of other sources stay.

    People must be known. A ReplaceAll that would end more than a tenth and more than 10 memberships is refused with
    BRAKE_HELD.
    """
    return convert.batch(members.change_members(unit, request.interest, request.mode,
                                                [convert.member(each) for each in request.member]))


@operation("FindInterestChanges", FindInterestChangesRequest, InterestChangePage, way=FIND, right="report")
def find_interest_changes(unit: Unit, request: Any) -> Values:
    """Lists who joined and left interests in pages, in the order recorded.

    Use asOf as the next since: nothing is lost and nothing comes twice.
    """
    wanted = InterestChangeFilter(request.interest, convert.instant_of(request.since, "since"),
                                  convert.instant_of(request.until, "until"))
    page = members.find_changes(unit, wanted, convert.page_request(request))
    return convert.page(page, convert.interest_change, unit.actor.request_id)


OPERATIONS = (create_interest, find_interests, update_interest, change_interest_members, find_interest_changes)
