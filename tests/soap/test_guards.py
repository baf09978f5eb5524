"""What the SOAP door shares with the others: a budget of requests, and a log of what was refused. (PUSH-13, PUSH-14)"""

import pytest

from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.refusals import ErrorFilter
from gateway.services import refusals
from gateway.services.ratelimits import Rates
from tests.soap.door import Refused


def test_a_budget_of_requests(door, version):
    """PUSH-13: TOO_MANY_REQUESTS beyond it, for this user alone."""
    door.version = version
    door.gateway.rates = Rates(2)
    door.call("FindInterests")
    door.call("FindInterests")
    with pytest.raises(Refused) as refused:
        door.call("CreateInterest", name="News")
    assert refused.value.code == "TOO_MANY_REQUESTS" and refused.value.told.retryable
    assert door.call("FindInterests", user="admin").item == []


def test_refused_calls_are_kept(door, clock):
    """PUSH-14: every refused request of a known caller is kept, whatever its door; a failed record stands beside it."""
    door.call("CreateInterest", name="News")
    for user, operation, members in (("sender", "CreateInterest", {"name": "News"}),
                                     ("reader", "CreateInterest", {"name": "Board"})):
        with pytest.raises(Refused):
            door.call(operation, user=user, **members)
    door.call("ImportSubscribers", mode="AddOrUpdate", record=[{"email": "nothing"}])
    door.gateway.refusals.settle()
    clock.advance(seconds=1)
    with door.gateway.feed(system_actor(1)) as unit:
        found = refusals.find(unit, ErrorFilter(), PageRequest()).items
    assert {(each.kind, each.door, each.actor, each.operation, each.code) for each in found} == {
        ("request", "soap", "user:sender", "CreateInterest", "ALREADY_EXISTS"),
        ("request", "soap", "user:reader", "CreateInterest", "NOT_ALLOWED"),
        ("record", "soap", "user:sender", None, "INVALID_EMAIL")}
    assert all(each.request_id for each in found if each.kind == "request")
