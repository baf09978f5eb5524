"""What is one piece of work: one transaction of one actor at one moment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection

from gateway.domain.accounts import Actor
from gateway.domain.tokens import Keys
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Ring:
    """A wake-up for the background engine: the tables are the truth, this only says "look now" (SEND-6)."""

    task: str
    args: tuple[int | str, ...] = ()
    delay_s: float = 0.0


@dataclass(slots=True)
class Unit:
    """One transaction. Made by ``gateway.unit(actor)``, which commits on success and rolls back on error.

    ``now`` is taken after the transaction began, so rows stamped with it never look older than their
    transaction (SOAP-70). ``rings`` leave with the commit and are dropped by a rollback. ``at_end`` is called before
    the commit, for rules about all that a unit does together: one that raises undoes it. ``if_undone`` is called when
    what is done in the unit raises: for files, which no rollback removes. ``live``: the gateway's ``LiveDesk``, which
    asks foreign systems while a message is shown; None: nobody is asked.
    """

    connection: Connection
    actor: Actor
    now: dt.datetime
    settings: Settings
    keys: Keys
    rings: list[Ring] = field(default_factory=list)
    at_end: list[Callable[[], object]] = field(default_factory=list)
    if_undone: list[Callable[[], object]] = field(default_factory=list)
    live: Any = None

    @property
    def brand_id(self) -> int:
        """The brand whose rows this unit may see and change."""
        return self.actor.brand_id

    def ring(self, task: str, *args: int | str, delay_s: float = 0.0) -> None:
        """Asks the background engine to run ``task`` once this unit is committed; harmless if repeated."""
        self.rings.append(Ring(task, args, delay_s))
