"""Do our subscribers follow what a foreign system lists, and never more than that? (ID-65..72, ID-P11, ID-P12)"""

import threading

import pytest
import sqlalchemy as sa

from gateway.bridges import registry
from gateway.bridges.port import MemberStream, RemoteMember
from gateway.db.models.imports import decision
from gateway.db.models.imports import upload as upload_row
from gateway.db.models.subscribers import cached_value, field, interest, remote_key, subscriber
from gateway.db.models.sync import sync_run
from gateway.db.queries import fields, staging
from gateway.db.queries.privatecopy import RESERVE_BYTES
from gateway.domain.accounts import system_actor
from gateway.domain.records import Group, Identifier, ImportOptions, SubscriberRecord
from gateway.domain.sync import ROW_CLASSES
from gateway.errors import GatewayError
from gateway.services import imports, integrations, lists, subscribers, suppression, sync, syncrows, writebacks
from tests.support.ams import MemoryAms, SqlAms, sqlite_ams
from tests.support.world import World

ON_A_COPY = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""What is about copies, which PostgreSQL needs none of (ID-71)."""


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    return bridged(world)


def bridged(world, name="ams", kind="memory", brand_id=1, config=None):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, name, kind, config or {})


def run(world, integration_id, brand_id=1, **options):
    report = sync.run(world.gateway, brand_id, integration_id, **options)
    assert sum(report.counters[name] for name in ROW_CLASSES) == report.counters["read"]  # ID-72
    world.clock.advance(minutes=1)
    return report


def counts(report):
    return {name: count for name, count in report.counters.items() if count}


def person(world, remote_id=None, email=None, integration="ams", brand_id=1):
    with world.reading(world.actor(integration, brand_id=brand_id)) as unit:
        return subscribers.get(unit, Identifier(remote_id=remote_id, email=email))


def upload(world, *records, integration="api"):
    with world.unit(world.actor(integration)) as unit:
        return imports.import_records(unit, records, ImportOptions(label="list"))


def table(world, *columns):
    with world.reading() as unit:
        return unit.connection.execute(sa.select(*columns).order_by(columns[0])).all()


def everything(world):
    return (table(world, subscriber.c.id, subscriber.c.email, subscriber.c.orphan, subscriber.c.changed_at),
            table(world, remote_key.c.id, remote_key.c.remote_id, remote_key.c.ended_at, remote_key.c.do_not_email))


def test_a_first_sync_and_a_second_that_changes_nothing(world, ams, made):
    """ID-65, ID-P1: members come with remote ID, address, flag and interests; the same again writes nothing."""
    ams.put("17", " Ann@Example.org ", 0, "Gold; Board")
    ams.put("18", "bo@example.org", 1, "Gold")
    report = run(world, made)
    assert (report.state, counts(report)) == ("success", {"read": 2, "new": 2, "flagged": 1})
    ann, bo = person(world, "17"), person(world, "18")
    assert (ann.email, ann.source, ann.status) == ("ann@example.org", "integration:ams", "active")
    assert {interest.name for interest in ann.interests if interest.until is None} == {"Gold", "Board"}
    assert (bo.status, bo.blocked_by) == ("unsubscribed", ("remote_flag",))
    before = everything(world)
    assert counts(run(world, made)) == {"read": 2, "unchanged": 2}
    assert everything(world) == before


def test_worked_example_12_complete(world, ams, made):
    """ID-69, ID-34: gone from a complete sync: an orphan, not mailed, revived by the next one."""
    for number in range(17, 20):
        ams.put(str(number), f"{number}@example.org", 0, "Gold")
    run(world, made)
    ann, gone = person(world, "17"), ams.people.pop(0)
    report = run(world, made)
    assert (report.state, counts(report)) == ("success", {"read": 2, "unchanged": 2, "orphaned": 1, "swept": 1})
    assert [sample.remote_id for sample in report.samples["swept"]] == ["17"]
    orphan = person(world, email="17@example.org")
    assert (orphan.subscriber_id, orphan.orphan, orphan.sendable) == (ann.subscriber_id, True, False)
    assert [interest for interest in orphan.interests if interest.until is None] == []
    ams.people.append(gone)
    assert counts(run(world, made)) == {"read": 3, "unchanged": 2, "revived": 1}
    back = person(world, "17")
    assert (back.subscriber_id, back.orphan, back.sendable) == (ann.subscriber_id, False, True)


def test_worked_example_12_broken_off(world, ams, made):
    """ID-69, ID-P11: gone from a sync that broke off: untouched, counted held; what came is applied."""
    for number in range(17, 20):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    ams.put("20", "20@example.org")
    ams.people.insert(0, ams.people.pop())
    ams.breaks_after = 2
    report = run(world, made)
    assert (report.state, counts(report)) == ("partial", {"read": 2, "new": 1, "unchanged": 1, "held": 2})
    assert "broke off" in report.message
    assert all(person(world, str(number)).sendable for number in range(17, 21))


def test_an_empty_answer_ends_no_link(world, ams, made):
    """ID-69, ID-P11"""
    ams.put("17", "17@example.org")
    run(world, made)
    ams.people.clear()
    report = run(world, made)
    assert (report.state, counts(report)) == ("skipped", {"held": 1})
    assert person(world, "17").sendable


def test_an_answer_without_any_remote_id_ends_no_link(world, ams, made):
    """ID-69, ID-P11: the column was lost, not everybody."""
    ams.put("17", "17@example.org")
    run(world, made)
    ams.people.clear()
    ams.put(None, "17@example.org")
    report = run(world, made)
    assert (report.state, counts(report)) == ("partial", {"read": 1, "rejected": 1, "held": 1})
    assert "remote ID" in report.message and person(world, "17").sendable


def test_a_clock_behind_the_previous_run_sweeps_nothing(world, ams, made):
    """ID-69"""
    ams.put("17", "17@example.org")
    ams.put("18", "18@example.org")
    run(world, made)
    ams.people.pop()
    world.clock.advance(hours=-1)
    report = run(world, made)
    assert (report.state, counts(report)) == ("partial", {"read": 1, "unchanged": 1, "held": 1})
    assert person(world, "18").sendable


def test_a_source_that_is_away_fails_the_run_and_changes_nothing(world, ams, made):
    ams.put("17", "17@example.org")
    run(world, made)
    ams.is_away = True
    report = run(world, made)
    assert (report.state, counts(report), report.message) == ("failed", {}, "The system is away.")
    assert sync.due(world.gateway) == []
    world.clock.advance(hours=1)
    assert sync.due(world.gateway) == [(1, made)]
    ams.is_away = False
    assert run(world, made).state == "success"


def test_adoption_keeps_the_subscriber(world, ams, made):
    """ID-12: an uploaded address without remote ID is adopted."""
    upload(world, SubscriberRecord(email="ann@example.org"))
    before = person(world, email="ann@example.org")
    ams.put("17", "ANN@example.org")
    assert counts(run(world, made)) == {"read": 1, "adopted": 1}
    ann = person(world, "17")
    assert (ann.subscriber_id, ann.source, ann.first_source) == (before.subscriber_id, "integration:ams", "upload:list")


def test_an_address_that_changed_is_overwritten(world, ams, made):
    """ID-11, worked example 4"""
    ams.put("17", "ann@example.org")
    run(world, made)
    before = person(world, "17")
    ams.people.clear()
    ams.put("17", "lee@example.org")
    report = run(world, made)
    assert counts(report) == {"read": 1, "changed": 1, "overwritten": 1}
    assert report.samples["overwritten"][0].detail == "was ann@example.org"
    assert (person(world, "17").subscriber_id, person(world, "17").email) == (before.subscriber_id, "lee@example.org")


def test_rows_that_cannot_be_taken_are_rejected_with_the_reason(world, ams, made):
    """ID-8, ID-18: an invalid address, none at all, no remote ID; decisions are kept, the others come in."""
    ams.put("17", "ann@@example.org")
    ams.put("18", None)
    ams.put(None, "bo@example.org")
    ams.put("1" * 300, "cy@example.org")
    ams.put("21", "di@example.org")
    report = run(world, made)
    assert (report.state, counts(report)) == ("success", {"read": 5, "new": 1, "rejected": 4})
    assert len(report.samples["rejected"]) == 4 and all(sample.detail for sample in report.samples["rejected"])
    codes = {row.code for row in table(world, decision.c.id, decision.c.code)} - {None}
    assert codes == {"INVALID_EMAIL", "EMAIL_MISSING", "REMOTE_ID_REQUIRED", "FIELD_TOO_LONG"}


def test_rows_that_contradict_each_other_are_not_applied_and_not_swept(world, ams, made):
    """ID-71: the same remote ID twice with different data; the same line twice is harmless."""
    ams.put("17", "ann@example.org")
    ams.put("18", "bo@example.org")
    run(world, made)
    ams.put("17", "lee@example.org")
    ams.put("18", "bo@example.org")
    assert counts(run(world, made)) == {"read": 4, "unchanged": 2, "conflicting": 2}
    assert person(world, "17").email == "ann@example.org"
    told = table(world, decision.c.id, decision.c.rule, decision.c.code, decision.c.status)[-1]
    assert tuple(told)[1:] == ("ID-71", "IDENTITY_MISMATCH", "failed")


def test_a_deleted_member_and_one_without_address_end_their_links(world, ams, made):
    """ID-32, ID-33: the record keeps its last address and becomes an orphan; it is not an unsubscribe."""
    for number in range(17, 20):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    ams.people.clear()
    ams.put("17", "17@example.org", gone=1)
    ams.put("18", "  ")
    ams.put("19", "19@example.org")
    ams.put("20", "20@example.org", gone=1)
    assert counts(run(world, made)) == {"read": 4, "unchanged": 2, "ended": 2, "orphaned": 2}
    for number in (17, 18):
        orphan = person(world, email=f"{number}@example.org")
        assert (orphan.orphan, orphan.status) == (True, "active")
    assert counts(run(world, made)) == {"read": 4, "unchanged": 4}


def test_interests_become_exactly_what_the_system_lists_of_its_own(world, ams, made):
    """ID-37, ID-40: other sources' memberships stay."""
    ams.put("17", "ann@example.org", 0, "Gold;Board")
    run(world, made)
    upload(world, SubscriberRecord(email="ann@example.org", add_interests=("News",)))
    ams.people.clear()
    ams.put("17", "ann@example.org", 0, "Gold;Youth")
    assert counts(run(world, made)) == {"read": 1, "changed": 1}
    assert {i.name for i in person(world, "17").interests if i.until is None} == {"Gold", "Youth", "News"}
    assert counts(run(world, made)) == {"read": 1, "unchanged": 1}


