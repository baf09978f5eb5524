"""May these credentials make one more request now, counted over all processes of one server? (PUSH-13)

Each process counts in a part of its own of memory that all of them share, and reads the others' parts: no lock between
processes, so one that is killed holds up nobody. A count is one 64-bit word, written whole.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.accounts import Actor
from gateway.errors import GatewayError

WINDOW_S = 60
MAX_WAIT_S = 5.0
PLACES_TO_WAIT = 4
"""How many of the eight threads of a process may wait at the same time: the others serve everybody else."""

_A_LITTLE_S = 0.005
"""Beyond the moment at which there is room, which sums of fractions miss by a hair."""

_SLOTS, _PROBES = 4096, 16
_COUNT_BITS, _WINDOW_BITS = 24, 16
_MAX_COUNT = (1 << _COUNT_BITS) - 1


@dataclass(frozen=True, slots=True)
class Use:
    """What was used of a budget of requests a minute: ``now`` in this window of the clock, ``before`` in the last one.

    ``elapsed_s`` of this window are over. The last minute is estimated as all of this window and as much of the one
    before as the minute still covers, as if its requests had come evenly.
    """

    now: int
    before: int
    elapsed_s: float

    @property
    def last_minute(self) -> float:
        """The requests of the last 60 s, estimated."""
        return self.now + self.before * (1 - self.elapsed_s / WINDOW_S)

    def wait_s(self, limit: int) -> float:
        """For how long ``limit`` leaves no room for a request, if none comes meanwhile; 0 when there is room."""
        if self.last_minute < limit:
            return 0.0
        if self.now >= limit:  # not before the next window, of which this one is then the one before
            return WINDOW_S - self.elapsed_s + WINDOW_S * (1 - (limit - 1) / self.now)
        return WINDOW_S * (1 - (limit - self.now) / self.before) - self.elapsed_s

    def pause_s(self, limit: int) -> float:
        """How long a patient caller is held up, so that it need not be refused; 0 while half of the budget is left.

        Whoever is ahead of the allowed rate in this window is slowed down so that the rest of it lasts to its end.
        """
        left_s, left = WINDOW_S - self.elapsed_s, limit - self.now
        if self.last_minute < limit / 2 or left_s / WINDOW_S <= left / limit:
            return 0.0
        return min(MAX_WAIT_S, left_s / max(left, 1))


class Rates:
    """The counts of all credentials. Make it before the processes are forked; each then says which one it is.

    ``per_minute`` 0 is no limit. ``clock`` counts seconds, the same for all processes of the host.
    """

    def __init__(self, per_minute: int, processes: int = 1, clock: Callable[[], float] = time.monotonic,
                 sleep: Callable[[float], None] = time.sleep) -> None:
        self.per_minute = per_minute
        self.own = 0
        """Which of the processes this one is, from 0."""
        self._processes = processes
        self._cells = memoryview(mmap.mmap(-1, processes * _SLOTS * 8)).cast("Q")
        self._clock, self._sleep = clock, sleep
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(PLACES_TO_WAIT)

    def admit(self, actor: Actor, *, patiently: bool = False) -> None:
        """Counts a request of these credentials.

        Raises ``TOO_MANY_REQUESTS`` with the seconds to wait when the budget of the last minute is used up; then the
        request is not counted. ``patiently``: holds the caller up first, at most 5 s, if few others are held up now.
        """
        if not self.per_minute:
            return
        who = f"{actor.brand_id}/{actor.label}"
        wait_s = self._take(who, pause=patiently)
        if wait_s and patiently and wait_s <= MAX_WAIT_S and self._hold_up(wait_s + _A_LITTLE_S):
            wait_s = self._take(who)
        if wait_s:
            raise GatewayError(
                "TOO_MANY_REQUESTS", f"These credentials made {self.per_minute} requests within a minute. Wait as "
                                     "Retry-After says; send more records a request.", retry_after_s=math.ceil(wait_s))

    def _take(self, who: str, *, pause: bool = False) -> float:
        use, place = self._use(who)
        pause_s = use.pause_s(self.per_minute) if pause and not use.wait_s(self.per_minute) else 0.0
        if pause_s and self._hold_up(pause_s):
            use, place = self._use(who)
        wait_s = use.wait_s(self.per_minute)
        if not wait_s:
            self._count(place)
        return wait_s

    def _hold_up(self, seconds: float) -> bool:
        if not self._places.acquire(blocking=False):
            return False
        try:
            self._sleep(seconds)
        finally:
            self._places.release()
        return True

    def _use(self, who: str) -> tuple[Use, tuple[int, int, int]]:
        """What ``who`` used, and (first slot, mark, window) of the count to raise."""
        window, elapsed_s = divmod(self._clock(), WINDOW_S)
        number = int.from_bytes(hashlib.blake2b(who.encode(), digest_size=8).digest(), "big")
        slot, tag, window = number % _SLOTS, number >> 40, int(window)
        now, before = (sum(self._find(process, slot, _mark(tag, each))[1] for process in range(self._processes))
                       for each in (window, window - 1))
        return Use(now, before, elapsed_s), (slot, _mark(tag, window), window)

    def _find(self, process: int, slot: int, mark: int) -> tuple[int | None, int]:
        """(place, count) of the mark in a process's part; (None, 0) when it is not there."""
        for probe in range(_PROBES):
            place = process * _SLOTS + (slot + probe) % _SLOTS
            cell = self._cells[place]
            if not cell:
                break
            if cell >> _COUNT_BITS == mark:
                return place, cell & _MAX_COUNT
        return None, 0

    def _count(self, where: tuple[int, int, int]) -> None:
        slot, mark, window = where
        with self._lock:
            place, count = self._find(self.own, slot, mark)
            if place is None:
                place = self._free(slot, window)
            self._cells[place] = mark << _COUNT_BITS | min(count + 1, _MAX_COUNT)

    def _free(self, slot: int, window: int) -> int:
        """A place for a new count: one never used, or of a window that is over; else the first one is forgotten."""
        open_ones = {_mark(0, window), _mark(0, window - 1)}
        places = [self.own * _SLOTS + (slot + probe) % _SLOTS for probe in range(_PROBES)]
        for place in places:
            cell = self._cells[place]
            if not cell or (cell >> _COUNT_BITS) % (1 << _WINDOW_BITS) not in open_ones:
                return place
        return places[0]


def _mark(tag: int, window: int) -> int:
    """What a cell says besides its count: whose it is (24 bits), and of which window (16 bits)."""
    return tag << _WINDOW_BITS | window % (1 << _WINDOW_BITS)
