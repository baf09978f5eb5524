"""How is something tried on all that is stored in a SQLite database, while nobody waits for it? (ID-71)"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import sqlalchemy as sa

from gateway.db import engine as db
from gateway.db.engine import Engine
from gateway.db.models.subscribers import cached_value
from gateway.db.queries.staging import is_of_a_full_disk
from gateway.errors import GatewayError

RESERVE_BYTES = 128 * 1024**2
"""So much of the disk is left to the installation itself."""

_PAGES_AT_ONCE = 10_000

_FORMAT_VERSIONS, _CHANGE_COUNTER = 18, 24
"""Places in the header of a SQLite file (https://sqlite.org/fileformat2.html#the_database_header)."""


@contextmanager
def private_copy(engine: Engine, folder: Path) -> Iterator[Engine]:
    """The database as it is at this moment, to be written at will: an engine with one connection.

    Others read and write the database meanwhile. The copy is a file of ``folder`` that only we may read and that has no
    name, nor has any file beside it, so that nothing of it outlives the process, however that ends. Values that are
    kept for mailings (ID-77) are not in it. Raises ``UNAVAILABLE`` when there is no room for it, also while it grows or
    while others take the room: what is free is looked at again for each transaction.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(suffix=".copy", dir=folder)
    try:
        with closing(sqlite3.connect(name, isolation_level=None)) as copy:
            Path(name).unlink()
            _fill(engine, copy, handle, folder)
            made = db.engine_on(copy)
            sa.event.listen(made, "begin", lambda _connection: _require_room(folder))
            try:
                yield made
            finally:
                made.dispose()
    except (sqlite3.OperationalError, GatewayError) as error:
        if not is_of_a_full_disk(error):
            raise
        raise _no_room() from error
    finally:
        Path(name).unlink(missing_ok=True)
        os.close(handle)


def _fill(engine: Engine, copy: sqlite3.Connection, handle: int, folder: Path) -> None:
    for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-8000"):
        copy.execute(f"PRAGMA {pragma}")
    with db.read(engine) as connection:
        pages, page_bytes = (connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                             for name in ("page_count", "page_size"))
        room = (shutil.disk_usage(folder).free - RESERVE_BYTES) // page_bytes
        if pages > room:
            raise _no_room(pages * page_bytes)
        copy.execute(f"PRAGMA max_page_count={room}")  # growing beyond that ends as a full disk does
        # in parts, but of one snapshot: the transaction keeps it, whatever others write between two of them
        connection.connection.driver_connection.backup(  # type: ignore[union-attr]
            copy, pages=_PAGES_AT_ONCE, progress=lambda *_: _require_room(folder))
    # What was copied says that it has a write-ahead log, which would be a file with a name. Nobody has a page of it in
    # hand, and the counter tells SQLite that the file was changed behind its back.
    os.pwrite(handle, b"\x01\x01", _FORMAT_VERSIONS)
    counter = int.from_bytes(os.pread(handle, 4, _CHANGE_COUNTER), "big")
    os.pwrite(handle, ((counter + 1) % 2**32).to_bytes(4, "big"), _CHANGE_COUNTER)
    copy.execute("PRAGMA secure_delete=ON")
    copy.execute(str(sa.delete(cached_value)))
    copy.execute("PRAGMA secure_delete=OFF")


def _require_room(folder: Path) -> None:
    if shutil.disk_usage(folder).free < RESERVE_BYTES:
        raise _no_room()


def _no_room(size_bytes: int | None = None) -> GatewayError:
    needed = "" if size_bytes is None else f" of {size_bytes // 1024**2 + 1} MiB"
    return GatewayError("UNAVAILABLE", f"The disk of the data folder has no room for a copy{needed} of the database, "
                                       f"on which this is tried, beside {RESERVE_BYTES // 1024**2} MiB that stay "
                                       "free; nothing was done. Make room, or tell the operator of the gateway.",
                        retry_after_s=60)
