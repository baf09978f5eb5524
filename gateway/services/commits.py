"""How do connections that work at the same time share the wait for the disk? (SEND-12)"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from gateway.db.unit import Unit
from gateway.domain.accounts import Actor
from gateway.errors import GatewayError
from gateway.services.gateway import Gateway


@dataclass(slots=True)
class _Piece:
    """One caller's work; ``error`` is what it ends with, None when it is durable."""

    work: Callable[[Unit], None]
    done: bool = False
    error: BaseException | None = None


class Commits:
    """Write transactions of one actor that callers in several threads share where the store has one writer (SQLite).

    Whoever comes while a commit is on its way to the disk waits for the next one, together with all others who wait:
    one wait for the disk then serves them all. PostgreSQL does that by itself, and rows that two callers lock in one
    transaction could block a third, so there each has a transaction of its own.
    """

    def __init__(self, gateway: Gateway, actor: Actor) -> None:
        self._gateway, self._actor = gateway, actor
        self._shares = gateway.engine.dialect.name == "sqlite"
        self._turn = threading.Lock()
        self._waiting: deque[_Piece] = deque()

    def run(self, work: Callable[[Unit], None]) -> None:
        """Does ``work`` in a transaction that is durable when this returns.

        ``work`` must be repeatable: when a shared transaction fails, each piece gets one of its own, so that nobody
        pays for another's error. Raises what ``work`` raises, and ``UNAVAILABLE`` as ``Gateway.unit``.
        """
        if not self._shares:
            with self._gateway.unit(self._actor) as unit:
                work(unit)
            return
        piece = _Piece(work)
        self._waiting.append(piece)
        with self._turn:
            if not piece.done:
                self._commit([self._waiting.popleft() for _ in range(len(self._waiting))])
        if piece.error is not None:
            raise piece.error

    def _commit(self, pieces: list[_Piece]) -> None:
        """One transaction for all; every piece is done afterwards, well or with its error."""
        try:
            with self._gateway.unit(self._actor) as unit:
                for piece in pieces:
                    piece.work(unit)
        except BaseException as error:
            store_is_away = isinstance(error, GatewayError) and error.retryable
            if len(pieces) > 1 and isinstance(error, Exception) and not store_is_away:
                for piece in pieces:
                    self._commit([piece])
                return
            for piece in pieces:
                piece.error = error
        for piece in pieces:
            piece.done = True
