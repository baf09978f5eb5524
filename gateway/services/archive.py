"""What does a backup file look like inside, and is it whole? (operator.md: backup, restore)

A ZIP archive whose ``manifest.json`` is written last: what is in it, how many rows, which SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.db import engine as db
from gateway.db import migrate
from gateway.db.engine import Connection, create_engine
from gateway.db.queries import backup as queries
from gateway.db.queries.backup import PART_BYTES, Table
from gateway.errors import GatewayError

FORMAT = 1
MANIFEST, SQLITE_FILE, KEY_FILE, SPOOL = "manifest.json", "gateway.db", "secret.key", "spool/"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an archive holds. ``members``: name -> SHA-256; ``key``: which secret key it goes with, by a keyed hash."""

    format: int
    version: str
    made_at: str
    engine: str
    revision: str
    key: str
    tables: tuple[Table, ...]
    sequences: dict[str, int]
    members: dict[str, str]

    @property
    def rows(self) -> int:
        """How many rows there are in all tables together."""
        return sum(table.rows for table in self.tables)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except zipfile.BadZipFile as error:
        raise _not_whole() from error


def is_backup(path: Path) -> bool:
    """Whether the file is one of ours."""
    try:
        with zipfile.ZipFile(path) as archive:
            return MANIFEST in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def read_manifest(archive: zipfile.ZipFile) -> Manifest:
    """What an archive says that it holds; raises ``INVALID_VALUE``."""
    try:
        told = json.loads(archive.read(MANIFEST))
        if told["format"] != FORMAT:
            raise GatewayError("INVALID_VALUE", f"The backup has format {told['format']}; this version reads {FORMAT}.")
        listed = tuple(Table(row["name"], tuple(row["columns"]), row["rows"]) for row in told.pop("tables"))
        return Manifest(tables=listed, **told)
    except (KeyError, TypeError, ValueError) as error:
        raise _not_whole() from error


def check_members(archive: zipfile.ZipFile, manifest: Manifest) -> None:
    for name, wanted in manifest.members.items():
        digest = hashlib.sha256()
        try:
            for part in parts(archive, name):
                digest.update(part)
        except KeyError as error:
            raise _not_whole() from error
        if digest.hexdigest() != wanted:
            raise _not_whole()


def parts(archive: zipfile.ZipFile, name: str) -> Iterator[bytes]:
    with archive.open(name) as file:
        while part := file.read(PART_BYTES):
            yield part


def extract(archive: zipfile.ZipFile, name: str, place: Path) -> None:
    with open(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
        for part in parts(archive, name):
            out.write(part)
        out.flush()
        os.fsync(out.fileno())


def member(table: Table) -> str:
    return f"tables/{table.name}.copy"


def key_mark(secret: bytes) -> str:
    return hmac.new(secret, b"gateway backup", hashlib.sha256).hexdigest()


@contextlib.contextmanager
def reading(path: Path) -> Iterator[Connection]:
    engine = create_engine(f"sqlite:///{path}")
    try:
        with db.read(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def compare(connection: Connection, manifest: Manifest) -> None:
    wrong = [f"table {table.name}" for table in manifest.tables if queries.count(connection, table) != table.rows]
    wrong += queries.problems(connection)
    if wrong:
        raise differs(", ".join(wrong))


def load(connection: Connection, archive: zipfile.ZipFile, manifest: Manifest) -> None:
    """PostgreSQL: the schema of the backup and its rows, in the caller's transaction."""
    migrate.upgrade_within(connection, manifest.revision)
    for table in manifest.tables:
        queries.copy_in(connection, table, parts(archive, member(table)))
        if queries.count(connection, table) != table.rows:
            raise differs(f"table {table.name}")
    queries.set_sequences(connection, manifest.sequences)  # the migrations to come may add rows


def differs(what: str) -> GatewayError:
    return GatewayError("STATE_CONFLICT", f"Restored on trial, the backup is not what was read: {what}. "
                                          "No file was left; try again, and look at the disk.")


def _not_whole() -> GatewayError:
    return GatewayError("INVALID_VALUE", "The file is no whole backup of the gateway; nothing was changed.")
