"""Are periodic tasks rung once an interval by all hosts together, and never forgotten? (SEND-6)"""

from __future__ import annotations

import datetime as dt
import itertools
import subprocess
import sys
import threading

import dramatiq
import pytest
import sqlalchemy as sa

from gateway.db.models.jobs import job_message
from gateway.domain.job import QueueCount
from gateway.services.jobs import JobStore
from gateway.worker.broker import SqlBroker
from gateway.worker.doorbell import BrokerDoorbell
from gateway.worker.schedule import Periodic, Scheduler
from tests.support.waiting import wait_for


@pytest.fixture
def store(engine, clock):
    return JobStore(engine, clock)


def host(store, *tasks, poll_s=0.02):
    broker = SqlBroker(store, clock=store.clock)
    for name in {task.actor for task in tasks}:
        dramatiq.actor(lambda: None, broker=broker, actor_name=name)
    return Scheduler(broker, store, tasks, poll_s=poll_s)


def test_a_task_is_rung_once_an_interval_whatever_the_number_of_hosts(store, clock):
    sweep = Periodic("sweep", 60)
    hosts = [host(store, sweep) for _ in range(3)]
    assert [h.tick() for h in hosts] == [["sweep"], [], []]
    clock.advance(seconds=59)
    assert [h.tick() for h in hosts] == [[], [], []]
    clock.advance(seconds=1)
    assert [h.tick() for h in reversed(hosts)] == [["sweep"], [], []]
    assert store.counts() == {"default": QueueCount(waiting=2)}
    assert store.last_turn("sweep") == clock()


def test_hosts_that_tick_at_the_same_moment_elect_one(store, clock):
    hosts = [host(store, Periodic("sweep")) for _ in range(4)]
    for _ in range(5):
        barrier = threading.Barrier(len(hosts))
        rung = []

        def tick(scheduler, barrier=barrier, rung=rung):
            barrier.wait()
            rung.extend(scheduler.tick())

        threads = [threading.Thread(target=tick, args=(h,)) for h in hosts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert rung == ["sweep"]
        clock.advance(seconds=60)


TICKER = """
import sys, time
import dramatiq
from gateway.db.engine import create_engine
from gateway.services.jobs import JobStore
from gateway.worker.broker import SqlBroker
from gateway.worker.schedule import Periodic, Scheduler
engine = create_engine(sys.argv[1])
broker = SqlBroker(JobStore(engine))
dramatiq.actor(lambda: None, broker=broker, actor_name="sweep")
scheduler = Scheduler(broker, broker.store, [Periodic("sweep", 0.5)], poll_s=0.02)
print("ready", flush=True)
sys.stdin.readline()
scheduler.start()
sys.stdin.readline()
scheduler.stop()
broker.close()
engine.dispose()
"""


def test_four_processes_ring_exactly_once_an_interval(engine, database_url):
    """SEND-6: the row that is moved by compare-and-swap is the only thing that they share."""
    hosts = [subprocess.Popen([sys.executable, "-c", TICKER, database_url], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) for _ in range(4)]
    for process in hosts:
        assert process.stdout.readline() == "ready\n"
    for process in hosts:
        process.stdin.write("go\n")
        process.stdin.flush()
    wait_for(lambda: JobStore(engine).counts().get("default", QueueCount()).waiting >= 5, "five rings", 60)
    for process in hosts:
        process.communicate("stop\n", timeout=60)
        assert process.returncode == 0
    with engine.connect() as connection:
        rung = connection.scalars(sa.select(job_message.c.run_at).order_by(job_message.c.run_at)).all()
    gaps = [(later - earlier).total_seconds() for earlier, later in itertools.pairwise(rung)]
    assert len(gaps) >= 4
    assert min(gaps) > 0.4, gaps


def test_a_long_silence_is_rung_once_not_once_a_missed_interval(store, clock):
    scheduler = host(store, Periodic("sweep"))
    scheduler.tick()
    clock.advance(hours=5)
    assert scheduler.tick() == ["sweep"]
    assert scheduler.tick() == []
    assert store.last_turn("sweep") - clock() == dt.timedelta(0)


def test_a_turn_that_fails_is_left_to_the_next_caller(store):
    with pytest.raises(RuntimeError), store.turn("sweep", 60) as connection:
        assert connection is not None
        raise RuntimeError("the broker is away")
    assert store.last_turn("sweep") is None
    with store.turn("sweep", 60) as connection:
        assert connection is not None


def test_the_timer_rings_at_its_start_and_stops_when_told(store):
    scheduler = host(store, Periodic("sweep"), Periodic("tidy", 3600))
    scheduler.start()
    wait_for(lambda: store.counts().get("default") == QueueCount(waiting=2), "both tasks")
    scheduler.stop()
    scheduler.stop()
    assert not [t for t in threading.enumerate() if t.name == "job-scheduler"]


def test_the_timer_survives_a_task_that_cannot_be_rung(store, clock):
    """The first task names no actor, which is a mistake in the code; the timer logs it and goes on."""
    broker = SqlBroker(store, clock=clock)
    scheduler = Scheduler(broker, store, [Periodic("nobody")], poll_s=0.02)
    scheduler.start()
    dramatiq.actor(lambda: None, broker=broker, actor_name="nobody")
    wait_for(lambda: store.last_turn("nobody") is not None, "the first ring")
    scheduler.stop()


class Ring:
    def __init__(self, task, *args, delay_s=0.0):
        self.task, self.args, self.delay_s = task, args, delay_s


def test_the_doorbell_rings_inside_the_callers_transaction(store, engine):
    broker = SqlBroker(store, clock=store.clock)
    dramatiq.actor(lambda number: None, broker=broker, actor_name="send")
    doorbell = BrokerDoorbell(broker)
    assert doorbell.transactional
    with pytest.raises(RuntimeError), engine.connect() as connection, connection.begin():
        doorbell.ring([Ring("send", 1)], connection)
        raise RuntimeError("rolled back")
    assert store.counts() == {}
    doorbell.ring([Ring("send", 1), Ring("send", 2, delay_s=60)], None)
    assert store.counts() == {"default": QueueCount(waiting=2)}
    assert len(store.claim("default", "me", 30, 10)) == 1
