"""What is left of a sync whose worker is killed, and do two hosts ever sync one integration at once? (ID-67, ID-P2)"""

import subprocess
import sys
import threading

import pytest
import sqlalchemy as sa

from gateway.db.engine import create_engine
from gateway.db.models.subscribers import remote_key, subscriber
from gateway.db.models.sync import sync_run
from gateway.domain.accounts import system_actor
from gateway.domain.tokens import Keys
from gateway.services import integrations, sync, syncruns
from gateway.services.gateway import Gateway
from tests.support.ams import sqlite_ams
from tests.support.world import SECRET, World


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path) as made:
        yield made


@pytest.fixture
def ams(tmp_path):
    """A database with 30 members."""
    made = sqlite_ams(tmp_path)
    made.put_many(30)
    return made


@pytest.fixture
def made(world, ams):
    with world.gateway.unit(system_actor(1)) as unit:
        return integrations.add(unit, "crm", "sql", ams.config)


def stored(world):
    with world.reading() as unit:
        people = unit.connection.execute(
            sa.select(subscriber.c.id, subscriber.c.email, remote_key.c.remote_id, remote_key.c.ended_at.is_(None))
            .join(remote_key, remote_key.c.subscriber_id == subscriber.c.id).order_by(subscriber.c.id))
        return [tuple(row) for row in people]


def runs(world):
    with world.reading() as unit:
        t = sync_run.c
        return [tuple(row) for row in unit.connection.execute(
            sa.select(t.state, t.trigger, t.full_run, t.requested_by, t.released_by).order_by(t.id))]


def test_a_worker_that_is_killed_while_it_applies(world, ams, made, tmp_path):
    """ID-67, ID-P2: what was applied stays, and the run is done again as it was asked for, when its lease is over."""
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        syncruns.start(unit, "crm", full=True, release=True)
    with subprocess.Popen([sys.executable, "-m", "tests.support.sync_worker", world.settings.database_url, str(made),
                           str(tmp_path / "data"), "10"], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"applied\n"
        worker.kill()
    first = stored(world)
    assert len(first) == 10 and [state for state, *_ in runs(world)] == ["running"]
    assert list((tmp_path / "data").glob("**/*.stage")) == []  # nothing of the scratch file outlives the process
    sync.run_sync(world.gateway, 1, made)
    assert (len(stored(world)), sync.due(world.gateway)) == (10, [])  # the lease still runs
    world.clock.advance(minutes=5, seconds=1)
    assert sync.due(world.gateway) == [(1, made)]
    sync.run_sync(world.gateway, 1, made)
    wish = ("hand", True, "user:tester", "user:tester")
    assert runs(world) == [("failed", *wish), ("success", *wish)]
    assert stored(world)[:10] == first and len(stored(world)) == 30
    with world.reading(system_actor(1)) as unit:
        counters = syncruns.last(unit, 1)[0].counters
    assert (counters["read"], counters["new"], counters["unchanged"]) == (30, 20, 10)


def test_nothing_is_left_of_a_preview_that_is_killed(world, made, tmp_path):
    """ID-71: neither rows nor a file that names people."""
    data = tmp_path / "data"
    with subprocess.Popen([sys.executable, "-m", "tests.support.sync_worker", world.settings.database_url, str(made),
                           str(data), "10", "preview"], stdout=subprocess.PIPE) as worker:
        assert worker.stdout.readline() == b"tried\n"
        worker.kill()
    assert [path for path in data.glob("**/*") if path.is_file()] == []
    assert (stored(world), runs(world)) == ([], [])
    assert sync.run(world.gateway, 1, made).counters["new"] == 30


def test_two_hosts_make_one_run(world, ams, made):
    """ID-67: each with its own engine and threads; whoever comes second finds the run at work, or done."""
    with world.unit(world.actor(role="admin", integration="crm")) as unit:
        syncruns.start(unit, "crm")
    hosts = [Gateway(world.settings, create_engine(world.settings.database_url), Keys.from_secret(SECRET), world.clock)
             for _ in range(2)]
    start = threading.Barrier(4)

    def work(host):
        start.wait(60)
        sync.run_sync(host, 1, made)

    threads = [threading.Thread(target=work, args=(host,)) for host in hosts * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for host in hosts:
        host.close()
    assert [state for state, *_ in runs(world)] == ["success"]
    assert len(stored(world)) == 30
