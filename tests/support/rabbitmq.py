"""Where do tests get a RabbitMQ from? A private node on loopback with its own port mapper, stopped at the end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.waiting import wait_for

START_TIMEOUT_S = 90.0


class RabbitmqMissing(Exception):
    """There is no RabbitMQ server on this machine."""


@contextmanager
def node() -> Iterator[str]:
    """Runs a private node; gives its ``amqp://`` URL. Raises :class:`RabbitmqMissing` with the remedy."""
    program = _find_server()
    home = Path(tempfile.mkdtemp(prefix="gw-mq-"))
    amqp, distribution, mapper = _free_ports(3)
    (home / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{amqp}\n")
    (home / "plugins").write_text("[].\n")
    environ = {
        **os.environ, "HOME": str(home), "ERL_EPMD_PORT": str(mapper), "ERL_EPMD_ADDRESS": "127.0.0.1",
        "RABBITMQ_NODENAME": f"gw{amqp}@localhost", "RABBITMQ_DIST_PORT": str(distribution),
        "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq"), "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "plugins"),
        "RABBITMQ_MNESIA_BASE": str(home / "mnesia"), "RABBITMQ_LOG_BASE": str(home / "log"),
        "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none",
    }
    try:
        # The port mapper is ours alone, so it can be ended by its id; Erlang would leave its own one running.
        epmd = subprocess.Popen(["epmd"], env=environ, stdin=subprocess.DEVNULL, cwd=home)
        with open(home / "out", "wb") as out:
            server = subprocess.Popen([program], env=environ, cwd=home, stdout=out, stderr=out,
                                      stdin=subprocess.DEVNULL, start_new_session=True)
        try:
            wait_for(lambda: server.poll() is not None or _listens(amqp), "RabbitMQ", START_TIMEOUT_S)
            assert server.poll() is None, (home / "out").read_text(errors="replace")
            yield f"amqp://guest:guest@127.0.0.1:{amqp}/"
        finally:
            os.killpg(server.pid, signal.SIGKILL)  # its data dies with the tests
            server.wait()
            epmd.terminate()
            epmd.wait()
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _find_server() -> str:
    # Not the wrapper in sbin: as root it changes to the user rabbitmq, who may not write our folder.
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    program = str(found[-1]) if found else shutil.which("rabbitmq-server")
    if program is None:
        raise RabbitmqMissing("The tests need a RabbitMQ server, which is not here: `make test` as root installs it; "
                              "else `apt-get install rabbitmq-server` or the like.")
    return program


def _free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def _listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