def test_a_sync_leaves_groups_and_lists_of_its_own_system_alone(world, ams, made):
    """ID-38: they are other channels of the same source, also where they are about the same interest."""
    ams.put("17", "ann@example.org", 0, "Gold;South")
    run(world, made)
    with world.unit(world.actor("ams")) as unit:
        imports.import_records(unit, [SubscriberRecord("17", "ann@example.org", whole=True, groups=(
            Group("n", "North"),))], ImportOptions())
        lists.change_list(unit, "b", "Board", "Add", ["17"])
        own = sa.update(interest).where(interest.c.name == "South").values(
            integration_id=made, external_id="s")  # as if the group had come before the sync
        unit.connection.execute(own)
        imports.import_records(unit, [SubscriberRecord("17", "ann@example.org", whole=True, groups=(
            Group("n", "North"), Group("s", "South")))], ImportOptions())
    ams.people.clear()
    ams.put("17", "ann@example.org", 0, "Gold")
    assert counts(run(world, made)) == {"read": 1, "changed": 1}
    assert sorted(i.name for i in person(world, "17").interests if i.until is None) == [
        "Board", "Gold", "North", "South"]
    ams.people.clear()
    ams.put("17", "ann@example.org")
    assert counts(run(world, made)) == {"read": 1, "unchanged": 1}  # it says nothing of interests


