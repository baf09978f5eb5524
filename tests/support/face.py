"""How does a test talk to the doors over real HTTP? A server on a free port of 127.0.0.1, and callers with keys."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from types import SimpleNamespace
from typing import Any

import waitress
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from gateway.domain.accounts import SCOPES, system_actor
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.push import shapes
from gateway.services import accounts, subscribers
from tests.support.contract import URL, Contract
from tests.support.faces import faces_of, nowhere


@dataclass(frozen=True)
class Answer:
    """What came back: the status, the headers in lower case, the JSON value."""

    status: int
    headers: dict[str, str]
    json: Any


@contextmanager
def served(application, threads=4):
    """The application on a free port of 127.0.0.1; yields the port."""
    sock = socket.create_server(("127.0.0.1", 0))
    server = waitress.create_server(application, sockets=[sock], threads=threads, channel_timeout=120)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        stop(server, thread)


def stop(server, thread):
    """Ends a waitress server and the thread in which its loop runs: when the last channel is gone."""
    with suppress(OSError):  # the loop may be awake, close and be gone before this has written to its pipe
        server.trigger.pull_trigger(server.close)  # in the loop's own thread
    thread.join(20)
    server.task_dispatcher.shutdown()


def push_doors(gateway):
    """Both faces of PUSH at their addresses, as one WSGI application."""
    return DispatcherMiddleware(nowhere, faces_of(gateway))


@cache
def contract():
    """What the OpenAPI document promises of /v2; made once, for its routes need no gateway to be described."""
    faces = faces_of(SimpleNamespace(settings=SimpleNamespace(public_url=URL)))
    return Contract(faces["/v2"], "/v2", faces)


class Caller:
    """A program with a key of its own and one kept connection.

    Every answer is checked to be JSON with its id, and of /v2 to be as the OpenAPI document says.
    """

    def __init__(self, house, key, brand_id=1, integration="ams"):
        self.house, self.key, self.brand_id, self.integration = house, key, brand_id, integration
        self.connection = http.client.HTTPConnection("127.0.0.1", house.port, timeout=30)

    def __call__(self, method, path, body=None, headers=None):
        sent = {"ApiKey": self.key} if self.key else {}
        self.connection.request(method, path, body, {**sent, **(headers or {})})
        answer = self.connection.getresponse()
        data = answer.read()
        given = {name.lower(): value for name, value in answer.getheaders()}
        assert given["content-type"] == "application/json", (answer.status, data[:500])
        value = json.loads(data) if data else None
        if value is not None:
            assert given["x-request-id"] == value["requestId"]
        self._check(method, path, answer.status, given, data)
        return Answer(answer.status, given, value)

    def _check(self, method, path, status, headers, data):
        responses = self.house.contract.responses(method, path.removeprefix("/v2").lower()) \
            if path.startswith("/v2/") else None
        if responses is not None:
            named = {name.title(): value for name, value in headers.items()}
            self.house.contract.check_raw(f"{method} {path}", responses, status, headers["content-type"], named, data)

    def push(self, path, value, **headers):
        """Posts JSON."""
        return self("POST", path, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})

    def contacts(self, *elements):
        """Posts people to the compatible face."""
        return self.push("/v2/contactinfo", list(elements))

    def lists(self, *elements):
        """Posts lists to the compatible face."""
        return self.push("/v2/list", list(elements))

    def person(self, remote_id):
        """What the native face shows of a person; None when nobody has the remote ID."""
        try:
            with self.house.world.reading(self.house.world.actor(self.integration, brand_id=self.brand_id)) as unit:
                return shapes.subscriber(subscribers.get(unit, Identifier(remote_id=remote_id)))
        except GatewayError as error:
            assert error.code == "NOT_FOUND", error
            return None

    def fields(self, remote_id):
        """Name -> value of a person's fields."""
        return {each["name"]: each["value"] for each in self.person(remote_id)["fields"]}

    def interests(self, remote_id):
        """Names of the interests in which a person has an open membership."""
        return sorted({each["name"] for each in self.person(remote_id)["interests"] if "until" not in each})

    def close(self):
        """Hangs up."""
        self.connection.close()


class Installation:
    """A served world of brands; makes callers."""

    def __init__(self, world, port):
        self.world, self.gateway, self.port = world, world.gateway, port
        self.callers = []
        self.contract = contract()

    def key(self, *scopes, brand_id=1, integration="ams"):
        """A new API key."""
        with self.gateway.unit(system_actor(brand_id)) as unit:
            return accounts.add_key(unit, integration, scopes or SCOPES)[1]

    def caller(self, *scopes, brand_id=1, integration="ams"):
        """A caller with a new key."""
        return self.caller_with(self.key(*scopes, brand_id=brand_id, integration=integration), brand_id, integration)

    def caller_with(self, key, brand_id=1, integration="ams"):
        """A caller with this key, or with none."""
        self.callers.append(Caller(self, key, brand_id, integration))
        return self.callers[-1]

    def rows(self, *tables):
        """Every row of these tables, to be compared later."""
        with self.gateway.engine.connect() as connection:
            return {table: [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY 1, 2, 3")]
                    for table in tables}

    def count(self, table):
        """How many rows a table has."""
        with self.gateway.engine.connect() as connection:
            return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()

    def close(self):
        """Hangs up for all callers."""
        for caller in self.callers:
            caller.close()
