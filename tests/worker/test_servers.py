"""Do the same actors run on RabbitMQ and on Redis by one setting? (SEND-6, GATEWAY_BROKER_URL)"""

from __future__ import annotations

import threading

import dramatiq
import pytest
import redis

from gateway import app
from gateway.db.engine import create_engine
from gateway.domain.accounts import SCOPES, Actor, system_actor
from gateway.domain.records import ImportOptions
from gateway.domain.upload import UploadRequest
from gateway.services import spool, uploads
from gateway.services.jobs import JobStore
from gateway.settings import Settings
from gateway.worker import handlers
from gateway.worker.broker import is_stopping, make_broker
from gateway.worker.doorbell import BrokerDoorbell, ring_actor
from gateway.worker.engine import BackgroundWork
from gateway.worker.schedule import Periodic, Scheduler
from tests.support.waiting import wait_for


@pytest.fixture
def store(sqlite_url):
    engine = create_engine(sqlite_url)
    yield JobStore(engine)
    engine.dispose()


@pytest.fixture(params=["amqp", "redis"])
def server_url(request):
    """The URL of a server that carries messages: the test runs once on each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture
def broker(server_url, store):
    made = make_broker(server_url, store)
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

    start.workers = workers
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


def test_a_consumer_that_closes_gives_back_what_it_fetched_and_did_not_hand_out(broker):
    dramatiq.actor(lambda number: None, broker=broker, actor_name="kept", queue_name="mq_e")
    for number in range(4):
        ring_actor(broker, "kept", number)

    def fetched(consumer):
        return wait_for(lambda: next(consumer), "a message")

    closing = broker.consume("mq_e", prefetch=4, timeout=100)
    first = fetched(closing)
    closing.ack(first)
    closing.close()
    other = broker.consume("mq_e", prefetch=4, timeout=100)
    rest = [fetched(other) for _ in range(3)]
    assert sorted(message.args[0] for message in [first, *rest]) == [0, 1, 2, 3]
    for message in rest:
        other.ack(message)
    other.close()


def test_the_schedule_rings_once_for_all_hosts(broker, store, run):
    rung = []
    dramatiq.actor(lambda: rung.append(1), broker=broker, actor_name="sweep", queue_name="mq_c")
    hosts = [Scheduler(broker, store, [Periodic("sweep")]) for _ in range(2)]
    assert [host.tick() for host in hosts] == [["sweep"], []]
    run()
    wait_for(lambda: rung == [1], "the sweep")


def test_what_is_due_much_later_is_left_to_the_sweep(broker, store, run):
    """SEND-6: a month's delay would wait in the memory of a worker, and RabbitMQ takes back what waits so long."""
    rung = []
    dramatiq.actor(rung.append, broker=broker, actor_name="someday", queue_name="mq_d")
    BrokerDoorbell(broker).ring([Ring("someday", 1, delay_s=30 * 86_400), Ring("someday", 2)])
    run()
    wait_for(lambda: rung == [2], "the one that is due")
    assert not any(thread.delay_queue.qsize() for worker in run.workers for thread in worker.consumers.values())


@pytest.mark.parametrize("away", ["amqp://guest:guest@127.0.0.1:1/", "redis://127.0.0.1:1/0"])
def test_a_broker_that_is_away_fails_no_committed_work(store, away):
    """The rows are the truth: the ring is logged as lost, and the sweep finds the row (SEND-6)."""
    broker = make_broker(away, store)
    dramatiq.actor(lambda: None, broker=broker, actor_name="nothing")
    doorbell = BrokerDoorbell(broker)
    doorbell.ring([Ring("nothing")])
    assert "cannot be reached" in doorbell.problem()
    broker.close()


def test_a_broker_that_answers_has_no_problem(broker):
    assert BrokerDoorbell(broker).problem() is None


def test_a_redis_that_forgets_everything_in_the_middle_of_work_loses_nothing(redis_url, database_url, tmp_path):
    """SEND-6: jobs are posted, running and waiting when it is flushed; the next sweep finds what waits."""
    settings = Settings(tmp_path, database_url, redis_url, "http://127.0.0.1", "smtp://127.0.0.1:9", b"k" * 32)
    settings.spool_dir.mkdir()
    gateway = app.build(settings)
    try:
        app.accounts.add_brand(gateway, 1, "Brand")
        keys = [key_actor(gateway, f"system{number}") for number in range(4)]
        jobs = [post(gateway, keys[number]) for number in range(2)]
        assert flush(redis_url) > 0
        work = BackgroundWork(gateway.doorbell.broker, JobStore(gateway.engine))  # its first sweep finds both
        work.start()
        try:
            wait_for(lambda: states(gateway, jobs) == {"finished"}, "the jobs whose messages are gone")
            jobs += [post(gateway, key) for key in keys]
            flush(redis_url)
            jobs += [post(gateway, keys[0]), post(gateway, keys[1])]
            flush(redis_url)

            def swept():
                handlers.sweep(gateway)  # what the timer does each minute
                return states(gateway, jobs) == {"finished"}
            wait_for(swept, "the jobs posted meanwhile")
        finally:
            work.stop()
    finally:
        gateway.close()


def key_actor(gateway, integration):
    with gateway.unit(system_actor(1, "cli")) as unit:
        app.accounts.add_key(unit, integration, SCOPES)
        number = unit.connection.exec_driver_sql(f"SELECT id FROM integration WHERE name = '{integration}'").scalar()
    return Actor(1, f"key:{integration}", "push", frozenset(SCOPES), number, integration, "r-test")


def post(gateway, actor):
    rows = "".join(f"{n},p{n}@{actor.integration_name}.example,Ann\n" for n in range(50))
    kept = spool.receive(gateway.settings.spool_dir, [b"remoteId,email,FirstName\n" + rows.encode()], gzip=False)
    with gateway.unit(actor) as unit:
        return uploads.accept(unit, kept, UploadRequest(options=ImportOptions()), replay=False).upload_id


def states(gateway, jobs):
    with gateway.reading(system_actor(1)) as unit:
        return {uploads.get(unit, job).state for job in jobs}


def flush(redis_url):
    """Forgets everything; answers how much that was."""
    client = redis.Redis.from_url(redis_url)
    number = client.dbsize()
    client.flushdb()
    client.close()
    return number
