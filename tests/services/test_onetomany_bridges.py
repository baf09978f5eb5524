"""Does One-to-Many hold when two systems are synced whose people overlap? (ID-4, ID-20..25, ID-32..37, ID-73, ID-74)"""

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.accounts import ADMIN, system_actor
from gateway.domain.orphans import OrphanFilter
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.domain.sync import ROW_CLASSES
from gateway.services import (
    imports,
    integrations,
    onetomany,
    orphans,
    reconcile,
    subscribers,
    suppression,
    sync,
)
from tests.support.ams import sqlite_ams
from tests.support.folder_ams import FolderAms
from tests.support.world import World

ANN, BO, CY, DI = (f"{name}@example.org" for name in ("ann", "bo", "cy", "di"))


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path / "data", brands=(1, 2)) as made:
        yield made


class Sides:
    """Two systems of brand 1: a database ``members`` and a folder ``events``."""

    def __init__(self, world, folder):
        self.world = world
        self.members, self.events = sqlite_ams(folder), FolderAms(folder)
        with world.gateway.unit(system_actor(1)) as unit:
            self.ids = {"members": integrations.add(unit, "members", "sql", self.members.config),
                        "events": integrations.add(unit, "events", "folder", self.events.config)}

    def sync(self, name, **options):
        """A full run; its counts."""
        report = sync.run(self.world.gateway, 1, self.ids[name], **options)
        self.world.clock.advance(minutes=1)
        assert report.state == "success", report.message
        assert sum(report.counters[each] for each in ROW_CLASSES) == report.counters["read"]
        return {each: count for each, count in report.counters.items() if count}

    def attend(self, *rows):
        """What the folder lists from now on: (remote ID, address[, flag, interests])."""
        self.events.export("members.csv", [(*row, *(0, "", 0)[len(row) - 2:]) for row in rows])


@pytest.fixture
def sides(world, tmp_path):
    """Ann is in both, Bo and Cy in the database, Di in the folder; everybody is synced, in two modes of one record."""
    made = Sides(world, tmp_path)
    for number, email in enumerate((ANN, BO, CY), start=1):
        made.members.put(str(number), email, 0, "Members")
    made.attend(("E1", "ANN@example.org", 0, "Events"), ("E4", DI, 0, "Events"))
    made.sync("members")
    made.sync("events")
    return made


def view(world, email=None, **who):
    with world.reading(world.actor()) as unit:
        return subscribers.get(unit, Identifier(email=email, **who))


def switch_on(world):
    admin = world.actor(role=ADMIN)
    with world.reading(admin) as unit:
        found = onetomany.preview(unit)
    return found, onetomany.switch_on(world.gateway, admin, found.fingerprint)


def inside(person):
    return {each.name for each in person.interests if each.until is None}


def everything(world):
    with world.reading() as unit:
        return {name: unit.connection.execute(sa.select(metadata.tables[name])).all()
                for name in ("subscriber", "remote_key", "membership", "address_status", "source_values")}


def listed(world):
    with world.gateway.feed(world.actor()) as unit:
        return {each.email: (each.integration, each.remote_id, each.reason)
                for each in orphans.find(unit, OrphanFilter(), PageRequest()).items}


@pytest.mark.parametrize(("priority", "survivor"), [(None, "1"), (["integration:events"], "E1")])
def test_preview_merge_and_the_syncs_that_follow(world, sides, priority, survivor):
    """ID-73, ID-74, ID-36: the brand's priority says whose record survives; the next syncs change nothing (ID-P1)."""
    if priority:
        with world.unit() as unit:
            unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings={"sourcePriority": priority}))
    integration = "events" if priority else "members"
    with world.reading(world.actor(integration)) as unit:
        expected = subscribers.get(unit, Identifier(remote_id=survivor)).subscriber_id
    found, made = switch_on(world)
    assert found.counters == made.counters == {"mains": 4, "merged": 1, "fieldConflicts": 0, "statusChanges": 0}
    ann = view(world, ANN)
    assert (ann.subscriber_id, set(ann.links)) == (expected, {("members", "1"), ("events", "E1")})
    assert inside(ann) == {"Members", "Events"}
    before = everything(world)
    sides.attend(("E1", "ANN@example.org", 0, "Events"), ("E4", DI, 0, "Events"))
    assert sides.sync("members") == {"read": 3, "unchanged": 3}
    assert sides.sync("events") == {"read": 2, "unchanged": 2}
    assert everything(world) == before


def test_links_end_one_by_one(world, sides):
    """ID-32, ID-34: who leaves one system stays the other's; who leaves both is an orphan, and comes back by either."""
    switch_on(world)
    ann = view(world, ANN).subscriber_id
    sides.members.drop("1")
    assert sides.sync("members") == {"read": 2, "unchanged": 2, "swept": 1}
    left = view(world, ANN)
    assert (left.subscriber_id, left.sendable, inside(left)) == (ann, True, {"Events"})
    sides.attend(("E4", DI, 0, "Events"))
    assert sides.sync("events") == {"read": 1, "unchanged": 1, "swept": 1, "orphaned": 1}
    assert (view(world, ANN).orphan, listed(world)) == (True, {ANN: ("events", "E1", "gone")})
    sides.members.put("1", ANN, 0, "Members")
    assert sides.sync("members") == {"read": 3, "unchanged": 2, "revived": 1}
    back = view(world, ANN)
    assert (back.subscriber_id, back.sendable, inside(back), listed(world)) == (ann, True, {"Members"}, {})


