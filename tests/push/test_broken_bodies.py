"""A body that breaks off changes nothing, whatever the route (PUSH-11, PUSH-74)."""

import json
import re
import socket
import threading

import pytest
import waitress
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gateway.domain.accounts import SCOPES, system_actor
from gateway.services import accounts
from tests.support.face import stop
from tests.support.faces import COMMITTED, faces_of, nowhere
from tests.support.world import World

DOCUMENT = json.loads(COMMITTED.read_text(encoding="utf-8"))
ROUTES = [(method.upper(), path, next(iter(described["requestBody"]["content"])))
          for path, methods in DOCUMENT["paths"].items() for method, described in methods.items()
          if "requestBody" in described]
BODY = b'[{"remoteId": "1", "email": "a@example.org"}, {"remoteId": "2", "email": "b@example.org"}]'


@pytest.fixture(scope="module")
def place(sqlite_template, tmp_path_factory):
    """Both faces behind a real server: (port, key, world)."""
    folder = tmp_path_factory.mktemp("broken")
    path = folder / "gateway.db"
    path.write_bytes(sqlite_template.read_bytes())
    with World(f"sqlite:///{path}", data_dir=folder / "data") as world:
        with world.gateway.unit(system_actor(1)) as unit:
            key = accounts.add_key(unit, "api", SCOPES)[1]
        app = DispatcherMiddleware(nowhere, {base: face.wsgi_app for base, face in faces_of(world.gateway).items()})
        sock = socket.create_server(("127.0.0.1", 0))
        server = waitress.create_server(app, sockets=[sock], threads=2)
        thread = threading.Thread(target=server.run, daemon=True)
        thread.start()
        yield sock.getsockname()[1], key, world
        stop(server, thread)


def contents(world):
    """Everything that is stored, but for the error log; and the files."""
    with world.gateway.engine.connect() as connection:
        names = [row[0] for row in connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('refusal', 'sqlite_sequence')")]
        rows = {name: connection.exec_driver_sql(f'SELECT * FROM "{name}"').fetchall() for name in names}
    folder = world.settings.spool_dir
    return rows, sorted(each.name for each in folder.iterdir()) if folder.is_dir() else []


@pytest.mark.parametrize(("method", "path", "media_type"), ROUTES, ids=lambda each: each.replace("/", " "))
def test_half_a_body_changes_nothing(place, method, path, media_type):
    """PUSH-11: with a length that is not reached, in chunks without end, and in JSON whose end is missing."""
    port, key, world = place
    before = contents(world)
    head = "\r\n".join([
        f"{method} {re.sub(r'{jobId}', 'j-1', re.sub(r'{(?!jobId)[^}]+}', '1', path))} HTTP/1.1", "Host: x",
        f"X-Api-Key: {key}", f"Content-Type: {media_type}", "Idempotency-Key: half", ""]).encode()
    for framing, body in ((f"Content-Length: {len(BODY) * 2}\r\n\r\n".encode(), BODY),
                          (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b\r\n" % (len(BODY), BODY)),
                          (b"Transfer-Encoding: chunked\r\n\r\n", b"%x\r\n%b" % (len(BODY) * 2, BODY))):
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
            wire.sendall(head + framing + body)
    if media_type.endswith("json"):  # in a file each row stands for itself, and where it ends the file ends
        with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
            wire.sendall(head + b"Connection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY) - 10, BODY[:-10]))
            answer = wire.makefile("rb").read()
        assert answer.startswith(b"HTTP/1.1 400"), answer
    with socket.create_connection(("127.0.0.1", port), timeout=20) as wire:
        wire.sendall(b"GET /push/v1/health HTTP/1.0\r\n\r\n")
        assert wire.makefile("rb").read().startswith(b"HTTP/1.0 200")
    assert contents(world) == before
