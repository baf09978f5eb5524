"""How does RabbitMQ carry the doorbells? (SEND-6, GATEWAY_BROKER_URL)"""

from __future__ import annotations

import pika
from dramatiq import Middleware
from dramatiq.brokers.rabbitmq import RabbitmqBroker


class RabbitmqEngine(RabbitmqBroker):
    """Dramatiq's broker for RabbitMQ; a message counts as left when the server has confirmed it."""

    def __init__(self, url: str, middleware: list[Middleware]) -> None:
        super().__init__(url=url, confirm_delivery=True, middleware=middleware)

    def problem(self) -> str | None:
        """Why no message could be left now, or None."""
        try:
            # A connection of its own: the broker's belong to threads, and an idle one may have timed out.
            pika.BlockingConnection(self.parameters).close()
        except (pika.exceptions.AMQPError, OSError):
            return "RabbitMQ cannot be reached; work waits in the tables until it can."
        return None
