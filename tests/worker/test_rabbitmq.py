"""Do the same actors run on RabbitMQ by one setting? (SEND-6, GATEWAY_BROKER_URL)"""

from __future__ import annotations

import threading

import dramatiq
import pytest

from gateway.db.engine import create_engine
from gateway.services.jobs import JobStore
from gateway.worker.broker import is_stopping, make_broker
from gateway.worker.doorbell import BrokerDoorbell, ring_actor
from gateway.worker.schedule import Periodic, Scheduler
from tests.support.waiting import wait_for


@pytest.fixture
def store(sqlite_url):
    engine = create_engine(sqlite_url)
    yield JobStore(engine)
    engine.dispose()


@pytest.fixture
def broker(amqp_url, store):
    made = make_broker(amqp_url, store)
    yield made
    made.close()


@pytest.fixture
def run(broker):
    workers = []

    def start():
        worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


class Ring:
    def __init__(self, task, *args, delay_s=0.0):
        self.task, self.args, self.delay_s = task, args, delay_s


def test_rings_delays_and_retries_reach_the_actor(broker, run):
    done, failed = [], []

    @dramatiq.actor(broker=broker, actor_name="note", queue_name="mq_a", min_backoff=10, max_backoff=20)
    def note(number):
        if number == 3 and not failed:
            failed.append(number)
            raise ValueError("once")
        done.append(number)

    doorbell = BrokerDoorbell(broker)
    assert not doorbell.transactional
    doorbell.ring([Ring("note", 1), Ring("note", 2, delay_s=0.2), Ring("note", 3)])
    run()
    wait_for(lambda: sorted(done) == [1, 2, 3], "all three")
    assert failed == [3]


def test_work_that_a_stopped_worker_did_not_start_is_done_by_the_next(broker, run):
    done, started, release = [], threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker, actor_name="slow", queue_name="mq_b")
    def slow(number):
        started.set()
        release.wait(30)
        done.append(number)

    for number in range(8):
        ring_actor(broker, "slow", number)
    worker = run()
    assert started.wait(20)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    wait_for(lambda: is_stopping(broker), "the stop signal")
    release.set()
    stopper.join(30)
    assert len(done) < 8
    run()
    wait_for(lambda: set(done) == set(range(8)), "the rest")


def test_the_schedule_rings_on_rabbitmq_once_for_all_hosts(broker, store, run):
    rung = []
    dramatiq.actor(lambda: rung.append(1), broker=broker, actor_name="sweep", queue_name="mq_c")
    hosts = [Scheduler(broker, store, [Periodic("sweep")]) for _ in range(2)]
    assert [host.tick() for host in hosts] == [["sweep"], []]
    run()
    wait_for(lambda: rung == [1], "the sweep")


def test_a_broker_that_is_away_fails_no_committed_work(store):
    """The rows are the truth: the ring is logged as lost, and the sweep finds the row (SEND-6)."""
    away = make_broker("amqp://guest:guest@127.0.0.1:1/", store)
    dramatiq.actor(lambda: None, broker=away, actor_name="nothing")
    BrokerDoorbell(away).ring([Ring("nothing")])
    away.close()
