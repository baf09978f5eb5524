"""Does the embedded job engine lose nothing, and run nothing twice at once? (SEND-6)"""

from __future__ import annotations

import sys
import threading
import time

import dramatiq
import pytest
from dramatiq.errors import BrokerConnectionError, QueueNotFound

from gateway.db.engine import begin
from gateway.domain.job import Job, QueueCount
from gateway.errors import GatewayError, SettingsError
from gateway.services.jobs import MAX_LOSSES, JobStore
from gateway.worker.broker import SqlBroker, StopSignal, is_stopping, make_broker
from tests.support.waiting import wait_for


@pytest.fixture
def store(engine):
    return JobStore(engine)


@pytest.fixture
def broker(store):
    made = SqlBroker(store, poll_s=0.1, lease_s=30)
    yield made
    made.close()


@pytest.fixture
def run(broker):
    """Starts a worker in this process, as the embedded engine does."""
    workers = []

    def start(threads=2):
        worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=100)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop()


def count(store, queue="default"):
    return store.counts().get(queue, QueueCount())


def test_runs_messages_of_several_queues_in_this_process(broker, run):
    done = []
    first = dramatiq.actor(done.append, broker=broker, actor_name="first", queue_name="a")
    second = dramatiq.actor(done.append, broker=broker, actor_name="second", queue_name="b")
    first.send(1)
    run()
    second.send(2)
    broker.join("a", timeout=10_000)
    broker.join("b", timeout=10_000)
    assert sorted(done) == [1, 2]


def test_a_message_of_this_process_wakes_an_idle_consumer_at_once(broker):
    """The pause of this consumer is an hour, so only the bell can have woken it."""
    actor = dramatiq.actor(lambda: None, broker=broker, actor_name="nothing")
    consumer = broker.consume("default", prefetch=2, timeout=3_600_000)
    consumer.poll_s = consumer.pause_s = 3600
    consumer.generation = broker.bell.generation
    got = []
    thread = threading.Thread(target=lambda: got.extend([next(consumer), next(consumer)]))
    thread.start()
    actor.send()
    thread.join(20)
    found = [message for message in got if message is not None]
    assert len(found) == 1
    consumer.ack(found[0])
    consumer.close()


def test_lower_priority_numbers_go_first(broker):
    late = dramatiq.actor(lambda: None, broker=broker, actor_name="late", priority=10)
    soon = dramatiq.actor(lambda: None, broker=broker, actor_name="soon", priority=0)
    late.send()
    soon.send()
    consumer = broker.consume("default", prefetch=2)
    assert next(consumer).actor_name == "soon"
    consumer.close()


def test_a_delayed_message_waits_until_it_is_due(store, clock):
    store = JobStore(store.engine, clock)
    broker = SqlBroker(store, clock=clock)
    actor = dramatiq.actor(lambda: None, broker=broker, actor_name="later")
    actor.send_with_options(delay=60_000)
    assert store.claim("default", "me", 30, 10) == []
    clock.advance(seconds=59)
    assert store.claim("default", "me", 30, 10) == []
    clock.advance(seconds=1)
    assert len(store.claim("default", "me", 30, 10)) == 1


def test_a_retry_uses_its_row_again_after_a_back_off(broker, store, run):
    attempts = []

    @dramatiq.actor(broker=broker, min_backoff=20, max_backoff=50)
    def flaky():
        attempts.append(time.monotonic())
        if len(attempts) < 3:
            raise ValueError("not yet")

    message = flaky.send()
    run()
    broker.join("default", timeout=20_000)
    assert len(attempts) == 3
    assert attempts[1] - attempts[0] >= 0.01
    assert count(store) == QueueCount()
    assert message.message_id


