"""Where does a click lead when the store cannot be asked? The frozen links of instances, in memory (SEND-46..47)."""

from __future__ import annotations

import threading
from collections import OrderedDict

Table = tuple[str, ...]


class LinkTables:
    """The tables used last, up to ``most_urls`` in all. A table is frozen, so what is here is never wrong."""

    def __init__(self, most_urls: int = 200_000) -> None:
        self.most_urls = most_urls
        self._tables: OrderedDict[tuple[int, int], Table] = OrderedDict()
        self._urls = 0
        self._lock = threading.Lock()

    def get(self, brand_id: int, instance_id: int) -> Table | None:
        """The instance's URLs by number, or None if they are not in memory."""
        with self._lock:
            table = self._tables.get((brand_id, instance_id))
            if table is not None:
                self._tables.move_to_end((brand_id, instance_id))
            return table

    def put(self, brand_id: int, instance_id: int, table: Table) -> None:
        """Keeps a table; those that nobody asked for longest make room."""
        with self._lock:
            if (brand_id, instance_id) in self._tables:
                return
            self._tables[brand_id, instance_id] = table
            self._urls += len(table) + 1
            while self._urls > self.most_urls and len(self._tables) > 1:
                self._urls -= len(self._tables.popitem(last=False)[1]) + 1

    def has(self, brand_id: int, instance_id: int) -> bool:
        """Whether the table is in memory; no use of it."""
        return (brand_id, instance_id) in self._tables
