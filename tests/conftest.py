"""Fixtures that every layer's tests share: databases, a broker, a mail server, and a clock that stands still."""

from __future__ import annotations

import gc
import shutil

import pytest
from hypothesis import HealthCheck, settings

from gateway.db.engine import create_engine
from gateway.db.migrate import upgrade
from gateway.services import passwords
from tests.support.clocks import SettableClock
from tests.support.mailhouse import MailHouse
from tests.support.postgres import Copies, PostgresMissing, cluster
from tests.support.rabbitmq import RabbitmqMissing, node
from tests.support.redis import RedisMissing
from tests.support.redis import server as redis_server
from tests.support.smtp_sink import SmtpSink
from tests.support.statements import share

settings.register_profile("same", derandomize=True, database=None, deadline=None, print_blob=True,
                          suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("new", settings.get_profile("same"), derandomize=False)
settings.load_profile("same")
"""The same examples in every run, however busy the machine is. ``--hypothesis-profile new`` looks for others."""


def pytest_configure():
    """Thousands of tests log in: passwords are hashed with as little work as scrypt allows. And they use the same
    statements."""
    passwords.COST = 2
    share()


def pytest_collection_finish():
    """What is loaded by now stays: the collector need not look at it again and again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def postgres_cluster():
    """A private PostgreSQL server of this test process. Without one the tests fail; they are never skipped."""
    try:
        with cluster() as running:
            yield running
    except PostgresMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def postgres_url(postgres_cluster):
    """The URL of an empty database without our schema, shared by the session (for foreign databases)."""
    return postgres_cluster.create("foreign")


@pytest.fixture(scope="session")
def postgres_template(postgres_cluster):
    """The name of a migrated, empty database to copy."""
    _migrate(postgres_cluster.create("gateway_template"))
    return "gateway_template"


@pytest.fixture(scope="session")
def postgres_copies(postgres_cluster, postgres_template):
    """Migrated, empty databases, one for each test."""
    return Copies(postgres_cluster, postgres_template)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory):
    """The file of a migrated, empty database to copy."""
    path = tmp_path_factory.mktemp("template") / "gateway.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture
def sqlite_url(sqlite_template, tmp_path):
    """A fresh, migrated, empty SQLite database of this test."""
    path = tmp_path / "gateway.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def postgresql_url(postgres_cluster, postgres_copies):
    """A migrated, empty PostgreSQL database of this test."""
    name = postgres_copies.take()
    yield postgres_cluster.url(name)
    postgres_copies.give_back(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request):
    """A fresh, migrated, empty database: the test runs once on each engine."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def engine(database_url):
    """The gateway's engine on a fresh, migrated, empty database of each kind."""
    made = create_engine(database_url)
    yield made
    made.dispose()


@pytest.fixture(scope="session")
def amqp_url():
    """A private RabbitMQ of this test process. Without one the tests fail; they are never skipped."""
    try:
        with node() as url:
            yield url
    except RabbitmqMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture(scope="session")
def redis_url():
    """A private Redis of this test process. Without one the tests fail; they are never skipped."""
    try:
        with redis_server() as url:
            yield url
    except RedisMissing as missing:
        pytest.fail(str(missing), pytrace=False)


@pytest.fixture
def sink():
    """A mail server that takes everything, but for what its script says."""
    with SmtpSink() as running:
        yield running


@pytest.fixture
def house(database_url, clock, tmp_path, sink):
    """A gateway with brands 1 and 2 that mails to ``sink``; once on each database."""
    with MailHouse(database_url, clock, tmp_path, smtp_url=sink.url, brands=(1, 2)) as made:
        yield made


@pytest.fixture
def clock():
    """A clock that stands at 2026-01-15T12:00:00Z until ``clock.advance(seconds=...)`` moves it."""
    return SettableClock()


def pytest_terminal_summary(terminalreporter):
    """Shows what tests/perf measured (also when it ran in another process)."""
    lines = [value.split("|") for report in terminalreporter.getreports("passed")
             for name, value in report.user_properties if name == "measured" and report.when == "call"]
    if lines:
        terminalreporter.section("measured, as a multiple of the floor")
        for what, ratio, detail in lines:
            terminalreporter.write_line(f"{what:<58} {ratio:>6} x  {detail}")


def _migrate(url):
    made = create_engine(url)
    upgrade(made)
    made.dispose()
