"""Who rings the periodic tasks, on time and once for all hosts? (SEND-6: a sweep every minute)"""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass

from dramatiq import Broker

from gateway import log as gateway_log
from gateway.services.jobs import JobStore
from gateway.worker.doorbell import ring_actor

log = logging.getLogger("gateway.worker")


@dataclass(frozen=True, slots=True)
class Periodic:
    """A task without arguments that is rung every ``every_s`` seconds. ``actor`` is the actor's name and must
    be harmless when it runs twice or late."""

    actor: str
    every_s: float = 60.0


class Scheduler:
    """A timer thread of each worker process. A row moved by compare-and-swap elects the one that rings, so
    any number of hosts ring once an interval, and the others carry on when that one dies."""

    def __init__(self, broker: Broker, store: JobStore, tasks: Sequence[Periodic], *, poll_s: float = 1.0) -> None:
        self.broker = broker
        self.store = store
        self.tasks = tuple(tasks)
        self.poll_s = poll_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Starts the timer; tasks that are overdue or new are rung at once."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="job-scheduler", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the timer and waits for it; stopping twice changes nothing."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def tick(self) -> list[str]:
        """Rings what is due and not rung by another process; returns the actors rung.

        With the embedded engine the turn and the message commit together. With RabbitMQ or Redis the message goes
        out first: a crash between the two rings twice, never not at all.
        """
        rung = []
        for task in self.tasks:
            with self.store.turn(task.actor, task.every_s) as connection:
                if connection is not None:
                    ring_actor(self.broker, task.actor, connection=connection)
                    rung.append(task.actor)
        return rung

    def _run(self) -> None:
        while True:
            try:
                self.tick()
            except Exception:  # the timer must outlive a store or broker that is away; the next tick tries again
                gateway_log.event(log, "schedule failed", level=logging.WARNING, exc_info=True)
            if self._stop.wait(self.poll_s):
                return
