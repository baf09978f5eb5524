"""Are integrations added once, configured in secret, and opened as what they are?"""

import threading
from contextlib import closing

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import integration, source
from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.records import Identifier, StatusEntry
from gateway.domain.writeback import Acknowledgement, WritebackFilter
from gateway.errors import GatewayError
from gateway.services import (
    integrationcheck,
    integrations,
    suppression,
    sync,
    webhooks,
    writebackfeeds,
    writebacks,
)
from gateway.services.rehearsal import undone
from tests.support.ams import sqlite_ams
from tests.support.world import World

CONFIG = {"url": "postgresql://ams:hush-hush@db.example.org/ams", "members": "SELECT 1 AS remote_id, '' AS email",
          "writeback": {"unsubscribe": "UPDATE m SET x = 1 WHERE no = :remote_id"}}
READ_ONLY = {name: value for name, value in CONFIG.items() if name != "writeback"}
HOOK = "https://ams.example.org/writebacks"
ONLY_READ = [("sql", READ_ONLY), ("sql", {**READ_ONLY, "writeback": {}}),
             ("sql", {**READ_ONLY, "writeback": {"resubscribe": "UPDATE m SET x = 0 WHERE no = :remote_id"}}),
             ("http", {"url": "https://ams.example.org", "members": {
                 "path": "/m", "fields": {"remote_id": "id", "email": "mail"}}}),
             ("soap", {"wsdl": "https://ams.example.org/s?wsdl", "members": {
                 "operation": "List", "result": "Members.Member", "fields": {"remote_id": "Id", "email": "Mail"}}}),
             ("folder", {"folder": "/srv/ams", "columns": {"remote_id": "No", "email": "Mail"}, "writeback": []})]


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def add(world, *args, brand_id=1, **kwargs):
    with world.gateway.unit(system_actor(brand_id, "cli")) as unit:
        return integrations.add(unit, *args, **kwargs)


def test_an_integration_comes_with_its_source_and_a_sealed_configuration(world):
    made = add(world, "crm", "sql", CONFIG)
    with world.reading() as unit:
        row = unit.connection.execute(sa.select(integration).where(integration.c.id == made)).one()
        origin = unit.connection.execute(sa.select(source).where(source.c.integration_id == made)).one()
        view = integrations.get_by_name(unit, "crm")
        assert [found.name for found in integrations.find(unit)] == ["api", "crm"]
    assert "hush-hush" not in row.config and "example" not in row.config
    assert (origin.brand_id, origin.kind, origin.name) == (1, "integration", "crm")
    assert (view.integration_id, view.kind, view.state) == (made, "sql", "up")
    assert "hush" not in repr(view)


@pytest.mark.parametrize(("args", "code", "field"), [
    (("api", "api"), "ALREADY_EXISTS", "name"), (("x", "pigeon", {}), "INVALID_VALUE", "kind"),
    (("x", "api", {"url": "y"}), "INVALID_VALUE", "config"), (("x", "sql", {}), "INVALID_VALUE", "url"),
    (("x", "sql", ["url"]), "INVALID_VALUE", "config"), ((" ", "api"), "INVALID_VALUE", "name"),
    (("a\0b", "api"), "INVALID_VALUE", "name")])
def test_what_cannot_be_added_says_why_and_stores_nothing(world, args, code, field):
    with pytest.raises(GatewayError) as caught:
        add(world, *args)
    assert (caught.value.code, caught.value.field) == (code, field)
    if field == "kind":
        assert "api" in caught.value.message and "sql" in caught.value.message
    with world.reading() as unit:
        assert len(integrations.find(unit)) == 1


def test_blanks_around_a_name_do_not_count(world):
    made = add(world, " crm ", "api")
    with world.reading() as unit:
        assert integrations.get(unit, made).name == "crm"


def test_no_brand_no_integration(world):
    with pytest.raises(GatewayError) as caught:
        add(world, "crm", "api", brand_id=77)
    assert caught.value.code == "NOT_FOUND"


def test_another_brand_does_not_see_it(world):
    """ID-P15"""
    made = add(world, "crm", "sql", CONFIG)
    add(world, "crm", "sql", CONFIG, brand_id=2)
    with world.reading(world.actor(brand_id=2)) as unit:
        with pytest.raises(GatewayError) as caught:
            integrations.get(unit, made)
        assert integrations.get_by_name(unit, "crm").integration_id != made
    assert caught.value.code == "NOT_FOUND"