def test_work_that_fails_for_good_is_dead_with_the_class_of_its_error_only(broker, store, run, engine):
    """The text of an error may hold personal data and is kept nowhere but in the message itself."""
    @dramatiq.actor(broker=broker, max_retries=0)
    def hopeless():
        raise ValueError("ann@example.org")

    hopeless.send()
    run()
    wait_for(lambda: count(store) == QueueCount(dead=1), "the dead message")
    with begin(engine) as connection:
        assert connection.exec_driver_sql("SELECT reason FROM job_dead").scalar() == "ValueError"


def test_a_message_for_an_unknown_actor_is_dead_not_lost(broker, store, run):
    broker.declare_queue("default")
    broker.enqueue(dramatiq.Message("default", "gone", (), {}, {}))
    run()
    wait_for(lambda: count(store) == QueueCount(dead=1), "the dead message")


def test_a_body_that_cannot_be_read_is_dead_not_in_the_way(broker, store, run, clock):
    done = []
    dramatiq.actor(done.append, broker=broker, actor_name="fine")
    store.put(Job("m1", "default", "fine", 0, clock(), b"{torn"))
    broker.get_actor("fine").send(1)
    run()
    wait_for(lambda: count(store) == QueueCount(dead=1) and done == [1], "the good message and the dead one")


def test_a_message_exists_exactly_if_the_callers_transaction_commits(broker, store, engine):
    actor = dramatiq.actor(lambda: None, broker=broker, actor_name="bound")
    with pytest.raises(RuntimeError), begin(engine) as connection:
        broker.enqueue(actor.message(), connection=connection)
        raise RuntimeError("the business row failed")
    assert count(store).waiting == 0
    with begin(engine) as connection:
        broker.enqueue(actor.message(), connection=connection)
    assert count(store).waiting == 1


def test_a_committed_message_runs_although_the_bell_rang_before_the_commit(broker, run, engine):
    done = []
    actor = dramatiq.actor(done.append, broker=broker, actor_name="bound")
    run()
    with begin(engine) as connection:
        broker.enqueue(actor.message(7), connection=connection)
    broker.join("default", timeout=10_000)
    assert done == [7]


def test_an_undeclared_queue_is_refused(broker):
    with pytest.raises(QueueNotFound):
        broker.enqueue(dramatiq.Message("nowhere", "x", (), {}, {}))
    with pytest.raises(QueueNotFound):
        broker.consume("nowhere")


def test_nobody_takes_a_message_whose_lease_is_extended(store):
    """The heartbeat outlives the lease twice; meanwhile another worker finds nothing."""
    broker = SqlBroker(store, lease_s=2.0, poll_s=0.1)
    release = threading.Event()
    dramatiq.actor(lambda: release.wait(30), broker=broker, actor_name="long").send()
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    wait_for(lambda: count(store).claimed == 1, "the claim")
    until = time.monotonic() + 5.0
    while time.monotonic() < until:
        assert store.claim("default", "thief", 30, 10) == []
        time.sleep(0.05)
    release.set()
    broker.join("default", timeout=10_000)
    worker.stop()
    broker.close()


def test_a_claim_that_was_lost_can_neither_end_nor_bury_nor_extend(store, clock):
    """The fence is the owner with the claim number, so even the same owner's older claim is refused."""
    store = JobStore(store.engine, clock)
    store.put(Job("m1", "q", "a", 0, clock(), b"{}"))
    [old] = store.claim("q", "one", 30, 10)
    clock.advance(seconds=31)
    [new] = store.claim("q", "one", 30, 10)
    assert new.claims == old.claims + 1
    store.extend([old], 900)
    assert not store.ack(old)
    assert not store.bury(old, "x", b"{}")
    assert not store.put_back(old, clock())
    clock.advance(seconds=31)
    [third] = store.claim("q", "two", 30, 10)
    assert store.ack(third)
    assert store.counts() == {}


