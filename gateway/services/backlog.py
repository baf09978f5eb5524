"""How is something written behind the requests' backs, so that an answer waits for no disk and fails for no store?"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")
WAITING = 1000
_BATCH = 200


class Backlog(Generic[T]):
    """Things that wait to be written, and one thread of the process that writes them in batches.

    It is bounded: what finds it full is not taken. The thread starts with the first thing and ends with :meth:`stop`.
    """

    def __init__(self) -> None:
        self._waiting: queue.Queue[T | None] = queue.Queue(WAITING)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, given: T, write: Callable[[list[T]], None]) -> bool:
        """Whether it was taken in; never waits. ``write`` must not raise; it is called with up to 200 things."""
        try:
            self._waiting.put_nowait(given)
        except queue.Full:
            return False
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, args=(write,), name="backlog", daemon=True)
                self._thread.start()
        return True

    def settle(self) -> None:
        """Waits until all that was taken in is written."""
        self._waiting.join()

    def stop(self) -> None:
        """Writes what waits and ends the thread."""
        with self._lock:
            thread, self._thread = self._thread, None
        if thread is not None:
            self._waiting.put(None)
            thread.join()

    def _work(self, write: Callable[[list[T]], None]) -> None:
        ended = False
        while not ended:
            batch = [self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get())
            ended = None in batch
            given = [each for each in batch if each is not None]
            if given:
                write(given)
            for _ in batch:
                self._waiting.task_done()
