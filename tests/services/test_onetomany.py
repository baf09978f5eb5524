"""Does a brand get one main per address, as the preview said, whatever interrupts it, and can it go back?"""

from __future__ import annotations

import random
import subprocess
import sys
import time

import pytest
import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.engine import read
from gateway.db.models import metadata
from gateway.domain.accounts import ADMIN
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports, merges, onetomany, subscribers, suppression
from tests.support.waiting import wait_for
from tests.support.world import World

ANN, BOB = "ann@example.org", "bob@example.org"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        yield made


def push(world, *records, integration="api", brand_id=1, **options):
    with world.unit(world.actor(integration, brand_id=brand_id)) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def admin(world, brand_id=1):
    return world.actor(role=ADMIN, brand_id=brand_id)


def preview(world, brand_id=1):
    with world.reading(admin(world, brand_id)) as unit:
        return onetomany.preview(unit)


def switch_on(world, fingerprint=None, brand_id=1):
    fingerprint = fingerprint or preview(world, brand_id).fingerprint
    return onetomany.switch_on(world.gateway, admin(world, brand_id), fingerprint)


def switch_off(world):
    with world.unit(admin(world)) as unit:
        return onetomany.switch_off(unit)


def view(world, **who):
    with world.reading(world.actor()) as unit:
        return subscribers.get(unit, Identifier(**who))


def everything(world, brand_id=1):
    with world.reading() as unit:
        return {table.name: unit.connection.execute(sa.select(table).where(table.c.brand_id == brand_id)).all()
                for table in metadata.sorted_tables if "brand_id" in table.c}


def refused(act, *args, **more):
    with pytest.raises(GatewayError) as error:
        act(*args, **more)
    return error.value.code, error.value.field


def family(world):
    """At ann@: #1 of an upload, #2 of crm, #3 of api, opted out under an older address; at bob@ #4 alone."""
    world.integration("ams")
    push(world, SubscriberRecord(None, ANN, {"City": "Rome"}), interests=("News",))
    world.clock.advance(seconds=1)
    push(world, SubscriberRecord("A", "x@example.org"), SubscriberRecord("C", "y@example.org"), integration="ams")
    push(world, SubscriberRecord("B", "old@example.org", {"City": "Paris", "FirstName": "Ann"}), interests=("Events",))
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="old@example.org"))])
    push(world, SubscriberRecord("D", BOB, {"City": "Oslo"}))
    with world.unit() as unit:  # as they would be after a sync of several systems, without the twins' merging
        t = metadata.tables["subscriber"]
        moved = t.c.email.in_(["x@example.org", "old@example.org"])
        unit.connection.execute(sa.update(t).where(moved).values(email=ANN))
    return preview(world)


class TestPreview:
    """ID-73."""

    def test_numbers_ids_and_nothing_changed(self, world):
        """Mains, rows that merge, conflicts of fields, changes of status."""
        family(world)
        before = everything(world)
        found = preview(world)
        assert everything(world) == before
        assert found.counters == {"mains": 3, "merged": 2, "fieldConflicts": 1, "statusChanges": 2}
        (group,) = found.groups
        assert (group.survivor_id, group.loser_ids, group.conflicts, group.status_changes) == (
            4, (1, 2), ("City",), (1, 2))
        assert found.complete and preview(world).fingerprint == found.fingerprint

    def test_it_is_valid_for_the_state_it_saw(self, world):
        """A value, a person or another order of sources more, and the fingerprint is another one."""
        found = family(world)
        push(world, SubscriberRecord("B", ANN, {"City": "Bern"}))
        assert refused(switch_on, world, found.fingerprint) == ("STATE_CONFLICT", "fingerprint")
        newer = preview(world)
        push(world, SubscriberRecord("Z", "z@example.org"))
        assert refused(switch_on, world, newer.fingerprint) == ("STATE_CONFLICT", "fingerprint")
        assert switch_on(world).state == "on"

    def test_for_administrators_and_brands_that_exist(self, world):
        """SOAP-18."""
        with world.reading(world.actor()) as unit:
            assert refused(onetomany.preview, unit)[0] == "NOT_ALLOWED"
        assert refused(onetomany.switch_on, world.gateway, world.actor(), "x")[0] == "NOT_ALLOWED"
        with world.unit(world.actor()) as unit:
            assert refused(onetomany.switch_off, unit)[0] == "NOT_ALLOWED"