@pytest.mark.parametrize(("change", "what"), [
    (lambda ams: ams.people.__delitem__(slice(0, 11)), "11 of 30 links to end"),
    (lambda ams: ams.people.__setitem__(slice(0, 11), [type(m)(m.remote_id, m.email, True) for m in ams.people[:11]]),
     "11 of 30 do-not-email flags newly set"),
    (lambda ams: ams.people.__setitem__(slice(0, 11), [type(m)(m.remote_id, f"x{m.email}") for m in ams.people[:11]]),
     "11 of 30 addresses overwritten"),
])
def test_the_brake_holds_before_anything_is_applied_until_it_is_released(world, ams, made, change, what):
    """ID-70, ID-P11"""
    for number in range(30):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    before = everything(world)
    change(ams)
    ams.put("new", "new@example.org")
    preview, held = run(world, made, preview=True), run(world, made)
    assert (held.state, preview.state) == ("held", "held")
    assert what in held.message
    assert everything(world) == before
    released = run(world, made, release=True)
    assert released.state == "success"
    assert preview.counters == held.counters == released.counters
    assert everything(world) != before


def test_ten_rows_or_a_tenth_do_not_trip_the_brake(world, ams, made):
    """ID-70: above 10 % *and* above 10 rows."""
    for number in range(30):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    del ams.people[:10]
    assert counts(run(world, made)) == {"read": 20, "unchanged": 20, "swept": 10, "orphaned": 10}