def test_an_orphan_revives_by_the_other_system(world, sides):
    """ID-21: a new key at its address."""
    switch_on(world)
    sides.members.drop("2")
    sides.sync("members")
    assert listed(world) == {BO: ("members", "2", "gone")}
    bo = view(world, BO).subscriber_id
    sides.attend(("E1", ANN, 0, "Events"), ("E4", DI, 0, "Events"), ("E2", BO, 0, "Events"))
    assert sides.sync("events") == {"read": 3, "unchanged": 2, "adopted": 1}
    back = view(world, BO)
    assert (back.subscriber_id, back.orphan, back.source, inside(back)) == (bo, False, "integration:events", {"Events"})
    assert listed(world) == {}


def test_an_address_that_changes_in_one_system(world, sides):
    """ID-24, ID-25: the only link takes its record along; of several one moves, the memberships of its system too."""
    switch_on(world)
    ann, bo = view(world, ANN).subscriber_id, view(world, BO).subscriber_id
    sides.members.change("2", email="bob@example.org")
    sides.members.change("1", email="anne@example.org")
    assert sides.sync("members")["read"] == 3
    assert view(world, "bob@example.org").subscriber_id == bo
    anne, old = view(world, "anne@example.org"), view(world, ANN)
    assert (set(anne.links), inside(anne)) == ({("members", "1")}, {"Members"})
    assert (old.subscriber_id, set(old.links), inside(old)) == (ann, {("events", "E1")}, {"Events"})
    sides.members.change("3", email=DI)
    sides.sync("members")
    di = view(world, DI)
    assert set(di.links) == {("members", "3"), ("events", "E4")} and inside(di) == {"Members", "Events"}
    assert listed(world) == {CY: ("members", "3", "moved")}
    assert sides.sync("members") == {"read": 3, "unchanged": 3}


def test_an_opt_out_and_a_flag_stand_for_every_link(world, sides):
    """ID-45, ID-75, ID-P7: a flag of one system blocks the main; an opt-out is told to both and survives both syncs."""
    switch_on(world)
    sides.attend(("E1", ANN, 1, "Events"), ("E4", DI, 0, "Events"))
    assert sides.sync("events") == {"read": 2, "changed": 1, "unchanged": 1, "flagged": 1}
    sides.sync("members")
    assert view(world, ANN).blocked_by == ("remote_flag",)
    sides.attend(("E1", ANN, 0, "Events"), ("E4", DI, 0, "Events"))
    sides.sync("events")
    assert view(world, ANN).sendable
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN))])
    with world.reading() as unit:
        t = metadata.tables["writeback"].c
        assert sorted(unit.connection.execute(sa.select(t.remote_id)).scalars()) == ["1", "E1"]
    sides.attend(("E1", ANN, 0, "Events"), ("E4", DI, 0, "Events"))
    sides.sync("events")
    sides.sync("members")
    assert view(world, ANN).blocked_by == ("opt_out",)


def test_two_members_of_one_system_at_one_address(world, sides):
    """ID-4, ID-38, ID-P1: both keys hang on the main, which is in the lists of both; a second sync changes nothing."""
    switch_on(world)
    sides.members.put("8", BO, 0, "Board")
    sides.sync("members")
    bo = view(world, BO)
    assert (set(bo.links), inside(bo)) == ({("members", "2"), ("members", "8")}, {"Members", "Board"})
    assert sides.sync("members") == {"read": 4, "unchanged": 4}
    report = reconcile.reconcile(world.gateway, system_actor(1, "cli"), "members")
    assert (report.state, [each.name for each in report.lists]) == ("agrees", ["members", "Board", "Members"])
    sides.members.change("8", groups="Youth")
    assert sides.sync("members") == {"read": 4, "changed": 1, "unchanged": 3}
    assert inside(view(world, BO)) == {"Members", "Youth"}
    sides.members.drop("8")
    sides.sync("members")  # it still keeps what the other remote ID gave, which is only now known to have ended
    assert sides.sync("members") == {"read": 3, "changed": 1, "unchanged": 2}
    assert inside(view(world, BO)) == {"Members"}


def test_both_compared_with_both_systems(world, sides):
    """ID-65: each agrees with its own links and lists, whoever else has the same people."""
    switch_on(world)
    sides.attend(("E1", ANN, 0, "Events"), ("E4", DI, 0, "Events"))
    for name, people in (("members", 3), ("events", 2)):
        report = reconcile.reconcile(world.gateway, system_actor(1, "cli"), name)
        assert (report.state, report.lists[0].there, report.lists[0].here) == ("agrees", people, people), name


def test_the_other_brand_stays_as_it_is(world, sides):
    """ID-P15"""
    with world.unit(world.actor("members", brand_id=2)) as unit:
        imports.import_records(unit, [SubscriberRecord("1", ANN), SubscriberRecord("2", ANN)], ImportOptions())
    switch_on(world)
    with world.reading(world.actor("members", brand_id=2)) as unit:
        assert [subscribers.get(unit, Identifier(remote_id=key)).merged_into for key in "12"] == [None, None]
