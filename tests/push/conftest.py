"""Fixtures of the PUSH door: a world with two brands, its application, and callers with keys."""

from __future__ import annotations

import functools
import json

import pytest

from gateway.domain.accounts import SCOPES, system_actor
from gateway.push.answers import BASE
from gateway.push.app import make_app
from gateway.services import accounts, uploads
from tests.support.contract import Contract
from tests.support.shared import application
from tests.support.world import World


class Caller:
    """A client of the door with a key of its own. Every answer is checked to be as the OpenAPI document says."""

    def __init__(self, app, key, contract):
        self.client = app.test_client()
        self.key = key
        self.contract = contract

    def __call__(self, method, path, *, headers=None, content_type="application/json", **options):
        if "json" in options:
            options["data"] = json.dumps(options.pop("json"))
        sent = {"X-Api-Key": self.key} if self.key else {}
        sent |= headers or {}
        if "data" in options:
            options["content_type"] = content_type
        answer = self.client.open(path, method=method, headers=sent, **options)
        if method != "HEAD" and answer.mimetype != "text/csv":
            assert answer.mimetype == "application/json", (answer.status, answer.data)
            body = json.loads(answer.data)
            assert answer.headers["X-Request-Id"] == body.get("requestId", answer.headers["X-Request-Id"])
            assert answer.status_code < 400 or set(body) >= {"success", "count", "errorMessage", "code", "retryable"}
            self.contract.check(method, path, answer)
        return answer

    def get(self, path, **options):
        return self("GET", path, **options)

    def post(self, path, **options):
        return self("POST", path, **options)


@functools.cache
def contract_of(app):
    """The promises of an application."""
    return Contract(app, BASE)


class Door:
    """The application over a world of brands 1 and 2."""

    def __init__(self, world):
        self.world = world
        self.gateway = world.gateway
        self.app = application(make_app, world.gateway)
        self.contract = contract_of(self.app)

    def key(self, *scopes, brand_id=1, integration="api"):
        self.world.integration(integration, brand_id=brand_id)
        with self.gateway.unit(system_actor(brand_id)) as unit:
            return accounts.add_key(unit, integration, scopes or SCOPES)[1]

    def caller(self, *scopes, brand_id=1, integration="api"):
        return Caller(self.app, self.key(*scopes, brand_id=brand_id, integration=integration),
                      self.contract)

    def stranger(self):
        return Caller(self.app, "", self.contract)

    def work(self):
        """Runs the background work on imports that is due, as the worker would."""
        while pieces := uploads.due(self.gateway):
            for brand_id, upload_id in pieces:
                uploads.run_import(self.gateway, brand_id, upload_id)

    def count(self, table):
        """How many rows a table has."""
        with self.gateway.engine.connect() as connection:
            return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()


@pytest.fixture
def door(sqlite_url, tmp_path):
    """The door on a fresh SQLite database: what differs between databases is tested below the services."""
    with World(sqlite_url, data_dir=tmp_path / "data", brands=(1, 2)) as world:
        yield Door(world)


@pytest.fixture
def call(door):
    """A caller of brand 1 with every scope."""
    return door.caller()


@pytest.fixture
def other(door):
    """A caller of brand 2 with every scope."""
    return door.caller(brand_id=2)
