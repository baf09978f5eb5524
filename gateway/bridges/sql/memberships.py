"""Which interests is each person in, when a query of its own lists them?"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

from gateway.bridges import rows
from gateway.bridges.port import Refused

_ASKED = 500


class Shelf:
    """The memberships of a reading, put down in a temporary file of SQLite as soon as they are many.

    No order of the rows is needed, and they are read before the members: some databases answer one query at a time.
    """

    def __init__(self) -> None:
        self._file = sqlite3.connect("", check_same_thread=False)
        self._file.execute("CREATE TABLE kept (remote_id TEXT, interest TEXT)")

    def put(self, names: Sequence[str], batches: Iterable[Sequence[Sequence[object]]]) -> None:
        """Takes rows with the columns ``remote_id`` and ``interest``. Raises :class:`Refused` if they have none."""
        for name in ("remote_id", "interest"):
            if name not in names:
                raise Refused(f"The query memberships has no column {name}. Name it so: SELECT ... AS {name}.")
        key, interest = names.index("remote_id"), names.index("interest")
        for batch in batches:
            self._file.executemany("INSERT INTO kept VALUES (?, ?)", (
                ((rows.text(row[key]) or "").strip(), rows.text(row[interest])) for row in batch
                if row[key] is not None and row[interest] is not None))
        self._file.execute("CREATE INDEX kept_by_remote_id ON kept (remote_id)")

    def interests(self, remote_ids: Sequence[str]) -> dict[str, list[str]]:
        """remote ID -> interests; who is in none is absent."""
        found: dict[str, list[str]] = {}
        for start in range(0, len(remote_ids), _ASKED):
            asked = remote_ids[start:start + _ASKED]
            marks = ",".join("?" * len(asked))
            for remote_id, interest in self._file.execute(
                    f"SELECT remote_id, interest FROM kept WHERE remote_id IN ({marks}) ORDER BY rowid",  # noqa: S608
                    asked):
                found.setdefault(remote_id, []).append(interest)
        return found

    def close(self) -> None:
        """Deletes what was put down."""
        self._file.close()
