"""What did the foreign system list in this run? A file of its own for one run, so that memory stays flat (ID-69).

The file is scratch: it has no name from the start, so that nothing of it outlives the process, however that
ends; a run that was killed reads the source anew.
"""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from gateway.domain.idset import IdSet
from gateway.errors import GatewayError

_TABLES = """
CREATE TABLE row (seq INTEGER PRIMARY KEY, key TEXT UNIQUE, remote_id TEXT, email TEXT, flag INTEGER, interests TEXT,
                  deleted INTEGER NOT NULL, problem TEXT, copies INTEGER NOT NULL DEFAULT 0,
                  differs INTEGER NOT NULL DEFAULT 0);
CREATE TABLE missing (id INTEGER PRIMARY KEY, key TEXT NOT NULL);
CREATE TABLE neighbour (new_key TEXT NOT NULL, old_key TEXT NOT NULL);
CREATE TABLE at_address (seq INTEGER PRIMARY KEY, email TEXT NOT NULL, kept TEXT);
CREATE INDEX ix_at_address ON at_address (email);
CREATE INDEX ix_keyless ON row (lower(email)) WHERE key IS NULL;
"""
_TOGETHER = """
SELECT one.seq, row.interests FROM at_address AS one JOIN at_address AS other ON other.email = one.email AND
    other.seq <> one.seq JOIN row ON row.seq = other.seq WHERE one.seq BETWEEN :first AND :last
UNION ALL SELECT seq, kept FROM at_address WHERE kept IS NOT NULL AND seq BETWEEN :first AND :last
"""
# The same key again: either the same line once more, or two lines that contradict each other
_ADD = """
INSERT INTO row (key, remote_id, email, flag, interests, deleted, problem) VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (key) DO UPDATE SET copies = copies + 1, differs = differs OR email IS NOT excluded.email
    OR flag IS NOT excluded.flag OR interests IS NOT excluded.interests OR deleted IS NOT excluded.deleted
    OR problem IS NOT excluded.problem
"""
_REPLACEMENTS = """
WITH going AS (SELECT new_key, old_key FROM neighbour
               WHERE old_key IN (SELECT key FROM row WHERE deleted OR email IS NULL)
                  OR (:swept AND old_key IN (SELECT key FROM missing)))
SELECT new_key FROM going WHERE new_key IN (SELECT value FROM json_each(:keys))
UNION SELECT old_key FROM going WHERE old_key IN (SELECT value FROM json_each(:keys))
"""
_BATCH = 1000


class StagedRow(NamedTuple):
    """One person as listed. ``key`` is the normalised remote ID, None where there is none to go by.

    ``copies``: how many further lines had the same key; ``differs``: not all of them said the same.
    ``problem``: (code, message, field) of a row that could not be read. A tuple, for millions are made.
    """

    key: str | None
    remote_id: str | None
    email: str | None
    flag: bool | None
    interests: tuple[str, ...] | None
    deleted: bool
    problem: tuple[str, str, str | None] | None = None
    copies: int = 0
    differs: bool = False
    seq: int = 0


def is_of_a_full_disk(error: BaseException | None) -> bool:
    """Whether this error, or what caused it, is SQLite's word for a disk that takes no more."""
    while error is not None:
        if isinstance(error, sqlite3.Error):
            code = getattr(error, "sqlite_errorcode", 0)  # errors of Python's own have none
            return code & 0xFF in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR)
        error = error.__cause__
    return False