@pytest.mark.parametrize("kind", ["preview", "held"])
def test_nobody_waits_for_what_is_only_tried(world, ams, made, monkeypatch, kind):
    """ID-70, ID-71, ID-77: others import meanwhile, a run keeps its lease, and no file with people has a name."""
    for number in range(40):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    with world.unit() as unit:
        fields.add(unit.connection, 1, [{"name": "City", "folded": "city", "kind": "text"}], unit.now)
        unit.connection.execute(sa.insert(cached_value).values(
            brand_id=1, integration_id=made, remote_id="39", value="Xanadu", fetched_at=unit.now,
            field_id=unit.connection.scalar(sa.select(field.c.id).where(field.c.folded == "city"))))
    others = world.actor(brand_id=2)
    before, data, tried = everything(world), world.settings.data_dir, []

    def looked_at(unit, *args, **kwargs):
        apply(unit, *args, **kwargs)
        world.clock.advance(minutes=2)
        with world.gateway.unit(others, 0.1) as other:
            imports.import_records(other, [SubscriberRecord(email=f"{len(tried)}@example.net")], ImportOptions())
        if kind == "held" and is_copied:  # in place, the brand's lock keeps others away
            with world.reading() as reading:
                assert reading.connection.scalar(sa.select(upload_row.c.lease_until).join(
                    sync_run, sync_run.c.upload_id == upload_row.c.id).where(
                    sync_run.c.state == "running")) > world.clock()
        tried.append(([path for path in data.glob("**/*") if path.suffix in (".copy", ".stage")],
                      unit.connection.scalar(sa.select(sa.func.count()).select_from(cached_value))))

    apply = syncrows.apply_rows
    is_copied = world.gateway.engine.dialect.name == "sqlite"
    with monkeypatch.context() as patch:
        patch.setattr(sync, "CHUNK_ROWS", 10)
        patch.setattr(syncrows, "apply_rows", looked_at)
        del ams.people[:11]
        ams.put("new", "new@example.org")
        report = sync.run(world.gateway, 1, made, preview=kind == "preview")
    assert (report.state, report.counters["swept"], report.counters["new"]) == ("held", 11, 1)
    assert tried == [([], 0 if is_copied else 1)] * 3
    assert [row for row in everything(world)[0] if not row.email.endswith(".net")] == before[0]
    assert everything(world)[1] == before[1]
    released = run(world, made, release=True)
    assert released.counters == report.counters


@ON_A_COPY
@pytest.mark.parametrize("beyond", [-1, 3])
def test_a_disk_without_room_for_a_copy_is_said(world, ams, made, monkeypatch, tmp_path, beyond):
    """ID-71: as many pages beyond the reserve and the database itself: at once, or while the copy grows."""
    for number in range(200):
        ams.put(str(number), f"{number}@example.org")
    before = everything(world)
    with world.gateway.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
    with monkeypatch.context() as patch:
        patch.setattr(sync, "CHUNK_ROWS", 100)
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {
            "free": RESERVE_BYTES + (pages + beyond) * 4096}))
        with pytest.raises(GatewayError) as caught:
            sync.run(world.gateway, 1, made, preview=True)
    assert (caught.value.code, caught.value.retryable) == ("UNAVAILABLE", True)
    assert "no room for a copy" in caught.value.message and "Make room" in caught.value.message
    assert (everything(world), list(world.settings.data_dir.glob("*.copy"))) == (before, [])
    assert run(world, made, preview=True).counters == run(world, made).counters


