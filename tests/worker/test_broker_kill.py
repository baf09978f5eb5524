"""What is lost when a worker process is killed in the middle of its work? Nothing. (SEND-6)"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections import Counter

import pytest

from gateway.domain.job import QueueCount
from gateway.services.jobs import JobStore
from gateway.worker.broker import SqlBroker
from tests.support.job_worker import declare
from tests.support.waiting import wait_for

TASKS = 40
LEASE_S = 1.5


class Workers:
    def __init__(self, url, output):
        self.url, self.output, self.running = url, output, []

    def start(self, threads=2):
        process = subprocess.Popen([sys.executable, "-m", "tests.support.job_worker", self.url, str(self.output),
                                    str(LEASE_S), str(threads)])
        self.running.append(process)
        return process

    def lines(self, word):
        text = self.output.read_text() if self.output.exists() else ""
        return [int(line.split()[1]) for line in text.splitlines() if line.startswith(f"{word} ")]

    def pids_done(self):
        text = self.output.read_text() if self.output.exists() else ""
        return {line.split()[2] for line in text.splitlines() if line.startswith("done ")}


@pytest.fixture
def workers(database_url, tmp_path):
    made = Workers(database_url, tmp_path / "output.txt")
    yield made
    for process in made.running:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def sent(engine, workers):
    """``TASKS`` messages that wait for a worker."""
    store = JobStore(engine)
    actor = declare(SqlBroker(store), str(workers.output))
    for number in range(TASKS):
        actor.send(number)
    return store


def test_kill_9_in_the_middle_of_tasks_loses_none(sent, workers):
    """Three workers are killed while they work, one after the other. Every task is done; only tasks that were in
    the hands of a killed worker may run again."""
    held = 0
    for _ in range(3):
        victim = workers.start()
        wait_for(lambda pid=str(victim.pid): pid in workers.pids_done() or sent.counts() == {}, "its work", 60)
        victim.send_signal(signal.SIGKILL)
        victim.wait()
        held += sent.counts().get("work", QueueCount()).claimed
    assert held > 0, "no kill hit a task"
    workers.start()
    wait_for(lambda: sent.counts() == {}, "an empty queue", 60)
    done = Counter(workers.lines("done"))
    assert set(done) == set(range(TASKS))
    assert sum(done.values()) - TASKS <= held
    assert len(workers.lines("start")) - TASKS <= held


def test_sigterm_loses_none_and_repeats_none(sent, workers):
    for _ in range(3):
        worker = workers.start()
        before = len(workers.lines("done"))
        wait_for(lambda n=before: len(workers.lines("done")) > n or sent.counts() == {}, "some work", 60)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(30) == 0
        assert sent.counts().get("work", QueueCount()).claimed == 0
    workers.start()
    wait_for(lambda: sent.counts() == {}, "an empty queue", 60)
    assert sorted(workers.lines("start")) == sorted(workers.lines("done")) == list(range(TASKS))
