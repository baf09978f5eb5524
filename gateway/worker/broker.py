"""Which engine carries background jobs: our own database, RabbitMQ, or Redis? (SEND-6)

Messages are doorbells; the tables are the truth. The embedded engine is a Dramatiq broker over the job
tables: a claim is a lease that a heartbeat extends, and work is settled in the name of its claim, so a
worker that was killed or lost its lease loses nothing and undoes nothing. Work is run at least once.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from dramatiq import Broker, Consumer, Message, MessageProxy, Middleware
from dramatiq.errors import BrokerConnectionError, ConnectionFailed, DecodeError, QueueJoinTimeout, QueueNotFound
from dramatiq.middleware import Retries

from gateway import log as gateway_log
from gateway.clock import Clock, system_clock
from gateway.domain.job import Claim, Job
from gateway.errors import GatewayError, SettingsError
from gateway.services.jobs import JobStore
from gateway.worker.lease import Bell, Hold

RABBITMQ = ("RabbitMQ", "rabbitmq", "gateway.worker.rabbitmq", "RabbitmqEngine")
REDIS = ("Redis", "redis", "gateway.worker.redisbroker", "RedisEngine")
ENGINES = {"amqp": RABBITMQ, "amqps": RABBITMQ, "redis": REDIS, "rediss": REDIS}
"""Scheme -> name, extra, and the module with the class. The extra brings the library that the module imports; it is
loaded only where the setting asks for it: the two take a fifth of the time that a command needs to start."""

log = logging.getLogger("gateway.worker")

LEASE_S = 60.0
POLL_S = 0.5
"""How long an idle worker may miss a message of another process; its own messages wake it at once."""

FIRST_POLL_S = 0.01
MAX_RETRIES = 8
MIN_BACKOFF_MS = 2_000
MAX_BACKOFF_MS = 5 * 60_000


def make_broker(url: str, store: JobStore) -> Broker:
    """The broker of ``GATEWAY_BROKER_URL``: empty is the embedded one over ``store``, ``amqp(s)://`` is RabbitMQ,
    ``redis(s)://`` is Redis.

    All carry the same actors with the same retries (8, from 2 s to 5 min) and no time limit: a limit
    would be thrown into the middle of a transaction or of an SMTP conversation, and each of those has
    time-outs of its own. Connects to nothing yet. Raises :class:`SettingsError` when the library of RabbitMQ or
    Redis is not installed.
    """
    if not url:
        return SqlBroker(store)
    scheme = url.partition("://")[0]
    if scheme not in ENGINES:
        raise SettingsError("GATEWAY_BROKER_URL must be empty or start with amqp://, amqps://, redis:// or rediss://.")
    name, extra, module, engine = ENGINES[scheme]
    try:
        made: Broker = getattr(import_module(module), engine)(url, default_middleware())
    except ImportError:
        raise SettingsError(f"GATEWAY_BROKER_URL names {name}, whose library is not installed: "
                            f"`pip install 'gateway[{extra}]'`, or leave the setting empty.") from None
    return made


class StopSignal(Middleware):
    """Tells long-running work that its worker is about to stop, so that it ends after the step in hand."""

    def __init__(self) -> None:
        self.event = threading.Event()

    def before_worker_boot(self, broker: Broker, worker: Any) -> None:
        """A worker starts: whatever stopped before is history."""
        self.event.clear()

    def before_worker_shutdown(self, broker: Broker, worker: Any) -> None:
        """The worker was asked to stop and waits for its threads."""
        self.event.set()


def is_stopping(broker: Broker) -> bool:
    """Whether the worker on this broker was asked to stop; work that sees it returns, and the sweep finds the rest."""
    return any(m.event.is_set() for m in broker.middleware if isinstance(m, StopSignal))


def default_middleware() -> list[Middleware]:
    """What all brokers add to an actor: the stop signal and retries with back-off."""
    return [StopSignal(), Retries(max_retries=MAX_RETRIES, min_backoff=MIN_BACKOFF_MS, max_backoff=MAX_BACKOFF_MS)]


class ClaimedMessage(MessageProxy):
    """A message in the hands of this process, with the claim that fences what is done about it."""

    def __init__(self, message: Message, claim: Claim) -> None:
        super().__init__(message)
        self.claim = claim
        self.retry_at: dt.datetime | None = None

    @property
    def reason(self) -> str:
        """The class of the error that made the work fail; its text may hold personal data and is not kept."""
        return type(self._exception).__name__ if self._exception is not None else "Rejected"


class SqlBroker(Broker):
    """Dramatiq over the job tables: no server, no memory of its own, many processes on one database."""

    transactional = True

    def __init__(self, store: JobStore, *, lease_s: float = LEASE_S, poll_s: float = POLL_S,
                 middleware: list[Middleware] | None = None, clock: Clock = system_clock) -> None:
        super().__init__(middleware=default_middleware() if middleware is None else middleware)
        self.store = store
        self.lease_s = lease_s
        self.poll_s = poll_s
        self.clock = clock
        self.owner = uuid.uuid4().hex
        self.bell = Bell()
        self.hold = Hold(store, lease_s)

    def declare_queue(self, queue_name: str) -> None:
        """Makes a queue known; doing it again changes nothing."""
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues[queue_name] = None
            self.emit_after("declare_queue", queue_name)

    def enqueue(self, message: Message, *, delay: int | None = None, connection: Any = None) -> Message:
        """Keeps a message until ``delay`` milliseconds from now and wakes this process's workers.

        With the caller's open ``connection`` the message exists exactly if the caller's transaction
        commits. A message that a worker holds and enqueues again is a retry: its row is used again when
        the worker settles it. Raises ``QueueNotFound``.
        """
        if message.queue_name not in self.queues:
            raise QueueNotFound(message.queue_name)
        self.emit_before("enqueue", message, delay)
        run_at = self.clock() + dt.timedelta(milliseconds=delay or 0)
        if isinstance(message, ClaimedMessage):
            # Only noted: Dramatiq swallows errors of its retries and would then acknowledge, and so lose, the message.
            message.retry_at = run_at
        else:
            self.store.put(self._job(message, run_at), connection)
            self.bell.ring()
        self.emit_after("enqueue", message, delay)
        return message

    def _job(self, message: Message, run_at: dt.datetime) -> Job:
        actor = self.actors.get(message.actor_name)
        priority = message.options.get("broker_priority", actor.priority if actor else 0)
        return Job(message.message_id, message.queue_name, message.actor_name, priority, run_at, message.encode())

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5000) -> Consumer:
        """A consumer of one queue. It takes half of Dramatiq's prefetch, which is one message a thread:
        more would wait here while another process is idle."""
        if queue_name not in self.queues:
            raise QueueNotFound(queue_name)
        return SqlConsumer(self, queue_name, max(1, prefetch // 2), min(self.poll_s, timeout / 1000))

    def close(self) -> None:
        """Ends the heartbeat; what is still held becomes free when its lease ends."""
        self.hold.stop()

    def flush(self, queue_name: str) -> None:
        """Drops every message of a queue."""
        self.store.flush(queue_name)

    def flush_all(self) -> None:
        """Drops every message of the declared queues."""
        for queue_name in self.queues:
            self.flush(queue_name)

    def join(self, queue_name: str, *, timeout: int | None = None) -> None:
        """Waits until the queue is empty; raises ``QueueJoinTimeout`` after ``timeout`` milliseconds."""
        deadline = None if timeout is None else self.clock() + dt.timedelta(milliseconds=timeout)
        while True:
            generation = self.bell.generation
            count = self.store.counts().get(queue_name)
            if count is None or count.waiting + count.claimed == 0:
                return
            if deadline is not None and self.clock() >= deadline:
                raise QueueJoinTimeout(queue_name)
            self.bell.wait(generation, 0.05)


class SqlConsumer(Consumer):
    """Claims messages of one queue for the worker threads of this process."""

    def __init__(self, broker: SqlBroker, queue_name: str, prefetch: int, poll_s: float) -> None:
        self.broker = broker
        self.queue_name = queue_name
        self.prefetch = prefetch
        self.poll_s = poll_s
        self.pause_s = FIRST_POLL_S
        self.generation = -1
        self.ready: list[ClaimedMessage] = []
        self.is_open = True
        broker.hold.open()

    def __next__(self) -> ClaimedMessage | None:
        """The next message, or None after a pause of at most the poll interval.

        After a ring the pauses start short again: a ring from within a transaction comes before its commit.
        """
        generation = self.broker.bell.generation
        if generation != self.generation:
            self.generation, self.pause_s = generation, FIRST_POLL_S
        if not self.ready:
            room = self.prefetch - self.broker.hold.count(self.queue_name)
            self.ready = self._claim(room) if room > 0 else []
        if self.ready:
            self.pause_s = FIRST_POLL_S
            return self.ready.pop(0)
        self.broker.bell.wait(generation, self.pause_s)
        self.pause_s = min(self.poll_s, self.pause_s * 1.6)
        return None

    def _claim(self, room: int) -> list[ClaimedMessage]:
        broker = self.broker
        with _dramatiq_errors():
            claims = broker.store.claim(self.queue_name, broker.owner, broker.lease_s, room)
        broker.hold.add(self.queue_name, claims)
        return [message for claim in claims if (message := self._decode(claim)) is not None]

    def _decode(self, claim: Claim) -> ClaimedMessage | None:
        try:
            return ClaimedMessage(Message.decode(claim.body), claim)
        except DecodeError:
            gateway_log.event(log, "job cannot be read", level=logging.ERROR, message_id=claim.message_id)
        with self._settling(claim):
            self.broker.store.bury(claim, "DecodeError", claim.body)
        return None

    def ack(self, message: ClaimedMessage) -> None:
        """Ends a message that is done, or puts it back for its retry."""
        with self._settling(message.claim):
            if message.retry_at is None:
                self.broker.store.ack(message.claim)
            else:
                self.broker.store.put_back(message.claim, message.retry_at, message.encode())

    def nack(self, message: ClaimedMessage) -> None:
        """Moves a message that was given up to the dead."""
        gateway_log.event(log, "job given up", level=logging.ERROR, actor=message.actor_name, reason=message.reason)
        with self._settling(message.claim):
            self.broker.store.bury(message.claim, message.reason, message.encode())

    def requeue(self, messages: Iterable[ClaimedMessage]) -> None:
        """Frees messages that this process holds and will not start; others take them at once."""
        for message in messages:
            try:
                with self._settling(message.claim):
                    self.broker.store.put_back(message.claim, self.broker.clock())
            finally:  # this process stops: if the store is away, the end of the lease frees the message
                self.broker.hold.drop(self.queue_name, message.claim)

    def close(self) -> None:
        """Frees what was claimed and not handed out; work in hand stays under its lease until it is settled."""
        if not self.is_open:
            return
        self.is_open = False
        ready, self.ready = self.ready, []
        try:
            self.requeue(ready)
        finally:
            self.broker.hold.close()

    @contextmanager
    def _settling(self, claim: Claim) -> Iterator[None]:
        """The claim is let go unless the store is away: then Dramatiq repeats the call, and the claim is still ours."""
        try:
            with _dramatiq_errors():
                yield
        except BrokerConnectionError:
            raise
        except BaseException:
            self.broker.hold.drop(self.queue_name, claim)
            raise
        self.broker.hold.drop(self.queue_name, claim)
        self.broker.bell.ring()


@contextmanager
def _dramatiq_errors() -> Iterator[None]:
    """Says in Dramatiq's words that the store is away, so that it waits and tries again."""
    try:
        yield
    except GatewayError as error:
        raise ConnectionFailed(error.message) from error
