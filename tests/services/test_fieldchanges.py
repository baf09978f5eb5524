"""Does a value changed here reach the systems that know the field, and count until it is there? (ID-36, ID-56)"""

import pytest

from gateway.db.queries import writebacks as queries
from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, ImportOptions, SubscriberRecord
from gateway.domain.writeback import FIELD_CHANGED, PULLED, Acknowledgement, WritebackFilter
from gateway.services import explain, imports, integrations, subscribers, writebackfeeds, writebacks
from tests.support.fieldchanges import change_field
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        made.add_field("Frequency")
        yield made


def pulling(world, name="ams", kinds=(*PULLED, FIELD_CHANGED), brand_id=1):
    made = world.integration(name, brand_id=brand_id)
    with world.gateway.unit(system_actor(brand_id)) as unit:
        integrations.set_pulls(unit, made, kinds)
    return made


def ann(world, value="monthly", name="ams", brand_id=1):
    """Ann, known by 17, as the AMS has her; answers her id."""
    with world.unit(world.actor(name, brand_id=brand_id)) as unit:
        report = imports.import_records(unit, [SubscriberRecord("17", "ann@example.org", {"Frequency": value})],
                                        ImportOptions())
    return report.outcomes[0].subscriber_id


def change(world, person, value, brand_id=1):
    with world.gateway.unit(system_actor(brand_id)) as unit:
        return change_field(unit, person, "Frequency", value)


def seen(world):
    """What a view, a mailing and an explanation say of the field."""
    actor = world.actor("ams", role="admin")
    [person] = explain.explain(world.gateway, actor, Identifier(remote_id="17")).people
    told = {each.name: each.value for each in person.fields}
    with world.gateway.reading(actor) as unit:
        view = {each.name: each.value for each in subscribers.get(unit, Identifier(remote_id="17")).fields}
        merged = subscribers.merge_values(unit, [person.subscriber_id])[person.subscriber_id]
        return view.get("Frequency"), merged.get("Frequency"), told["Frequency"]


def rows(world, brand_id=1):
    world.clock.advance(seconds=1)
    with world.gateway.feed(system_actor(brand_id)) as unit:
        return writebacks.find(unit, WritebackFilter(), PageRequest()).items


def acknowledge(world, row, status="Done"):
    with world.unit(world.actor("ams", role="integration")) as unit:
        assert writebackfeeds.acknowledge(unit, [Acknowledgement(row.writeback_id, status)]).counters.failed == 0


def test_an_open_change_counts_whatever_the_system_sends_and_is_forgotten_when_settled(world):
    """ID-36, ID-64: until it is there; then the source's own value counts, and the value is kept nowhere here."""
    pulling(world)
    person = ann(world)
    assert change(world, person, "weekly") == 1
    assert seen(world) == ("weekly",) * 3
    ann(world, "daily")
    assert seen(world) == ("weekly",) * 3
    [row] = rows(world)
    assert (row.kind, row.fact("field"), row.fact("value"), row.remote_id) == (
        "field_changed", "Frequency", "weekly", "17")
    acknowledge(world, row)
    assert seen(world) == ("daily",) * 3
    assert dict(rows(world)[0].payload).get("value", "gone") == "gone"


def test_a_cleared_field_is_empty_until_it_is_there(world):
    """ID-36: an open writeback without a value clears."""
    pulling(world)
    assert change(world, ann(world), None) == 1
    assert seen(world) == (None, None, "")
    acknowledge(world, rows(world)[0])
    assert seen(world) == ("monthly",) * 3


def test_the_newest_of_several_counts_and_they_leave_in_order(world):
    """ID-61"""
    pulling(world)
    person = ann(world)
    for value in ("weekly", "daily"):
        change(world, person, value)
    assert seen(world) == ("daily",) * 3
    world.clock.advance(seconds=1)
    with world.gateway.feed(world.actor("ams", role="integration")) as unit:
        [first] = writebackfeeds.find(unit, PageRequest()).page.items
    assert first.fact("value") == "weekly"


def test_the_value_goes_with_every_end_of_its_row(world):
    """ID-56: closed by a person, expired, refused for good it stays, for it waits to be tried again."""
    pulling(world)
    person = ann(world)
    change(world, person, "weekly")
    [row] = rows(world)
    with world.gateway.unit(system_actor(1)) as unit:
        writebacks.dismiss(unit, row.writeback_id)
    change(world, person, "daily")
    world.clock.advance(days=31)
    with world.gateway.unit(system_actor(1)) as unit:
        queries.expire(unit.connection, 1, row.integration_id, unit.now)
    assert [(each.state, dict(each.payload).get("value")) for each in rows(world)] == [
        ("closed", None), ("expired", None)]
    change(world, person, "yearly")
    for _ in range(3):
        acknowledge(world, rows(world)[-1], "Failed")
        world.clock.advance(minutes=31)
    assert (rows(world)[-1].state, rows(world)[-1].fact("value")) == ("failed", "yearly")


def test_only_systems_that_know_the_field_and_the_person_are_told(world, ams):
    """ID-56: a bridge says which fields it writes; the caller is not told its own change; brands do not meet."""
    ams.writes, ams.written_fields = frozenset({"unsubscribe", FIELD_CHANGED}), frozenset({"Region"})
    with world.gateway.unit(system_actor(1)) as unit:
        bridged = integrations.add(unit, "members", "memory", {})
    person = ann(world, name="members")
    pulling(world)
    pulling(world, brand_id=2)
    other = ann(world, brand_id=2)
    assert change(world, person, "weekly") == 0, "the one that takes it does not know her"
    ams.written_fields = frozenset({"Frequency"})
    assert change(world, person, "weekly") == 1
    assert change(world, other, "weekly") == 0
    with world.unit(world.actor("members")) as unit:
        assert change_field(unit, person, "Frequency", "daily") == 0
    assert [row.integration_id for row in rows(world)] == [bridged]
    with world.gateway.reading(system_actor(2)) as unit:
        assert queries.open_values(unit.connection, 2, [person, other]) == {}
    ams.put("17", "ann@example.org")
    writebacks.run_writebacks(world.gateway, 1, bridged)
    assert [(item.kind, item.field, item.value) for item in ams.written] == [("field_changed", "Frequency", "weekly")]
