"""What does each background task do? Thin actors over services; all are harmless when run twice (SEND-6)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import dramatiq
from dramatiq import Broker

from gateway.log import event
from gateway.services import (
    housekeeping,
    inbound,
    notices,
    onetomany,
    sending,
    stopnotices,
    sync,
    syncnotices,
    uploadruns,
    uploads,
    writebacks,
)
from gateway.services.gateway import Gateway, Ring

log = logging.getLogger("gateway.worker")


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of background work: ``run`` does one piece of it, ``due`` lists the pieces that wait."""

    name: str
    queue: str
    run: Callable[[Gateway, int, int], None]
    due: Callable[[Gateway], list[tuple[int, int]]]


def _import(gateway: Gateway, brand_id: int, upload_id: int) -> None:
    uploadruns.run_import(gateway, brand_id, upload_id, stopping=gateway.stopping)


TASKS = (
    Task("run_instance", "send", sending.run_instance, sending.due),
    Task("run_import", "import", _import, uploads.due),
    Task("tell_of_import", "import", notices.tell, notices.due),
    Task("tell_of_stop", "send", stopnotices.tell, stopnotices.due),
    Task("resume_switch", "import", onetomany.resume, onetomany.due),
    Task("run_writebacks", "sync", writebacks.run_writebacks, writebacks.due),
    Task(inbound.TASK, "inbound", inbound.process, inbound.due),
    Task(inbound.FETCH_TASK, "inbound", inbound.fetch, inbound.due_fetch),
    Task("run_sync", "sync", sync.run_sync, sync.due),
    Task("tell_of_sync", "send", syncnotices.tell, syncnotices.due),
)


def declare(broker: Broker, gateway: Gateway) -> None:
    """Makes the actors known to the broker; a process declares them also when it only rings them."""
    for task in TASKS:
        _actor(broker, task.name, task.queue, _piece(gateway, task))
    _actor(broker, "sweep", "sweep", lambda: sweep(gateway))


def sweep(gateway: Gateway) -> None:
    """Rings for all work that is due and nobody's, so that a lost message delays work by a minute at most."""
    for task in TASKS:
        rings = [Ring(task.name, piece) for piece in task.due(gateway)]
        if rings:
            event(log, "sweep found work", task=task.name, pieces=len(rings))
            gateway.doorbell.ring(rings, None)
    housekeeping.tidy(gateway)


def _piece(gateway: Gateway, task: Task) -> Callable[[int, int], None]:
    def run(brand_id: int, piece_id: int) -> None:
        task.run(gateway, brand_id, piece_id)
    return run


def _actor(broker: Broker, name: str, queue: str, work: Callable[..., None]) -> None:
    dramatiq.actor(work, actor_name=name, queue_name=queue, broker=broker)
