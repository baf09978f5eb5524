"""What was refused, and to whom? One feed of two tables, on both databases. (PUSH-14)"""

import pytest

from gateway.domain.accounts import Actor, system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.domain.refusals import ErrorFilter
from gateway.errors import GatewayError
from gateway.services import housekeeping, imports, refusals
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    """Brands 1 and 2."""
    with World(database_url, clock, tmp_path / "data", brands=(1, 2)) as made:
        yield made


EVERYTHING, FIRST = ErrorFilter(), PageRequest()


def find(world, wanted=EVERYTHING, page=FIRST, brand_id=1):
    world.gateway.refusals.settle()
    world.clock.advance(seconds=1)
    with world.gateway.feed(system_actor(brand_id)) as unit:
        return refusals.find(unit, wanted, page)


def note(world, code="NOT_FOUND", brand_id=1, label="key:1", **who):
    refusals.note(world.gateway, Actor(brand_id, label, "push", request_id="r-1"), "GET /x", GatewayError(code), **who)


def test_one_feed_of_requests_and_records(world):
    """PUSH-14, PUSH-48: in the order of time, then requests before records; pages hold every line once."""
    for _ in range(3):
        note(world, email="Ann@Example.org", remote_id="K-1")
        world.gateway.refusals.settle()
        with world.unit() as unit:
            imports.import_records(unit, [SubscriberRecord("K-2", "bad"), SubscriberRecord("K-3", "c@example.org")],
                                   ImportOptions())
        world.clock.advance(seconds=1)
    note(world, brand_id=2)
    found = find(world).items
    assert [(each.kind, each.code, each.remote_id) for each in found] == [
        ("request", "NOT_FOUND", "K-1"), ("record", "INVALID_EMAIL", "K-2")] * 3
    paged, token = [], None
    while True:
        page = find(world, page=PageRequest(2, token))
        paged += page.items
        token = page.next_token
        if token is None:
            break
    assert tuple(paged) == found
    assert [each.code for each in find(world, brand_id=2).items] == ["NOT_FOUND"]
    for wanted, count in [(ErrorFilter(email="ann@example.org"), 3), (ErrorFilter(remote_id="K-2"), 3),
                          (ErrorFilter(code="NOT_FOUND", actor="key:1"), 3), (ErrorFilter(actor="key:2"), 0)]:
        assert len(find(world, wanted).items) == count, wanted


def test_thirty_days(world):
    """PUSH-14: then they are forgotten, those of other brands too."""
    note(world)
    note(world, brand_id=2)
    assert len(find(world).items) == 1
    world.clock.advance(seconds=30 * 86400)
    assert find(world).items == ()
    housekeeping.tidy(world.gateway)
    with world.gateway.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM refusal").scalar() == 0


def test_who_may_look(world):
    """PUSH-44: the right `import`."""
    with pytest.raises(GatewayError) as refused, world.gateway.feed(Actor(1, "key:1", "push")) as unit:
        refusals.find(unit, ErrorFilter(), PageRequest())
    assert refused.value.code == "NOT_ALLOWED"


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "\u000b", "x" * 5000])
def test_what_no_store_takes(world, text):
    """PUSH-6: it is left out, and the line is kept."""
    refusals.note(world.gateway, Actor(1, "key:1", "push"), text, GatewayError("INVALID_REQUEST", text, field=text),
                  remote_id=text, email=text)
    assert [each.code for each in find(world).items] == ["INVALID_REQUEST"]
