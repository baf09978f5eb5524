"""What do the connections of a sender ask for, and what becomes of what they tell? (SEND-16..18, SEND-36)"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Collection, Mapping

from gateway.domain.delivery import INVALID_ADDRESS
from gateway.domain.journal import Result
from gateway.domain.mailing import OpenInstance
from gateway.errors import GatewayError
from gateway.log import event
from gateway.mail.journal import Journal, JournalBroken
from gateway.mail.message import BuiltMessage
from gateway.mail.smtp_outcome import Outcome, Outgoing, Verdict
from gateway.services import compose
from gateway.services.gateway import Gateway
from gateway.services.senderqueue import SenderQueue
from gateway.services.senderwork import Done, Item, SenderWork, is_trouble

log = logging.getLogger("gateway.services")

FOLD_ROWS = 200
REFUSAL_S = 0.9
"""Refusals of one instance that come together count once."""


class LeaseOver(Exception):
    """Others may think that we are dead: no body starts any more (SEND-22)."""


class Outbox:
    """Where the connections get messages from and where outcomes go, until the sender stores them
    (``mail/relays.Source``). On the event loop only.

    ``done`` waits for its fold, ``returned`` to be given back, ``refused`` to be counted; ``open``: the instances that
    may be worked on, ``unfit``: those that this run leaves alone, for their messages cannot be made; ``gone``: rows
    that others have given up for lost. ``is_closed``: nothing more starts; ``is_refused``: the last word of the mail
    servers was no.
    """

    def __init__(self, gateway: Gateway, queue: SenderQueue, work: SenderWork, journal: Journal,
                 open_instances: Mapping[int, OpenInstance]) -> None:
        self.queue, self.open = queue, open_instances
        self.done: list[Done] = []
        self.returned: list[Item] = []
        self.refused: set[OpenInstance] = set()
        self.unfit: set[int] = set()
        self.gone: set[int] = set()
        self.is_closed = self.is_lease_over = self.is_refused = False
        self._gateway, self._work, self._journal = gateway, work, journal
        self._refused_at: dict[OpenInstance, float] = {}

    def connect(self, storing: asyncio.Event, planning: asyncio.Event, stop: Callable[[], None],
                fail: Callable[[BaseException], None]) -> None:
        """Whom to wake when there is something to store or to plan, and how to stop for good or ill."""
        self._storing, self._planning, self._stop, self._fail = storing, planning, stop, fail

    def take(self, relay: str) -> Outgoing | None:
        """The next message for a free connection."""
        if self._gateway.stopping():
            self._stop()
        if self.is_closed or self.is_lease_over:
            self._storing.set()
            return None
        while (item := self.queue.take()) is not None:
            if not self._may_start(item):
                self.give_back(item)
            elif (built := self._message(item)) is not None:
                self.queue.send(item)
                return Outgoing(item.delivery_id, item.claimed.attempt + 1, *built)
        self._planning.set()
        return None

    def _may_start(self, item: Item) -> bool:
        instance_id = item.instance.instance_id
        return instance_id in self.open and instance_id not in self.unfit and item.delivery_id not in self.gone

    def let_go(self, delivery_ids: Collection[int]) -> None:
        """None of these rows begins any more, wherever it is: others may have decided about it (SEND-22)."""
        self.gone.update(delivery_ids)
        self.returned += self.queue.remove(lambda item: item.delivery_id in self.gone)

    def _message(self, item: Item) -> BuiltMessage | None:
        """The message; None when it cannot be made. An error that nobody foresaw is one of its mailing: that waits for
        another run, and the others go on (SEND-37)."""
        built, item.built = item.built, None
        if built is not None:
            return built
        try:
            return compose.message(item.mailing, item.claimed, item.values)
        except GatewayError as error:
            event(log, "message not made", level=logging.WARNING, delivery=item.delivery_id, code=error.code)
            self._settled(Done(item, self._gateway.clock(), reason=INVALID_ADDRESS))
        except Exception:
            event(log, "mailing not usable", level=logging.ERROR, instance=item.instance.instance_id,
                  delivery=item.delivery_id, exc_info=True)
            self.unfit.add(item.instance.instance_id)
            self.give_back(item)
        return None

    def begin(self, message: Outgoing) -> None:
        """Notes that a body leaves (SEND-16). Raises what keeps it from leaving."""
        try:
            if message.delivery_id in self.gone:
                raise LeaseOver
            if self._gateway.clock() >= self._work.lease_until:
                self.is_lease_over = True
                raise LeaseOver
            self._journal.begin(message.delivery_id, message.attempt)
        except JournalBroken as error:
            self.give_back(self.queue.came_back(message.delivery_id))
            self._fail(error)
            raise
        except LeaseOver:
            item = self.queue.came_back(message.delivery_id)
            if self.is_closed:
                self.give_back(item)
            else:
                self.queue.again(item)
            self._storing.set()
            raise

    def end(self, message: Outgoing, outcome: Outcome) -> None:
        """Notes the reply that decided (SEND-17)."""
        item = self.queue.came_back(message.delivery_id)
        if outcome.kind is Verdict.NOT_TRIED:
            self._not_tried(item, outcome)
            return
        now = self._gateway.clock()
        try:
            self._journal.end(Result(message.delivery_id, message.attempt, now, outcome.kind.value, outcome.code,
                                     outcome.enhanced, outcome.stage, outcome.text))
        except JournalBroken as error:
            self._fail(error)  # the outcome is true all the same, and is folded
        self.is_refused = False
        self.queue.rate.add()
        self._settled(Done(item, now, outcome))
        if is_trouble(outcome):  # the next store halves its rate; what waits for it here goes back first
            group = item.claimed.domain_group
            self.returned += self.queue.remove(lambda one: one.claimed.domain_group == group)
            self._storing.set()

    def relay_refused(self, relay: str, outcome: Outcome) -> None:
        """A mail server could not be used; a refused log-in is one of all instances that wait (SEND-36)."""
        self.is_refused = True
        if outcome.stage == "auth" and (outcome.code or 0) >= 500:
            for instance_id in self.queue.instances():
                if instance_id in self.open:
                    self._refusal(self.open[instance_id])
        self._storing.set()

    def _not_tried(self, item: Item, outcome: Outcome) -> None:
        refused = outcome.stage == "mail" and (outcome.code or 0) >= 500
        if refused:
            self._refusal(item.instance)
        if self.is_closed:
            self.give_back(item)
        else:
            self.queue.again(item, last=refused)  # others may be welcome
        self._storing.set()

    def _refusal(self, instance: OpenInstance) -> None:
        now = time.monotonic()
        if now - self._refused_at.get(instance, -REFUSAL_S) >= REFUSAL_S:
            self._refused_at[instance] = now
            self.refused.add(instance)

    def give_back(self, item: Item) -> None:
        item.forget()
        self.queue.drop(item)
        self.returned.append(item)
        self._storing.set()

    def _settled(self, done: Done) -> None:
        done.item.forget()
        self.queue.drop(done.item)
        self.done.append(done)
        if len(self.done) >= FOLD_ROWS or self.queue.is_empty():
            self._storing.set()
        if not self.queue.planned:
            self._planning.set()
