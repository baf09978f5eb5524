"""How does a process run background work: the engine's threads and the timer, started and stopped together?"""

from __future__ import annotations

from dramatiq import Broker, Worker

from gateway.services.jobs import JobStore
from gateway.worker.schedule import Periodic, Scheduler

SWEEP_EVERY_S = 60.0
DEFAULT_CONCURRENCY = 4


class BackgroundWork:
    """The background work of one process."""

    def __init__(self, broker: Broker, store: JobStore, concurrency: int = DEFAULT_CONCURRENCY) -> None:
        self._worker = Worker(broker, worker_threads=concurrency)
        self._scheduler = Scheduler(broker, store, [Periodic("sweep", SWEEP_EVERY_S)])

    def start(self) -> None:
        """Starts threads and timer; answers at once. What an earlier process left is found by the first sweep."""
        self._worker.start()
        self._scheduler.start()

    def stop(self) -> None:
        """Stops the timer, lets running work reach its next safe point, and waits for it."""
        self._scheduler.stop()
        self._worker.stop()
