"""How do services wake the background engine without knowing which one it is? (SEND-6)"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any, Protocol

from dramatiq import Broker
from dramatiq.errors import BrokerConnectionError

from gateway import log as gateway_log

log = logging.getLogger("gateway.worker")

LONGEST_DELAY_S = 600.0


class Ring(Protocol):
    """A wake-up as a unit collects it: the actor's name, its arguments, and how long to wait."""

    task: str
    args: tuple[int | str, ...]
    delay_s: float


def is_transactional(broker: Broker) -> bool:
    """Whether messages of this broker commit with the rows that they speak of."""
    return bool(getattr(broker, "transactional", False))


def ring_actor(broker: Broker, actor: str, *args: int | str, delay_s: float = 0.0, connection: Any = None) -> None:
    """Sends a message to an actor, inside ``connection``'s transaction where the broker can.

    Raises ``ActorNotFound`` for an unknown actor, and a ``BrokerConnectionError`` when a remote broker is away.
    """
    message = broker.get_actor(actor).message(*args)
    delay_ms = int(delay_s * 1000) or None
    if connection is not None and is_transactional(broker):
        broker.enqueue(message, delay=delay_ms, connection=connection)
    else:
        broker.enqueue(message, delay=delay_ms)


class BrokerDoorbell:
    """The doorbell of a process that has a broker, whatever that is."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.transactional = is_transactional(broker)

    def problem(self) -> str | None:
        """Why no message could be left now, or None. The embedded engine's messages are rows of the database."""
        look = getattr(self.broker, "problem", None)
        return None if look is None else look()

    def ring(self, rings: Sequence[Ring], connection: Any = None) -> None:
        """Enqueues the rings. A remote broker that is away is logged and no error: the rows are committed,
        and the sweep finds them within a minute. So it does what is due only later than ``LONGEST_DELAY_S``: a
        remote broker's delayed messages wait in the memory of a worker."""
        for ring in rings:
            if not self.transactional and ring.delay_s > LONGEST_DELAY_S:
                continue
            try:
                ring_actor(self.broker, ring.task, *ring.args, delay_s=ring.delay_s, connection=connection)
            except BrokerConnectionError:
                gateway_log.event(log, "broker is away", level=logging.WARNING, task=ring.task, exc_info=True)
