"""How does one process send everything that is due, over all its connections, a kill at any instant losing nobody?

One event loop with the connections, and two threads beside it: one reads the facts of the next group and notes it in
the journal, one folds outcomes and claims rows (SEND-12, SEND-18..22, SEND-37). Where a mailing shows personal data
that is not stored, a few more fetch it ahead of the plans (ID-76).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from gateway.domain.accounts import system_actor
from gateway.domain.mailing import OpenInstance
from gateway.errors import GatewayError
from gateway.mail.journal import Journal
from gateway.mail.relays import Relays
from gateway.mail.smtp_url import parse_relays
from gateway.services import lifecycle
from gateway.services.gateway import Gateway
from gateway.services.personalisation import Wanted
from gateway.services.recovery import journal_folder
from gateway.services.senderbox import FOLD_ROWS, Outbox
from gateway.services.senderfetch import Prefetch
from gateway.services.senderqueue import SenderQueue
from gateway.services.senderwork import Claim, SenderWork, View
from gateway.services.throttle import Throttle

log = logging.getLogger("gateway.services")

FOLD_S = 1.0
LOOK_S = 0.3
STORE_WAIT_S = 1.0
STORE_TRIES = 10
STOP_S = 20.0
"""How long a worker that was asked to stop waits for the answers to messages that have left."""

PATIENCE_S = 5.0
"""A run does not end for limits that let somebody go so soon."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a sender works: ``connections`` at most to each relay, up to ``batch`` rows in hand and ``group`` planned for
    each, under a lease of ``lease_s``; it claims nothing more after ``run_s``."""

    connections: int = 10
    batch: int = 200
    group: int = 16
    lease_s: float = 120.0
    run_s: float = 60.0


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How many rows of which instances a run took in hand that it has not seen to the end, and how long there is
    nothing to be done for them: no mail server can be used (``unreachable``), or limits say no."""

    claimed: Counter[OpenInstance]
    wait_s: float = 0.0
    unreachable: bool = False