@ON_A_COPY
def test_a_run_stays_held_where_it_cannot_be_counted(world, ams, made, monkeypatch):
    """ID-70: a disk without room for a copy makes no failed run of it, which would be tried again by itself."""
    for number in range(40):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    del ams.people[:11]
    before = everything(world)
    with monkeypatch.context() as patch:
        patch.setattr(sync, "CHUNK_ROWS", 10)
        patch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": RESERVE_BYTES}))
        report = sync.run(world.gateway, 1, made)
    assert (report.state, counts(report), report.samples) == ("held", {}, {})
    assert "11 of 40" in report.message and "could not be counted" in report.message and "no room" in report.message
    assert everything(world) == before
    assert counts(run(world, made, release=True)) == {"read": 29, "unchanged": 29, "swept": 11, "orphaned": 11}


@ON_A_COPY
def test_a_copy_ends_when_others_take_the_room(world, ams, made, monkeypatch):
    """ID-71: what must stay free is looked at again and again; two previews would else take it from each other."""
    for number in range(40):
        ams.put(str(number), f"{number}@example.org")
    looks = []

    def usage(folder):
        looks.append(folder)
        return type("Usage", (), {"free": RESERVE_BYTES + (2**30 if len(looks) < 5 else -1)})

    with monkeypatch.context() as patch:
        patch.setattr(sync, "CHUNK_ROWS", 10)
        patch.setattr("shutil.disk_usage", usage)
        with pytest.raises(GatewayError) as caught:
            sync.run(world.gateway, 1, made, preview=True)
    assert (caught.value.code, len(looks)) == ("UNAVAILABLE", 5)
    assert "no room for a copy" in caught.value.message


@pytest.mark.parametrize("preview", [False, True])
def test_a_full_disk_ends_a_run_as_failed(world, ams, made, monkeypatch, preview):
    """ID-67, ID-72: what is listed finds no room; it is said where people look, and the next run need not wait."""
    for number in range(2000):
        ams.put(str(number), f"{number}@example.org")
    with monkeypatch.context() as patch:
        patch.setattr(staging, "_TABLES", f"PRAGMA max_page_count = 20; {staging._TABLES}")  # SQLite's own full disk
        with pytest.raises(GatewayError) as caught:
            sync.run(world.gateway, 1, made, preview=preview)
    assert caught.value.code == "UNAVAILABLE" and "disk of the spool folder" in caught.value.message
    assert [row.state for row in table(world, sync_run.c.id, sync_run.c.state)] == ([] if preview else ["failed"])
    assert counts(run(world, made)) == {"read": 2000, "new": 2000}


def test_preview_stores_nothing_and_gives_the_numbers_of_the_run(world, ams, made, monkeypatch):
    """ID-71, ID-P12: the same code, the same numbers, whatever the chunk size."""
    monkeypatch.setattr(sync, "CHUNK_ROWS", 3)
    monkeypatch.setattr(syncrows, "CHUNK_ROWS", 3)
    for number in range(8):
        ams.put(str(number), f"{number}@example.org")
    run(world, made)
    upload(world, SubscriberRecord(email="ann@example.org"))
    ams.people = ams.people[2:]
    ams.people[0] = type(ams.people[0])("2", "two@example.org", True)
    ams.put("20", "ann@example.org")
    ams.put("21", "ann@example.org")
    ams.put("22", "not an address")
    ams.put("3", "conflict@example.org")
    before, runs = everything(world), table(world, sync_run.c.id)
    preview = run(world, made, preview=True)
    assert (preview.run_id, everything(world), table(world, sync_run.c.id)) == (None, before, runs)
    real = run(world, made)
    assert (preview.counters, preview.samples) == (real.counters, real.samples)
    assert counts(real) == {"read": 10, "new": 1, "changed": 1, "adopted": 1, "unchanged": 4, "conflicting": 2,
                            "rejected": 1, "flagged": 1, "overwritten": 1, "swept": 2, "orphaned": 2}


def test_a_sync_never_undoes_an_unsubscribe(world, ams, made):
    """ID-64, ID-49: neither while the writeback is open, nor if the system never takes it."""
    ams.put("17", "ann@example.org", 0)
    run(world, made)
    with world.unit() as unit:
        assert suppression.opt_out(unit, email="ann@example.org", origin="link")
    ams.is_away = False
    assert counts(run(world, made)) == {"read": 1, "unchanged": 1}
    ann = person(world, "17")
    assert (ann.status, ann.sendable) == ("unsubscribed", False)


