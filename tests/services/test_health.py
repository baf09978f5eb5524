"""Is the installation alive and ready, and does it say what is wrong? (operator.md: /readyz, /metrics, doctor)"""

import pytest

from gateway.domain.accounts import ADMIN, system_actor
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.services import (
    backup,
    health,
    imports,
    integrations,
    lifecycle,
    onetomany,
    restoring,
    suppression,
    writebacks,
)
from gateway.services.jobs import JobStore
from tests.support.world import World


@pytest.fixture
def world(database_url, clock, tmp_path, sink):
    with World(database_url, clock, tmp_path, smtp_url=sink.url) as made:
        yield made


def found(checks):
    """Name -> whether it is well."""
    return {check.name: check.ok for check in checks}


def test_without_a_worker_it_is_not_ready(world):
    """The remedy is named."""
    checks = health.readiness(world.gateway)
    assert found(checks) == {"database": True, "broker": True, "worker": False}
    assert "gateway worker" in next(check.detail for check in checks if not check.ok)


def test_a_sign_of_life_makes_it_ready_until_it_is_old(world, clock):
    """The sweep's turn is the sign of life; after three minutes without one the worker is missing."""
    with JobStore(world.gateway.engine, clock).turn("sweep", 60):
        pass
    assert all(found(health.readiness(world.gateway)).values())
    clock.advance(seconds=health.HEARTBEAT_S + 1)
    assert not found(health.readiness(world.gateway))["worker"]


def test_doctor_looks_at_everything_and_says_what_is_wrong(world, sink):
    """A mail server that is away is named; nothing of it is a secret."""
    checks = found(health.doctor(world.gateway))
    assert checks["mail server"] and checks["deliveries in doubt"] and checks["jobs given up"]
    object.__setattr__(world.gateway.settings, "smtp_url", "smtp://user:secret@127.0.0.1:1")
    away = next(check for check in health.doctor(world.gateway) if check.name == "mail server")
    assert not away.ok and "secret" not in away.detail


def test_metrics_are_numbers_without_names(world):
    """/metrics: gauges by state; no brand and no person among them."""
    for (metric, label, _), value in health.metrics(world.gateway).items():
        assert metric.startswith("gateway_") and label in ("state", "queue", "result") and value >= 0


def test_a_clock_that_is_apart_from_the_databases_is_named(world):
    """Feeds and leases depend on it (SOAP-70); the standing clock of tests is months away from PostgreSQL's."""
    check = next(check for check in health.doctor(world.gateway) if check.name == "clock")
    assert check.ok == (world.gateway.engine.dialect.name == "sqlite")
    assert check.ok or "NTP" in check.detail


def test_a_switch_that_does_not_end_is_named_with_the_remedy(world, clock):
    """ID-74: nobody should find out by chance that a brand is halfway to One-to-Many."""
    actor = world.actor(role=ADMIN)
    assert found(health.doctor(world.gateway))["one-to-many"]
    with world.reading(actor) as unit:
        seen = onetomany.preview(unit)
    world.gateway.stopping = lambda: True
    onetomany.switch_on(world.gateway, actor, seen.fingerprint)
    assert found(health.doctor(world.gateway))["one-to-many"]  # it has just begun
    clock.advance(seconds=health.SWITCH_S + 1)
    check = next(check for check in health.doctor(world.gateway) if check.name == "one-to-many")
    assert not check.ok and "gateway one-to-many --brand 1 --on" in check.detail


def test_hits_that_nobody_takes_in_are_named(world, tmp_path):
    """SEND-47: a host that is given up, or whose disk is full, must not keep opens and clicks unseen."""
    object.__setattr__(world.gateway.settings, "data_dir", tmp_path)
    world.gateway.hits.folder = tmp_path / "hits"
    assert found(health.doctor(world.gateway))["opens and clicks"]
    world.gateway.hits.write(b"a line\n")
    check = next(check for check in health.doctor(world.gateway) if check.name == "opens and clicks")
    assert not check.ok and "7 bytes" in check.detail and "gateway worker" in check.detail
    assert health.metrics(world.gateway)["gateway_hits_bytes", "state", "waiting"] == 7


def test_doctor_says_what_waits_for_a_person_and_what_to_do(house, tmp_path):
    """SEND-24, SEND-25: after a restore each instance is named, with its brand, and nothing goes on by itself."""
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    lifecycle.advance(house.gateway, house.actor(), instance_id)
    assert found(health.doctor(house.gateway))["stopped mailings"]
    backup.backup(house.settings, tmp_path / "saved.zip", house.clock)
    house.gateway.engine.dispose()
    restoring.restore(house.settings, tmp_path / "saved.zip", house.clock, force=True)
    told = {check.name: check for check in health.doctor(house.gateway)}
    stopped, doubts = told["stopped mailings"], told["deliveries in doubt"]
    assert not stopped.ok and f"brand 1: instance {instance_id})" in stopped.detail
    assert "restored" in stopped.detail and "resume" in stopped.detail
    assert not doubts.ok and f"1 deliveries are of unknown outcome and held (brand 1: instance {instance_id})" in (
        doubts.detail)
    assert "DecideInDoubt" in doubts.detail


def test_doctor_names_writebacks_that_wait_for_a_person_and_systems_that_are_long_away(world, ams):
    """ID-60: of each brand, with what to do; an outage of a minute is no news."""
    assert found(health.doctor(world.gateway))["writebacks"]
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "members", "memory", {})
    ams.put("17", "ann@example.org")
    with world.unit(world.actor("members")) as unit:
        imports.import_records(unit, [SubscriberRecord("17", "ann@example.org")], ImportOptions())
    with world.unit(world.actor("phone")) as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"), "by phone")])
    ams.is_away = True
    for outages in range(1, 6):
        writebacks.run_writebacks(world.gateway, 1, made)
        assert found(health.doctor(world.gateway))["writebacks"] == (outages < 5)
        world.clock.advance(minutes=16)
    told = next(check.detail for check in health.doctor(world.gateway) if check.name == "writebacks")
    assert told == "Brand 1: members did not answer 5 times in a row; 1 writebacks wait."
    ams.is_away, ams.refuses = False, {"17"}
    for _ in range(3):
        writebacks.run_writebacks(world.gateway, 1, made)
        world.clock.advance(minutes=31)
    told = next(check.detail for check in health.doctor(world.gateway) if check.name == "writebacks")
    assert told.startswith("Brand 1: 1 writebacks to members failed: `gateway writebacks list --brand 1`")
