"""Are integrations added once, configured in secret, and opened as what they are?"""

from contextlib import closing

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import integration, source
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import integrations
from tests.support.ams import sqlite_ams
from tests.support.world import World

CONFIG = {"url": "postgresql://ams:hush-hush@db.example.org/ams", "members": "SELECT 1 AS remote_id, '' AS email",
          "writeback": {"unsubscribe": "UPDATE m SET x = 1 WHERE no = :remote_id"}}


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
