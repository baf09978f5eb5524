"""Where do tests get a PostgreSQL from? A private cluster on a Unix socket, started once per test process."""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from tests.support.servers import identity_for

START_TIMEOUT_S = 60.0

OPTIONS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "32MB",
    "fsync": "off",  # the cluster dies with the tests: only its speed matters
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "autovacuum": "off",
    "timezone": "Pacific/Apia",  # a server far from UTC shows every place that forgets the zone
    "log_min_messages": "fatal",
}


MAX_USED_BYTES = 16 * 1024 * 1024
"""A database that has grown beyond this is not emptied but dropped."""

TABLES = """SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
AND relname <> 'alembic_version' AND pg_relation_size(oid) > 0"""

SHAPE = " UNION ALL ".join(
    f"SELECT count(*), sum(xmin::text::bigint) FROM {catalogue}" for catalogue in (
        "pg_class", "pg_attribute", "pg_constraint", "pg_index", "pg_trigger", "pg_proc", "pg_db_role_setting"))
"""How many rows describe the schema, and which transactions wrote them: a test that changes the schema changes this."""


class PostgresMissing(Exception):
    """There are no PostgreSQL server programs on this machine."""


class Cluster:
    """A running server. Databases are cheap: made from a template, dropped by force."""

    def __init__(self, socket_dir: Path) -> None:
        self.socket_dir = socket_dir

    def url(self, database: str) -> str:
        """The SQLAlchemy URL of a database in this cluster."""
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_dir}"

    def execute(self, statement: str) -> None:
        """Runs a statement outside of a transaction in the maintenance database."""
        with psycopg.connect(host=str(self.socket_dir), user="postgres", dbname="postgres", autocommit=True) as db:
            db.execute(statement)

    def create(self, database: str, template: str = "template1") -> str:
        """Makes a database as a copy of a template that nobody is connected to; returns its URL."""
        self.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}"')
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drops a database and ends its connections."""
        self.execute(f'DROP DATABASE IF EXISTS "{database}" WITH (FORCE)')


class Copies:
    """Databases that hold what the template holds, one for each test.

    One is emptied and used again, which takes a tenth of making one; unless its schema was changed, or it grew large.
    """

    def __init__(self, cluster: Cluster, template: str) -> None:
        self._cluster, self._template = cluster, template
        self._spare: list[str] = []
        self._numbers = itertools.count(1)
        self._shape = self._in(template, lambda db: db.execute(SHAPE).fetchall())

    def take(self) -> str:
        """The name of a database like the template."""
        if self._spare:
            return self._spare.pop()
        name = f"gateway_{next(self._numbers)}"
        self._cluster.create(name, self._template)
        return name

    def give_back(self, name: str) -> None:
        """Ends the connections to a database and empties it, or drops it."""
        try:
            fit = self._in(name, self._empty)
        except psycopg.Error:
            fit = False
        if fit:
            self._spare.append(name)
        else:
            self._cluster.drop(name)

    def _empty(self, db: psycopg.Connection) -> bool:
        db.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
                   "WHERE datname = current_database() AND pid <> pg_backend_pid()")
        used = db.execute("SELECT pg_database_size(current_database())").fetchone()
        if used[0] > MAX_USED_BYTES or db.execute(SHAPE).fetchall() != self._shape:
            return False
        db.execute("SET session_replication_role = replica")  # no order of references to keep
        for (table,) in db.execute(TABLES).fetchall():
            db.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
        db.execute("SELECT setval(format('%I.%I', schemaname, sequencename), start_value, false) FROM pg_sequences "
                   "WHERE last_value IS NOT NULL")
        return True

    def _in(self, name: str, do: Callable[[psycopg.Connection], Any]) -> Any:
        with psycopg.connect(host=str(self._cluster.socket_dir), user="postgres", dbname=name, autocommit=True) as db:
            return do(db)


@contextmanager
def cluster(**options: str) -> Iterator[Cluster]:
    """A private cluster in a temporary folder, stopped and removed at the end; ``options`` go before ``OPTIONS``.

    PostgreSQL refuses to run as root, so root hands it to the user ``postgres`` or ``nobody``. Raises
    :class:`PostgresMissing` with the remedy.
    """
    programs, options = find_programs(), OPTIONS | options
    # Not pytest's folder: the path of a socket must be short, and the other user must be able to reach it.
    home = Path(tempfile.mkdtemp(prefix="gw-pg-", dir="/tmp" if os.path.isdir("/tmp") else None))
    identity = identity_for(home, "postgres", PostgresMissing(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as."))
    data = home / "data"
    try:
        subprocess.run(
            [programs / "initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"],
            check=True, stdout=subprocess.DEVNULL, cwd=home, **identity)
        with open(home / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, "-k", home, *(f"--{k}={v}" for k, v in options.items())],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=home, start_new_session=True, **identity)
        try:
            yield _wait_for(server, Cluster(home))
        finally:
            server.send_signal(signal.SIGINT)  # fast shutdown: connections are ended
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def find_programs() -> Path:
    """The folder of ``initdb`` and ``postgres``, newest version first; raises :class:`PostgresMissing`."""
    found = [p.parent for pattern in ("lib/postgresql/*/bin/initdb", "pgsql-*/bin/initdb") for p in
             Path("/usr").glob(pattern)]
    found.sort(key=lambda folder: float("".join(c for c in folder.parent.name if c.isdigit() or c == ".") or 0))
    on_path = shutil.which("initdb")
    if on_path:
        found.insert(0, Path(on_path).resolve().parent)
    for folder in reversed(found):
        if (folder / "postgres").exists():
            return folder
    raise PostgresMissing("The tests need the PostgreSQL server programs (initdb, postgres), which are not here: "
                          "`make test` as root installs them; else `apt-get install postgresql` or the like.")


def _wait_for(server: subprocess.Popen[bytes], found: Cluster) -> Cluster:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            found.execute("SELECT 1")
            return found
        except psycopg.OperationalError:
            if server.poll() is not None or time.monotonic() > deadline:
                print((found.socket_dir / "log").read_text(errors="replace"))
                raise
            time.sleep(0.02)