def test_an_open_writeback_beats_the_flag_of_the_system(world, ams, made):
    """ID-64: the system still says "may be mailed" although our unsubscribe is on its way to it."""
    ams.put("17", "ann@example.org", 1)
    run(world, made)
    with world.unit() as unit:
        suppression.opt_out(unit, email="ann@example.org", origin="link")
    ams.people.clear()
    ams.put("17", "ann@example.org", 0)
    assert counts(run(world, made)) == {"read": 1, "unchanged": 1}
    assert table(world, remote_key.c.remote_id, remote_key.c.do_not_email) == [("17", True)]


def test_a_flag_is_set_and_cleared_by_its_own_system_only(world, ams, made):
    """ID-45: leaving it out changes nothing."""
    ams.put("17", "ann@example.org", 1)
    run(world, made)
    for flag, sendable in ((None, False), (0, True)):
        ams.people.clear()
        ams.put("17", "ann@example.org", flag)
        run(world, made)
        assert person(world, "17").sendable is sendable


def test_one_run_at_a_time_and_a_dead_one_is_taken_over(world, ams, made):
    """ID-67: the lease; a killed run is found by the sweep once its lease is over."""
    ams.put("17", "ann@example.org")
    started, go_on = threading.Event(), threading.Event()

    class Slow(MemoryAms):
        def changed_since(self, since):
            def wait():
                started.set()
                assert go_on.wait(60)
                raise MemoryError  # as good as a kill: nothing is closed
                yield
            return MemberStream(wait(), lists_everybody=True)

    registry.FACTORIES["memory"] = lambda config: Slow()
    died = []
    thread = threading.Thread(target=lambda: died.append(pytest.raises(MemoryError, sync.run, world.gateway, 1, made)))
    thread.start()
    assert started.wait(60)
    registry.FACTORIES["memory"] = lambda config: ams
    with pytest.raises(GatewayError) as caught:
        sync.run(world.gateway, 1, made)
    assert caught.value.code == "IN_PROGRESS"
    sync.run_sync(world.gateway, 1, made)
    assert counts(run(world, made, preview=True)) == {"read": 1, "new": 1}
    go_on.set()
    thread.join()
    assert len(died) == 1
    assert sync.due(world.gateway) == []
    world.clock.advance(minutes=5)
    assert sync.due(world.gateway) == [(1, made)]
    assert counts(run(world, made)) == {"read": 1, "new": 1}
    assert [row.state for row in table(world, sync_run.c.id, sync_run.c.state)] == ["failed", "success"]


def test_a_source_that_lists_slowly_keeps_its_lease(world, ams, made):
    """ID-67: the lease is about the worker, not about how many rows a minute come."""
    class Slow(MemoryAms):
        def changed_since(self, since):
            def one_by_one():
                for member in self.people:
                    world.clock.advance(minutes=3)
                    assert sync.due(world.gateway) == []
                    yield member
            return MemberStream(one_by_one(), lists_everybody=True)

    slow = Slow()
    registry.FACTORIES["memory"] = lambda config: slow
    for number in range(5):
        slow.put(str(number), f"m{number}@example.org")
    assert counts(run(world, made)) == {"read": 5, "new": 5}


def test_a_run_that_counts_slowly_keeps_its_lease(world, ams, made, monkeypatch):
    """ID-67: it is at work until it has counted what it would do, however many rows there are."""
    for number in range(8):
        ams.put(str(number), f"m{number}@example.org")
    counted, counting = [], syncrows.impact

    def slow(*args, **options):
        world.clock.advance(minutes=2)
        counted.append(True)
        if len(counted) == 4:
            with pytest.raises(GatewayError) as caught:
                sync.run(world.gateway, 1, made)
            assert caught.value.code == "IN_PROGRESS"
        return counting(*args, **options)

    monkeypatch.setattr(sync, "CHUNK_ROWS", 2)
    monkeypatch.setattr(syncrows, "impact", slow)
    assert sync.run(world.gateway, 1, made).state == "success"


