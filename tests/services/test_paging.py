"""Do pages lose or double nothing? (SOAP-68..70, PUSH-48)"""

import dataclasses
import datetime as dt
import threading

import pytest

from gateway.db.queries import events
from gateway.domain.events import SENT, EventFilter, EventView, NewEvent
from gateway.domain.paging import Page, PageRequest
from gateway.errors import GatewayError
from gateway.services import paging
from tests.support.world import World


@pytest.fixture
def world(database_url, clock):
    with World(database_url, clock, brands=(1, 2)) as made:
        yield made


def put(unit, key, recorded_at=None):
    events.add(unit.connection, unit.brand_id, NewEvent(SENT, unit.now, key), recorded_at or unit.now)


def page_of(world, wanted=None, size=3, token=None, brand_id=1) -> Page[EventView]:
    wanted = wanted or EventFilter()
    actor = world.actor(brand_id=brand_id)
    with world.gateway.feed(actor) as unit:
        window = paging.open_window(unit, "FindEvents", wanted, PageRequest(size, token))
        rows = events.find(unit.connection, unit.brand_id, wanted, window)
        return paging.close_page(unit, "FindEvents", wanted, window, rows, lambda e: (e.recorded_at, e.event_id))


def test_pages_end_and_the_same_token_gives_the_same_page(world, clock):
    """SOAP-68, SOAP-69: order by (time, id); the end is the absence of a token."""
    with world.unit() as unit:
        for number in range(7):
            put(unit, f"e{number}")
    clock.advance(seconds=1)
    first = page_of(world)
    second, again = page_of(world, token=first.next_token), page_of(world, token=first.next_token)
    third = page_of(world, token=second.next_token)
    assert second == again and third.next_token is None
    ids = [e.event_id for page in (first, second, third) for e in page.items]
    assert len(ids) == 7 and ids == sorted(ids)


def test_rows_that_come_while_paging_wait_for_the_next_since(world, clock):
    """SOAP-70: the first page fixes the upper bound, which is asOf and the next since."""
    with world.unit() as unit:
        for number in range(4):
            put(unit, f"e{number}")
    clock.advance(seconds=1)
    first = page_of(world)
    with world.unit() as unit:
        put(unit, "late")
    clock.advance(seconds=1)
    second = page_of(world, token=first.next_token)
    assert len(second.items) == 1 and second.as_of == first.as_of
    after = page_of(world, EventFilter(since=first.as_of))
    assert len(after.items) == 1


def test_a_transaction_that_commits_late_is_not_skipped(world, clock):
    """SOAP-70: the upper bound lies before the oldest running transaction."""
    inside, go_on, seen = threading.Event(), threading.Event(), []

    def slow():
        with world.unit() as unit:
            put(unit, "slow")
            inside.set()
            go_on.wait(30)

    def read():
        seen.append(page_of(world))

    threads = [threading.Thread(target=slow), threading.Thread(target=read)]
    threads[0].start()
    assert inside.wait(30)
    clock.advance(seconds=1)
    if world.gateway.engine.dialect.name == "postgresql":
        clock.set(dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC))  # rows are stamped with their unit's start
        read()
        go_on.set()
        threads[0].join(30)
    else:  # the feed waits for the writer
        threads[1].start()
        go_on.set()
        for thread in threads:
            thread.join(30)
    clock.advance(seconds=5)
    early = {e.event_id for e in seen[0].items}
    late = {e.event_id for e in page_of(world, EventFilter(since=seen[0].as_of)).items}
    assert len(early | late) == 1 and not early & late


@pytest.mark.parametrize("spoil", [
    lambda token: token[:-2], lambda token: "x" + token, lambda token: token[:10] + "AAAA" + token[14:],
    lambda token: "", lambda token: "é",
])
def test_damaged_tokens_are_refused(world, clock, spoil):
    """SOAP-69: a changed byte is INVALID_TOKEN; an empty token starts anew."""
    with world.unit() as unit:
        for number in range(4):
            put(unit, f"e{number}")
    clock.advance(seconds=1)
    token = spoil(page_of(world).next_token)
    if token == "":
        assert len(page_of(world, token=token).items) == 3
        return
    with pytest.raises(GatewayError) as caught:
        page_of(world, token=token)
    assert (caught.value.code, caught.value.field) == ("INVALID_TOKEN", "pageToken")


def test_a_token_is_bound_to_brand_query_and_week(world, clock):
    """SOAP-69: other filters, another brand, or eight days later: INVALID_TOKEN."""
    with world.unit() as unit:
        for number in range(4):
            put(unit, f"e{number}")
    clock.advance(seconds=1)
    token = page_of(world).next_token
    for change in ({"wanted": EventFilter(types=("sent",))}, {"brand_id": 2}):
        with pytest.raises(GatewayError, match="INVALID_TOKEN"):
            page_of(world, token=token, **change)
    clock.advance(seconds=8 * 86400)
    with pytest.raises(GatewayError, match="INVALID_TOKEN"):
        page_of(world, token=token)


@pytest.mark.parametrize("size", [0, -1, 5001])
def test_bad_page_sizes_are_refused(world, size):
    """SOAP-68: 1 to 5,000."""
    with pytest.raises(GatewayError) as caught:
        page_of(world, size=size)
    assert caught.value.field == "pageSize"


def test_another_brands_events_are_not_there(world, clock):
    """ID-P15."""
    with world.unit() as unit:
        put(unit, "mine")
    with world.unit(dataclasses.replace(world.actor(brand_id=2))) as unit:
        put(unit, "theirs")
    clock.advance(seconds=1)
    assert len(page_of(world).items) == len(page_of(world, brand_id=2).items) == 1
