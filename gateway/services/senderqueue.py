"""Whose message is next? What a sender has in hand, between its claim and its outcome (SEND-34, SEND-37)."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Sequence

from gateway.services.senderwork import Item

MAX_RATE_AGE_S = 0.2
FETCHED_BATCHES = 4
"""Batches of personal data that are fetched at a time."""


class Rate:
    """How many messages a second are being settled."""

    def __init__(self) -> None:
        self.per_s = 0.0
        self._count, self._since = 0, time.monotonic()

    def add(self) -> None:
        """One more."""
        self._count += 1

    def renew(self, now: float) -> None:
        """Takes what was counted into account, when there is enough of it; ``now`` is monotonic."""
        passed = now - self._since
        if passed >= MAX_RATE_AGE_S:
            newest = self._count / passed
            self.per_s = max(newest, (self.per_s + newest) / 2)
            self._count, self._since = 0, now


class SenderQueue:
    """The rows of one sender: claimed ones in a buffer for each instance, planned ones in the order they will leave,
    and those that a connection carries; before all these, those whose personal data is being fetched. On the event loop
    only.

    ``connections`` of all relays together; up to ``group`` rows for each may be planned at a time (SEND-15), and up to
    ``batch`` claimed. ``limit``: how many connections may serve a destination (SEND-34).
    """

    def __init__(self, connections: int, group: int, batch: int, limit: Callable[[str], int]) -> None:
        self.connections, self.batch = connections, batch
        self.rate = Rate()
        self.on_its_way: dict[int, Item] = {}
        self.planning = 0
        self._group, self._limit = group, limit
        self._buffers: dict[int, deque[Item]] = {}
        self._awaited: dict[int, Item] = {}
        self._planned: deque[Item] = deque()
        self._carried: Counter[str] = Counter()
        self._ahead: Counter[str] = Counter()
        self._held: Counter[str] = Counter()

    # --- how much -------------------------------------------------------------------------------------------------

    @property
    def buffered(self) -> int:
        """Rows that are claimed and not planned."""
        return len(self._awaited) + sum(map(len, self._buffers.values()))

    @property
    def planned(self) -> int:
        """Rows that may start."""
        return len(self._planned)

    def is_empty(self) -> bool:
        """Whether nothing is in hand that has no outcome."""
        return not (self._planned or self.on_its_way or self.planning or self._buffers or self._awaited)

    def wanted(self, instances: int) -> int:
        """How many rows to claim for the next of so many instances; 0 when there is enough for a while.

        Two seconds of work are kept, so that a slow sender does not hold rows that others could send; and a few batches
        where personal data is fetched, for a slow system answers several of them at a time.
        """
        most = self.connections * self.batch
        fetches = FETCHED_BATCHES * self.batch if self._awaited else 0
        enough = max(min(self.batch, most), min(max(int(2 * self.rate.per_s), fetches), most))
        missing = enough - self.buffered
        return 0 if missing * 2 < enough else max(min(self.batch, missing), missing // max(instances, 1))

    def room_for(self, group: str) -> int:
        """How many more rows of a destination it makes sense to claim: a slow one must not fill the buffer. May be
        asked from another thread."""
        return max(0, 2 * self._group * self._limit(group) - self._held[group])

    # --- in and out -----------------------------------------------------------------------------------------------

    def add(self, items: Iterable[Item]) -> None:
        """Claimed rows come in."""
        for item in items:
            self._buffers.setdefault(item.instance.instance_id, deque()).append(item)
            self._held[item.claimed.domain_group] += 1

    def expect(self, items: Iterable[Item]) -> None:
        """Claimed rows come in whose personal data is to be fetched before they may be planned."""
        for item in items:
            self._awaited[item.delivery_id] = item
            self._held[item.claimed.domain_group] += 1

    def is_awaited(self, item: Item) -> bool:
        """Whether the row still waits for its personal data."""
        return self._awaited.get(item.delivery_id) is item

    def fetched(self, items: Iterable[Item]) -> None:
        """Their data is there, or will not come. Those that were taken out meanwhile stay out."""
        for item in items:
            if self.is_awaited(item):
                del self._awaited[item.delivery_id]
                self._buffers.setdefault(item.instance.instance_id, deque()).append(item)

    def next_group(self) -> list[Item]:
        """What is to be planned now, from all instances in turn; counted in ``planning`` until :meth:`admit`.

        Never more than about a second of work, so that somebody who has just opted out is dropped.
        """
        window = min(self._group * self.connections, max(2 * self.connections, int(self.rate.per_s)))
        room = window - len(self._planned) - len(self.on_its_way) - self.planning
        if not self._buffers or room <= 0 or (self._planned and room * 2 < window):
            return []
        group: list[Item] = []
        share = max(1, room // len(self._buffers))
        for instance_id in list(self._buffers):
            buffer = self._buffers.pop(instance_id)
            self._take_from(buffer, min(share, room - len(group)), group)
            if buffer:
                self._buffers[instance_id] = buffer  # at the end: it was its turn
        self.planning += len(group)
        return group

    def _take_from(self, buffer: deque[Item], number: int, group: list[Item]) -> None:
        for _ in range(len(buffer)):
            if number <= 0:
                return
            item = buffer.popleft()
            destination = item.claimed.domain_group
            if self._ahead[destination] < self._group * self._limit(destination):
                self._ahead[destination] += 1
                group.append(item)
                number -= 1
            else:
                buffer.append(item)

    def admit(self, group: Sequence[Item], planned: Sequence[Item]) -> None:
        """Of a group that was planned, ``planned`` may start; the caller has the others."""
        self.planning -= len(group)
        self._planned.extend(planned)
        if len(planned) != len(group):
            kept = {item.delivery_id for item in planned}
            for item in group:
                if item.delivery_id not in kept:
                    self._ahead[item.claimed.domain_group] -= 1

    def put_back(self, group: Sequence[Item]) -> None:
        """A group could not be planned: it is claimed as before."""
        self.admit(group, ())
        for item in reversed(group):
            self._buffers.setdefault(item.instance.instance_id, deque()).appendleft(item)

    def take(self) -> Item | None:
        """The next planned row whose destination has a connection free."""
        for _ in range(len(self._planned)):
            item = self._planned.popleft()
            destination = item.claimed.domain_group
            if self._carried[destination] < self._limit(destination):
                return item
            self._planned.append(item)
        return None

    def send(self, item: Item) -> None:
        """A row that was taken is on its way."""
        self.on_its_way[item.delivery_id] = item
        self._carried[item.claimed.domain_group] += 1

    def came_back(self, delivery_id: int) -> Item:
        """A row is on its way no more."""
        item = self.on_its_way.pop(delivery_id)
        self._carried[item.claimed.domain_group] -= 1
        return item

    def again(self, item: Item, *, last: bool = False) -> None:
        """A taken row may start after all: next, or after all others."""
        (self._planned.append if last else self._planned.appendleft)(item)

    def drop(self, item: Item) -> None:
        """A taken row has its outcome, or is not to start: it does not count as planned any more."""
        self._ahead[item.claimed.domain_group] -= 1

    def forget(self, items: Iterable[Item]) -> None:
        """Rows are stored and nobody's any more."""
        self._held.subtract(item.claimed.domain_group for item in items)
        for counter in (self._held, self._ahead, self._carried):
            if len(counter) > 10_000:  # every domain there is
                for group in [group for group, number in counter.items() if not number]:
                    del counter[group]

    def remove(self, is_gone: Callable[[Item], bool]) -> list[Item]:
        """Takes everything out that waits, planned or not, and is gone."""
        removed = [item for item in self._planned if is_gone(item)]
        if removed:
            self._planned = deque(item for item in self._planned if not is_gone(item))
            for item in removed:
                self.drop(item)
        for item in [item for item in self._awaited.values() if is_gone(item)]:
            removed.append(self._awaited.pop(item.delivery_id))
        for instance_id, buffer in list(self._buffers.items()):
            found = [item for item in buffer if is_gone(item)]
            if found:
                removed += found
                left = deque(item for item in buffer if not is_gone(item))
                if left:
                    self._buffers[instance_id] = left
                else:
                    del self._buffers[instance_id]
        return removed

    def instances(self) -> Collection[int]:
        """The instances that have planned or claimed rows waiting."""
        return {item.instance.instance_id for item in (*self._planned, *self._awaited.values())} | set(self._buffers)
