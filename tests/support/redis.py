"""Where do tests get a Redis from? A private server on loopback that keeps nothing, stopped at the end."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_for

START_TIMEOUT_S = 30.0


class RedisMissing(Exception):
    """There is no Redis server on this machine."""


@contextmanager
def server() -> Iterator[str]:
    """Runs a private server; gives its ``redis://`` URL. Raises :class:`RedisMissing` with the remedy."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if program is None:
        raise RedisMissing("The tests need a Redis server, which is not here: `make test` as root installs it; "
                           "else `apt-get install redis-server` or the like.")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    home = Path(tempfile.mkdtemp(prefix="gw-redis-"))
    try:
        with open(home / "out", "wb") as out:
            running = subprocess.Popen(
                [program, "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly", "no",
                 "--dir", str(home)], cwd=home, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
        try:
            wait_for(lambda: running.poll() is not None or _answers(port), "Redis", START_TIMEOUT_S)
            assert running.poll() is None, (home / "out").read_text(errors="replace")
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            running.kill()  # its data dies with the tests
            running.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), 1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(7) == b"+PONG\r\n"
    except OSError:
        return False
