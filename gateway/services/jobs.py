"""Where does the embedded job engine keep its messages, and whose turn is a periodic task? (SEND-6)"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.clock import Clock, system_clock
from gateway.db.engine import Connection, Engine, begin, read
from gateway.db.queries import jobs
from gateway.domain.job import Claim, Job, QueueCount

MAX_LOSSES = 5
"""So many workers may die over one message before it is put to the dead."""


@dataclass(frozen=True, slots=True)
class JobStore:
    """The job tables of one database. Every method is one transaction unless it takes a connection.

    Raises :class:`gateway.errors.GatewayError` ``UNAVAILABLE`` when the database stays busy or is gone;
    every method may then be repeated. The clock is the machine's: hosts that share a database must agree
    on the time within a small part of a lease.
    """

    engine: Engine
    clock: Clock = system_clock

    def put(self, job: Job, connection: Connection | None = None) -> None:
        """Keeps a job. With the caller's ``connection`` it exists exactly if the caller's rows do."""
        if connection is not None:
            jobs.put(connection, job)
            return
        with begin(self.engine) as own:
            jobs.put(own, job)

    def put_back(self, claim: Claim, run_at: dt.datetime, body: bytes | None = None) -> bool:
        """Releases a claimed job until ``run_at``; False if the claim is lost."""
        with begin(self.engine) as connection:
            return jobs.put_back(connection, claim, run_at, body)

    def claim(self, queue: str, owner: str, lease_s: float, limit: int) -> list[Claim]:
        """Claims up to ``limit`` due jobs for ``lease_s`` seconds; an idle queue is only read."""
        with read(self.engine) as connection:
            if not jobs.has_due(connection, queue, self.clock()):
                return []
        with begin(self.engine) as connection:
            now = self.clock()
            jobs.bury_lost(connection, queue, now, MAX_LOSSES)
            return jobs.claim(connection, queue, owner, now, now + dt.timedelta(seconds=lease_s), limit)

    def extend(self, claims: Sequence[Claim], lease_s: float) -> None:
        """Lets the leases end ``lease_s`` seconds from now; lost claims stay lost."""
        with begin(self.engine) as connection:
            jobs.extend(connection, claims, self.clock() + dt.timedelta(seconds=lease_s))

    def ack(self, claim: Claim) -> bool:
        """Ends a job that is done; False if the claim is lost or the job waits for a retry."""
        with begin(self.engine) as connection:
            return jobs.remove(connection, claim)

    def bury(self, claim: Claim, reason: str, body: bytes) -> bool:
        """Moves a job that was given up to the dead; False if the claim is lost."""
        with begin(self.engine) as connection:
            return jobs.bury(connection, claim, self.clock(), reason, body)

    def flush(self, queue: str) -> None:
        """Drops every waiting and claimed job of a queue."""
        with begin(self.engine) as connection:
            jobs.flush(connection, queue)

    def counts(self) -> dict[str, QueueCount]:
        """How full each queue is."""
        with read(self.engine) as connection:
            return jobs.counts(connection)

    @contextmanager
    def turn(self, name: str, every_s: float) -> Iterator[Connection | None]:
        """Gives a connection to the one process whose turn the periodic task is, None to all others.

        The turn is taken by the commit at the end of the block: an error inside it leaves the turn to the
        next caller.
        """
        with read(self.engine) as connection:
            due = jobs.is_due(connection, name, self.clock())
        if not due:
            yield None
            return
        with begin(self.engine) as connection:
            now = self.clock()
            mine = jobs.take_turn(connection, name, now, now + dt.timedelta(seconds=every_s))
            yield connection if mine else None

    def last_turn(self, name: str) -> dt.datetime | None:
        """When any process last rang the periodic task: the sign of life that ``/readyz`` looks at."""
        with read(self.engine) as connection:
            return jobs.last_turn(connection, name)
