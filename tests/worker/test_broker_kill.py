"""What is lost when a worker process is killed in the middle of its work? Nothing. (SEND-6)"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

import pytest

from gateway.db.engine import create_engine
from gateway.domain.job import QueueCount
from gateway.services.jobs import JobStore
from tests.support.job_worker import MOMENTS, declare, make
from tests.support.waiting import wait_for

TASKS = 40
LEASE_S = 1.5
THREADS = 2
FETCHED = 2 * THREADS  # by Dramatiq, ahead of its threads


class Workers:
    """Worker processes on one database and, but for the embedded engine, one message server."""

    def __init__(self, url, output, broker_url=""):
        self.url, self.output, self.broker_url, self.running = url, output, broker_url, []
        self.engine = create_engine(url)
        self.store = JobStore(self.engine)
        self.broker = make(broker_url, self.store, LEASE_S)
        self.actor = declare(self.broker, str(output))
        self.broker.flush("work")

    def send(self, tasks):
        for number in range(tasks):
            self.actor.send(number)

    def start(self, threads=THREADS, crash=None):
        process = subprocess.Popen([
            sys.executable, "-m", "tests.support.job_worker", self.url, str(self.output), str(LEASE_S), str(threads),
            self.broker_url, *([crash] if crash else [])])
        self.running.append(process)
        return process

    def lines(self, word):
        text = self.output.read_text() if self.output.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{word} ")]

    def pids_done(self):
        text = self.output.read_text() if self.output.exists() else ""
        return {line.split()[2] for line in text.splitlines() if line.startswith("done ")}

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
            process.wait()
        self.broker.close()
        self.engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql", "amqp", "redis"])
def workers(request, tmp_path):
    """Workers on each engine: embedded on both databases, RabbitMQ and Redis."""
    if request.param in ("amqp", "redis"):
        urls = request.getfixturevalue("sqlite_url"), request.getfixturevalue(f"{request.param}_url")
    else:
        urls = request.getfixturevalue(f"{request.param}_url"), ""
    made = Workers(urls[0], tmp_path / "output.txt", urls[1])
    yield made
    made.close()


@pytest.fixture
def embedded(sqlite_url, tmp_path):
    made = Workers(sqlite_url, tmp_path / "output.txt")
    yield made
    made.close()


def test_kill_9_in_the_middle_of_tasks_loses_none(workers):
    """Three workers are killed while they work, one after the other. Every task is done; only tasks that were in
    the hands of a killed worker may run again: those at work, and with RabbitMQ, which hears of the end of a task
    from another thread, whatever the worker had fetched."""
    workers.send(TASKS)
    for _ in range(3):
        victim = workers.start()
        wait_for(lambda pid=str(victim.pid): pid in workers.pids_done(), "its work", 60)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
    assert set(workers.lines("done")) < set(range(TASKS)), "the kills came too late"
    workers.start()
    wait_for(lambda: set(workers.lines("done")) == set(range(TASKS)), "every task", 60)
    in_hand = FETCHED if workers.broker_url.startswith("amqp") else THREADS
    for word in ("start", "done"):
        assert len(workers.lines(word)) - TASKS <= 3 * in_hand


def test_sigterm_loses_none_and_repeats_none(workers):
    """Also what a stopped worker had fetched and not begun is done by the next, at once."""
    workers.send(TASKS)
    for _ in range(2):
        worker = workers.start()
        before = len(workers.lines("done"))
        wait_for(lambda n=before: len(workers.lines("done")) > n, "some work", 60)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert workers.store.counts().get("work", QueueCount()).claimed == 0
    workers.start()
    wait_for(lambda: set(workers.lines("done")) == set(range(TASKS)), "every task", 60)
    assert sorted(workers.lines("start")) == sorted(workers.lines("done")) == list(range(TASKS))


def test_kill_9_at_each_step_of_the_embedded_engine(embedded):
    """SEND-6 on SQLite: claim, work and acknowledgement, each before, at and after its commit. No task is lost, and
    only one that was begun and not acknowledged may be done again."""
    embedded.send(TASKS)
    for moment in MOMENTS:
        victim = embedded.start(threads=1, crash=moment)
        assert victim.wait(60) == -signal.SIGKILL, moment
    begun = [number for number in embedded.lines("start") if number not in embedded.lines("done")]
    assert len(begun) == 1, "killed in work"
    assert set(embedded.lines("done")) < set(range(TASKS))
    embedded.start()
    wait_for(lambda: embedded.store.counts() == {}, "an empty queue", 60)
    done = Counter(embedded.lines("done"))
    assert set(done) == set(range(TASKS))
    assert sum(done.values()) - TASKS <= 2, "before the acknowledgement, and at its commit"
