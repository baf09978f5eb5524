"""Where do tests get a MariaDB from? A private server on a Unix socket, started once per test process."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pymysql

from tests.support.servers import identity_for

START_TIMEOUT_S = 60.0
OPTIONS = {
    "skip-networking": "1",
    "innodb-buffer-pool-size": "16M",
    "innodb-log-file-size": "8M",
    "innodb-flush-log-at-trx-commit": "0",  # the server dies with the tests: only its speed matters
    "innodb-flush-method": "nosync",
    "innodb-fast-shutdown": "2",
    "aria-pagecache-buffer-size": "8M",
    "aria-log-file-size": "8M",
    "performance-schema": "0",
    "log-bin-trust-function-creators": "1",
    "character-set-server": "latin1",  # an old server shows every place that forgets what its texts are made of
    "collation-server": "latin1_swedish_ci",
    "default-time-zone": "+13:00",  # one far from UTC shows every place that forgets the zone
    "sql-mode": "",
    "max-connections": "60",
}


class MariadbMissing(Exception):
    """There are no MariaDB server programs on this machine."""


class Server:
    """A running server; its owner comes in through the socket without a password."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket

    def url(self, database: str, user: str = "root") -> str:
        """The SQLAlchemy URL of a database."""
        return f"mariadb+pymysql://{user}@/{database}?unix_socket={self.socket}"

    def execute(self, statement: str) -> None:
        """Runs a statement as the server's owner."""
        with pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True) as db, db.cursor() as cursor:
            cursor.execute(statement)

    def hang_up(self, database: str) -> None:
        """Ends all connections to a database."""
        with pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True) as db, db.cursor() as cursor:
            cursor.execute("SELECT id FROM information_schema.processlist WHERE db = %s", (database,))
            for (number,) in cursor.fetchall():
                cursor.execute(f"KILL {int(number)}")

    def create(self, database: str) -> str:
        """Makes an empty database, in Unicode; returns its URL."""
        self.execute(f"CREATE DATABASE `{database}` CHARACTER SET utf8mb4")
        return self.url(database)


@contextmanager
def server() -> Iterator[Server]:
    """A private server in a temporary folder, stopped and removed at the end.

    MariaDB refuses to run as root, so root hands it to the user ``mysql`` or ``nobody``. Raises
    :class:`MariadbMissing` with the remedy.
    """
    install, program = _find("mariadb-install-db", "mysql_install_db"), _find("mariadbd", "mysqld")
    # Not pytest's folder: the path of a socket must be short, and the other user must be able to reach it.
    home = Path(tempfile.mkdtemp(prefix="gw-my-", dir="/tmp" if os.path.isdir("/tmp") else None))
    identity = identity_for(home, "mysql", MariadbMissing(
        "MariaDB does not run as root, and there is no user mysql or nobody to run it as."))
    data = home / "data"
    options = [f"--{name}={value}" for name, value in OPTIONS.items()]
    try:
        subprocess.run([install, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
                        "--skip-test-db", "--skip-name-resolve", *options],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=home, **identity)
        with open(home / "log", "wb") as log:
            running = subprocess.Popen(
                [program, "--no-defaults", f"--datadir={data}", f"--socket={home / 's'}", f"--pid-file={home / 'pid'}",
                 f"--tmpdir={home}", *options],
                stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=home, start_new_session=True, **identity)
        try:
            yield _wait_for(running, Server(home / "s"), home / "log")
        finally:
            running.terminate()
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _find(*names: str) -> str:
    for name in names:
        found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/bin:/usr/libexec")
        if found:
            return found
    raise MariadbMissing("The tests need the MariaDB server programs (mariadbd, mariadb-install-db), which are not "
                         "here: `make test` as root installs them; else `apt-get install mariadb-server` or the like.")


def _wait_for(running: subprocess.Popen[bytes], found: Server, log: Path) -> Server:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.socket(socket.AF_UNIX) as probe:  # the driver leaves its own open where nobody listens yet
                probe.connect(str(found.socket))
            found.execute("SELECT 1")
            return found
        except (OSError, pymysql.err.OperationalError):
            if running.poll() is not None or time.monotonic() > deadline:
                print(log.read_text(errors="replace"))
                raise
            time.sleep(0.02)
