"""Which operations does the interests noun have? (SOAP-50, SOAP-51)"""

from __future__ import annotations

from typing import Any

from gateway.services import interests
from gateway.services.gateway import Unit
from gateway.services.interests import InterestFilter
from gateway.soap import convert
from gateway.soap.encode import Values
from gateway.soap.operation import FIND, WRITE, operation
from gateway.soap.types.interests import CreateInterestRequest, FindInterestsRequest, Interest, InterestPage


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


OPERATIONS = (create_interest, find_interests)
