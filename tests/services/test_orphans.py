"""Is every orphan listed, with the reason and what can be done? (ID-29, ID-32..34)"""

import pytest

from gateway.bridges.port import RemoteMember
from gateway.domain.accounts import ADMIN, system_actor
from gateway.domain.orphans import OrphanFilter
from gateway.domain.paging import PageRequest
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports, integrations, onetomany, orphans, remoteids, sync
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    for number in range(1, 8):
        ams.put(str(number), f"m{number}@example.org")
    with world.gateway.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "ams", "memory", {})
    return synced(world, integration_id)


def synced(world, integration_id):
    assert sync.run(world.gateway, 1, integration_id).state == "success"
    world.clock.advance(minutes=1)
    return integration_id


def push(world, *records, integration="api", brand_id=1):
    with world.unit(world.actor(integration, brand_id=brand_id)) as unit:
        return imports.import_records(unit, records, ImportOptions()).outcomes


def listed(world, integration=None, brand_id=1, size=None):
    found, token = [], None
    while True:
        with world.gateway.feed(world.actor(brand_id=brand_id)) as unit:
            page = orphans.find(unit, OrphanFilter(integration), PageRequest(size, token))
        found += page.items
        token = page.next_token
        if token is None:
            return found


def words(view):
    return [remedy.word for remedy in view.remedies]


def test_each_way_in_which_a_link_ends(world, ams, made):
    """ID-32, ID-33, ID-69: deleted there, gone from a complete sync, listed without an address."""
    ams.people[0] = RemoteMember("1", "m1@example.org", deleted=True)
    ams.people[1] = RemoteMember("2", None)
    del ams.people[2]
    ended_at = world.clock()
    synced(world, made)
    found = {view.remote_id: view for view in listed(world)}
    assert {key: (view.email, view.reason, view.integration) for key, view in found.items()} == {
        "1": ("m1@example.org", "deleted", "ams"), "2": ("m2@example.org", "address_empty", "ams"),
        "3": ("m3@example.org", "gone", "ams")}
    assert all(view.ended_at == ended_at and view.sentence for view in found.values())
    assert words(found["1"]) == ["comes_back", "include", "erase"]
    ams.put("3", "m3@example.org")
    synced(world, made)
    assert {view.remote_id for view in listed(world)} == {"1", "2"}


def test_a_new_remote_id_at_the_address_may_be_the_same_person(world, ams, made):
    """ID-29: only ChangeRemoteId joins them; then the orphan is none any more."""
    ams.people[0] = RemoteMember("100", "m1@example.org")
    synced(world, made)
    (view,) = listed(world)
    assert words(view) == ["join", "comes_back", "include", "erase"]
    assert (view.remedies[0].operation, "1 is called 100" in view.remedies[0].sentence) == ("ChangeRemoteId", True)
    with world.unit(world.actor("ams")) as unit:
        assert remoteids.change_remote_id(unit, "1", "100").status == "updated"
    assert listed(world) == []


def test_others_at_the_address_are_named(world, ams, made):
    """Another system's record, and one without remote ID."""
    push(world, SubscriberRecord("A", "m1@example.org"), integration="crm")
    del ams.people[:2]
    synced(world, made)
    (first, second) = listed(world)
    assert words(first) == ["other_record", "comes_back", "include", "erase"]
    assert "crm:A" in first.remedies[0].sentence
    assert words(second) == ["comes_back", "include", "erase"]


def test_a_link_that_moved(world, ams, made):
    """ID-25: One-to-Many; the remote ID is with another record now."""
    admin = world.actor(role=ADMIN)
    push(world, SubscriberRecord("9", "two@example.org"), integration="crm")
    with world.reading(admin) as unit:
        fingerprint = onetomany.preview(unit).fingerprint
    onetomany.switch_on(world.gateway, admin, fingerprint)
    world.clock.advance(minutes=1)
    ams.people[0] = RemoteMember("1", "two@example.org")
    synced(world, made)
    (view,) = listed(world)
    assert (view.email, view.reason, view.integration, view.remote_id) == ("m1@example.org", "moved", "ams", "1")
    assert words(view) == ["include", "erase"]
    assert [each.subscriber_id for each in listed(world, "ams")] == [view.subscriber_id]


def test_pages_filters_and_brands(world, ams, made):
    """SOAP-68, ID-P15"""
    push(world, SubscriberRecord("A", "a@example.org"), integration="crm")
    push(world, SubscriberRecord("A", deleted=True), integration="crm")
    push(world, SubscriberRecord("1", "m1@example.org"), integration="ams", brand_id=2)
    del ams.people[:3]
    synced(world, made)
    assert [view.remote_id for view in listed(world, size=1)] == ["1", "2", "3", "A"]
    assert [view.remote_id for view in listed(world, "ams")] == ["1", "2", "3"]
    assert [view.remote_id for view in listed(world, "crm")] == ["A"]
    assert listed(world, brand_id=2) == []
    with pytest.raises(GatewayError, match="NOT_FOUND"):
        listed(world, "nothing")
    with pytest.raises(GatewayError, match="NOT_ALLOWED"), \
            world.gateway.feed(world.key_actor(scopes=("import",))) as unit:
        orphans.find(unit, OrphanFilter(), PageRequest())
