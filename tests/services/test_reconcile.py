"""Does a comparison with an AMS name all that differs, with the reason, and change nothing? (ID-65, ID-69)"""

from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.bridges.port import MemberStream, RemoteMember
from gateway.db.models import metadata
from gateway.db.queries import reconcile as queries
from gateway.domain.accounts import ADMIN, system_actor
from gateway.domain.merge import NATIVE
from gateway.domain.reconcile import BUCKETS, bucket_of
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import (
    erasure,
    imports,
    integrations,
    optout,
    reconcile,
    remotegroups,
    suppression,
    sync,
    writebacks,
)
from tests.support.world import World

ADMINISTRATOR = system_actor(1, "cli")


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    """Thirty members, the first ten in Gold, synced."""
    for number in range(30):
        ams.put(str(number), f"m{number}@example.org", 0, "Gold" if number < 10 else "")
    return synced(world, bridged(world))


def bridged(world, brand_id=1):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, "ams", "memory", {})


def synced(world, integration_id, brand_id=1, **options):
    assert sync.run(world.gateway, brand_id, integration_id, **options).state == "success"
    world.clock.advance(minutes=1)
    return integration_id


def compare(world, only=None, brand_id=1):
    """The report, and what differs by list and remote ID."""
    found = []
    report = reconcile.reconcile(world.gateway, system_actor(brand_id, "cli"), "ams", only=only,
                                 tell=lambda name, each: found.append((name, each)))
    for one in report.lists:
        assert one.counts == Counter((each.kind, each.reason) for name, each in found if name == one.name)
    return report, found


def differences(world, only=None, brand_id=1):
    return sorted((name, each.remote_id, each.kind, each.reason, each.mended_by)
                  for name, each in compare(world, only, brand_id)[1])


def sentence(world, remote_id):
    return next(each.sentence for _, each in compare(world)[1] if each.remote_id == remote_id)


def change(ams, remote_id, **values):
    ams.people = [replace(each, **values) if each.remote_id == remote_id else each for each in ams.people]


def everything(world):
    with world.reading() as unit:
        return {table.name: unit.connection.execute(sa.select(table)).all() for table in metadata.sorted_tables}


def refused(act, *args, **more):
    with pytest.raises(GatewayError) as error:
        act(*args, **more)
    return error.value.code, error.value.field


def test_after_a_sync_both_sides_agree(world, ams, made):
    """Everybody and each list; nothing is written, nothing is asked twice."""
    before = everything(world)
    report, found = compare(world)
    assert (report.state, found) == ("agrees", [])
    assert [(each.name, each.there, each.here, each.others) for each in report.lists] == [
        ("members", 30, 30, 0), ("Gold", 10, 10, 0)]
    assert everything(world) == before


def test_before_the_first_sync(world, ams):
    ams.put("1", "ann@example.org", 0, "Gold")
    bridged(world)
    assert differences(world) == [("Gold", "1", "member_there", "person_not_here", "sync"),
                                  ("members", "1", "only_there", "not_synced", "sync")]
    assert sentence(world, "1").startswith(("No sync has run yet", "The person is not here"))


def test_who_is_only_there(world, ams, made):
    """New; not taken and why; erased; several times; without an ID; ended here."""
    change(ams, "3", deleted=True)
    change(ams, "4", deleted=True)
    synced(world, made)
    change(ams, "3", deleted=False)
    ams.put("new", "new@example.org")
    ams.put("bad", "no address")
    ams.put("empty", None)
    ams.put("gone", "gone@example.org", gone=1)
    ams.put(None, "nobody@example.org")
    ams.put("twice", "twice@example.org")
    ams.put("twice", "other@example.org")
    with world.unit(world.actor(role=ADMIN)) as unit:
        erasure.erase(unit, Identifier(email="m5@example.org"), confirmed=True, close_writebacks=True)
    by_id = {each.remote_id: (each.reason, each.mended_by) for _, each in compare(world, "members")[1]}
    assert by_id == {"new": ("not_synced", "sync"), "bad": ("rejected", "person"), "empty": ("rejected", "person"),
                     "3": ("ended_here", "sync"), "5": ("erased", "meant"), "twice": ("conflicting", "person"),
                     None: ("no_remote_id", "person")}
    assert "next sync mends it" in sentence(world, "new")


