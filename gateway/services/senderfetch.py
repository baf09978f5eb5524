"""How does a sender have personal data at hand in time? Batch by batch, ahead of its plans (ID-76, SEND-19)"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from gateway.db.queries import audience
from gateway.domain.accounts import system_actor
from gateway.domain.tiers import MAX_BATCH
from gateway.errors import GatewayError
from gateway.log import event
from gateway.services import integrations, personalisation
from gateway.services.gateway import Gateway
from gateway.services.personalisation import Answers, Calls, Lookup, Wanted
from gateway.services.senderqueue import FETCHED_BATCHES, SenderQueue
from gateway.services.senderwork import Item

log = logging.getLogger("gateway.services")

STORE_WAIT_S = 1.0
THREADS = 16
"""Batches of all brands that are worked on at a time."""


class _Batch(NamedTuple):
    """What a thread brings back, to be kept after the rows have gone on."""

    lookup: Lookup
    answers: Answers


class Prefetch:
    """Fetches for claimed rows what their messages need, ``FETCHED_BATCHES`` batches of a brand at a time, so that one
    brand's slow system holds up nobody else. On the event loop; the work is done in threads of its own.

    A row is in the queue's keeping all the while: one that is taken out of it is forgotten here, too. What was fetched
    lives in memory until the row is settled or given back; a retry fetches anew.
    """

    def __init__(self, gateway: Gateway, queue: SenderQueue, planning: Callable[[], None],
                 fail: Callable[[BaseException], None]) -> None:
        """``planning`` is called when there is more to plan, ``fail`` when nothing can go on."""
        self._gateway, self._queue, self._planning, self._fail = gateway, queue, planning, fail
        self._calls = Calls(gateway.live, lambda each: integrations.bridge(gateway, each), gateway.clock)
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="sender-live")
        self._waiting: dict[int, deque[Item]] = {}
        self._needs: dict[int, Wanted] = {}
        self._running: Counter[int] = Counter()
        self._tasks: set[asyncio.Task] = set()
        self._is_closed = False

    def add(self, items: Sequence[Item], needs: Wanted) -> None:
        """Takes claimed rows of one instance in hand."""
        self._queue.expect(items)
        instance = items[0].instance
        self._needs[instance.instance_id] = needs
        self._waiting.setdefault(instance.instance_id, deque()).extend(items)
        self._start()

    async def close(self) -> None:
        """Ends it: no batch begins any more, and one that was begun ends by its deadline."""
        self._is_closed = True
        self._waiting.clear()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._calls.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _start(self) -> None:
        """Begins as many batches as may run, of all instances in turn."""
        for instance_id in list(self._waiting):
            waiting = self._waiting.pop(instance_id)
            brand_id = waiting[0].instance.brand_id
            if self._running[brand_id] < FETCHED_BATCHES:
                batch = [waiting.popleft() for _ in range(min(MAX_BATCH, len(waiting)))]
                batch = [item for item in batch if self._queue.is_awaited(item)]
                if batch:
                    self._running[brand_id] += 1
                    task = asyncio.get_running_loop().create_task(self._work(batch, self._needs[instance_id]))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
            if waiting:
                self._waiting[instance_id] = waiting  # at the end: it was its turn
        if any(self._running[several[0].instance.brand_id] < FETCHED_BATCHES for several in self._waiting.values()):
            self._start()

    async def _work(self, items: Sequence[Item], needs: Wanted) -> None:
        """One batch, whose rows go on whatever its systems say. While the store is away, they wait."""
        brand_id, batch = items[0].instance.brand_id, None
        try:
            while batch is None and not self._is_closed:
                try:
                    batch = await self._beside(self._fetch, brand_id, items, needs)
                except GatewayError as error:
                    if not error.retryable:
                        raise
                    await asyncio.sleep(STORE_WAIT_S)
        except BaseException as error:
            self._fail(error)
            return
        finally:
            self._running[brand_id] -= 1
        self._queue.fetched(items)
        self._planning()
        if not self._is_closed:
            self._start()
            if batch is not None and personalisation.keeps(needs):
                await self._beside(self._keep, brand_id, needs, batch)

    async def _beside(self, work: Callable[..., Any], *args: object) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)

    def _fetch(self, brand_id: int, items: Sequence[Item], needs: Wanted) -> _Batch:
        """In a thread: the values of a batch into its rows. No transaction is open while others are waited for."""
        gateway = self._gateway
        with gateway.reading(system_actor(brand_id)) as unit:
            people = _people(items, audience.survivors(unit.connection, brand_id,
                                                       [item.claimed.subscriber_id for item in items]))
            found = personalisation.look_up(unit, needs, list(people))
        answers = self._calls.ask(needs, found)
        with gateway.reading(system_actor(brand_id)) as unit:
            fetched = personalisation.fetched(unit, needs, found, answers)
        for person, several in people.items():
            for item in several:
                item.fetched = fetched[person]
        return _Batch(found, answers)

    def _keep(self, brand_id: int, needs: Wanted, batch: _Batch) -> None:
        try:
            with self._gateway.unit(system_actor(brand_id), STORE_WAIT_S) as unit:
                personalisation.keep(unit, needs, batch.lookup, batch.answers)
        except GatewayError as error:
            event(log, "live values not kept", level=logging.WARNING, reason=error.code)


def _people(items: Iterable[Item], survivors: dict[int, int]) -> dict[int, list[Item]]:
    """The rows by the record that counts now: of a merged one its survivor."""
    found: dict[int, list[Item]] = {}
    for item in items:
        person = item.claimed.subscriber_id
        found.setdefault(survivors.get(person, person), []).append(item)
    return found