def test_the_bridge_opens_what_was_stored_and_a_new_configuration_replaces_it(world, tmp_path):
    ams = sqlite_ams(tmp_path)
    made = add(world, "crm", "sql", CONFIG)
    with world.unit() as unit:
        integrations.reconfigure(unit, made, ams.config)
        view = integrations.get(unit, made)
    with closing(integrations.bridge(world.gateway, view)) as bridge:
        bridge.check()


def test_a_kind_without_a_bridge_is_a_conflict(world):
    with world.reading() as unit:
        view = integrations.get_by_name(unit, "api")
    with pytest.raises(GatewayError) as caught:
        integrations.bridge(world.gateway, view)
    assert caught.value.code == "STATE_CONFLICT"


def refused(world, *acts):
    """One unit does them all, and its end says that nobody would be told of unsubscribes; nothing is kept of it."""
    with world.reading() as unit:
        before = unit.connection.execute(sa.select(integration)).all()
    with pytest.raises(GatewayError) as caught:
        change(world, *acts)
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", "writeback")
    for word in ("unsubscribe", "opt-outs are always written back", "--writebacks pull", "--webhook URL"):
        assert word in caught.value.message
    with world.reading() as unit:
        assert unit.connection.execute(sa.select(integration)).all() == before


def change(world, *acts):
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        for act in acts:
            act(unit)


def offered(world, made):
    with world.reading() as unit:
        found = integrationcheck.offer(unit, integrations.get(unit, made))
    return found.way, found.kinds


@pytest.mark.parametrize(("kind", "config"), ONLY_READ)
def test_a_bridge_that_only_reads_needs_somebody_else_who_takes_unsubscribes(world, kind, config):
    """ID-53, ID-63: the system that fetches, or a webhook, in the same command."""
    refused(world, lambda unit: integrations.add(unit, "crm", kind, config))
    for name, way in (("fetches", lambda unit, made: integrations.set_pulls(unit, made, ["unsubscribe"])),
                      ("hook", lambda unit, made: webhooks.set_up(unit, made, HOOK, take=["bad_email"]))):
        with world.gateway.unit(system_actor(1, "cli")) as unit:
            made = integrations.add(unit, name, kind, config)
            way(unit, made)
        assert offered(world, made) == (("pull", ("unsubscribe",)) if name == "fetches" else
                                        ("webhook", ("unsubscribe", "bad_email")))


def test_the_last_who_takes_unsubscribes_cannot_be_switched_off(world):
    """ID-53: neither the fetching, nor the webhook, nor the bridge's own statement; one may take another's place."""
    made = add(world, "crm", "sql", CONFIG)
    refused(world, lambda unit: integrations.reconfigure(unit, made, READ_ONLY))
    change(world, lambda unit: integrations.reconfigure(unit, made, READ_ONLY),
           lambda unit: integrations.set_pulls(unit, made, ["bad_email"]))
    refused(world, lambda unit: integrations.set_pulls(unit, made, []))
    change(world, lambda unit: integrations.set_pulls(unit, made, []),
           lambda unit: webhooks.set_up(unit, made, HOOK))
    refused(world, lambda unit: webhooks.remove(unit, made))
    change(world, lambda unit: webhooks.set_up(unit, made, HOOK + "/2"))
    change(world, lambda unit: webhooks.remove(unit, made),
           lambda unit: integrations.set_pulls(unit, made, ["unsubscribe"]))
    change(world, lambda unit: integrations.set_pulls(unit, made, []),
           lambda unit: integrations.reconfigure(unit, made, CONFIG))
    assert offered(world, made) == ("bridge", ("unsubscribe",))
    change(world, lambda unit: integrations.set_pulls(unit, made, ["unsubscribe"]))
    change(world, lambda unit: integrations.set_pulls(unit, made, []))


def at_once(world, first, second):
    """Two processes change integrations: the other one has begun before the first has ended. Answers its error."""
    said = []

    def other():
        try:
            change(world, second)
        except GatewayError as error:
            said.append((error.code, error.field))

    thread = threading.Thread(target=other)
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        first(unit)
        thread.start()
        thread.join(0.3)  # more than enough for one who does not wait
        assert thread.is_alive()
    thread.join()
    return said


