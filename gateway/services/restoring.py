"""How does a backup come back, as a whole or not at all, and so that nobody is mailed twice? (SEND-25)"""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass
from pathlib import Path

from gateway.clock import Clock
from gateway.db import engine as db
from gateway.db import migrate
from gateway.db.engine import Connection, create_engine
from gateway.db.queries import backup as queries
from gateway.db.queries import instances
from gateway.db.unit import Unit
from gateway.domain import mailing as states
from gateway.domain.accounts import system_actor
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError
from gateway.mail import journal
from gateway.services import archive as archives
from gateway.services import lifecycle
from gateway.services.archive import KEY_FILE, SPOOL, SQLITE_FILE, Manifest
from gateway.services.recovery import JOURNALS
from gateway.settings import Settings


@dataclass(frozen=True, slots=True)
class Restored:
    """What a restore did: instances that it paused, deliveries that it holds in doubt, those that a journal tells."""

    manifest: Manifest
    paused: int
    in_doubt: int
    told: int


def restore(settings: Settings, path: Path, clock: Clock, *, force: bool = False) -> Restored:
    """Puts the archive in the place of the installation's database, as a whole or not at all.

    What may have been mailed since is held (SEND-25). Nothing else may run on the database. Raises ``INVALID_VALUE``
    for a file that is no whole backup, ``STATE_CONFLICT`` when the secret key is another, the database is in use, or
    (without ``force``) holds something.
    """
    with archives.opened(path) as archive:
        manifest = archives.read_manifest(archive)
        archives.check_members(archive, manifest)
        if manifest.key not in map(archives.key_mark, (settings.secret_key, *settings.old_secret_keys)):
            raise GatewayError("STATE_CONFLICT", "The backup goes with another secret key: put that one into "
                                                 "secret.key of the data folder, or into GATEWAY_SECRET_KEY.")
        if not migrate.is_known(manifest.revision):
            raise GatewayError("STATE_CONFLICT", f"The backup was made by gateway {manifest.version}, which is newer: "
                                                 "install that version.")
        file = db.sqlite_file(settings.database_url)
        kind = "sqlite" if file is not None else "postgresql"
        if manifest.engine != kind:
            raise GatewayError("STATE_CONFLICT", f"The backup is of {manifest.engine}, the installation is on {kind}.")
        if file is not None:
            return _restore_sqlite(archive, manifest, settings, file, clock, force)
        return _restore_postgresql(archive, manifest, settings, clock, force)


def keep_key(settings: Settings) -> None:
    """Writes the settings' secret key into the data folder, unless there is one."""
    path = settings.data_dir / KEY_FILE
    if not path.exists():
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
            out.write(settings.secret_key + b"\n")


def key_of(path: Path) -> str | None:
    """The secret key that an archive carries, if it was made with it."""
    with archives.opened(path) as archive:
        return archive.read(KEY_FILE).decode("ascii") if KEY_FILE in archive.namelist() else None


def _restore_sqlite(archive: zipfile.ZipFile, manifest: Manifest, settings: Settings, target: Path, clock: Clock,
                    force: bool) -> Restored:
    if target.exists() and not force:
        _refuse_used_file(target)
    queries.require_alone(target)  # said before hours of work, and again at the end
    fresh = target.with_name(target.name + ".restoring")
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh.unlink(missing_ok=True)
    queries.remove_companions(fresh)  # of a restore that was killed
    try:
        archives.extract(archive, SQLITE_FILE, fresh)
        engine = create_engine(f"sqlite:///{fresh}")
        try:
            with db.read(engine) as connection:
                archives.compare(connection, manifest)
            migrate.upgrade(engine)
            with db.begin(engine) as connection:
                done = _hold_back(connection, manifest, settings, clock)
        finally:
            engine.dispose()
        _restore_spool(archive, settings)
        queries.replace_sqlite(fresh, target)
    finally:
        fresh.unlink(missing_ok=True)
        queries.remove_companions(fresh)
    return done


def _restore_postgresql(archive: zipfile.ZipFile, manifest: Manifest, settings: Settings, clock: Clock,
                        force: bool) -> Restored:
    engine = create_engine(settings.database_url)
    try:
        with db.begin(engine) as connection:
            _refuse_used(connection, force)
            if queries.foreign_revision(connection, migrate.is_known):
                raise GatewayError("STATE_CONFLICT", "The database holds tables of another program, or of a newer "
                                                     "gateway: restore into an empty database.")
            if queries.others(connection):
                raise _in_use()
            queries.drop_ours(connection)
            archives.load(connection, archive, manifest)
            migrate.upgrade_within(connection)
            done = _hold_back(connection, manifest, settings, clock)
            _restore_spool(archive, settings)
        return done
    finally:
        engine.dispose()


def _hold_back(connection: Connection, manifest: Manifest, settings: Settings, clock: Clock) -> Restored:
    """What may have been mailed since the backup is paused and in doubt; what a journal tells is left to recovery."""
    now, told, senders = clock(), 0, []
    queries.skip_numbers(connection)
    for dead in journal.abandoned(settings.data_dir / JOURNALS):
        senders.append(dead.sender)
        attempts = {delivery_id: fate.attempt for delivery_id, fate in dead.fates().rows.items()}
        told += queries.hand_to_journal(connection, dead.sender, attempts, now)
    found = queries.unfinished(connection, now)
    for brand_id, instance_id in found:
        unit = Unit(connection, system_actor(brand_id, "cli"), now, settings, Keys.from_secret(settings.secret_key))
        instance = instances.get(connection, brand_id, instance_id, lock=True)
        if instance is not None:
            lifecycle.pause(unit, instance, "restore", reason=states.RESTORED)
    number = queries.doubt(connection, [instance_id for _, instance_id in found], now, senders)
    return Restored(manifest, len(found), number, told)


def _restore_spool(archive: zipfile.ZipFile, settings: Settings) -> None:
    names = [name for name in archive.namelist() if name.startswith(SPOOL)]
    settings.spool_dir.mkdir(parents=True, exist_ok=True)
    for name in names:
        place = settings.spool_dir / Path(name).name
        if not place.exists():
            archives.extract(archive, name, place)


def _refuse_used(connection: Connection, force: bool) -> None:
    if not force and queries.is_used(connection):
        raise GatewayError("STATE_CONFLICT", "The database is not empty. Restore into a new installation, or give "
                                             "--force: what the gateway has in it now is lost.")


def _refuse_used_file(path: Path) -> None:
    if queries.is_damaged(path):
        raise GatewayError("STATE_CONFLICT", "The database that is there now is damaged. To put the backup in its "
                                             "place, give --force.")
    with archives.reading(path) as connection:
        _refuse_used(connection, False)


def _in_use() -> GatewayError:
    return GatewayError("STATE_CONFLICT", "Other programs are connected to the database: stop all of the gateway's "
                                          "processes first.")
