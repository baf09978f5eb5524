"""What would happen if? Real work in a transaction that is always rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gateway.db.queries import locks
from gateway.domain.accounts import Actor
from gateway.services.gateway import Gateway, Unit

WAIT_S = 2.0


class _Undo(Exception):
    """Rolls a rehearsal back; it never leaves this module."""


@contextmanager
def rehearse(gateway: Gateway, actor: Actor) -> Iterator[Unit]:
    """A write transaction for ``actor`` of which nothing is kept: no row, no ring.

    It waits ``WAIT_S`` for others who write; then it raises ``UNAVAILABLE``, for a question must not queue behind an
    import of hours. What the block raises leaves it.
    """
    try:
        with gateway.unit(actor, WAIT_S) as unit:
            locks.wait_at_most(unit.connection, WAIT_S)
            yield unit
            raise _Undo
    except _Undo:
        return


@contextmanager
def undone(unit: Unit) -> Iterator[None]:
    """A part of a transaction of which nothing is kept, whether the block ends well or raises."""
    savepoint = unit.connection.begin_nested()
    try:
        yield
    finally:
        savepoint.rollback()