class TestSwitchOn:
    """ID-74, ID-P12."""

    def test_one_main_per_address_as_the_preview_said(self, world):
        """The survivor is of the first source, keys become links, the stricter status and every value survive."""
        said = family(world)
        other = everything(world, 2)
        made = switch_on(world, said.fingerprint)
        assert (made.mode, made.state, made.counters) == ("one_to_many", "on", said.counters)
        main = view(world, email=ANN)
        assert (main.subscriber_id, set(main.links), main.status) == (4, {("api", "B"), ("ams", "A")}, "unsubscribed")
        assert {field.name: field.value for field in main.fields} == {"City": "Paris", "FirstName": "Ann"}
        assert {row.name for row in main.interests if row.until is None} == {"News", "Events"}
        assert [view(world, subscriber_id=n).merged_into for n in (1, 2)] == [4, 4]
        assert view(world, email=BOB).subscriber_id == 5
        with world.reading() as unit:
            t = metadata.tables["subscriber"].c
            rows = unit.connection.execute(sa.select(t.id, t.is_main).where(t.brand_id == 1).order_by(t.id)).all()
            places = unit.connection.execute(sa.select(metadata.tables["identity_switch"].c.checkpoint)).scalars().all()
        assert [tuple(row) for row in rows] == [(1, False), (2, False), (3, True), (4, True), (5, True)]
        assert places == [None]
        assert everything(world, 2) == other
        assert refused(preview, world)[0] == "STATE_CONFLICT"

    def test_the_order_of_sources_is_the_brands(self, world):
        """ID-36, ID-74: sourcePriority decides who survives."""
        family(world)
        with world.unit() as unit:
            unit.connection.execute(sa.update(metadata.tables["brand"]).values(
                settings={"sourcePriority": ["integration:ams"]}))
        switch_on(world)
        assert view(world, email=ANN).subscriber_id == 2

    def test_imports_go_on_meanwhile(self, world, monkeypatch):
        """The mode flips first: what comes before an address is done joins it, and it is done all the same."""
        said = family(world)
        monkeypatch.setattr(onetomany, "CHUNK_ADDRESSES", 1)
        stops = iter([False, True])
        world.gateway.stopping = lambda: next(stops)
        assert switch_on(world, said.fingerprint).state == "running"
        push(world, SubscriberRecord("E", BOB), SubscriberRecord("F", "a@example.org"), integration="ams")
        assert refused(switch_on, world, "another") == ("STATE_CONFLICT", "fingerprint")
        world.gateway.stopping = lambda: False
        assert switch_on(world, said.fingerprint).state == "on"
        assert set(view(world, email=BOB).links) == {("api", "D"), ("ams", "E")}
        with world.reading() as unit:
            t = metadata.tables["subscriber"].c
            assert unit.connection.scalar(sa.select(sa.func.count()).where(
                t.brand_id == 1, t.merged_into.is_(None), sa.not_(t.is_main))) == 0

    def test_unsubscribe_writes_back_to_every_link(self, world):
        """ID-75."""
        world.integration("crm", kind="sql")
        world.integration("dues", kind="sql")
        push(world, SubscriberRecord("1", ANN), integration="crm")
        push(world, SubscriberRecord("2", ANN), integration="dues")
        switch_on(world)
        with world.unit() as unit:
            suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN))])
        with world.reading() as unit:
            t = metadata.tables["writeback"].c
            assert sorted(unit.connection.execute(sa.select(t.remote_id)).scalars()) == ["1", "2"]


class TestSwitchOff:
    """ID-75."""

    def test_mains_and_tombstones_stay(self, world):
        """Later records are resolved by section 2: a second remote ID is a second record again."""
        switch_on(world, family(world).fingerprint)
        main = view(world, email=ANN)
        made = switch_off(world)
        assert (made.mode, made.state) == ("standard", "off")
        assert view(world, email=ANN) == main and view(world, subscriber_id=1).merged_into == 4
        (outcome,) = push(world, SubscriberRecord("G", ANN))
        assert (outcome.status, outcome.rule) == ("created", "ID-13")
        with world.unit(admin(world)) as unit:
            assert refused(onetomany.switch_off, unit)[0] == "STATE_CONFLICT"

    def test_a_merge_of_the_switch_can_be_undone_then(self, world):
        """ID-26: with its own keys; while One-to-Many is on, the address has one record (ID-31)."""
        switch_on(world, family(world).fingerprint)
        with world.unit(admin(world)) as unit:
            assert refused(merges.undo, unit, 2)[0] == "STATE_CONFLICT"
        switch_off(world)
        with world.unit(admin(world)) as unit:
            assert merges.undo(unit, 2).links == (("ams", "A"),)
        assert view(world, remote_id="B").links == (("api", "B"),)

    def test_on_again(self, world):
        """A second time it finds what came meanwhile."""
        switch_on(world, family(world).fingerprint)
        switch_off(world)
        push(world, SubscriberRecord("G", ANN))
        assert switch_on(world).counters["merged"] == 1


