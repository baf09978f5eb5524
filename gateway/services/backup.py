"""How is everything kept in one file that is known to come back? (operator.md: ``gateway backup``)"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import uuid
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from gateway import __version__
from gateway.clock import Clock, instant
from gateway.db import engine as db
from gateway.db import migrate
from gateway.db.engine import create_engine
from gateway.db.queries import backup as queries
from gateway.db.queries.backup import PART_BYTES, Table
from gateway.errors import GatewayError
from gateway.services import archive as archives
from gateway.services.archive import FORMAT, KEY_FILE, MANIFEST, SPOOL, SQLITE_FILE, Manifest
from gateway.settings import Settings


def backup(settings: Settings, path: Path, clock: Clock, *, with_key: bool = False) -> Manifest:
    """Writes everything to ``path``, restores it on trial, and compares; the gateway may run meanwhile.

    Under its name the file is there whole and verified, or not at all. ``with_key`` puts the secret key in, too.
    Raises ``STATE_CONFLICT`` when the trial does not give what was read, ``UNAVAILABLE``, or ``OSError``.
    """
    _refuse_place(path)
    unfinished = path.with_name(path.name + ".unfinished")
    with _alone(unfinished) as descriptor, _scratch(path.with_name(path.name + ".scratch")) as scratch:
        manifest = _write(settings, descriptor, clock, with_key, scratch)
        _try(settings, unfinished, manifest, scratch)
        os.fsync(descriptor)
        os.replace(unfinished, path)
        _sync_folder(path.parent)
    return manifest


def _refuse_place(path: Path) -> None:
    """A slip of the pen must not cost another file, such as the database itself."""
    if path.exists() and not (path.is_file() and (path.stat().st_size == 0 or archives.is_backup(path))):
        raise GatewayError("STATE_CONFLICT", f"{path} is there and no backup of the gateway: give another name.")
    if not path.parent.is_dir():
        raise GatewayError("INVALID_VALUE", f"There is no folder {path.parent}: make it first.")


@contextlib.contextmanager
def _alone(unfinished: Path) -> Iterator[int]:
    """The open unfinished file, empty, which nobody else writes to; in the end it is not there any more."""
    descriptor = os.open(unfinished, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.path.samestat(os.fstat(descriptor), os.stat(unfinished))
        except (BlockingIOError, FileNotFoundError):
            is_ours = False
        if not is_ours:
            raise GatewayError("STATE_CONFLICT", "Another backup is being written to the same file.")
        try:
            os.fchmod(descriptor, 0o600)  # people's addresses will be in it
            os.ftruncate(descriptor, 0)
            yield descriptor
        finally:
            unfinished.unlink(missing_ok=True)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    """An empty folder for copies of the database; a backup that was killed left some."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Writer:
    """An archive that is being written, and the hashes of what went in."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self.archive, self.members = archive, dict[str, str]()

    def add(self, name: str, parts: Iterable[bytes]) -> None:
        digest = hashlib.sha256()
        with self.archive.open(name, "w", force_zip64=True) as out:
            for part in parts:
                digest.update(part)
                out.write(part)
        self.members[name] = digest.hexdigest()


def _write(settings: Settings, descriptor: int, clock: Clock, with_key: bool, scratch: Path) -> Manifest:
    engine = create_engine(settings.database_url)
    try:
        with os.fdopen(descriptor, "w+b", closefd=False) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED,
                                                                   compresslevel=3) as archive:
            writer = _Writer(archive)
            _add_spool(writer, settings)
            source = db.sqlite_file(settings.database_url)
            if source is not None:
                tables, sequences = _add_sqlite(writer, source, scratch), {}
            else:
                with db.read(engine) as connection:
                    tables, sequences = queries.tables(connection), queries.sequences(connection)
                    for table in tables:
                        writer.add(archives.member(table), queries.copy_out(connection, table))
            _add_spool(writer, settings)  # what came meanwhile
            if with_key:
                writer.add(KEY_FILE, [settings.secret_key])
            manifest = Manifest(FORMAT, __version__, instant(clock()), engine.dialect.name, migrate.head() or "",
                                archives.key_mark(settings.secret_key), tuple(tables), sequences, writer.members)
            archive.writestr(MANIFEST, json.dumps(asdict(manifest), indent=1))
        return manifest
    finally:
        engine.dispose()


def _add_sqlite(writer: _Writer, source: Path, scratch: Path) -> list[Table]:
    copy = scratch / "copy.db"
    queries.copy_sqlite(source, copy)
    with archives.reading(copy) as connection:
        tables = queries.tables(connection)
    with copy.open("rb") as file:
        writer.add(SQLITE_FILE, iter(lambda: file.read(PART_BYTES), b""))
    copy.unlink()
    return tables


def _add_spool(writer: _Writer, settings: Settings) -> None:
    """Bodies of imports that wait; one that is done meanwhile is gone, and nobody wants it."""
    for path in sorted(settings.spool_dir.glob("*")) if settings.spool_dir.is_dir() else []:
        if SPOOL + path.name in writer.members or path.suffix == ".part" or not path.is_file():
            continue
        with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
            writer.add(SPOOL + path.name, iter(lambda file=file: file.read(PART_BYTES), b""))


def _try(settings: Settings, path: Path, manifest: Manifest, scratch: Path) -> None:
    """Restores the archive beside the real database, and compares what is there then with what was read."""
    with archives.opened(path) as archive:
        archives.check_members(archive, manifest)
        if manifest.engine == "sqlite":
            trial_copy = scratch / "trial.db"
            archives.extract(archive, SQLITE_FILE, trial_copy)
            with archives.reading(trial_copy) as connection:
                archives.compare(connection, manifest)
            return
        engine = create_engine(settings.database_url)
        try:
            with engine.connect() as connection, connection.begin() as trial:
                queries.use_schema(connection, f"gateway_trial_{uuid.uuid4().hex[:12]}")
                archives.load(connection, archive, manifest)
                for table in manifest.tables:
                    digest = hashlib.sha256()
                    for part in queries.copy_out(connection, table):
                        digest.update(part)
                    if digest.hexdigest() != manifest.members[archives.member(table)]:
                        raise archives.differs(f"table {table.name}")
                trial.rollback()
        finally:
            engine.dispose()


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