class _Scratch(sqlite3.Connection):
    """Says a full disk in our words, for a run that meets one ends as any other that fails."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        with _full_disk_is_said():
            return super().execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> sqlite3.Cursor:
        with _full_disk_is_said():
            return super().executemany(sql, parameters)


@contextmanager
def _full_disk_is_said() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if not is_of_a_full_disk(error):
            raise
        raise GatewayError("UNAVAILABLE", "The disk of the spool folder is full or failing: what the foreign system "
                                          "lists has no room. Make room, or tell the operator of the gateway.",
                           retry_after_s=60) from error


class Stage:
    """The staged rows of one run, in a nameless file on the disk of ``folder``; gone with :meth:`close`.

    ``links``: the ids of those links whose remote ID is listed, as far as they were looked up. Whatever reads or writes
    raises ``UNAVAILABLE`` where the disk is full.
    """

    def __init__(self, folder: Path) -> None:
        self.links = IdSet()
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(suffix=".stage", dir=folder)
        os.close(handle)
        self._db = sqlite3.connect(name, isolation_level=None, factory=_Scratch)
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("PRAGMA synchronous = OFF")
        Path(name).unlink()
        self._db.executescript(f"BEGIN; {_TABLES}")  # nothing is written yet

    def close(self) -> None:
        """Forgets everything."""
        self._db.close()

    def add(self, rows: Iterable[StagedRow]) -> None:
        """Stages rows; one whose key is there already is noted at the first."""
        self._db.executemany(_ADD, (
            (row.key, row.remote_id, row.email, row.flag, None if row.interests is None else json.dumps(row.interests),
             row.deleted, None if row.problem is None else json.dumps(row.problem)) for row in rows))

    def read_count(self) -> int:
        """How many lines came."""
        return int(self._db.execute("SELECT count(*) + coalesce(sum(copies), 0) FROM row").fetchone()[0])

    def key_count(self) -> int:
        """How many remote IDs were listed."""
        return int(self._db.execute("SELECT count(key) FROM row").fetchone()[0])

    def chunks(self, size: int) -> Iterator[list[StagedRow]]:
        """All rows in the order in which they came, ``size`` at a time."""
        last = 0
        while True:
            found = self._db.execute(
                "SELECT key, remote_id, email, flag, interests, deleted, problem, copies, differs, seq FROM row "
                "WHERE seq > ? ORDER BY seq LIMIT ?", (last, size)).fetchall()
            if not found:
                return
            last = found[-1][-1]
            more = self._together(found[0][-1], last)
            rows = [_row(values) for values in found]
            yield [row._replace(interests=tuple(dict.fromkeys((*(row.interests or ()), *more[row.seq]))))
                   if row.seq in more else row for row in rows] if more else rows

    def add_at_addresses(self, rows: Iterable[tuple[int, str, Sequence[str]]]) -> None:
        """Says that rows (seq, normalised address, more lists) are of one person where their address is the same
        (ID-4): from now on :meth:`chunks` gives each of them the lists of all, and those that are added."""
        self._db.executemany("INSERT OR REPLACE INTO at_address (seq, email, kept) VALUES (?, ?, ?)", (
            (seq, email, json.dumps(list(kept)) if kept else None) for seq, email, kept in rows))

    def _together(self, first: int, last: int) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for seq, names in self._db.execute(_TOGETHER, {"first": first, "last": last}):
            found.setdefault(seq, []).extend(json.loads(names or "[]"))
        return found

    def absent(self, keys: Sequence[str]) -> list[str]:
        """Those of the keys that were not listed."""
        listed: set[str] = set()
        for start in range(0, len(keys), _BATCH):
            part = keys[start:start + _BATCH]
            listed.update(key for (key,) in self._db.execute(
                "SELECT key FROM row WHERE key IN (SELECT value FROM json_each(?))", (json.dumps(part),)))
        return [key for key in keys if key not in listed]

    def keyless(self, emails: Iterable[str]) -> set[str]:
        """Those of the addresses (normalised) that rows without a remote ID have, in whatever case."""
        return {email for (email,) in self._db.execute(
            "SELECT DISTINCT lower(email) FROM row WHERE key IS NULL AND lower(email) IN "
            "(SELECT value FROM json_each(?))", (json.dumps(list(emails)),))}

    def add_missing(self, keys: Iterable[str]) -> None:
        """Notes links whose key was not listed."""
        self._db.executemany("INSERT INTO missing (key) VALUES (?)", ((key,) for key in keys))

    def add_neighbours(self, pairs: Iterable[tuple[str, str]]) -> None:
        """Notes (new, old) remote IDs of one address (ID-29)."""
        self._db.executemany("INSERT INTO neighbour (new_key, old_key) VALUES (?, ?)", pairs)

    def replacements(self, keys: Sequence[str], *, swept: bool) -> set[str]:
        """Those of the keys that are the new or the old one of such a pair whose old one goes in this run: it is
        listed as deleted or without address, or, if it is ``swept``, not listed."""
        found: set[str] = set()
        for start in range(0, len(keys), _BATCH):
            found.update(key for (key,) in self._db.execute(
                _REPLACEMENTS, {"keys": json.dumps(keys[start:start + _BATCH]), "swept": swept}))
        return found

    def missing_count(self) -> int:
        """How many links were not listed."""
        return int(self._db.execute("SELECT count(*) FROM missing").fetchone()[0])

    def missing(self, size: int) -> Iterator[list[str]]:
        """The keys of links that were not listed, ``size`` at a time."""
        last = 0
        while True:
            found = self._db.execute("SELECT id, key FROM missing WHERE id > ? ORDER BY id LIMIT ?",
                                     (last, size)).fetchall()
            if not found:
                return
            last = found[-1][0]
            yield [key for _, key in found]


def _row(values: tuple[Any, ...]) -> StagedRow:
    key, remote_id, email, flag, interests, deleted, problem, copies, differs, seq = values
    return StagedRow(key, remote_id, email, None if flag is None else flag == 1,
                     None if interests is None else tuple(json.loads(interests)), deleted == 1,
                     None if problem is None else tuple(json.loads(problem)), copies, differs == 1, seq)
