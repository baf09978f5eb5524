"""How many threads of a process may wait for foreign systems that do not answer? (ID-61)"""

from __future__ import annotations

import threading

Who = tuple[int, int]
"""Brand and integration."""


class Turns:
    """The turns that a process gives to foreign systems: at most ``most`` at once, one each, and one of those that
    are down. So systems that hang never hold all threads, and those that were found down hold one at most.

    Who is refused is remembered, and told to whoever ends a turn: nobody waits in a thread. Used from all threads.
    """

    def __init__(self, most: int = 2) -> None:
        self.most = most
        self._lock = threading.Lock()
        self._running: dict[Who, bool] = {}
        self._refused: dict[Who, None] = {}

    def begin(self, who: Who, is_down: bool) -> bool:
        """Whether it is ``who``'s turn now; then :meth:`end` has to follow. ``is_down``: it is only probed."""
        with self._lock:
            if who in self._running or len(self._running) >= self.most or (is_down and any(self._running.values())):
                self._refused[who] = None
                return False
            self._running[who] = is_down
            return True

    def end(self, who: Who) -> list[Who]:
        """Ends a turn; answers who was refused meanwhile, to be rung for again."""
        with self._lock:
            del self._running[who]
            refused, self._refused = list(self._refused), {}
            return refused