def test_a_run_that_was_given_up_stops_before_it_applies_anything(world, ams, made, monkeypatch):
    """ID-67: two runs never apply side by side."""
    ams.put("17", "ann@example.org")
    real = sync._read

    def slow(work, bridge):
        real(work, bridge)
        if not taken:
            taken.append(True)
            world.clock.advance(minutes=6)
            assert sync.run(world.gateway, 1, made).state == "success"

    taken = []
    monkeypatch.setattr(sync, "_read", slow)
    with pytest.raises(GatewayError) as caught:
        sync.run(world.gateway, 1, made)
    assert caught.value.code == "STATE_CONFLICT"
    assert [row.state for row in table(world, sync_run.c.id, sync_run.c.state)] == ["failed", "success"]


def test_the_nightly_run_is_due_after_the_first(world, ams, made):
    """ID-66: the first run is a person's decision."""
    assert sync.due(world.gateway) == []
    run(world, made)
    assert sync.due(world.gateway) == []
    world.clock.advance(hours=24)
    assert sync.due(world.gateway) == [(1, made)]
    sync.run_sync(world.gateway, 1, made)
    assert sync.due(world.gateway) == []


def test_a_cursor_is_kept_used_and_given_up_when_it_is_refused(world, made, monkeypatch):
    """ID-68: changes since the cursor sweep nothing."""
    asked = []

    class WithCursor(MemoryAms):
        def changed_since(self, since):
            asked.append(since)
            if since == "c2":
                return super().changed_since(since)  # refused
            return MemberStream(iter(self.people), lists_everybody=since is None, cursor=f"c{len(asked)}")

    ams = WithCursor()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    ams.put("17", "17@example.org")
    ams.put("18", "18@example.org")
    run(world, made, full=False)
    ams.people.pop()
    report = run(world, made, full=False)
    assert (report.full, counts(report)) == (False, {"read": 1, "unchanged": 1})
    report = run(world, made, full=False)
    assert (report.full, counts(report)["swept"]) == (True, 1)
    assert asked == [None, "c1", "c2", None]


@pytest.mark.parametrize("when", ["between", "while"])
def test_another_system_is_not_asked_from_the_cursor_of_the_one_before(world, made, monkeypatch, when):
    """ID-68: configured anew between two runs, or while one is at work: the next run reads everybody."""
    asked = []

    def configure():
        with world.unit(system_actor(1)) as unit:
            integrations.reconfigure(unit, made, {})

    class Other(MemoryAms):
        def changed_since(self, since):
            asked.append(since)
            if when == "while" and len(asked) == 1:
                configure()
            return MemberStream(iter(self.people), lists_everybody=since is None, cursor="of the first")

    ams = Other()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: ams)
    ams.put("17", "17@example.org")
    assert run(world, made, full=False).state == "success"
    if when == "between":
        configure()
    run(world, made, full=False)
    assert asked == [None, None]
    run(world, made, full=False)
    assert asked[2:] == ["of the first"]


def test_two_brands_do_not_meet(world, ams, made):
    """ID-P15"""
    ams.put("17", "ann@example.org")
    run(world, made)
    other = bridged(world, brand_id=2)
    assert counts(run(world, other, brand_id=2)) == {"read": 1, "new": 1}
    assert person(world, "17").subscriber_id != person(world, "17", brand_id=2).subscriber_id
    for brand_id, integration_id in ((2, made), (1, other)):
        with pytest.raises(GatewayError) as caught:
            sync.run(world.gateway, brand_id, integration_id)
        assert caught.value.code == "NOT_FOUND"


def test_an_integration_without_a_bridge_cannot_be_synced(world):
    with pytest.raises(GatewayError) as caught:
        sync.run(world.gateway, 1, world.integration("api"))
    assert caught.value.code == "STATE_CONFLICT"


@pytest.mark.parametrize("engine", ["sqlite", "postgresql"])
def test_with_a_real_database_there_and_back(world, engine, tmp_path, request):
    """Sync, unsubscribe, writeback, sync: the foreign table and our store agree at the end."""
    ams = sqlite_ams(tmp_path) if engine == "sqlite" else SqlAms(request.getfixturevalue("postgres_url"))
    ams.put_many(2500)
    made = bridged(world, kind="sql", config=ams.config)
    assert counts(run(world, made)) == {"read": 2500, "new": 2500}
    with world.unit() as unit:
        suppression.opt_out(unit, email="m7@example.org", origin="link", reason="enough")
        assert ("run_writebacks", (1, made)) in [(ring.task, ring.args) for ring in unit.rings]
    writebacks.run_writebacks(world.gateway, 1, made)
    assert (ams.row("7")["no_mail"], ams.row("7")["reason"]) == (1, "enough")
    ams.change("8", email="moved@example.org")
    ams.drop("9")
    report = run(world, made)
    assert counts(report) == {"read": 2499, "unchanged": 2497, "changed": 2, "flagged": 1, "overwritten": 1,
                              "swept": 1, "orphaned": 1}
    assert person(world, "7").blocked_by == ("opt_out", "remote_flag")


