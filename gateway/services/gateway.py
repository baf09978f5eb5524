"""What lives as long as the process: engine, settings, clock, bridges, transport, doorbell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from gateway.clock import Clock, system_clock
from gateway.db import engine as db_engine
from gateway.db.engine import Connection, Engine
from gateway.db.unit import Ring, Unit
from gateway.domain.accounts import Actor
from gateway.domain.diagnosis import FailedEnvelope
from gateway.domain.refusals import Refusal
from gateway.domain.tokens import Keys
from gateway.services.backlog import Backlog
from gateway.services.hitspool import HitSpool
from gateway.services.linktables import LinkTables
from gateway.services.livedesk import LiveDesk
from gateway.services.passwords import Logins
from gateway.services.ratelimits import Rates
from gateway.services.senderturn import SenderTurn
from gateway.services.turns import Turns
from gateway.settings import Settings

__all__ = ["Doorbell", "Gateway", "Ring", "SilentDoorbell", "Unit"]

REFUSALS_KEPT_A_MINUTE = 600


class Doorbell(Protocol):
    """How services wake the background engine without knowing which one it is."""

    def ring(self, rings: Sequence[Ring], connection: Connection | None) -> None:
        """Enqueues the rings; inside ``connection``'s transaction where the engine can."""

    def problem(self) -> str | None:
        """Why the engine could not be woken now, or None."""

    transactional: bool


class SilentDoorbell:
    """Wakes nobody: for processes without background work, whose rows the sweep will find."""

    transactional = False

    def ring(self, rings: Sequence[Ring], connection: Connection | None) -> None:
        """Does nothing."""

    def problem(self) -> str | None:
        """Nothing can be wrong with it."""
        return None


@dataclass(slots=True)
class Gateway:
    """The long-lived object that doors and workers hold; made once in ``app.py``.

    ``stopping`` says whether this process was asked to stop: long work that sees it returns at its next
    safe point, and the sweep of another process finds the rest. ``rates`` counts requests; none is refused by default.
    ``links`` are frozen tables in memory, ``hits`` is the file into which opens and clicks go; ``live`` knows which
    foreign systems are left alone (ID-77).
    ``refusals``, and ``failures`` of brands that keep them, wait to be written, so many of one credential a minute: one
    in an endless loop must not fill the disk.
    """

    settings: Settings
    engine: Engine
    keys: Keys
    clock: Clock = system_clock
    doorbell: Doorbell = field(default_factory=SilentDoorbell)
    stopping: Callable[[], bool] = lambda: False
    logins: Logins = field(default_factory=Logins)
    rates: Rates = field(default_factory=partial(Rates, 0))
    refusals: Backlog[Refusal] = field(default_factory=Backlog)
    failures: Backlog[FailedEnvelope] = field(default_factory=Backlog)
    refusal_rates: Rates = field(default_factory=partial(Rates, REFUSALS_KEPT_A_MINUTE))
    sender: SenderTurn = field(default_factory=SenderTurn)
    turns: Turns = field(default_factory=Turns)
    on_close: list[Callable[[], None]] = field(default_factory=list)
    links: LinkTables = field(default_factory=LinkTables)
    live: LiveDesk = field(default_factory=LiveDesk)
    hits: HitSpool = field(init=False)

    def __post_init__(self) -> None:
        self.hits = HitSpool(self.settings.hits_dir)

    @contextmanager
    def unit(self, actor: Actor, wait_s: float = db_engine.BUSY_TIMEOUT_S) -> Iterator[Unit]:
        """A write transaction: commits on success, rolls back on any error, then rings.

        Raises ``UNAVAILABLE`` when the store is away, or stays busy for ``wait_s``.
        """
        with db_engine.begin(self.engine, wait_s) as connection:
            unit = Unit(connection, actor, self.clock(), self.settings, self.keys, live=self.live)
            try:
                yield unit
                for check in unit.at_end:
                    check()
            except BaseException:
                for undo in unit.if_undone:
                    undo()
                raise
            if unit.rings and self.doorbell.transactional:
                self.doorbell.ring(unit.rings, connection)
        if unit.rings and not self.doorbell.transactional:
            self.doorbell.ring(unit.rings, None)

    @contextmanager
    def reading(self, actor: Actor) -> Iterator[Unit]:
        """A read-only transaction with one consistent snapshot."""
        with db_engine.read(self.engine) as connection:
            yield Unit(connection, actor, self.clock(), self.settings, self.keys, live=self.live)

    @contextmanager
    def feed(self, actor: Actor) -> Iterator[Unit]:
        """A transaction to read pages of a feed in; their upper bound loses no late commit (SOAP-70)."""
        with db_engine.feed(self.engine) as connection:
            yield Unit(connection, actor, self.clock(), self.settings, self.keys, live=self.live)

    def close(self) -> None:
        """Stops what the process started, newest first."""
        self.refusals.stop()
        self.failures.stop()
        while self.on_close:
            self.on_close.pop()()
        self.hits.close()
        self.engine.dispose()
