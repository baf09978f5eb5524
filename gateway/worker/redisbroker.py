"""How does Redis carry the doorbells, and what when it is away or forgets them? (SEND-6, GATEWAY_BROKER_URL)"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import redis
from dramatiq import Consumer, Message, MessageProxy, Middleware
from dramatiq.brokers.redis import RedisBroker
from dramatiq.errors import ConnectionFailed
from redis.backoff import NoBackoff
from redis.retry import Retry

NAMESPACE = "gateway"
HEARTBEAT_S = 15.0
"""What a worker that was silent for so long had in hand goes to others."""

MAINTENANCE_CHANCE = 100_000
"""In a million commands so many look for silent workers: each tenth, or their work would wait for minutes."""

CONNECT_S, ANSWER_S, IDLE_S = 5.0, 10.0, 30.0


class RedisEngine(RedisBroker):
    """Dramatiq's broker for Redis. Any trouble with the server is a ``BrokerConnectionError``, as with RabbitMQ, so
    nobody else need know which of the two it is."""

    def __init__(self, url: str, middleware: list[Middleware], *, heartbeat_s: float = HEARTBEAT_S) -> None:
        client = redis.Redis.from_url(
            url, socket_connect_timeout=CONNECT_S, socket_timeout=ANSWER_S, health_check_interval=IDLE_S,
            retry=Retry(NoBackoff(), 1))  # once more: a connection that idled may have been closed meanwhile
        super().__init__(client=client, middleware=middleware, namespace=NAMESPACE,
                         heartbeat_timeout=int(heartbeat_s * 1000), maintenance_chance=MAINTENANCE_CHANCE)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """A consumer of one queue."""
        return RedisConsumer(super().consume(queue_name, prefetch, timeout))

    def enqueue(self, message: Message, *, delay: int | None = None) -> Message:
        """Leaves a message; raises ``ConnectionFailed`` when Redis is away or full."""
        with _dramatiq_errors():
            return super().enqueue(message, delay=delay)

    def problem(self) -> str | None:
        """Why no message could be left now, or None."""
        try:
            self.client.ping()
        except redis.RedisError:
            return "Redis cannot be reached; work waits in the tables until it can."
        return None

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()


class RedisConsumer(Consumer):
    """Dramatiq's consumer, which itself knows a closed connection, but no server that is silent, full or starting."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def __next__(self) -> MessageProxy | None:
        with _dramatiq_errors():
            return next(self._consumer)

    def ack(self, message: MessageProxy) -> None:
        """Ends a message that is done."""
        with _dramatiq_errors():
            self._consumer.ack(message)

    def nack(self, message: MessageProxy) -> None:
        """Moves a message that was given up to the dead, where Redis keeps it for a week."""
        with _dramatiq_errors():
            self._consumer.nack(message)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Frees messages that this process holds and will not start."""
        with _dramatiq_errors():
            self._consumer.requeue(messages)

    def close(self) -> None:
        """Frees what was fetched and not handed out, which Dramatiq would keep until this process counts as silent."""
        fetched, self._consumer.message_cache = self._consumer.message_cache, []
        self.requeue([MessageProxy(Message.decode(data)) for data in fetched if data is not None])


@contextmanager
def _dramatiq_errors() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise ConnectionFailed(type(error).__name__) from error