def test_a_new_id_for_the_address_of_one_that_goes_warns_of_a_replacement(world, ams, made):
    """ID-29, ID-13: both outcomes carry it, whether the old ID is deleted, without address or gone; others do not."""
    for number in range(1, 5):
        ams.put(str(number), f"m{number}@example.org")
    assert run(world, made).state == "success"
    ams.people = ams.people[3:]
    ams.put("2", "m2@example.org", gone=1)
    ams.put("3", None)
    for number in range(1, 5):
        ams.put(f"new-{number}", f"M{number}@example.org")
    report = run(world, made)
    assert (report.state, report.counters["new"], report.counters["ended"], report.counters["swept"]) == (
        "success", 4, 2, 1)
    warned = {row.remote_id: row.rule for row in decisions(world) if row.warnings and
              "POSSIBLE_REPLACEMENT" in row.warnings}
    assert warned == {"1": "ID-32", "2": "ID-32", "3": "ID-33", "new-1": "ID-13", "new-2": "ID-13", "new-3": "ID-13"}


def test_decisions_have_the_numbers_of_their_rows(world, ams, made):
    """ID-78: also where links end between them."""
    for number in range(1, 6):
        ams.put(str(number), f"m{number}@example.org")
    run(world, made)
    ams.people = []
    ams.put("1", "one@example.org")
    ams.put("2", "m2@example.org", gone=1)
    ams.put("3", "m3@example.org")
    ams.put("4", "four@example.org")
    ams.put("5", "no address")
    run(world, made)
    last = max(row.upload_id for row in decisions(world))
    assert [(row.row_number, row.remote_id, row.rule) for row in decisions(world) if row.upload_id == last] == [
        (0, "1", "ID-11"), (1, "2", "ID-32"), (3, "4", "ID-11"), (4, "5", "ID-8")]


def decisions(world):
    with world.reading() as unit:
        return unit.connection.execute(sa.select(decision).order_by(decision.c.id)).all()


def test_what_a_sync_finds_unchanged_every_night_is_not_written_down_every_night(world, ams, made):
    """ID-78: also of people who are not mailed, of whom an upload would be told again."""
    ams.put("17", "ann@example.org")
    ams.put("18", "bo@example.org", 1)
    run(world, made)
    with world.unit() as unit:
        suppression.opt_out(unit, email="ann@example.org", origin="link")
    with world.reading() as unit:
        before = unit.connection.scalar(sa.select(sa.func.count()).select_from(decision))
    ams.people = [RemoteMember("17", "ann@example.org", False), RemoteMember("18", "bo@example.org", True)]
    assert counts(run(world, made)) == {"read": 2, "unchanged": 2}
    with world.reading() as unit:
        assert unit.connection.scalar(sa.select(sa.func.count()).select_from(decision)) == before
    with world.unit(world.actor("ams")) as unit:
        (told,) = imports.import_records(unit, [SubscriberRecord("18", "bo@example.org")], ImportOptions()).outcomes
    assert [each.code for each in told.warnings] == ["NOT_SENDABLE"]


def test_a_link_is_kept_while_a_row_without_a_remote_id_has_its_address(world, ams, made):
    """ID-69: the system lost the ID of one row; nobody knows that this person is gone."""
    for number in range(4):
        ams.put(str(number), f"m{number}@example.org")
    run(world, made)
    lost = [RemoteMember(None, "M1@Example.org"), RemoteMember(" ", "m9@example.org")]
    ams.people = [ams.people[0], *lost, ams.people[3]]
    report = run(world, made)
    assert counts(report) == {"read": 4, "unchanged": 2, "rejected": 2, "swept": 1, "orphaned": 1, "held": 1}
    assert (report.state, report.message[:22]) == ("success", "1 links were kept alth")
    assert [person(world, str(number)).orphan for number in range(4)] == [False, False, True, False]