def test_a_message_that_kills_its_workers_is_dead_in_the_end(store, clock):
    store = JobStore(store.engine, clock)
    store.put(Job("poison", "q", "a", 0, clock(), b"{}"))
    for _ in range(MAX_LOSSES + 1):
        assert len(store.claim("q", "one", 30, 10)) == 1
        clock.advance(seconds=31)
    assert store.claim("q", "one", 30, 10) == []
    assert store.counts() == {"q": QueueCount(dead=1)}


def test_two_claimers_never_get_the_same_message(store, clock):
    for number in range(60):
        store.put(Job(f"m{number}", "q", "a", 0, clock(), b"{}"))
    got = {"one": [], "two": []}

    def take(owner):
        while claims := store.claim("q", owner, 30, 3):
            got[owner] += [claim.message_id for claim in claims]

    threads = [threading.Thread(target=take, args=(owner,)) for owner in got]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got["one"] + got["two"]) == sorted(f"m{n}" for n in range(60))


def test_a_graceful_stop_finishes_work_in_hand_frees_the_rest_and_ends_the_heartbeat(broker, store):
    started, release, seen = threading.Event(), threading.Event(), []

    @dramatiq.actor(broker=broker, actor_name="slow")
    def slow():
        started.set()
        release.wait(30)
        seen.append(is_stopping(broker))

    for _ in range(5):
        slow.send()
    worker = dramatiq.Worker(broker, worker_threads=1, worker_timeout=100)
    worker.start()
    assert started.wait(20)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    wait_for(lambda: is_stopping(broker), "the stop signal")
    release.set()
    stopper.join(30)
    assert not stopper.is_alive()
    done = len(seen)
    assert done >= 1 and seen[-1]
    assert count(store) == QueueCount(waiting=5 - done)
    wait_for(lambda: not broker.hold.is_beating(), "the end of the heartbeat")


def test_a_store_that_is_away_makes_dramatiq_try_again_and_keeps_the_claim(broker, store, monkeypatch):
    dramatiq.actor(lambda: None, broker=broker, actor_name="nothing").send()
    consumer = broker.consume("default", prefetch=2)
    message = next(consumer)

    def away(*_args):
        raise GatewayError("UNAVAILABLE")

    with monkeypatch.context() as patch:
        patch.setattr(JobStore, "ack", away)
        with pytest.raises(BrokerConnectionError):
            consumer.ack(message)
    assert broker.hold.count("default") == 1
    consumer.ack(message)
    assert broker.hold.count("default") == 0
    assert store.counts() == {}
    consumer.close()
    consumer.close()
    wait_for(lambda: not broker.hold.is_beating(), "the end of the heartbeat")


def test_a_worker_that_starts_again_is_not_stopping():
    signal = StopSignal()
    signal.before_worker_shutdown(None, None)
    signal.before_worker_boot(None, None)
    assert not signal.event.is_set()


def test_the_setting_chooses_the_engine(monkeypatch):
    """`GATEWAY_BROKER_URL` (operator.md): empty is embedded, amqp is RabbitMQ, redis is Redis, else a clear refusal."""
    store = JobStore(None)
    assert isinstance(make_broker("", store), SqlBroker)
    for url, engine in (("amqp://127.0.0.1:1/", "RabbitmqEngine"), ("redis://127.0.0.1:1/0", "RedisEngine"),
                        ("rediss://127.0.0.1:1/0", "RedisEngine")):
        made = make_broker(url, store)
        assert type(made).__name__ == engine
        made.close()
    with pytest.raises(SettingsError, match="amqp"):
        make_broker("kafka://127.0.0.1/", store)
    for extra, library, module, url in (("rabbitmq", "pika", "rabbitmq", "amqps://127.0.0.1/"),
                                        ("redis", "redis", "redisbroker", "redis://127.0.0.1/")):
        monkeypatch.delitem(sys.modules, f"gateway.worker.{module}")
        monkeypatch.setitem(sys.modules, library, None)  # as if it were not installed
        with pytest.raises(SettingsError, match=f"gateway\\[{extra}\\]"):
            make_broker(url, store)
