"""How have the foreign systems answered this process lately, and may they be asked now? (ID-77)"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from gateway.domain.tiers import Breaker

ANSWERED, FAILED, LATE, SKIPPED = "answered", "failed", "late", "skipped"
RESULTS = (ANSWERED, FAILED, LATE, SKIPPED)
"""What became of a batch. ``late``: it had not come back at its deadline; ``skipped``: the system is left alone."""

MAX_CALLS = 8
"""Calls of one system that run in this process, those included that nobody waits for any more."""


class LiveDesk:
    """One for each process, used by all its threads: a breaker for each integration, and how many batches had which
    end. Nothing personal is in it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._breakers: dict[int, Breaker] = {}
        self._calls: Counter[int] = Counter()
        self._results: Counter[str] = Counter()

    @property
    def results(self) -> Mapping[str, int]:
        """How many batches of this process ended how."""
        with self._lock:
            return MappingProxyType({result: self._results[result] for result in RESULTS})

    def enter(self, integration_id: int, now: dt.datetime) -> bool:
        """Whether a batch may go to this system now; then :meth:`left` is called when its call has returned, and
        :meth:`note` when its end is known."""
        with self._lock:
            may = self._calls[integration_id] < MAX_CALLS
            if may:
                breaker, may = self._breakers.get(integration_id, Breaker()).ask(now)
                self._breakers[integration_id] = breaker
            if may:
                self._calls[integration_id] += 1
            else:
                self._results[SKIPPED] += 1
            return may

    def left(self, integration_id: int) -> None:
        """The call has returned, however late."""
        with self._lock:
            self._calls[integration_id] -= 1

    def note(self, integration_id: int, result: str, now: dt.datetime) -> None:
        """A batch that had entered ended so."""
        with self._lock:
            self._results[result] += 1
            breaker = self._breakers.get(integration_id, Breaker())
            self._breakers[integration_id] = breaker.answered() if result == ANSWERED else breaker.failed(now)