def test_what_the_next_sync_would_mend_is_mended_by_it(world, ams, made):
    """New, gone, changed, flagged, moved between lists: each says so, and after the sync both sides agree."""
    ams.people.pop()
    ams.put("new", "new@example.org", 1, "Gold;Silver")
    change(ams, "1", email="other@example.org")
    change(ams, "2", do_not_email=True)
    change(ams, "3", interests=())
    change(ams, "4", deleted=True, interests=())
    change(ams, "6", email=None, interests=())
    assert {(name, remote_id, kind, reason) for name, remote_id, kind, reason, _ in differences(world)} == {
        ("members", "29", "only_here", "gone_there"), ("members", "new", "only_there", "not_synced"),
        ("members", "1", "address", "not_synced"), ("members", "2", "flag", "not_synced"),
        ("members", "4", "only_here", "deleted_there"), ("members", "6", "only_here", "address_empty_there"),
        ("Gold", "3", "member_here", "not_synced"), ("Gold", "4", "member_here", "not_synced"),
        ("Gold", "6", "member_here", "not_synced"), ("Gold", "new", "member_there", "person_not_here"),
        ("Silver", "new", "member_there", "person_not_here")}
    assert {mended_by for *_, mended_by in differences(world)} == {"sync"}
    synced(world, made)
    assert differences(world) == []


def test_a_run_that_did_not_succeed_is_the_reason(world, ams, made):
    """ID-69, ID-70"""
    kept = ams.people[:]
    ams.people = ams.people[:15]
    assert sync.run(world.gateway, 1, made).state == "held"
    world.clock.advance(minutes=1)
    assert "ended as held" in sentence(world, "29")
    ams.people = kept
    ams.put("new", "new@example.org")
    assert "held by the brake; when it is released" in sentence(world, "new")


def test_an_open_writeback_is_the_reason(world, ams, made):
    """ID-64: a flag that we are about to change there; a local opt-out by itself is no difference."""
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="m7@example.org"))])
    assert differences(world) == []
    writebacks.run_due(world.gateway, 1, made) if hasattr(writebacks, "run_due") else None
    change(ams, "7", do_not_email=True)
    synced(world, made)
    assert differences(world) == []
    change(ams, "7", do_not_email=False)
    (found,) = differences(world)
    assert found[:4] in [("members", "7", "flag", "unsubscribe_waits"), ("members", "7", "flag", "not_synced")]


def test_who_left_a_list_here(world, ams, made):
    """ID-39: no sync mends it, and the comparison says so."""
    with world.unit() as unit:
        optout.opt_out(unit, ["Gold"], [StatusEntry(Identifier(email="m1@example.org"))])
    ((name, remote_id, kind, reason, mended_by),) = differences(world)
    assert (name, remote_id, kind, reason) == ("Gold", "1", "member_there", "left_here")
    assert mended_by in ("meant", "writeback")
    synced(world, made)
    assert len(differences(world)) == 1


def test_other_sources_do_not_count(world, ams, made):
    """ID-38: an upload put somebody into the list; the report says how many, and both sides agree."""
    with world.unit() as unit:
        imports.import_records(unit, [SubscriberRecord(email="m20@example.org", add_interests=("Gold",)),
                                      SubscriberRecord(email="m2@example.org", add_interests=("Gold",))],
                               ImportOptions())
    report, found = compare(world, "Gold")
    assert (report.state, found) == ("agrees", [])
    assert [(each.name, each.there, each.here, each.others) for each in report.lists] == [("Gold", 10, 10, 1)]


def test_a_system_that_does_not_say_flags_or_lists(world, ams, made):
    """ID-45: what it leaves out cannot differ."""
    change(ams, "2", do_not_email=True)
    synced(world, made)
    ams.people = [RemoteMember(each.remote_id, each.email) for each in ams.people]
    report, found = compare(world)
    assert (report.state, found, len(report.lists)) == ("agrees", [], 1)
    ams.people[5] = RemoteMember("5", "m5@example.org", True)
    assert differences(world) == [("members", "5", "flag", "not_synced", "sync")]


