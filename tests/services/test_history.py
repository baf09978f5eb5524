"""Is the history of a person whole, in order, and only theirs? (SOAP-65, SOAP-68..70)"""

import datetime as dt

import pytest

from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import history, imports, suppression

ANN = "ann@example.org"


def push(house, *records, brand_id=1):
    with house.unit(house.key_actor(brand_id=brand_id)) as unit:
        return imports.import_records(unit, records, ImportOptions())


def find(house, email=ANN, *, since=None, until=None, size=None, token=None, brand_id=1, subscriber_id=None):
    who = Identifier(subscriber_id, None, email)
    with house.gateway.feed(house.actor(brand_id=brand_id)) as unit:
        return history.find(unit, who, since, until, PageRequest(size, token))


def live(house):
    """A life: imported, moved, joined, mailed, left and unsubscribed."""
    push(house, SubscriberRecord("17", "old@example.org"))
    house.clock.advance(minutes=1)
    push(house, SubscriberRecord("17", ANN, add_interests=("News",)))
    house.clock.advance(minutes=1)
    house.send()
    house.clock.advance(minutes=1)
    with house.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN), "no more")])
    house.clock.advance(minutes=1)
    push(house, SubscriberRecord("17", remove_interests=("News",)))
    house.clock.advance(minutes=1)


def test_one_life_in_order(house):
    """SOAP-65: imports, changes, deliveries and events of one person, oldest first, each with its facts."""
    live(house)
    items = find(house).items
    assert [(entry.kind, entry.what) for entry in items] == [
        ("import", "created"), ("import", "updated"), ("change", "joined"), ("delivery", "accepted"), ("event", "sent"),
        ("change", "updated"), ("event", "unsubscribed"), ("import", "updated"), ("change", "left")]
    assert [entry.rule for entry in items if entry.rule] == ["ID-13", "ID-11", "ID-50", "ID-18"]
    moved, joined = items[1], items[2]
    assert [(change.name, change.old, change.new) for change in moved.changes] == [("email", "old@example.org", ANN)]
    assert (joined.interest, joined.source) == ("News", "integration:api")
    assert items[6].reason == "no more" and items[3].mailing_id == 1
    assert all(entry.sentence for entry in items)


def test_pages_lose_and_double_nothing(house):
    """SOAP-68..70: whatever the size, all pages together are the one page; since and until cut by recorded time."""
    live(house)
    whole = find(house).items
    for size in (1, 2, 4):
        found, token = [], None
        while True:
            page = find(house, size=size, token=token)
            found += page.items
            token = page.next_token
            if token is None:
                break
        assert tuple(found) == whole
    middle = whole[3].recorded_at
    assert find(house, until=middle).items + find(house, since=middle).items == whole
    assert find(house, since=house.clock.now + dt.timedelta(minutes=1)).items == ()
    with pytest.raises(GatewayError, match="INVALID_TOKEN"):
        find(house, size=2, token=find(house, size=1).next_token[:-4] + "AAAA")


def test_the_survivor_has_the_history_of_who_was_merged(house):
    """ID-26: what happened to the loser is in the survivor's history, marked with the loser's id."""
    push(house, SubscriberRecord("17", "old@example.org"), SubscriberRecord(None, ANN))
    house.clock.advance(minutes=1)
    push(house, SubscriberRecord("17", ANN))
    house.clock.advance(minutes=1)
    items = find(house).items
    assert len({entry.subscriber_id for entry in items}) == 2
    assert {(entry.kind, entry.what) for entry in items} >= {("event", "merged"), ("import", "created")}


def test_two_brands_never_meet(house):
    """ID-P15: the other brand has no history of our people."""
    live(house)
    mine = find(house).items[0].subscriber_id
    for who in ({"email": ANN}, {"email": None, "subscriber_id": mine}):
        with pytest.raises(GatewayError, match="NOT_FOUND"):
            find(house, brand_id=2, **who)
