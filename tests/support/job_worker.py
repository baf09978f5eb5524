"""A worker process for kill tests: ``python -m tests.support.job_worker DATABASE_URL OUTPUT LEASE_S THREADS``.

Its actor ``work`` writes a line when it starts and one when it is done, each in one ``write``. SIGTERM stops it
gracefully.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

import dramatiq

from gateway.db.engine import create_engine
from gateway.services.jobs import JobStore
from gateway.worker.broker import SqlBroker

WORK_S = 0.05


def declare(broker: dramatiq.Broker, output: str) -> dramatiq.Actor:
    """Declares ``work`` on a broker; the sending process needs the declaration too."""
    @dramatiq.actor(broker=broker, queue_name="work", actor_name="work")
    def work(number: int) -> None:
        note(output, f"start {number}")
        time.sleep(WORK_S)
        note(output, f"done {number}")

    return work


def note(output: str, text: str) -> None:
    """Appends one line; a kill leaves it whole or absent."""
    descriptor = os.open(output, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(descriptor, f"{text} {os.getpid()}\n".encode())
    os.close(descriptor)


def main() -> None:
    url, output, lease_s, threads = sys.argv[1:]
    engine = create_engine(url)
    broker = SqlBroker(JobStore(engine), lease_s=float(lease_s), poll_s=0.1)
    declare(broker, output)
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