class Sender:
    """One run: sends whatever is due, for all instances in turn, until nothing is left, it is time to end, or no mail
    server can be used. All is folded or given back when :meth:`run` returns."""

    def __init__(self, gateway: Gateway, pace: Pace, view: View, is_over: Callable[[], bool]) -> None:
        """``view``: what is open, to begin with. ``is_over``: asked when nothing is left; False: look again."""
        self._gateway, self._pace, self._is_over = gateway, pace, is_over
        self._urls = [replace(url, connections=min(url.connections, pace.connections))
                      for url in parse_relays(gateway.settings.smtp_url)]
        rates = [url.rate for url in self._urls]
        throttle = Throttle(gateway, sum(filter(None, rates)) if all(rates) else None)
        self._queue = SenderQueue(sum(url.connections for url in self._urls), pace.group, pace.batch,
                                  throttle.connections)
        owner = uuid.uuid4().hex
        self._journal = Journal.open(journal_folder(gateway), owner)  # before the first claim: a kill finds it
        self._work = SenderWork(gateway, owner, self._journal, throttle, pace.lease_s, self._queue.room_for)
        self._view = view
        self._claimable: dict[int, float] = dict.fromkeys(view.ready, 0.0)
        self._box = Outbox(gateway, self._queue, self._work, self._journal, view.open)
        self._folded_at = self._looked_at = time.monotonic()
        self._ends_at = self._looked_at + pace.run_s
        self._claimed: Counter[OpenInstance] = Counter()
        self._in_hand: Counter[int] = Counter()
        self._needs: dict[int, Wanted | None] = {}
        self._heard = self._unreachable = False
        self._error: BaseException | None = None
        self._tries = 0

    def run(self) -> RunEnd:
        """Works in the caller's thread. Raises ``UNAVAILABLE`` when the store stays away, or ``JournalBroken``; what is
        in hand then is in the journal, for the next run to find."""
        try:
            asyncio.run(self._run())
        finally:
            self._journal.close()
        if self._error is not None:
            raise self._error
        waits = [at - time.monotonic() for at in self._claimable.values()]
        claimed = Counter({one: number for one, number in self._claimed.items()
                           if one.instance_id not in self._box.unfit})  # these wait for the sweep
        return RunEnd(claimed, max(0.0, min(waits, default=0.0)), self._unreachable)

    def wake(self) -> None:
        """There may be more to send: to be called from any thread."""
        self._heard = True
        with contextlib.suppress(AttributeError, RuntimeError):  # not begun, or at its end: then it looks anyway
            self._loop.call_soon_threadsafe(self._storing.set)

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._storing, self._planning = asyncio.Event(), asyncio.Event()
        self._box.connect(self._storing, self._planning, self._stop, self._fail)
        self._prefetch: Prefetch | None = None
        helo = urlsplit(self._gateway.settings.public_url).hostname or "localhost"
        self._relays = Relays(self._urls, self._box, helo=helo)
        async with self._beside("plan") as self._plan_thread, self._beside("store") as self._store_thread:
            self._carrying = asyncio.create_task(self._relays.run())
            planning = asyncio.create_task(self._plan())
            for task in (self._carrying, planning):
                task.add_done_callback(self._ended)
            try:
                await self._keep()
            finally:
                self._box.is_closed = True
                self._planning.set()
                if self._prefetch is not None:
                    await self._prefetch.close()
                await self._relays.close(drop=True)
                await asyncio.gather(self._carrying, planning, return_exceptions=True)

    @contextlib.asynccontextmanager
    async def _beside(self, name: str) -> AsyncIterator[Callable]:
        """A thread of its own for what waits for the store or the disk."""
        with ThreadPoolExecutor(1, thread_name_prefix=f"sender-{name}") as pool:
            async def call(work: Callable, *args: object) -> object:
                return await self._loop.run_in_executor(pool, work, *args)
            yield call

    def _ended(self, task: asyncio.Task) -> None:
        if not task.cancelled() and task.exception() is not None:
            self._fail(task.exception())
        if task is self._carrying:
            self._queue.on_its_way.clear()  # whose end nobody told: the journal knows what became of them

    def _fail(self, error: BaseException) -> None:
        self._error = self._error or error
        self._stop()

    # --- planning ---------------------------------------------------------------------------------------------------

    async def _plan(self) -> None:
        """Keeps messages ready for the connections."""
        while not self._box.is_closed:
            self._planning.clear()
            group = self._queue.next_group()
            if not group:
                await self._planning.wait()
                continue
            try:
                made = await self._plan_thread(self._work.plan, group)
            except Exception as error:
                self._queue.put_back(group)
                if self._box.is_closed:
                    self._box.returned += self._queue.remove(lambda item: True)
                if not (isinstance(error, GatewayError) and error.retryable):
                    raise  # which stops the sender
                await asyncio.sleep(STORE_WAIT_S)
                continue
            self._queue.admit(group, made.planned)
            self._box.done += made.left_out
            self._box.returned += made.closed
            if self._box.is_closed:
                self._box.returned += self._queue.remove(lambda item: True)
            self._relays.wake()
            if made.closed or made.left_out:
                self._storing.set()

    # --- storing ----------------------------------------------------------------------------------------------------

    async def _keep(self) -> None:
        """Folds, claims, looks and extends the lease until nothing is left."""
        while True:
            self._storing.clear()
            now = time.monotonic()
            self._queue.rate.renew(now)
            if not self._box.is_closed and (now >= self._ends_at or self._gateway.stopping() or self._is_cut_off()):
                self._stop()
            try:
                busy = await self._step(now)
            except GatewayError as error:
                self._tries += 1
                if not error.retryable or (self._box.is_closed and self._tries >= STORE_TRIES):
                    raise
                await asyncio.sleep(STORE_WAIT_S)
                continue
            self._tries = 0
            if not busy:
                if self._is_finished() and (self._box.is_closed or self._is_over()):
                    return
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._storing.wait(), LOOK_S)

    async def _step(self, now: float) -> bool:
        """One thing that is due now; False when nothing is."""
        if self._work.claimed and (self._box.is_lease_over or self._lease_is_short()):
            gone, until = await self._store_thread(self._work.extend)
            self._box.let_go(gone)
            self._work.lease_until, self._box.is_lease_over = until, False
            self._relays.wake()
            return True
        if not self._box.is_closed and (self._heard or now - self._looked_at >= LOOK_S):
            self._heard, self._looked_at = False, now
            self._seen(await self._store_thread(self._work.look))
            await self._finish_instances()
            return True
        claim = None if self._box.is_closed else self._next_claim(now)
        if claim or self._box.refused or self._box.returned or self._is_fold_due(now):
            await self._store(claim)
            return True
        return False

    def _is_fold_due(self, now: float) -> bool:
        return bool(self._box.done) and (len(self._box.done) >= FOLD_ROWS or now - self._folded_at >= FOLD_S
                                     or self._box.is_closed or self._queue.is_empty())

    async def _store(self, claim: tuple[OpenInstance, int] | None) -> None:
        box = self._box
        done, returned, refused = box.done, box.returned, box.refused
        box.done, box.returned, box.refused = [], [], set()
        try:
            got: Claim = await self._store_thread(self._work.store, done, returned, refused, claim)
        except BaseException:
            box.done, box.returned, box.refused = done + box.done, returned + box.returned, refused | box.refused
            raise
        self._folded_at = time.monotonic()
        if any(one.outcome for one in done):
            self._gateway.sender.reached()
        settled = [one.item for one in done] + returned
        self._queue.forget(settled)
        self._in_hand.subtract(item.instance.instance_id for item in settled)
        if claim is not None:
            await self._came(claim[0], got)

    async def _came(self, instance: OpenInstance, got: Claim) -> None:
        """Claimed rows have come."""
        self._box.gone.difference_update(item.delivery_id for item in got.items)
        self._claimed[instance] += len(got.items)
        self._in_hand[instance.instance_id] += len(got.items)
        if got.more or got.wait_s is not None:
            self._claimable[instance.instance_id] = time.monotonic() + (got.wait_s or 0.0)
        try:
            needs = await self._needs_of(instance) if got.items else None
        except BaseException:
            self._box.returned += got.items
            raise
        if self._box.is_closed:
            self._box.returned += got.items
        elif needs is not None:
            self._fetch_first().add(got.items, needs)
        else:
            self._queue.add(got.items)
        self._planning.set()

    async def _needs_of(self, instance: OpenInstance) -> Wanted | None:
        if instance.instance_id not in self._needs:
            self._needs[instance.instance_id] = await self._plan_thread(self._work.needs, instance)
        return self._needs[instance.instance_id]

    def _fetch_first(self) -> Prefetch:
        if self._prefetch is None:
            self._prefetch = Prefetch(self._gateway, self._queue, self._planning.set, self._fail)
        return self._prefetch

    def _next_claim(self, now: float) -> tuple[OpenInstance, int] | None:
        """Whose rows to claim next, and how many: all instances have their turn (SEND-37)."""
        number = self._queue.wanted(len(self._claimable))
        is_full = self._queue.buffered >= self._queue.connections * self._queue.batch
        for instance_id, at in list(self._claimable.items()):
            newcomer = not self._in_hand[instance_id] and not is_full  # need not wait for the others' rows to go
            if at <= now and (number or newcomer):
                del self._claimable[instance_id]
                if instance_id in self._view.open:
                    return self._view.open[instance_id], number or self._queue.batch
        return None

    def _seen(self, view: View) -> None:
        """Instances were opened, paused, cancelled or are used up."""
        if self._box.unfit:
            view = View({one: view.open[one] for one in view.open if one not in self._box.unfit},
                        view.ready - self._box.unfit)
        self._view, self._box.open = view, view.open
        self._claimable = {**{one: at for one, at in self._claimable.items() if one in view.ready},
                           **{one: 0.0 for one in view.ready if one not in self._claimable}}
        self._box.returned += self._queue.remove(lambda item: item.instance.instance_id not in view.open)

    async def _finish_instances(self) -> None:
        """Instances of which nothing is left now end while others go on."""
        for instance, number in list(self._claimed.items()):
            one = instance.instance_id
            if not self._in_hand[one] and one not in self._view.ready and one not in self._box.unfit:
                await self._store_thread(lifecycle.finish, self._gateway, system_actor(instance.brand_id),
                                         instance.instance_id, number, 0.0)
                del self._claimed[instance]

    # --- the end ----------------------------------------------------------------------------------------------------

    def _lease_is_short(self) -> bool:
        left = self._work.lease_until - self._gateway.clock()
        return left.total_seconds() < self._pace.lease_s * 2 / 3

    def _is_cut_off(self) -> bool:
        """Whether messages wait and no mail server can be used (SEND-32)."""
        waiting = self._queue.planned or self._queue.buffered
        self._unreachable = bool(self._box.is_refused and waiting and not self._queue.on_its_way
                                 and self._relays.wait_s() > 0)
        return self._unreachable

    def _is_finished(self) -> bool:
        if self._box.done or self._box.returned or not self._queue.is_empty():
            return False
        soon = time.monotonic() + PATIENCE_S
        return self._box.is_closed or all(at > soon for at in self._claimable.values())

    def _stop(self) -> None:
        """Nothing more starts; what has not begun is given back, what is on its way gets its answer (SEND-38)."""
        if self._box.is_closed:
            return
        self._box.is_closed = True
        self._box.returned += self._queue.remove(lambda item: True)
        self._closing = asyncio.create_task(self._relays.close())
        if self._gateway.stopping() or self._error is not None:
            self._loop.call_later(STOP_S, self._hang_up)
        self._planning.set()
        self._storing.set()

    def _hang_up(self) -> None:
        self._closing = asyncio.create_task(self._relays.close(drop=True))
