"""Is the right person found, and is what a door shows of them right?"""

from __future__ import annotations

import pytest

from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, SubscriberFilter, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import accounts, imports, subscribers, suppression
from tests.support.world import World


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


def push(world, *records, as_=None, **options):
    with world.unit(as_) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def rec(remote_id=None, email=None, **values):
    return SubscriberRecord(remote_id, email, values)


def get(world, as_=None, **who):
    with world.reading(as_) as unit:
        return subscribers.get(unit, Identifier(**who))


def code(world, **who):
    with pytest.raises(GatewayError) as found:
        get(world, **who)
    return found.value.code


def find(world, size=None, token=None, as_=None, **wanted):
    world.clock.advance(seconds=1)
    with world.gateway.feed(as_ or world.actor()) as unit:
        return subscribers.find(unit, SubscriberFilter(**wanted), PageRequest(size, token))


def emails(page):
    return [view.email for view in page.items]


def test_a_whole_subscriber(world):
    """SOAP-43, section 4."""
    ams = world.actor("ams")
    (made,) = push(world, rec(None, "ann@example.org", City="A"), label="fair")
    world.clock.advance(hours=1)
    push(world, rec("17", "Ann@example.org", City="B", Title="Dr"), as_=ams, interests=("News",))
    view = get(world, subscriber_id=made.subscriber_id)
    assert (view.email, view.remote_id, view.links) == ("ann@example.org", "17", (("ams", "17"),))
    assert (view.status, view.sendable, view.blocked_by, view.orphan) == ("active", True, (), False)
    assert (view.source, view.first_source) == ("integration:ams", "upload:fair")
    assert [(f.name, f.value, f.source) for f in view.fields] == [
        ("City", "A", "integration:api"), ("Title", "Dr", "integration:ams")]
    assert view.fields[0].changed_at < view.fields[1].changed_at == view.changed_at
    assert [(i.name, i.source, i.until) for i in view.interests] == [("News", "integration:ams", None)]


def test_who_is_meant(world):
    """SOAP-43: each identifier alone, and two that differ in person."""
    first, second = push(world, rec("17", "fam@example.org"), rec("18", "fam@example.org"))
    assert get(world, remote_id=" 17 ").subscriber_id == first.subscriber_id
    assert get(world, remote_id="18", email="FAM@example.org").subscriber_id == second.subscriber_id
    assert code(world, email="fam@example.org") == "AMBIGUOUS_EMAIL"
    assert code(world, remote_id="17", subscriber_id=second.subscriber_id) == "IDENTITY_MISMATCH"
    assert code(world, remote_id="99") == code(world, subscriber_id=99) == "NOT_FOUND"
    assert code(world) == "IDENTIFIER_MISSING" and code(world, email="fam") == "INVALID_EMAIL"
    assert get(world, remote_id="17", as_=world.actor()).remote_id == "17"
    with pytest.raises(GatewayError):
        get(world, remote_id="17", as_=world.actor("ams"))  # another system's 17


def test_a_tombstone_is_found_by_its_id_only(world):
    """Section 1, SOAP-43."""
    twin, _ = push(world, rec(None, "lee@example.org"), rec("17", "ann@example.org"))
    (mine,) = push(world, rec("17", "lee@example.org"))
    buried = get(world, subscriber_id=twin.subscriber_id)
    assert (buried.merged_into, buried.sendable) == (mine.subscriber_id, False)
    assert get(world, email="lee@example.org").subscriber_id == mine.subscriber_id
    assert emails(find(world)) == ["lee@example.org"]


def test_filters(world):
    """SOAP-44."""
    push(world, rec("1", "a@example.org"), rec("2", "b@example.org"), interests=("News",))
    push(world, rec(None, "c@example.org"), label="fair")
    push(world, SubscriberRecord("4", "d@example.org", do_not_email=True))
    with world.unit() as unit:
        suppression.opt_out(unit, email="b@example.org", origin="link")
    assert emails(find(world, email="A@example.org")) == ["a@example.org"]
    assert emails(find(world, remote_id="2")) == ["b@example.org"]
    assert emails(find(world, status="unsubscribed")) == ["b@example.org", "d@example.org"]
    assert emails(find(world, status="active")) == ["a@example.org", "c@example.org"]
    assert emails(find(world, status="bad_email")) == []
    assert emails(find(world, interest="News")) == ["a@example.org", "b@example.org"]
    assert emails(find(world, source="upload:fair")) == ["c@example.org"]
    assert len(emails(find(world, source="integration:api"))) == 3
    assert emails(find(world, orphan=True)) == []
    for wrong, expected in (({"status": "Active"}, "INVALID_VALUE"), ({"interest": "Else"}, "LIST_UNKNOWN"),
                            ({"email": "x"}, "INVALID_EMAIL")):
        with pytest.raises(GatewayError) as found:
            find(world, **wrong)
        assert found.value.code == expected


def test_pages_by_time_of_change(world):
    """SOAP-68..70: a status change is a change, too."""
    push(world, *[rec(str(n), f"p{n}@example.org") for n in range(5)])
    first = find(world, 2)
    rest = find(world, 3, first.next_token)
    assert emails(first) + emails(rest) == [f"p{n}@example.org" for n in range(5)] and rest.next_token is None
    with world.unit() as unit:
        suppression.opt_out(unit, email="p1@example.org", origin="link")
    assert emails(find(world, since=first.as_of)) == ["p1@example.org"]


def test_merge_values(world):
    """ID-36: what personalisation uses; everybody asked for is there."""
    (made,) = push(world, rec("17", "ann@example.org", FirstName="Ann"))
    push(world, rec(None, "ann@example.org", FirstName="Anna", City="X"), as_=world.actor("ams"))
    with world.reading() as unit:
        assert subscribers.merge_values(unit, [made.subscriber_id, 99]) == {
            made.subscriber_id: {"FirstName": "Ann", "City": "X"}, 99: {}}
        assert subscribers.merge_values(unit, []) == {}


def test_the_right_is_needed(world):
    """PUSH-36."""
    with pytest.raises(GatewayError) as found:
        get(world, as_=world.key_actor(scopes=("import",)), subscriber_id=1)
    assert found.value.code == "NOT_ALLOWED"


def test_brands_do_not_meet(world):
    """ID-P15, SOAP-18."""
    accounts.add_brand(world.gateway, 2, "Other")
    (made,) = push(world, rec("17", "ann@example.org"))
    for who in ({"subscriber_id": made.subscriber_id}, {"remote_id": "17"}, {"email": "ann@example.org"}):
        with pytest.raises(GatewayError) as found:
            get(world, as_=world.actor(brand_id=2), **who)
        assert found.value.code == "NOT_FOUND"
    assert find(world, as_=world.actor(brand_id=2)).items == ()
    with world.reading(world.actor(brand_id=2)) as unit:
        assert subscribers.merge_values(unit, [made.subscriber_id]) == {made.subscriber_id: {}}
