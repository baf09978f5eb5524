"""A worker process for kill tests: ``python -m tests.support.job_worker DATABASE_URL OUTPUT LEASE_S THREADS``, then the
URL of a message server, or nothing for the embedded engine, then a moment at which it kills itself, or nothing.

Its actor ``work`` writes a line when it starts and one when it is done, each in one ``write``. SIGTERM stops it
gracefully.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable

import dramatiq
import sqlalchemy as sa

from gateway.db.engine import Engine, create_engine
from gateway.domain.job import Claim
from gateway.services.jobs import JobStore
from gateway.worker.broker import SqlBroker, default_middleware, make_broker
from gateway.worker.redisbroker import RedisEngine

WORK_S = 0.05
MOMENTS = ("before claim", "commit of claim", "after claim", "in work", "before ack", "commit of ack", "after ack")


def make(url: str, store: JobStore, lease_s: float) -> dramatiq.Broker:
    """A broker of any kind whose lost work goes to others after ``lease_s``."""
    if not url:
        return SqlBroker(store, lease_s=lease_s, poll_s=0.1)
    if url.startswith("redis"):
        return RedisEngine(url, default_middleware(), heartbeat_s=lease_s)
    return make_broker(url, store)


def declare(broker: dramatiq.Broker, output: str, crash: Callable[[str], None] = lambda moment: None) -> dramatiq.Actor:
    """Declares ``work`` on a broker; the sending process needs the declaration too."""
    @dramatiq.actor(broker=broker, queue_name="work", actor_name="work")
    def work(number: int) -> None:
        note(output, f"start {number}")
        crash("in work")
        time.sleep(WORK_S)
        note(output, f"done {number}")

    return work


def note(output: str, text: str) -> None:
    """Appends one line; a kill leaves it whole or absent."""
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{text} {os.getpid()}\n".encode())
    os.close(descriptor)


class CrashingStore(JobStore):
    """The job tables in the hands of a process that is killed at a moment of its choice."""

    def claim(self, queue: str, owner: str, lease_s: float, limit: int) -> list[Claim]:
        """Claims, or dies."""
        crash("before claim")
        claims = super().claim(queue, owner, lease_s, limit)
        if claims:
            crash("after claim")
        return claims

    def ack(self, claim: Claim) -> bool:
        """Ends a job, or dies."""
        crash("before ack")
        ended = super().ack(claim)
        crash("after ack")
        return ended


def crash(moment: str) -> None:
    """Kills this process, if that is its moment."""
    if sys.argv[6:] == [moment]:
        os.kill(os.getpid(), signal.SIGKILL)


def watch_commits(engine: Engine) -> None:
    """Kills the process between the last statement of a claim or of an ack and its commit."""
    said: dict[sa.Connection, str] = {}

    @sa.event.listens_for(engine, "before_cursor_execute")
    def remember(connection: sa.Connection, _cursor: object, statement: str, *_rest: object) -> None:
        said[connection] = statement

    @sa.event.listens_for(engine, "commit")
    def look(connection: sa.Connection) -> None:
        statement = said.pop(connection, "")
        if statement.startswith("UPDATE job_message SET"):
            crash("commit of claim")
        if statement.startswith("DELETE FROM job_message"):
            crash("commit of ack")


def main() -> None:
    url, output, lease_s, threads, broker_url = [*sys.argv[1:], ""][:5]
    engine = create_engine(url)
    watch_commits(engine)
    broker = make(broker_url, CrashingStore(engine), float(lease_s))
    declare(broker, output, crash)
    worker = dramatiq.Worker(broker, worker_threads=int(threads), worker_timeout=100)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    worker.start()
    note(output, "up 0")
    stop.wait()
    worker.stop()
    broker.close()
    engine.dispose()


if __name__ == "__main__":
    main()