class TestResume:
    """ID-74: nobody has to notice that the process of a switch is gone."""

    def test_the_sweep_finds_and_finishes_it(self, world, monkeypatch):
        """With the numbers of the preview (ID-P12); done, it is not rung for again."""
        monkeypatch.setattr(onetomany, "CHUNK_ADDRESSES", 1)
        seen = family(world)
        assert onetomany.due(world.gateway) == []
        world.gateway.stopping = after(2)
        assert switch_on(world, seen.fingerprint).state == "running"
        world.gateway.stopping = lambda: False
        ((brand_id, switch_id),) = onetomany.due(world.gateway)
        onetomany.resume(world.gateway, brand_id, switch_id)
        with world.reading(admin(world)) as unit:
            found = onetomany.get(unit)
        assert (found.state, found.counters) == ("on", seen.counters)
        assert onetomany.due(world.gateway) == []
        onetomany.resume(world.gateway, brand_id, switch_id)

    def test_it_leaves_when_another_one_is_at_it(self, world, monkeypatch):
        """The sweep rings every minute for what may take ten: one does it, the others do other work."""
        monkeypatch.setattr(onetomany, "CHUNK_ADDRESSES", 1)
        push(world, *(SubscriberRecord(str(n), f"{n}@example.org") for n in range(9)))
        seen, chunks = preview(world), []

        def another():
            chunks.append(len(chunks))
            if len(chunks) == 3:
                world.gateway.stopping = after(1)
                onetomany.resume(world.gateway, 1, onetomany.due(world.gateway)[0][1])
                world.gateway.stopping = another
            return False
        world.gateway.stopping = lambda: True
        switch_on(world, seen.fingerprint)
        world.gateway.stopping = another
        onetomany.resume(world.gateway, 1, onetomany.due(world.gateway)[0][1])
        assert len(chunks) == 3 and _switch(world) == ("running", 3)


def after(chunks):
    """``stopping`` of a process that is told to stop after so many chunks."""
    left = iter(range(chunks))
    return lambda: next(left, None) is None


PEOPLE, CHUNK, KILLS = 400, 5, 5

STATE = {
    "people": """SELECT id, email, keyless, is_main, orphan, merged_into, opted_out_at IS NULL FROM subscriber
        ORDER BY id""",
    "keys": "SELECT integration_id, remote_id, subscriber_id FROM remote_key ORDER BY 1, 2",
    "values": "SELECT subscriber_id, source_id, document FROM source_values ORDER BY 1, 2",
    "memberships": """SELECT subscriber_id, interest_id, source_id, until IS NULL FROM membership
        ORDER BY 1, 2, 3, 4""",
    "merges": "SELECT loser_id, survivor_id FROM subscriber_merge ORDER BY 1",
    "events": "SELECT type, subscriber_id FROM event ORDER BY 1, 2",
}


def crowd(world):
    """Two systems and uploads that share addresses in every way."""
    random_ = random.Random(5)
    for integration in ("api", "crm"):
        push(world, *(SubscriberRecord(f"{integration}-{n}", f"p{random_.randrange(PEOPLE // 2)}@example.org",
                                       {"City": f"City {n % 7}"}) for n in range(PEOPLE)),
             integration=integration, interests=("News",) if integration == "crm" else ("Events",))
    return preview(world)


def state_of(world):
    with world.gateway.engine.connect() as connection:
        return {name: [tuple(int(value) if isinstance(value, bool) else value for value in row)
                       for row in connection.exec_driver_sql(query)] for name, query in STATE.items()}


def test_killed_at_random_moments(database_url, sqlite_template, tmp_path):
    """ID-74: kill -9 and resume end as a run that nobody disturbed, with the numbers of the preview (ID-P12)."""
    path = tmp_path / "undisturbed.db"
    path.write_bytes(sqlite_template.read_bytes())
    with World(f"sqlite:///{path}", system_clock, tmp_path / "undisturbed") as world:
        crowd(world)
        switch_on(world)
        wanted = state_of(world)
    random_, kills = random.Random(3), 0
    with World(database_url, system_clock, tmp_path / "data") as world:
        said = crowd(world)
        while kills == 0 or _switch(world)[0] != "on":
            worker = subprocess.Popen([sys.executable, "-m", "tests.support.switch_worker", database_url,
                                       str(tmp_path / "data"), said.fingerprint, str(CHUNK)], stdout=subprocess.PIPE)
            assert worker.stdout.readline() == b"ready\n"
            if kills < KILLS:
                goal = _switch(world)[1] + CHUNK * random_.randrange(1, 4)
                wait_for(lambda at_least=goal: _switch(world)[1] >= at_least or _switch(world)[0] == "on", "mains", 60)
                time.sleep(random_.random() * 0.005)  # so that the kill falls anywhere within a chunk
                worker.kill()
                kills += 1
            worker.wait(120)
            worker.stdout.close()
        assert kills >= 3
        with world.reading(admin(world)) as unit:
            assert onetomany.get(unit).counters == said.counters
        found = state_of(world)
    for name, rows in wanted.items():
        assert found[name] == rows, name


def _switch(world):
    """(state, mains done)."""
    with read(world.gateway.engine) as connection:  # does not wait for the writer
        t = metadata.tables["identity_switch"].c
        row = connection.execute(sa.select(t.state, t.counters)).first()
    return ("none", 0) if row is None else (row.state, row.counters["mains"])