def test_dynamic_groups_are_lists_too(world, ams, made):
    """Resolved at T; who joined the group since is named."""
    ams.groups["board"] = ("The Board", ["1", "2", "99"])
    interest_id = remotegroups.add(world.gateway, ADMINISTRATOR, "ams", "board").interest_id
    assert [row[:4] for row in differences(world, "The Board")] == [
        ("The Board", "1", "member_there", "not_synced"), ("The Board", "2", "member_there", "not_synced")]
    remotegroups.resolve(world.gateway, 1, interest_id, "hand")
    report, found = compare(world)
    assert (report.state, [each.subject for each in report.lists]) == ("agrees", ["everybody", "list", "group"])
    assert "resolved last at" in report.lists[-1].note
    ams.groups["board"] = ("The Board", ["2", "3"])
    assert differences(world) == [("The Board", "1", "member_here", "not_synced", "sync"),
                                  ("The Board", "3", "member_there", "not_synced", "sync")]
    ams.groups.pop("board")
    report, found = compare(world)
    assert [(each.name, each.agrees, each.here) for each in report.lists] == [
        ("members", True, 30), ("Gold", True, 10), ("The Board", False, 2)]
    assert [(name, each.kind, each.reason, each.mended_by) for name, each in found] == [
        ("The Board", "only_here", "group_not_told", "person")]
    assert "group board: " in found[0][1].sentence
    assert compare(world, "The Board")[0].lists == report.lists[2:]


def test_what_cannot_be_compared(world, ams, made):
    """A list of changes, a system that is away or breaks off, an empty answer, a list that nobody knows."""
    assert refused(compare, world, "Nothing") == ("NOT_FOUND", "list")
    ams.breaks_after = 3
    assert refused(compare, world) == ("UNAVAILABLE", "integration")
    ams.breaks_after, ams.is_away = None, True
    assert refused(compare, world) == ("UNAVAILABLE", "integration")
    ams.is_away, kept, ams.people = False, ams.people, []
    assert refused(compare, world) == ("STATE_CONFLICT", "integration")
    ams.people = kept
    ams.changed_since = lambda since: MemberStream(iter(ams.people), lists_everybody=False)
    assert refused(compare, world) == ("STATE_CONFLICT", "integration")
    with pytest.raises(GatewayError, match="NOT_ALLOWED"):
        reconcile.reconcile(world.gateway, world.key_actor(scopes=("import",)), "ams")


def test_brands_do_not_meet(world, ams, made):
    """ID-P15: another brand with the same system has nobody yet."""
    bridged(world, 2)
    report, found = compare(world, "members", brand_id=2)
    assert (report.lists[0].there, report.lists[0].here, len(found)) == (30, 0, 30)
    assert differences(world) == []


def test_only_buckets_that_differ_are_looked_at(world, ams, made, monkeypatch):
    """One change among many: the others are proven equal by their sums alone."""
    asked = []
    keys = reconcile.queries.keys
    monkeypatch.setattr(reconcile.queries, "keys", lambda *args: asked.extend(args[3]) or keys(*args))
    change(ams, "1", email="other@example.org")
    assert len(differences(world, "members")) == 1
    assert "1" in asked and {bucket_of(each) for each in asked} == {bucket_of("1")}
    assert 0 <= bucket_of("1") < BUCKETS


def test_links_of_members_are_found_by_the_person(world, ams, made):
    """Whatever the planner thinks of tables without statistics: not each key of the integration for each member."""
    def note(_connection, _cursor, statement, parameters, _context, _many):
        if "remote_key" in statement and "interest_id" in statement:
            asked.append((statement, parameters))

    asked = []
    with world.reading() as unit:
        sa.event.listen(unit.connection, "before_cursor_execute", note)
        source_id = queries.source_of(unit.connection, 1, made)
        assert len(next(queries.members(unit.connection, 1, made, source_id, NATIVE))) == 10
        sa.event.remove(unit.connection, "before_cursor_execute", note)
        (statement, parameters), = asked
        how = "EXPLAIN" if unit.connection.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN"
        plan = unit.connection.exec_driver_sql(f"{how} {statement}", parameters).all()
    used = [str(line) for line in plan if "Index Cond" in str(line) or "USING" in str(line)]
    assert any("subscriber_id" in line for line in used), plan
    assert not any("integration_id" in line for line in used), plan
