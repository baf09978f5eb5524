"""Is the installation alive and ready, and does it say what is wrong? (operator.md: /readyz, /metrics, doctor)"""

import pytest

from gateway.domain.accounts import ADMIN
from gateway.services import health, onetomany
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
        assert metric.startswith("gateway_") and label in ("state", "queue") and value >= 0


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
