"""What does this process hold, who keeps its leases alive, and what wakes its idle consumers?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable

from gateway import log as gateway_log
from gateway.domain.job import Claim
from gateway.services.jobs import JobStore

log = logging.getLogger("gateway.worker")


class Bell:
    """Wakes the waiting consumers of this process; the generation remembers a ring that came before the wait."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self.generation = 0

    def ring(self) -> None:
        """Wakes everybody."""
        with self._condition:
            self.generation += 1
            self._condition.notify_all()

    def wait(self, generation: int, timeout_s: float) -> None:
        """Returns when the bell has rung since ``generation`` was read, or after ``timeout_s`` seconds."""
        with self._condition:
            self._condition.wait_for(lambda: self.generation != generation, timeout_s)


class Hold:
    """The claims of this process, and a thread that extends them three times a lease until they are settled."""

    def __init__(self, store: JobStore, lease_s: float) -> None:
        self.store = store
        self.lease_s = lease_s
        self._condition = threading.Condition()
        self._claims: dict[str, dict[tuple[int, int], Claim]] = {}
        self._consumers = 0
        self._stopped = False
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """One consumer more; the first one starts the heartbeat."""
        with self._condition:
            self._consumers += 1
            self._stopped = False
            if self._thread is None:
                self._thread = threading.Thread(target=self._beat, name="job-heartbeat", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """One consumer less; when no consumer and no claim is left the heartbeat ends by itself."""
        with self._condition:
            self._consumers -= 1
            self._condition.notify_all()

    def stop(self) -> None:
        """Ends the heartbeat now, whatever is held, and waits for its thread."""
        with self._condition:
            self._stopped = True
            self._condition.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def add(self, queue_name: str, claims: Iterable[Claim]) -> None:
        """Takes claims under the heartbeat."""
        with self._condition:
            self._claims.setdefault(queue_name, {}).update({(c.id, c.claims): c for c in claims})

    def drop(self, queue_name: str, claim: Claim) -> None:
        """Lets a claim go; doing it again changes nothing."""
        with self._condition:
            self._claims.get(queue_name, {}).pop((claim.id, claim.claims), None)
            self._condition.notify_all()

    def count(self, queue_name: str) -> int:
        """How many messages of the queue this process has claimed and not settled."""
        with self._condition:
            return len(self._claims.get(queue_name, ()))

    def is_beating(self) -> bool:
        """Whether the heartbeat's thread runs."""
        with self._condition:
            return self._thread is not None

    def _over(self) -> bool:
        return self._stopped or (self._consumers <= 0 and not any(self._claims.values()))

    def _beat(self) -> None:
        while True:
            with self._condition:
                if self._condition.wait_for(self._over, self.lease_s / 3):
                    self._thread = None
                    return
                held = [claim for claims in self._claims.values() for claim in claims.values()]
            if not held:
                continue
            try:
                self.store.extend(held, self.lease_s)
            except Exception:  # the heartbeat must outlive a database that is away; the next beat tries again
                gateway_log.event(log, "job heartbeat failed", level=logging.WARNING, held=len(held), exc_info=True)