def test_of_two_who_change_the_ways_at_once_one_waits_and_sees_what_the_other_did(world):
    """ID-53, ID-63: nobody is left without a way, nor has two of them."""
    made = add(world, "crm", "sql", CONFIG)
    assert at_once(world, lambda unit: integrations.set_pulls(unit, made, ["unsubscribe"]),
                   lambda unit: webhooks.set_up(unit, made, HOOK)) == [("STATE_CONFLICT", "webhook")]
    assert at_once(world, lambda unit: integrations.reconfigure(unit, made, READ_ONLY),
                   lambda unit: integrations.set_pulls(unit, made, [])) == [("INVALID_VALUE", "writeback")]
    assert at_once(world, lambda unit: webhooks.remove(unit, made),
                   lambda unit: integrations.set_pulls(unit, made, [])) == [("INVALID_VALUE", "writeback")]
    change(world, lambda unit: integrations.set_pulls(unit, made, []), lambda unit: webhooks.set_up(unit, made, HOOK))
    assert at_once(world, lambda unit: webhooks.set_up(unit, made, HOOK + "/2"),
                   lambda unit: integrations.set_pulls(unit, made, ["sent"])) == [("STATE_CONFLICT", "writebacks")]
    assert at_once(world, lambda unit: integrations.add(unit, "new", "sql", CONFIG),
                   lambda unit: integrations.add(unit, "new", "sql", CONFIG)) == [("ALREADY_EXISTS", "name")]
    assert offered(world, made)[0] == "webhook"


def test_what_is_undone_within_a_unit_is_judged_as_it_ended(world):
    """ID-53: the end looks at what the unit leaves; a part that was taken back does not count, and a unit that raises
    asks nothing."""
    made = add(world, "crm", "sql", CONFIG)
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        with undone(unit):
            integrations.reconfigure(unit, made, READ_ONLY)
            integrations.add(unit, "undone", "sql", READ_ONLY)
    assert offered(world, made)[0] == "bridge"
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        integrations.set_pulls(unit, made, ["unsubscribe"])
        integrations.reconfigure(unit, made, READ_ONLY)
    with pytest.raises(ZeroDivisionError):
        change(world, lambda unit: integrations.set_pulls(unit, made, []), lambda unit: 1 // 0)
    assert offered(world, made)[0] == "pull"


def test_who_only_calls_us_needs_no_bridge_for_that(world):
    """ID-58: a system of kind api is told nothing unless it wants to be."""
    made = add(world, "crm", "api")
    for kinds in (["unsubscribe"], []):
        change(world, lambda unit, kinds=kinds: integrations.set_pulls(unit, made, kinds))
    assert offered(world, made) == ("none", ())


def test_people_of_a_source_that_only_reads_are_told_of_by_the_feed(world, tmp_path):
    """ID-53, ID-64: a sync reads, the opt-out waits in the feed, and no sync undoes it meanwhile."""
    ams = sqlite_ams(tmp_path)
    ams.put("17", "ann@example.org", 0)
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        made = integrations.add(unit, "crm", "sql", {**ams.config, "writeback": {}})
        integrations.set_pulls(unit, made, ["unsubscribe"])
    assert sync.run(world.gateway, 1, made).counters["new"] == 1
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"))])
    writebacks.run_writebacks(world.gateway, 1, made)
    assert sync.run(world.gateway, 1, made).state == "success"
    [row] = rows(world)
    assert (row.remote_id, row.kind, row.state) == ("17", "unsubscribe", "ready")
    with world.unit(world.key_actor("crm")) as unit:
        writebackfeeds.acknowledge(unit, [Acknowledgement(row.writeback_id, "Done")])
    assert rows(world)[0].state == "sent"


def test_an_unsubscribe_that_a_bridge_does_not_take_waits(world, tmp_path):
    """ID-53, ID-60: should a worker read the configuration in the moment in which it changes, no row is closed."""
    ams = sqlite_ams(tmp_path)
    ams.put("17", "ann@example.org", 0)
    with world.gateway.unit(system_actor(1, "cli")) as unit:
        made = integrations.add(unit, "crm", "sql", {**ams.config, "writeback": {}})
        integrations.set_pulls(unit, made, ["unsubscribe"])
    sync.run(world.gateway, 1, made)
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"))])
    with world.unit() as unit:  # as no service leaves it
        unit.connection.execute(sa.update(integration).where(integration.c.id == made).values(pulls=None))
    writebacks.run_writebacks(world.gateway, 1, made)
    with world.reading() as unit:
        assert integrations.get(unit, made).state == "down"
    assert [row.state for row in rows(world)] == ["ready"]


def rows(world):
    world.clock.advance(seconds=1)
    with world.gateway.feed(system_actor(1)) as unit:
        return writebacks.find(unit, WritebackFilter(), PageRequest()).items
